-- The two ways to sign in SQL that need no extension of this kind, each with its best effort:
-- text that needs no encoding is left alone, and nothing is done twice.
CREATE EXTENSION IF NOT EXISTS pgcrypto;
CREATE EXTENSION IF NOT EXISTS plpython3u;

CREATE OR REPLACE FUNCTION peer_encode(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    special text;
BEGIN
    IF value !~ '[^A-Za-z0-9._~-]' THEN
        RETURN value;
    END IF;
    value := replace(value, '%', '%25');
    FOR special IN SELECT DISTINCT m[1] FROM regexp_matches(value, '[^A-Za-z0-9._~%-]', 'g') AS m LOOP
        value := replace(value, special, regexp_replace(upper(encode(convert_to(special, 'UTF8'), 'hex')), '(..)', '%\1', 'g'));
    END LOOP;
    RETURN value;
END $$;

CREATE OR REPLACE FUNCTION peer_decode(value text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    escape text;
BEGIN
    IF value !~ '[%+]' THEN
        RETURN value;
    END IF;
    value := replace(value, '+', ' ');
    FOR escape IN SELECT DISTINCT m[1] FROM regexp_matches(value, '((?:%[0-9A-Fa-f]{2})+)', 'g') AS m LOOP
        value := replace(value, escape, convert_from(decode(replace(escape, '%', ''), 'hex'), 'UTF8'));
    END LOOP;
    RETURN value;
END $$;

CREATE OR REPLACE FUNCTION peer_pgcrypto(http_method text, url text, params jsonb, consumer_secret text, token_secret text)
RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    normalized text;
BEGIN
    SELECT string_agg(name || '=' || value, '&' ORDER BY name COLLATE "C", value COLLATE "C") INTO normalized
    FROM (SELECT peer_encode(key) AS name, peer_encode(value) AS value FROM jsonb_each_text(params)
          UNION ALL
          SELECT peer_encode(peer_decode(split_part(pair, '=', 1))), peer_encode(peer_decode(split_part(pair, '=', 2)))
          FROM string_to_table(split_part(url, '?', 2), '&') AS pair) AS pairs;
    RETURN encode(hmac(upper(http_method) || '&' || peer_encode(split_part(url, '?', 1)) || '&' || peer_encode(normalized),
                       peer_encode(consumer_secret) || '&' || peer_encode(token_secret), 'sha256'), 'base64');
END $$;

CREATE OR REPLACE FUNCTION peer_oauthlib(http_method text, url text, params jsonb, consumer_secret text, token_secret text)
RETURNS text LANGUAGE plpython3u IMMUTABLE STRICT AS $$
if 'signature' not in SD:
    import json
    import types
    import urllib.parse
    from oauthlib.oauth1.rfc5849 import signature
    SD.update(json=json, types=types, parse=urllib.parse, signature=signature)
oauth = SD['signature']
found = oauth.collect_parameters(uri_query=SD['parse'].urlparse(url).query)
found += SD['json'].loads(params).items()
text = oauth.signature_base_string(http_method, oauth.base_string_uri(url), oauth.normalize_parameters(found))
who = SD['types'].SimpleNamespace(client_secret=consumer_secret, resource_owner_secret=token_secret)
return oauth.sign_hmac_sha256_with_client(text, who)
$$;
