-- create_provider, alter_provider, drop_provider, the view providers
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

-- the defaults
SELECT oauth1.create_provider('reg_plain', ARRAY['https://api.example.com/v1']);
SELECT * FROM oauth1.providers WHERE name = 'reg_plain' \gx

-- every parameter
SELECT oauth1.create_provider(
    'reg_full',
    ARRAY['https://{account:host}.api.example.com', 'http://{host}{base_path}/x'],
    'https://api.example.com/request', 'https://www.example.com/authorize?k={consumer_key}',
    'https://api.example.com/access', 'RSA-SHA512', 'realm {url}', 'query', 'body', 'POST', 'auto',
    'authorize_url', false, 'https://api.example.com/renew', 'https://api.example.com/revoke', true,
    '{"body_hash_method": "sha1", "empty_token": true, "authorize_params": {"perms": "read"},
      "headers": {"X-App": "{consumer_key}"}, "user_agent": "mine/1", "idempotency_header": "Idempotency-Key",
      "retry_when": {"400": "$.code ? (@ == \"BUSY\")"}, "test_url": "/ping", "proxy": "http://proxy.example.com:3128"}');
SELECT * FROM oauth1.providers WHERE name = 'reg_full' \gx

-- alter: what is not given stays; options are merged, null takes a key out
SELECT oauth1.alter_provider('reg_full', transmission => 'header',
                             options => '{"user_agent": "mine/2", "proxy": null}');
SELECT transmission, realm, options FROM oauth1.providers WHERE name = 'reg_full' \gx
-- an empty text is a value, not "not given"
SELECT oauth1.alter_provider('reg_full', realm => '');
SELECT realm = '' AS empty FROM oauth1.providers WHERE name = 'reg_full';
-- each thing that reset can name is then what create_provider makes it
SELECT oauth1.alter_provider('reg_full', api_urls => ARRAY['https://api.example.com/v1'], reset =>
    '{request_token_url, authorize_url, access_token_url, signature_method, realm, transmission,
      token_transmission, token_method, body_hash, callback_mode, callback_confirmed, renew_url,
      revoke_url, allow_http, options}');
SELECT to_jsonb(a) - 'name' = to_jsonb(b) - 'name' AS same
FROM oauth1.providers a, oauth1.providers b WHERE a.name = 'reg_plain' AND b.name = 'reg_full';
-- an explicit null is the default as well
SELECT oauth1.create_provider('reg_null', ARRAY['https://api.example.com/v1'], NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT to_jsonb(a) - 'name' = to_jsonb(b) - 'name' AS same
FROM oauth1.providers a, oauth1.providers b WHERE a.name = 'reg_plain' AND b.name = 'reg_null';
SELECT oauth1.drop_provider('reg_null');

-- names
SELECT n, pg_temp.error_of(format('SELECT oauth1.create_provider(%L, ARRAY[''https://a.example''])', name))
FROM (VALUES (1, 'reg_plain'), (2, ''), (3, E'a\nb'), (4, E'a\x7f'), (5, repeat('n', 64)), (6, NULL)) AS t(n, name);
SELECT oauth1.create_provider(repeat('é', 31), ARRAY['https://a.example']);
SELECT oauth1.drop_provider(repeat('é', 31));
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''reg_none'')');
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(NULL)');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''reg_none'')');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(NULL)');

-- URLs
SELECT urls, pg_temp.error_of(format('SELECT oauth1.create_provider(''reg_bad'', %L)', urls))
FROM unnest(ARRAY[NULL, '{}', '{NULL}', '{http://a.example}', '{ftp://a.example}', '{a.example}', '{https://}',
    '{https://a.example/?q=1}', '{https://a.example/#f}', '{https://u@a.example}', '{https://a.example/../b}',
    '{https://a.example/%2e%2E/b}', '{https://a b.example}', '{https://é.example}', '{https://a.example:0}',
    '{https://\{host}', '{https://\{\}.example}', '{https://\{host:port\}}', '{\{scheme\}://a.example}',
    '{https://\{host\}\{base_path\}x}']::text[]) AS u(urls);
SELECT name, pg_temp.error_of(format('SELECT oauth1.create_provider(''reg_bad'', ARRAY[''https://a.example''], %I => %L)', name, url))
FROM unnest(ARRAY['request_token_url', 'authorize_url', 'access_token_url', 'renew_url', 'revoke_url']) AS n(name),
     unnest(ARRAY['http://a.example/', 'nonsense', 'https://a.example/#x']) AS u(url)
ORDER BY url, name;
-- http where it is allowed, but never for PLAINTEXT
SELECT oauth1.create_provider('reg_http', ARRAY['http://a.example'], allow_http => true);
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''reg_http'', signature_method => ''PLAINTEXT'')');
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''reg_http'', reset => ''{allow_http}'')');
SELECT oauth1.alter_provider('reg_http', ARRAY['https://a.example'], signature_method => 'PLAINTEXT');
SELECT oauth1.drop_provider('reg_http');

-- words
SELECT argument, pg_temp.error_of(format('SELECT oauth1.alter_provider(''reg_plain'', %s)', argument))
FROM unnest(ARRAY[$$transmission => 'Header'$$, $$token_transmission => 'form'$$, $$token_method => 'PUT'$$,
    $$token_method => 'get'$$, $$body_hash => 'on'$$, $$callback_mode => 'oob'$$, $$realm => E'a\nb'$$,
    $$realm => '{a'$$, $$signature_method => 'PLAINTEXT', body_hash => 'auto'$$,
    $$token_method => 'GET', token_transmission => 'body'$$, $$reset => '{name}'$$, $$reset => '{api_urls}'$$,
    $$reset => '{nothing}'$$, $$reset => '{NULL}'$$, $$realm => 'x', reset => '{realm}'$$]) AS a(argument);

-- options
SELECT options, pg_temp.error_of(format('SELECT oauth1.alter_provider(''reg_plain'', options => %L)', options))
FROM unnest(ARRAY['[]', '"x"', '{"nothing": 1}', '{"body_hash_method": "MD5"}', '{"body_hash_method": 1}',
    '{"empty_token": "yes"}', '{"user_agent": 1}', '{"user_agent": ""}', '{"user_agent": "a\nb"}',
    '{"authorize_params": []}', '{"authorize_params": {"a": 1}}', '{"authorize_params": {"oauth_token": "x"}}',
    '{"authorize_params": {"": "x"}}', '{"headers": "X: y"}', '{"headers": {"X Y": "z"}}', '{"headers": {"Host": "z"}}',
    '{"headers": {"Content-Type": "z"}}', '{"headers": {"AUTHORIZATION": "z"}}', '{"headers": {"X": "a\r\nY: b"}}',
    '{"headers": {"X": "{a"}}', '{"headers": {"X": 1}}', '{"idempotency_header": "a b"}', '{"idempotency_header": ""}',
    '{"idempotency_header": "Content-Length"}', '{"retry_when": {"200": "$"}}', '{"retry_when": {"4xx": "$"}}',
    '{"retry_when": {"400": "$["}}', '{"test_url": "ping"}', '{"test_url": "/a/../b"}', '{"test_url": "http://a.example/"}',
    '{"proxy": "proxy:3128"}', '{"proxy": "http://u:p@proxy"}', '{"proxy": "http://proxy/path"}', '{"proxy": "http://{p}"}',
    '{"ca": "no PEM"}', '{"ca": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}',
    '{"client_certificate": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}']) AS o(options);
SELECT method, pg_temp.error_of(format('SELECT oauth1.alter_provider(''reg_plain'', options => %L)',
                                       jsonb_build_object('body_hash_method', method)))
FROM unnest(ARRAY['SHA-1', 'SHA1', 'SHA-256', 'SHA256', 'SHA-512', 'sha512', 'SHA-', 'SHA-2']) AS m(method);
SELECT oauth1.alter_provider('reg_plain', reset => '{options}');
-- a CA is one certificate or several, and nothing else
\set certificate `cat test/keys/rsa_certificate.pem`
SELECT oauth1.alter_provider('reg_plain', options => jsonb_build_object('ca', :'certificate' || E'\n' || :'certificate'));
SELECT pg_temp.error_of(format('SELECT oauth1.alter_provider(''reg_plain'', options => %L)',
    jsonb_build_object('ca', :'certificate' || E'\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')));
SELECT oauth1.alter_provider('reg_plain', options => '{"ca": null}');
SELECT options FROM oauth1.providers WHERE name = 'reg_plain';

-- a provider that consumers use stays
SELECT oauth1.create_consumer('reg_c1', 'reg_plain', 'k');
SELECT oauth1.create_consumer('reg_c2', 'reg_plain', 'k');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''reg_plain'')');
SELECT oauth1.drop_consumer('reg_c2');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''reg_plain'')');

-- how many secrets a change concerns
SET client_min_messages = warning;
SELECT oauth1.alter_consumer('reg_c1', consumer_secret => 'one');
RESET client_min_messages;
SELECT oauth1.set_token('reg_c1', 't', 'two');
SELECT oauth1.alter_provider('reg_plain', options => '{"user_agent": "x"}');
SELECT oauth1.alter_provider('reg_plain', ARRAY['https://api.example.com/v2']);
SELECT oauth1.alter_provider('reg_plain', ARRAY['https://other.example.com/v2']);
SELECT oauth1.alter_consumer('reg_c1', consumer_secret => 'one again');
SELECT oauth1.alter_provider('reg_plain', options => '{"proxy": "http://proxy.example.com:3128"}');
SELECT oauth1.alter_provider('reg_plain', ARRAY['https://api.example.com/v1'], reset => '{options}');
SELECT oauth1.set_token('reg_c1', 't', 'two again');
SELECT oauth1.alter_consumer('reg_c1', consumer_secret => 'once more');
SELECT oauth1.alter_provider('reg_plain', signature_method => 'PLAINTEXT');
-- a placeholder that the consumer has no value for: its vars come first
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''reg_plain'', ARRAY[''https://{shop}/''])');
DO $$
DECLARE
    context text;
BEGIN
    PERFORM oauth1.alter_provider('reg_plain', ARRAY['https://{shop}/']);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
    RAISE NOTICE '%', split_part(context, E'\n', 1);
END $$;
SELECT oauth1.drop_consumer('reg_c1');
SELECT oauth1.drop_provider('reg_plain');
SELECT oauth1.drop_provider('reg_full');

-- nothing is written in a read-only transaction
BEGIN READ ONLY;
SELECT pg_temp.error_of('SELECT oauth1.create_provider(''reg_ro'', ARRAY[''https://a.example''])');
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''x'')');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''x'')');
SELECT count(*) > 0 AS readable FROM oauth1.providers;
COMMIT;

-- whoever is let in may create, whatever else they may do
CREATE ROLE oauth1_reg_admin;
GRANT EXECUTE ON FUNCTION oauth1.drop_provider TO oauth1_reg_admin;
SET ROLE oauth1_reg_admin;
SELECT pg_temp.error_of('SELECT oauth1.create_provider(''reg_a'', ARRAY[''https://a.example''])');
SELECT pg_temp.error_of('SELECT oauth1.alter_provider(''x'')');
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''reg_none'')');
SELECT count(*) > 0 AS readable FROM oauth1.providers;
RESET ROLE;
REVOKE EXECUTE ON FUNCTION oauth1.drop_provider FROM oauth1_reg_admin;
DROP ROLE oauth1_reg_admin;
