-- Calls that are refused before anything is sent: by their URL, their names, their arguments
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

SET client_min_messages = warning;
SELECT oauth1.create_provider('calls_api', ARRAY['https://api.example.com/v1', 'https://api.example.com:8443/',
    'https://{shop:host}.shops.example{base_path}/rest/']);
SELECT oauth1.create_consumer('calls_c', 'calls_api', 'key', 'secret', vars => '{"shop": "my_shop"}');
SELECT oauth1.create_provider('calls_plain', ARRAY['http://api.example.com/'], allow_http => true);
SELECT oauth1.create_consumer('calls_plain', 'calls_plain', 'key', 'secret');
SELECT oauth1.create_provider('calls_var', ARRAY['https://{host}/', 'https://{label}.example.com/{segment}/']);
RESET client_min_messages;
SET oauth1.token = '';
SET oauth1.timeout = '1ms';

-- A URL that is allowed gets as far as the network: OA006 (1 ms), OA008.
CREATE FUNCTION pg_temp.judged(url text, consumer text DEFAULT 'calls_c') RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN said ~ '^OA00[68]' THEN 'allowed' ELSE said END
    FROM pg_temp.error_of(format('SELECT oauth1.http_get(%L, %L)', consumer, url)) AS said
$$;

SELECT url, pg_temp.judged(url) FROM unnest(ARRAY[
    'https://api.example.com/v1',
    'https://api.example.com/v1/',
    'https://api.example.com/v1?a=b',
    'HTTPS://API.example.com:443/v1/x',
    'https://api.example.com:8443/anything',
    'https://my-shop.shops.example/rest/x',
    '/x']) AS url;

-- Elsewhere
SELECT url, pg_temp.judged(url) FROM unnest(ARRAY[
    'https://api.example.com/',
    'https://api.example.com/v10',
    'https://api.example.com/v1x/y',
    'https://api.example.com/V1/x',
    'https://api.example.com/%761/x',
    'https://api.example.com/v1%2Fx',
    'https://api.example.com:444/v1/x',
    'http://api.example.com/v1/x',
    'http://api.example.com:443/v1/x',
    'https://api.example.com./v1/x',
    'https://api.example.org/v1/x',
    'https://x.api.example.com/v1/x',
    'https://api.example.com.evil.example/v1/x',
    'https://evil.example/https://api.example.com/v1/x',
    'https://evil.example?https://api.example.com/v1',
    'https://127.0.0.1/v1',
    'https://[::1]/v1',
    'https://your-shop.shops.example/rest/x',
    'https://my-shop.shops.example/rest',
    'https://my_shop.shops.example/rest/x']) AS url;

-- Under it only at first sight
SELECT url, pg_temp.judged(url) FROM unnest(ARRAY[
    'https://api.example.com/v1/../admin',
    'https://api.example.com/v1/./x',
    'https://api.example.com/v1/%2e%2e/admin',
    'https://api.example.com/v1/.%2E/admin',
    'https://api.example.com/v1/..;/admin',
    'https://api.example.com/v1/x%2f..%2fadmin',
    'https://api.example.com/v1/x%5c..%5cadmin',
    '/../admin',
    'https://user@api.example.com/v1/x',
    'https://user:word@api.example.com/v1/x',
    'https://@api.example.com/v1/x',
    'https://api.example.com@evil.example/v1/x',
    'https://api.example.com:443@evil.example/v1/x']) AS url;

-- No URL of a call at all
SELECT replace(url, E'\r', '<CR>'), pg_temp.judged(url) FROM unnest(ARRAY[
    '', 'x', 'api.example.com/v1', 'ftp://api.example.com/v1', 'file:///etc/passwd', 'https:api.example.com/v1',
    'https://', 'https:///v1', 'https://api.example.com\@evil.example/v1', 'https://api.example.com/v1\..\x',
    E'https://api.example.com/v1\r\nHost: evil.example', E'https://api.example.com\r/v1', E'/x\x01', E'/x\x7f',
    'https://api.exämple.com/v1', 'https://api.example.com:0/v1', 'https://api.example.com:99999/v1',
    'https://a@b@api.example.com/v1', '/x?a=%zz', '/%', '/x?%a']) AS url;

-- Plain http needs the setting as well.
SELECT pg_temp.judged('http://api.example.com/', 'calls_plain');
SET oauth1.allow_http = on;
SELECT pg_temp.judged('http://api.example.com/', 'calls_plain');
SELECT pg_temp.judged('http://api.example.com/v1/x');
SELECT pg_temp.error_of($$SELECT oauth1.alter_provider('calls_plain', signature_method => 'PLAINTEXT')$$);
RESET oauth1.allow_http;

-- Vars that would move the host, and vars that fit nowhere
SELECT vars, pg_temp.error_of(format('SELECT oauth1.create_consumer(%L, %L, %L, %L, vars => %L)', 'calls_v', 'calls_var', 'k', 's', vars))
FROM unnest(ARRAY[
    '{"host": "a.example/x", "label": "b", "segment": "c"}',
    '{"host": "a@b.example", "label": "b", "segment": "c"}',
    '{"host": "a.example", "label": "evil.example/", "segment": "c"}',
    '{"host": "a.example", "label": "b.c", "segment": "c"}',
    '{"host": "a.example", "label": "b:8", "segment": "c"}',
    '{"host": "a.example", "label": "b\\@x", "segment": "c"}',
    '{"host": "a.example", "label": "b c", "segment": "c"}',
    '{"host": "a.example", "label": "-b", "segment": "c"}',
    '{"host": "a.example", "label": "", "segment": "c"}',
    '{"host": "a.example", "label": "b", "segment": ".."}',
    '{"host": "a.example", "label": "b", "segment": ""}',
    '{"host": "a.example", "label": "b"}',
    '{"host": "a b", "label": "b", "segment": "c"}']) AS vars;

-- Parameters that are the protocol's own, in the query or in a form
SELECT pg_temp.error_of('SELECT oauth1.' || call) FROM unnest(ARRAY[
    $$http_get('calls_c', '/x?oauth_signature=a')$$,
    $$http_get('calls_c', '/x?a&o%61uth_nonce=a&b')$$,
    $$http_get('calls_c', '/x', params => '{"oauth_timestamp": 1}')$$,
    $$http_post('calls_c', '/x', form => '{"oauth_consumer_key": "k"}')$$,
    $$http_post('calls_c', '/x', body => 'oauth_version=1.0', content_type => E'\tapplication/x-www-form-urlencoded \t;x=y')$$,
    $$http_call('calls_c', oauth1.request('POST', '/x', form => '{"oauth_signature_method": "x"}'))$$]) AS call;
SELECT pg_temp.error_of('SELECT oauth1.' || call) ~ '^OA00[68]' AS allowed FROM unnest(ARRAY[
    $$http_get('calls_c', '/x?oauth=a&oauth_=b&oauth_extra=c')$$,
    $$http_get('calls_c', '/x?oauth_token=two-legged')$$,
    $$http_post('calls_c', '/x', body => 'oauth_version=1.0', content_type => 'text/plain')$$]) AS call;

-- Names and arguments
SELECT call, pg_temp.error_of('SELECT oauth1.' || call) FROM unnest(ARRAY[
    $$http_get('nobody', '/x')$$,
    $$http_get('calls_c', '/x', token => 'none')$$,
    $$http_get(NULL, '/x')$$,
    $$http_get('calls_c', NULL)$$,
    $$http_get('calls_c', '/x', timeout_ms => 0)$$,
    $$http_head('calls_c', '/x', headers => '{"Host": "x"}')$$,
    $$http_put('calls_c', '/x', form => '{}', body => '')$$,
    $$http_patch('calls_c', '/x', files => '{}')$$,
    $$http_delete('calls_c', '/x', params => '1')$$,
    $$http_call('calls_c', NULL)$$,
    $$http_call('calls_c', ROW(NULL, '/', NULL, NULL, NULL)::oauth1.http_request)$$,
    $$http_call('calls_c', ROW('GET', NULL, NULL, NULL, NULL)::oauth1.http_request)$$,
    $$http_call('calls_c', ROW('G T', '/', NULL, NULL, NULL)::oauth1.http_request)$$,
    $$http_call('calls_c', ROW('HEAD', '/', NULL, NULL, 'x')::oauth1.http_request)$$,
    $$http_call('calls_c', ROW('GET', '/', '{"Authorization": "x"}', NULL, NULL)::oauth1.http_request)$$,
    $$http_call('calls_c', ROW('GET', '/', '{"Content-Type": "a/b"}', 'c/d', NULL)::oauth1.http_request)$$]) AS call;

-- No plan is made by making a call.
EXPLAIN (VERBOSE, COSTS OFF) SELECT status FROM oauth1.http_get('calls_c', '/x');

SET client_min_messages = warning;
SELECT oauth1.drop_consumer('calls_c'), oauth1.drop_consumer('calls_plain');
SELECT oauth1.drop_provider('calls_api'), oauth1.drop_provider('calls_plain'), oauth1.drop_provider('calls_var');
