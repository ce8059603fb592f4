-- RSA: private keys in PKCS#1 and PKCS#8, public keys in SPKI, PKCS#1 and X.509
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS oauth1;
RESET client_min_messages;
\encoding UTF8

-- What a statement fails with: SQLSTATE, message, detail and hint.
CREATE FUNCTION pg_temp.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text; ignored text;
BEGIN
    EXECUTE statement INTO ignored;
    RETURN 'no error: ' || coalesce(ignored, 'NULL');
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- test/keys, by file name
\getenv srcdir PG_ABS_SRCDIR
\set read 'cat ' :srcdir '/test/keys/'
CREATE TEMP TABLE key (name text PRIMARY KEY, pem text);
\set command :read 'rsa_pkcs1.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_pkcs1', :'pem');
\set command :read 'rsa_pkcs8.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_pkcs8', :'pem');
\set command :read 'rsa_public_spki.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_public_spki', :'pem');
\set command :read 'rsa_public_pkcs1.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_public_pkcs1', :'pem');
\set command :read 'rsa_certificate.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_certificate', :'pem');
\set command :read 'rsa_encrypted.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_encrypted', :'pem');
\set command :read 'rsa_512.pem'
\set pem `:command`
INSERT INTO key VALUES ('rsa_512', :'pem');
\set command :read 'other_pkcs8.pem'
\set pem `:command`
INSERT INTO key VALUES ('other_pkcs8', :'pem');
\set command :read 'other_public_spki.pem'
\set pem `:command`
INSERT INTO key VALUES ('other_public_spki', :'pem');
\set command :read 'ec_pkcs8.pem'
\set pem `:command`
INSERT INTO key VALUES ('ec_pkcs8', :'pem');
\set command :read 'ec_public_spki.pem'
\set pem `:command`
INSERT INTO key VALUES ('ec_public_spki', :'pem');
\set command :read 'oauth_testcases.pem'
\set pem `:command`
INSERT INTO key VALUES ('oauth_testcases', :'pem');
SELECT name, length(pem) > 100 AS read FROM key ORDER BY name COLLATE "C";

-- the published example (wiki.oauth.net/TestCases, 9.3; "vacaction" is its own spelling)
SELECT oauth1.signature('GET', 'http://photos.example.net/photos',
    '{"file": "vacaction.jpg", "size": "original", "oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_nonce": "13917289812797014437",
      "oauth_signature_method": "RSA-SHA1", "oauth_timestamp": "1196666512", "oauth_version": "1.0"}', pem, '', 'RSA-SHA1')
  = 'jvTp/wX1TYtByB1m+Pbyo0lnCOLIsyGCH7wke8AUs3BpnwZJtAuEJkvQL2/9n4s5wUmUl4aCI4BwpraNx4RtEXMe5qg5T1LVTGliMRpKasKsW//e+RinhejgCuzoH26dyF8iY2ZZ/5D1ilgeijhV/vBka5twt399mXwaYdCwFYE=' AS published
FROM key WHERE name = 'oauth_testcases';

-- both forms of one private key sign alike; a token secret is no part of it (3.4.3)
CREATE TEMP TABLE signed AS
SELECT m, oauth1.signature('GET', 'http://example.com/?a=1', '{"b": "ü"}', pem, t, m) AS signature, k.name, t
FROM unnest(ARRAY['RSA-SHA1', 'RSA-SHA256', 'RSA-SHA512']::oauth1.signature_method[]) m, key k, unnest(ARRAY['', 'secret']) t
WHERE k.name IN ('rsa_pkcs1', 'rsa_pkcs8');
SELECT m, count(*), count(DISTINCT signature), min(length(signature)) FROM signed GROUP BY m ORDER BY m;
SELECT DISTINCT ON (m) m, signature FROM signed ORDER BY m;
-- each form of the public key says so, another key and another method do not
SELECT m, k.name, bool_and(oauth1.signature_matches('GET', 'http://example.com/?a=1', '{"b": "ü"}', signature, pem, t, m)) AS matches,
       bool_or(oauth1.signature_matches('GET', 'http://example.com/?a=2', '{"b": "ü"}', signature, pem, t, m)) AS another_request
FROM signed, key k WHERE k.name IN ('rsa_public_spki', 'rsa_public_pkcs1', 'rsa_certificate', 'other_public_spki')
GROUP BY m, k.name ORDER BY m, k.name COLLATE "C";
SELECT DISTINCT m, other, oauth1.signature_matches('GET', 'http://example.com/?a=1', '{"b": "ü"}', signature, pem, '', other) AS matches
FROM signed, key k, unnest(ARRAY['RSA-SHA1', 'RSA-SHA256', 'RSA-SHA512']::oauth1.signature_method[]) other
WHERE k.name = 'rsa_certificate' ORDER BY m, other;
-- an unusable signature is false
SELECT left(v, 20), oauth1.signature_matches('GET', 'http://example.com/', '{}', v, pem, '', 'RSA-SHA256')
FROM key, (VALUES (''), ('='), ('AAAA'), ('not base64!'), (repeat('A', 342) || '==')) AS t(v) WHERE name = 'rsa_public_spki' ORDER BY length(v), v COLLATE "C";
-- a key stays with its row: two keys in turn at one call site
SELECT count(DISTINCT signature), bool_and(matches) FROM (
    SELECT s.signature, oauth1.signature_matches('GET', 'http://example.com/', '{}', s.signature, p.pem, '', 'RSA-SHA256') AS matches
    FROM generate_series(1, 3) i, (VALUES ('rsa_pkcs8', 'rsa_public_spki'), ('other_pkcs8', 'other_public_spki')) AS v(private, public)
    JOIN key k ON k.name = private JOIN key p ON p.name = public,
    LATERAL (SELECT oauth1.signature('GET', 'http://example.com/', '{}', k.pem, '', 'RSA-SHA256')) AS s(signature)) AS rows;
-- a PEM among other text, with the line ends of other systems, without a last newline
SELECT oauth1.signature('GET', 'http://example.com/', '{}', v, '', 'RSA-SHA1') = oauth1.signature('GET', 'http://example.com/', '{}', pem, '', 'RSA-SHA1') AS same
FROM key, LATERAL (VALUES (replace(pem, E'\n', E'\r\n')), (E'Bag Attributes: none\n' || pem), (rtrim(pem, E'\n'))) AS t(v) WHERE name = 'rsa_pkcs8';

-- header and parameters
SELECT oauth1.signature_matches('GET', 'http://example.com/', p - 'oauth_signature', p->>'oauth_signature', public.pem, '', 'RSA-SHA256') AS matches,
       p->>'oauth_body_hash' = oauth1.body_hash('', 'RSA-SHA256') AS hash
FROM key k, key public, LATERAL oauth1.oauth_parameters('GET', 'http://example.com/', 'k', k.pem, signature_method => 'RSA-SHA256', body => '') p
WHERE k.name = 'rsa_pkcs1' AND public.name = 'rsa_certificate';

-- keys that cannot be used: OA001, and no word of the key
SELECT name, pg_temp.error_of(format('SELECT length(oauth1.signature(''GET'', ''http://example.com/'', ''{}'', %L, '''', ''RSA-SHA256''))', pem))
FROM (TABLE key UNION ALL VALUES ('empty', ''), ('text', 'secret'), ('cut', E'-----BEGIN PRIVATE KEY-----\nMIIC\n'),
    ('no key', E'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')) AS keys ORDER BY name COLLATE "C";
SELECT name, pg_temp.error_of(format('SELECT oauth1.signature_matches(''GET'', ''http://example.com/'', ''{}'', '''', %L, '''', ''RSA-SHA256'')', pem))
FROM (TABLE key UNION ALL VALUES ('empty', ''), ('text', 'secret'), ('no key', E'-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')) AS keys
ORDER BY name COLLATE "C";
SELECT pg_temp.error_of(format('SELECT oauth1.signature(''GET'', ''http://example.com/'', ''{}'', %L, '''', ''RSA-SHA512'')', repeat('x', 1048576)));
-- after an error the next call works
SELECT oauth1.signature('GET', 'http://example.com/', '{}', 's');
