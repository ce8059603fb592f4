-- create_consumer, alter_consumer, drop_consumer, set_token, drop_token, the views consumers and tokens
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

-- The first secret of a server makes its key file and says so; not part of this test.
SET client_min_messages = warning;
SELECT oauth1.create_provider('reg_p', ARRAY['https://api.example.com']);
SELECT oauth1.create_consumer('reg_first', 'reg_p', 'key', 'secret');
SELECT oauth1.drop_consumer('reg_first');
RESET client_min_messages;
SELECT oauth1.create_provider('reg_host', ARRAY['https://{account:host}.api.example.com/{account}', 'https://{shop}{base_path}/x'],
    authorize_url => 'https://{shop}/authorize?t={oauth_token}', realm => '{account}');

-- What was stored for a consumer: whether there is a ciphertext, and what it is bound to.
CREATE FUNCTION pg_temp.secrets(name text) RETURNS TABLE (slot text, kind text, destination text, bytes int) LANGUAGE sql AS
    $$ SELECT slot, kind, destination, octet_length(ciphertext) FROM oauth1.secret WHERE consumer = $1 ORDER BY slot, kind $$;
CREATE FUNCTION pg_temp.columns_of(name text) RETURNS SETOF jsonb LANGUAGE sql AS
    $$ SELECT to_jsonb(c) - 'created_at' FROM oauth1.consumers c WHERE c.name = $1 $$;

-- the defaults, and every parameter
SELECT oauth1.create_consumer('reg_a', 'reg_p', 'key');
SELECT oauth1.create_consumer('reg_b', 'reg_host', 'key b', 'secret',
    '{"account": "1234567_SB1", "shop": "shop.example:8443", "base_path": "/a/b", "n": 7, "yes": true, "gone": null}',
    NULL, 'https://app.example/cb?x=1', 4, '60/min', 'group', '{}');
SELECT pg_temp.columns_of('reg_a');
SELECT pg_temp.columns_of('reg_b');
SELECT created_at BETWEEN now() - interval '1 hour' AND now() AS recent FROM oauth1.consumers WHERE name = 'reg_a';
SELECT * FROM pg_temp.secrets('reg_b');

-- alter: what is not given stays; vars are merged, null takes one out
SELECT oauth1.alter_consumer('reg_b', vars => '{"n": 8, "yes": null}', max_concurrency => 5, rate_limit => '1/s');
SELECT pg_temp.columns_of('reg_b');
SELECT oauth1.alter_consumer('reg_b', provider => 'reg_p', consumer_key => 'k2',
    reset => '{consumer_secret, vars, private_key, callback, max_concurrency, rate_limit, limit_group, options}');
SELECT pg_temp.columns_of('reg_b') - 'name' - 'consumer_key' = pg_temp.columns_of('reg_a') - 'name' - 'consumer_key' AS same;
SELECT * FROM pg_temp.secrets('reg_b');
SELECT oauth1.drop_consumer('reg_b');

-- names and what must be there
SELECT arguments, pg_temp.error_of('SELECT oauth1.create_consumer(' || arguments || ')')
FROM unnest(ARRAY[$$'reg_a', 'reg_p', 'k'$$, $$'', 'reg_p', 'k'$$, $$E'a\tb', 'reg_p', 'k'$$, $$repeat('x', 64), 'reg_p', 'k'$$,
    $$NULL, 'reg_p', 'k'$$, $$'reg_x', NULL, 'k'$$, $$'reg_x', 'reg_p', NULL$$, $$'reg_x', 'reg_p', ''$$, $$'reg_x', 'reg_p', E'k\r'$$,
    $$'reg_x', 'reg_none', 'k'$$]) AS a(arguments);
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$alter_consumer('reg_none')$$, $$alter_consumer(NULL)$$, $$drop_consumer('reg_none')$$, $$drop_consumer(NULL)$$,
    $$alter_consumer('reg_a', provider => 'reg_none')$$, $$alter_consumer('reg_a', reset => '{name}')$$,
    $$alter_consumer('reg_a', reset => '{consumer_key}')$$, $$alter_consumer('reg_a', reset => '{x}')$$,
    $$alter_consumer('reg_a', reset => '{NULL}')$$, $$alter_consumer('reg_a', callback => 'oob', reset => '{callback}')$$,
    $$alter_consumer('reg_a', consumer_secret => 's', reset => '{consumer_secret}')$$]) AS c(call);

-- arguments
SELECT argument, pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_a'', %s)', argument))
FROM unnest(ARRAY[$$vars => '[]'$$, $$vars => '1'$$, $$vars => '{"a": {}}'$$, $$vars => '{"a": [1]}'$$, $$vars => '{"": "x"}'$$,
    $$vars => '{"a-b": "x"}'$$, $$vars => '{"url": "x"}'$$, $$vars => '{"consumer_key": "x"}'$$, $$vars => '{"oauth_token": "x"}'$$,
    $$max_concurrency => 0$$, $$max_concurrency => -1$$, $$max_concurrency => 1001$$, $$rate_limit => '60'$$, $$rate_limit => '60/'$$, $$rate_limit => '0/min'$$,
    $$rate_limit => '60/fortnight'$$, $$rate_limit => '-1/s'$$, $$rate_limit => '1.5/s'$$, $$rate_limit => '1/s '$$, $$rate_limit => ''$$,
    $$rate_limit => '9999999999/s'$$, $$limit_group => ''$$, $$limit_group => E'a\nb'$$, $$callback => 'example'$$, $$callback => ''$$, $$callback => ':x'$$,
    $$callback => 'https:'$$, $$callback => 'https://a b'$$, $$callback => E'https://a\r\nX: y'$$, $$options => '[]'$$,
    $$options => '{"nothing": 1}'$$, $$options => '{"passphrase": 1}'$$, $$options => '{"passphrase": "x"}'$$]) AS a(argument);
SELECT value, pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_a'', rate_limit => %L)', value))
FROM unnest(ARRAY['1/s', '2/sec', '3/second', '4/min', '5/minute', '6/h', '7/hour', '8/d', '999999999/day']) AS r(value);
SELECT value, pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_a'', callback => %L)', value))
FROM unnest(ARRAY['oob', 'https://app.example/cb', 'http://127.0.0.1:8080/', 'my-app+x.y:callback']) AS r(value);

-- placeholders: a value changes no more than its place
SELECT vars, pg_temp.error_of(format('SELECT oauth1.create_consumer(''reg_v'', ''reg_host'', ''k'', vars => %L)', vars))
FROM unnest(ARRAY['{}', '{"account": "1"}', '{"account": "a.evil.example/", "shop": "s"}', '{"account": "a@b", "shop": "s"}',
    '{"account": "a b", "shop": "s"}', '{"account": "", "shop": "s"}', '{"account": "-a", "shop": "s"}',
    '{"account": "a", "shop": "evil.example/x"}', '{"account": "a", "shop": "u:p@evil.example"}', '{"account": "a", "shop": "s:0"}',
    '{"account": "a", "shop": "s", "base_path": "../x"}', '{"account": "a", "shop": "s", "base_path": "/a//b"}',
    '{"account": "a", "shop": "s", "base_path": "?"}']) AS v(vars);
SELECT count(*) FROM oauth1.consumers WHERE name = 'reg_v';
-- the realm as well
SELECT oauth1.alter_provider('reg_p', realm => '{quoted}');
SELECT pg_temp.error_of($$SELECT oauth1.alter_consumer('reg_a', vars => '{"quoted": "a\"b"}')$$);
SELECT oauth1.alter_provider('reg_p', reset => '{realm}');

-- private keys: PKCS#1, PKCS#8, encrypted and PKCS#12 are stored in one form
\set pkcs1 `cat test/keys/rsa_pkcs1.pem`
\set pkcs8 `cat test/keys/rsa_pkcs8.pem`
\set encrypted `openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:open -in test/keys/rsa_pkcs8.pem`
\set pkcs12 `openssl pkcs12 -export -nocerts -inkey test/keys/rsa_pkcs8.pem -passout pass:open 2>/dev/null | base64`
\set pkcs12_open `openssl pkcs12 -export -nocerts -inkey test/keys/rsa_pkcs8.pem -passout pass: 2>/dev/null | base64 -w 0`
\set short `cat test/keys/rsa_512.pem`
\set ec `cat test/keys/ec_pkcs8.pem`
\set public `cat test/keys/rsa_public_spki.pem`
\set crlf `sed 's/$/\r/' test/keys/rsa_pkcs1.pem`
CREATE TEMP TABLE key (n int, key text, options jsonb);
INSERT INTO key VALUES (1, :'pkcs1', '{}'), (2, :'pkcs8', '{}'), (3, :'encrypted', '{"passphrase": "open"}'),
    (4, :'pkcs12', '{"passphrase": "open"}'), (5, :'pkcs12_open', '{}'), (6, E'Bag Attributes\n' || :'pkcs8', '{}'),
    (7, :'crlf', '{}'), (8, :'pkcs8', '{"passphrase": "not needed"}');
DO $$
DECLARE
    k record;
    stored int;
BEGIN
    FOR k IN SELECT * FROM key ORDER BY n LOOP
        PERFORM oauth1.create_consumer('reg_key', 'reg_p', 'k', private_key => k.key, options => k.options);
        SELECT octet_length(ciphertext) INTO stored FROM oauth1.secret WHERE consumer = 'reg_key' AND kind = 'private_key';
        RAISE NOTICE '%: % octets, %', k.n, stored, (SELECT row(has_secret, has_private_key, options) FROM oauth1.consumers WHERE name = 'reg_key');
        PERFORM oauth1.drop_consumer('reg_key');
    END LOOP;
END $$;
INSERT INTO key VALUES (11, :'encrypted', '{}'), (12, :'encrypted', '{"passphrase": "wrong"}'), (13, :'pkcs12', '{}'),
    (14, :'pkcs12', '{"passphrase": "wrong"}'), (15, :'short', '{}'), (16, :'ec', '{}'), (17, :'public', '{}'),
    (18, '', '{}'), (19, 'no key', '{}'), (20, E'-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', '{}'),
    (21, 'AAAA', '{}'), (22, left(:'pkcs12', 100), '{"passphrase": "open"}');
SELECT n, pg_temp.error_of(format('SELECT oauth1.create_consumer(''reg_key'', ''reg_p'', ''k'', private_key => %L, options => %L)', key, options))
FROM key WHERE n > 10 ORDER BY n;
SELECT count(*) FROM oauth1.consumers WHERE name = 'reg_key';
-- an empty secret is one; a secret and a key together
SELECT oauth1.create_consumer('reg_key', 'reg_p', 'k', '', private_key => :'pkcs8');
SELECT kind, bytes > 0 AS stored FROM pg_temp.secrets('reg_key');
SELECT oauth1.alter_consumer('reg_key', reset => '{private_key}');
SELECT kind FROM pg_temp.secrets('reg_key');

-- client keys, of any kind, where the provider shows a certificate the one that it belongs to; never an option afterwards
\set certificate `openssl req -new -x509 -key test/keys/rsa_pkcs8.pem -subj /CN=client -days 2`
\set ec_certificate `openssl req -new -x509 -key test/keys/ec_pkcs8.pem -subj /CN=client -days 2`
SELECT oauth1.create_provider('reg_tls', ARRAY['https://api.example.com'], options => jsonb_build_object('client_certificate', :'certificate'::text));
CREATE TEMP TABLE client_key (n int, options jsonb);
INSERT INTO client_key VALUES (1, jsonb_build_object('client_key', :'pkcs8'::text)), (2, jsonb_build_object('client_key', :'pkcs1'::text)),
    (3, jsonb_build_object('client_key', :'encrypted'::text, 'passphrase', 'open')), (4, jsonb_build_object('client_key', :'encrypted'::text)),
    (5, jsonb_build_object('client_key', :'encrypted'::text, 'passphrase', 'wrong')), (6, jsonb_build_object('client_key', :'ec'::text)),
    (7, jsonb_build_object('client_key', :'public'::text)), (8, '{"client_key": ""}'), (9, '{"client_key": null}'), (10, '{"client_key": 1}');
SELECT n, pg_temp.error_of(format('SELECT oauth1.create_consumer(''reg_tls_%s'', ''reg_tls'', ''k'', options => %L)', n, options)) FROM client_key ORDER BY n;
SELECT (pg_temp.secrets(name)).*, options FROM oauth1.consumers WHERE name LIKE 'reg\_tls%' ORDER BY name;
-- the provider's new certificate comes first, then its key
SELECT oauth1.alter_provider('reg_tls', options => jsonb_build_object('client_certificate', :'ec_certificate'::text || E'\n' || :'certificate'));
SELECT pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_tls_1'', options => %L)', options)) FROM client_key WHERE n IN (1, 6) ORDER BY n;
SELECT oauth1.alter_provider('reg_tls', reset => '{options}');
SELECT pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_tls_1'', options => %L)', options)) FROM client_key WHERE n IN (1, 6, 7) ORDER BY n;
-- one passphrase for both keys; reset takes the key away, by either name
SELECT oauth1.alter_consumer('reg_tls_1', private_key => :'encrypted', options => (SELECT options FROM client_key WHERE n = 3));
SELECT kind FROM pg_temp.secrets('reg_tls_1');
SELECT pg_temp.error_of(format('SELECT oauth1.alter_consumer(''reg_tls_1'', options => %L, reset => %L)', options, reset))
FROM client_key, unnest(ARRAY['{client_key}', '{options}']) AS r(reset) WHERE n = 1;
SELECT oauth1.alter_consumer('reg_tls_1', private_key => :'encrypted', options => '{"passphrase": "open"}', reset => '{client_key}');
SELECT oauth1.alter_consumer('reg_tls_2', reset => '{options}');
SELECT name, (pg_temp.secrets(name)).kind FROM oauth1.consumers WHERE name LIKE 'reg\_tls%' ORDER BY name;
SELECT oauth1.drop_consumer(name) FROM oauth1.consumers WHERE name LIKE 'reg\_tls%';
SELECT oauth1.drop_provider('reg_tls');
SELECT oauth1.drop_consumer('reg_key');

-- tokens
SELECT oauth1.set_token('reg_a', 'tok', 'sec');
SELECT oauth1.set_token('reg_a', 'tok 2', '', 'second');
SELECT consumer, name, token, state, requested_by = current_user AS by_me, created_at BETWEEN now() - interval '1 hour' AND now() AS recent, expires_at, last_used, last_refusal
FROM oauth1.tokens WHERE consumer = 'reg_a' ORDER BY name;
SELECT slot, kind, destination FROM pg_temp.secrets('reg_a');
SELECT oauth1.set_token('reg_a', 'tok 3', 'sec 3', 'second');
SELECT name, token FROM oauth1.tokens WHERE consumer = 'reg_a' ORDER BY name;
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$set_token('reg_none', 't', 's')$$, $$set_token(NULL, 't', 's')$$, $$set_token('reg_a', NULL, 's')$$,
    $$set_token('reg_a', 't', NULL)$$, $$set_token('reg_a', 't', 's', NULL)$$, $$set_token('reg_a', 't', 's', '')$$,
    $$set_token('reg_a', '', 's')$$, $$set_token('reg_a', E't\n', 's')$$, $$set_token('reg_a', 't', 's', repeat('n', 64))$$,
    $$drop_token('reg_a', 'none')$$, $$drop_token('reg_none')$$, $$drop_token(NULL)$$, $$drop_token('reg_a', NULL)$$]) AS c(call);
-- a token that is asked for stands in the view until it is exchanged
INSERT INTO oauth1.request_token (token, consumer, name, requested_by, requested_by_name)
SELECT 'req', 'reg_a', 'third', oid, rolname FROM pg_roles WHERE rolname = current_user;
SELECT name, token, state, requested_by = current_user AS by_me FROM oauth1.tokens WHERE consumer = 'reg_a' ORDER BY name;
-- what belonged to a token goes with it
SELECT oauth1.drop_token('reg_a');
SELECT slot, kind FROM pg_temp.secrets('reg_a');

-- dropping takes everything with it
SELECT oauth1.drop_consumer('reg_a');
SELECT (SELECT count(*) FROM oauth1.secret WHERE consumer LIKE 'reg\_%') AS secrets, (SELECT count(*) FROM oauth1.token WHERE consumer LIKE 'reg\_%') AS tokens,
       (SELECT count(*) FROM oauth1.request_token WHERE consumer LIKE 'reg\_%') AS requests;

-- nothing is written in a read-only transaction
BEGIN READ ONLY;
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$create_consumer('reg_ro', 'reg_p', 'k')$$, $$alter_consumer('reg_ro')$$, $$drop_consumer('reg_ro')$$,
    $$set_token('reg_ro', 't', 's')$$, $$drop_token('reg_ro')$$]) AS c(call);
COMMIT;

-- a rolled back change leaves nothing behind, in this session's memory either
BEGIN;
SELECT oauth1.create_consumer('reg_back', 'reg_p', 'k', 's');
SAVEPOINT s;
SELECT oauth1.set_token('reg_back', 't', 's');
ROLLBACK TO s;
SELECT count(*) FROM oauth1.tokens WHERE consumer = 'reg_back';
ROLLBACK;
SELECT count(*) FROM oauth1.consumers WHERE name = 'reg_back';

SELECT oauth1.drop_provider('reg_p');
SELECT oauth1.drop_consumer('reg_v');
SELECT oauth1.drop_provider('reg_host');
