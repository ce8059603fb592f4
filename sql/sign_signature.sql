-- normalize_parameters, signature_base_string, signature, body_hash: published examples, step by step
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

-- RFC 5849, 3.4.1.1 to 3.4.1.3.2: one request in all its steps. Its body is a form.
SELECT '{"oauth_consumer_key": "9djdj82h48djs9d2", "oauth_token": "kkk9d7dh3k39sjv7",
         "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "137131201", "oauth_nonce": "7d8f3e4a",
         "realm": "Example", "oauth_signature": "bYT5CMsGcbgUdFHObYMEfcx6bsw="}'::jsonb
       || oauth1.form_decode('c2&a3=2+q') AS params,
       'http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b' AS url \gset
SELECT oauth1.base_string_uri(:'url');
SELECT oauth1.normalize_parameters(:'url', :'params')
     = 'a2=r%20b&a3=2%20q&a3=a&b5=%3D%253D&c%40=&c2=&oauth_consumer_key=9djdj82h48djs9d2&oauth_nonce=7d8f3e4a'
       '&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131201&oauth_token=kkk9d7dh3k39sjv7' AS normalized;
SELECT oauth1.signature_base_string('post', :'url', :'params')
     = 'POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D'
       '%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1'
       '%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7' AS base_string;
-- RFC 5849's erratum 2550 corrects the signature
SELECT oauth1.signature('POST', :'url', :'params', 'j49sk3j29djd', 'dh893hdasih9', 'HMAC-SHA1');

-- Whole requests: normalized parameters, base string and signature, each as published.
CREATE TEMP TABLE example (
    source text, http_method text, url text, params jsonb, consumer_secret text, token_secret text,
    method oauth1.signature_method, normalized text, base_string text, signature text);
INSERT INTO example VALUES
('RFC 5849, 1.2, temporary credentials', 'POST', 'https://photos.example.net/initiate',
 '{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "137131200",
   "oauth_nonce": "wIjqoS", "oauth_callback": "http://printer.example.com/ready", "realm": "Photos"}',
 'kd94hf93k423kf44', '', 'HMAC-SHA1', NULL, NULL, '74KNZJeDHnMBp0EMJ9ZHt/XKycU='),
('RFC 5849, 1.2, token credentials', 'POST', 'https://photos.example.net/token',
 '{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "hh5s93j4hdidpola", "oauth_signature_method": "HMAC-SHA1",
   "oauth_timestamp": "137131201", "oauth_nonce": "walatlh", "oauth_verifier": "hfdp7dh39dks9884", "realm": "Photos"}',
 'kd94hf93k423kf44', 'hdhd0244k9j7ao03', 'HMAC-SHA1', NULL, NULL, 'gKgrFCywp7rO0OXSjdot/IHF7IU='),
('RFC 5849, 1.2, the resource', 'GET', 'http://photos.example.net/photos?file=vacation.jpg&size=original',
 '{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "nnch734d00sl2jdk", "oauth_signature_method": "HMAC-SHA1",
   "oauth_timestamp": "137131202", "oauth_nonce": "chapoH", "realm": "Photos"}',
 'kd94hf93k423kf44', 'pfkkdhi9sl3r4s00', 'HMAC-SHA1', NULL, NULL, 'MdpQcU8iPSUjWoN/UDMsK2sui9I='),
('OAuth Core 1.0a, A.5', 'GET', 'http://photos.example.net/photos',
 '{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "nnch734d00sl2jdk", "oauth_signature_method": "HMAC-SHA1",
   "oauth_timestamp": "1191242096", "oauth_nonce": "kllo9940pd9333jh", "oauth_version": "1.0", "file": "vacation.jpg",
   "size": "original"}',
 'kd94hf93k423kf44', 'pfkkdhi9sl3r4s00', 'HMAC-SHA1',
 'file=vacation.jpg&oauth_consumer_key=dpf43f3p2l4k3l03&oauth_nonce=kllo9940pd9333jh&oauth_signature_method=HMAC-SHA1&oauth_timestamp=1191242096&oauth_token=nnch734d00sl2jdk&oauth_version=1.0&size=original',
 'GET&http%3A%2F%2Fphotos.example.net%2Fphotos&file%3Dvacation.jpg%26oauth_consumer_key%3Ddpf43f3p2l4k3l03%26oauth_nonce%3Dkllo9940pd9333jh%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1191242096%26oauth_token%3Dnnch734d00sl2jdk%26oauth_version%3D1.0%26size%3Doriginal',
 'tR3+Ty81lMeYAr/Fid0kMTYa/WM='),
('OAuth Core 1.0a, A.2', 'POST', 'https://photos.example.net/request_token',
 '{"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_signature_method": "PLAINTEXT", "oauth_timestamp": "1191242090",
   "oauth_nonce": "hsu94j3884jdopsl", "oauth_version": "1.0", "oauth_callback": "http://printer.example.com/request_token_ready"}',
 'kd94hf93k423kf44', '', 'PLAINTEXT', NULL, NULL, 'kd94hf93k423kf44&'),
('X developer docs, Creating a signature', 'POST', 'https://api.twitter.com/1.1/statuses/update.json?include_entities=true',
 '{"status": "Hello Ladies + Gentlemen, a signed OAuth request!", "oauth_consumer_key": "xvz1evFS4wEEPTGEFPHBog",
   "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "oauth_signature_method": "HMAC-SHA1",
   "oauth_timestamp": "1318622958", "oauth_token": "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
   "oauth_version": "1.0"}',
 'kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw', 'LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE', 'HMAC-SHA1',
 'include_entities=true&oauth_consumer_key=xvz1evFS4wEEPTGEFPHBog&oauth_nonce=kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg&oauth_signature_method=HMAC-SHA1&oauth_timestamp=1318622958&oauth_token=370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb&oauth_version=1.0&status=Hello%20Ladies%20%2B%20Gentlemen%2C%20a%20signed%20OAuth%20request%21',
 'POST&https%3A%2F%2Fapi.twitter.com%2F1.1%2Fstatuses%2Fupdate.json&include_entities%3Dtrue%26oauth_consumer_key%3Dxvz1evFS4wEEPTGEFPHBog%26oauth_nonce%3DkYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D1318622958%26oauth_token%3D370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb%26oauth_version%3D1.0%26status%3DHello%2520Ladies%2520%252B%2520Gentlemen%252C%2520a%2520signed%2520OAuth%2520request%2521',
 'hCtSmYh+iHYCEqBWrE7C7hYmtUk=');
SELECT source,
       normalized IS NULL OR oauth1.normalize_parameters(url, params) = normalized AS normalized,
       base_string IS NULL OR oauth1.signature_base_string(http_method, url, params) = base_string AS base_string,
       oauth1.signature(http_method, url, params, consumer_secret, token_secret, method) = signature AS signature,
       oauth1.signature_matches(http_method, url, params, signature, consumer_secret, token_secret, method) AS matches,
       oauth1.signature_matches(http_method, url, params || '{"x": ""}', signature, consumer_secret, token_secret, method) AS other
FROM example;

-- OAuth test cases (wiki.oauth.net/TestCases): normalization
SELECT v, oauth1.normalize_parameters('http://example.com/?' || v)
FROM (VALUES ('name='), ('a=b'), ('a=b&c=d'), ('a=x!y&a=x+y'), ('x!y=a&x=a'), ('a'), ('=x'), ('a=1&&b=2'), ('a=b=c'),
             ('a=2&a=10&a=1'), ('a%2Db=1&a-b=0'), ('%61=1'), ('a=%7e~'), ('a=%e2%98%83&a=☃'), ('a=%FF&a=%00'), ('a;b=1')) AS t(v);
SELECT v, oauth1.normalize_parameters('http://example.com', v)
FROM (VALUES ('{}'::jsonb), ('{"a": "2", "a2": "1", "a-": "3"}'), ('{"b": ["2", "10", ""], "a": null}'), ('{"é": "1", "z": "2"}'),
             ('{"realm": "r", "oauth_signature": "s", "Realm": "kept"}'), ('{"a": [true, false, 1.0, -1e2, null]}'),
             ('{"n": 12345678901234567890}')) AS t(v);
-- realm is a parameter like others in a query; the same pair in both places counts twice
SELECT oauth1.normalize_parameters('http://example.com/?realm=r&a=1&oauth_signature=s', '{"a": "1"}');
SELECT oauth1.normalize_parameters('http://example.com/');
-- by encoded octets, names first: "a" before "a b" before "a1"; "a=" never decides between names
SELECT oauth1.normalize_parameters('http://example.com', '{"a": "z", "a1": "y", "a b": "x", "a%": "w", "A": "v", "a=": "u", "~": "t", "\u0001": "s"}');

SELECT oauth1.signature_base_string('gEt', 'http://example.com'), oauth1.signature_base_string('X-y', 'http://example.com/a b?c'),
       oauth1.signature_base_string('a&b!%', 'http://example.com');

-- the methods on one request; the secrets are encoded before they are joined (3.4.2)
SELECT m, oauth1.signature('GET', 'http://example.com/', '{}', 'a&b', 'ü %', m)
FROM unnest(ARRAY['HMAC-SHA1', 'HMAC-SHA256', 'HMAC-SHA512', 'PLAINTEXT']::oauth1.signature_method[]) m;
-- defaults: no token secret, HMAC-SHA256; by name
SELECT oauth1.signature('GET', 'http://example.com/', '{}', 's') = oauth1.signature(signature_method => 'HMAC-SHA256',
    token_secret => '', consumer_secret => 's', params => '{}', url => 'http://example.com/', http_method => 'GET') AS same,
    oauth1.signature('GET', 'http://example.com/', '{}', '');
-- one call site, other secrets and methods from row to row: nothing stays of the row before
SELECT s, t, m, oauth1.signature('GET', 'http://example.com/', '{}', s, t, m)
FROM unnest(ARRAY['k', 'kk', 'k', '']) s, unnest(ARRAY['', 'k']) t,
     unnest(ARRAY['HMAC-SHA256', 'PLAINTEXT', 'HMAC-SHA256']::oauth1.signature_method[]) m
ORDER BY s, t, m;

-- oauth_body_hash: the draft's example first, then each method's hash
SELECT oauth1.body_hash('Hello World!', 'HMAC-SHA1') = 'Lve95gjOVATpfV8EL5X4nxwjKHE=' AS draft;
SELECT m, oauth1.body_hash('', m) = encode(CASE WHEN m::text LIKE '%256' THEN sha256('') WHEN m::text LIKE '%512' THEN sha512('')
       ELSE decode('da39a3ee5e6b4b0d3255bfef95601890afd80709', 'hex') END, 'base64') AS empty
FROM unnest(enum_range(NULL::oauth1.signature_method)) m WHERE m <> 'PLAINTEXT' AND m::text NOT LIKE '%512';
SELECT replace(encode(sha512('\x00ff'), 'base64'), E'\n', '') = oauth1.body_hash('\x00ff', 'RSA-SHA512') AS sha512,
       encode(sha256('\x00ff'), 'base64') = oauth1.body_hash('\x00ff') AS by_default;

-- what is refused
SELECT http_method, pg_temp.error_of(format('SELECT oauth1.signature_base_string(%L, %L)', http_method, 'http://example.com/'))
FROM (VALUES (''), ('GE T'), ('GÉT'), (E'GET\n'), ('"GET"')) AS t(http_method);
SELECT pg_temp.error_of(s) FROM (VALUES
 ($$SELECT oauth1.normalize_parameters('http://example.com/?a=%')$$),
 ($$SELECT oauth1.normalize_parameters('http://example.com/?%gg=1')$$),
 ($$SELECT oauth1.normalize_parameters('http://example.com/', '{"k": {"a": 1}}')$$),
 ($$SELECT oauth1.normalize_parameters('http://example.com/', '[]')$$),
 ($$SELECT oauth1.signature_base_string('GET', 'example.com')$$),
 ($$SELECT oauth1.signature_base_string('GET', 'http://example.com', 'null')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com', '{"k": [{}]}', 's')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com', '"k"', 's')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com:0', '{}', 's')$$),
 ($$SELECT oauth1.signature('', 'http://example.com', '{}', 's', '', 'PLAINTEXT')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com', '{"oauth_signature_method": "HMAC-SHA1"}', 's')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com', '{"oauth_signature_method": ["HMAC-SHA256", "hmac-sha256"]}', 's')$$),
 ($$SELECT oauth1.signature_matches('GET', 'http://example.com', '{"oauth_signature_method": "PLAINTEXT"}', 's&', 's')$$),
 ($$SELECT oauth1.signature('GET', 'http://example.com', '{}', 's', '', 'HMAC-MD5')$$),
 ($$SELECT oauth1.body_hash('', 'PLAINTEXT')$$)) AS t(s);

-- signatures of any form are right or wrong, never an error
SELECT v, oauth1.signature_matches('GET', 'http://example.com/', '{}', v, 's')
FROM (VALUES (oauth1.signature('GET', 'http://example.com/', '{}', 's')), (''), ('='), ('not base64!'), ('ü'), (repeat('A', 43) || '='),
             (rtrim(oauth1.signature('GET', 'http://example.com/', '{}', 's'), '=')),
             (oauth1.signature('GET', 'http://example.com/', '{}', 's') || '='),
             (' ' || oauth1.signature('GET', 'http://example.com/', '{}', 's')),
             (oauth1.signature('GET', 'http://example.com/', '{}', 's', '', 'HMAC-SHA1')),
             (oauth1.signature('GET', 'http://example.com/', '{}', 's', 't'))) AS t(v);
SELECT v, oauth1.signature_matches('GET', 'http://example.com/', '{}', v, 's', 't', 'PLAINTEXT')
FROM (VALUES ('s&t'), ('s&'), ('s&T'), ('s&t '), (''), ('s%26t')) AS t(v);

-- STRICT
SELECT oauth1.normalize_parameters(NULL) IS NULL AND oauth1.normalize_parameters('x', NULL) IS NULL
   AND oauth1.signature_base_string(NULL, 'x') IS NULL AND oauth1.signature('GET', 'x', '{}', NULL) IS NULL
   AND oauth1.signature('GET', 'x', '{}', 's', NULL) IS NULL AND oauth1.signature('GET', 'x', '{}', 's', '', NULL) IS NULL
   AND oauth1.signature_matches('GET', 'x', '{}', NULL, 's') IS NULL AND oauth1.body_hash(NULL) IS NULL AS null_of_null;
