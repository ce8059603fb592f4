-- the presets, and what stands before them
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

SELECT name, api_urls, signature_method AS method, transmission, token_method, body_hash, callback_mode, callback_confirmed AS confirmed
FROM oauth1.providers WHERE builtin ORDER BY name;
SELECT name, e.key, e.value
FROM oauth1.providers p, jsonb_each_text(jsonb_build_object('1 request', request_token_url, '2 authorize', authorize_url, '3 access', access_token_url,
    '4 renew', renew_url, '5 revoke', revoke_url, '6 realm', realm, '7 options', nullif(options, '{}'))) e
WHERE builtin AND e.value IS NOT NULL ORDER BY name, e.key;

-- each can be used: a consumer of it knows where its secrets go
SET client_min_messages = warning;
CREATE FUNCTION pg_temp.destination_of(preset text, vars jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    PERFORM oauth1.create_consumer('reg_preset', preset, 'key', 'secret', vars);
    SELECT destination INTO result FROM oauth1.secret WHERE consumer = 'reg_preset';
    PERFORM oauth1.drop_consumer('reg_preset');
    RETURN result;
END $$;
SELECT name, pg_temp.destination_of(name, '{"account": "1234567_SB1", "host": "shop.example:8443", "base_path": "/a/b"}')
FROM oauth1.providers WHERE builtin ORDER BY name;
RESET client_min_messages;
-- without the vars it asks for them
SELECT name, pg_temp.error_of(format('SELECT oauth1.create_consumer(''reg_preset'', %L, ''key'')', name))
FROM oauth1.providers WHERE builtin AND api_urls[1] LIKE '%{%' ORDER BY name;

-- altering a preset makes a row of one's own from it; dropping that, the preset shows again
CREATE FUNCTION pg_temp.differs() RETURNS TABLE (key text, preset text, now text) LANGUAGE sql AS $$
SELECT key, a.value, b.value FROM jsonb_each_text((SELECT to_jsonb(p) FROM oauth1.preset p WHERE name = 'netsuite')) a
    FULL JOIN jsonb_each_text((SELECT to_jsonb(p) FROM oauth1.providers p WHERE name = 'netsuite')) b USING (key)
WHERE a.value IS DISTINCT FROM b.value ORDER BY key $$;
SELECT * FROM pg_temp.differs();
SELECT oauth1.create_consumer('reg_netsuite', 'netsuite', 'key', 'secret', '{"account": "1234567_SB1"}');
SELECT oauth1.alter_provider('netsuite', options => '{"proxy": "http://proxy.example.com:3128", "test_url": null}');
SELECT * FROM pg_temp.differs();
SELECT count(*) FROM oauth1.providers WHERE name = 'netsuite';
SELECT pg_temp.error_of('SELECT oauth1.create_provider(''netsuite'', ARRAY[''https://a.example''])');
SELECT oauth1.drop_provider('netsuite');
SELECT * FROM pg_temp.differs();
SELECT pg_temp.error_of('SELECT oauth1.drop_provider(''netsuite'')');
-- one's own of the same name from the start
SELECT oauth1.create_provider('netsuite', ARRAY['https://netsuite.example']);
SELECT key FROM pg_temp.differs();
SELECT oauth1.drop_provider('netsuite');
SELECT destination FROM oauth1.secret WHERE consumer = 'reg_netsuite';
SELECT oauth1.drop_consumer('reg_netsuite');

-- what a dump takes along: everything but the presets
SELECT c.relname, c.oid = ANY (e.extconfig) AS dumped
FROM pg_class c, pg_extension e
WHERE c.relnamespace = 'oauth1'::regnamespace AND c.relkind = 'r' AND e.extname = 'oauth1' ORDER BY 1;
-- every change of a table reaches the sessions, replicated ones too
SELECT tgrelid::regclass AS table, string_agg(concat_ws(' ', tgname, tgenabled, tgtype), ', ' ORDER BY tgname) AS triggers
FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE c.relnamespace = 'oauth1'::regnamespace AND c.relkind = 'r' AND NOT tgisinternal GROUP BY tgrelid ORDER BY tgrelid::regclass::text;
-- no role has a right on a table
SELECT c.relname, c.relacl FROM pg_class c
WHERE c.relnamespace = 'oauth1'::regnamespace AND c.relkind IN ('r', 'S') AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner);
