-- request(): what it makes of each argument, and what it refuses
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

CREATE FUNCTION pg_temp.made(request oauth1.http_request)
RETURNS TABLE (method text, url text, headers jsonb, type text, body text) LANGUAGE sql AS $$
    SELECT (request).http_method, (request).url, (request).headers, (request).content_type,
        encode((request).body, 'escape')
$$;
\pset null '<null>'

-- Method and URL
SELECT * FROM pg_temp.made(oauth1.request('get', '/a'));
SELECT * FROM pg_temp.made(oauth1.request('PROPFIND', 'https://example.com/a b?c#d'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a', params => '{}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a', params => '{"p": "x y+ü", "q": [1, true, null, "b"], "n": null, "": ""}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a?', params => '{"p": 1}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a?b', params => '{"p": 1}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a?b&', params => '{"p": 1}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a#f?', params => '{"p": 1}'));
SELECT url FROM pg_temp.made(oauth1.request('GET', '/a?b#f', params => '{"p[0]": "&=#"}'));

-- Bodies
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', body_json => '{"b": "é", "a": [1.50, null]}'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', body_json => 'null'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', form => '{"a b": ["+", "é"], "n": null, "t": false}'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', form => '{}'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', body => 'é'));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', body => ''));
SELECT type, body FROM pg_temp.made(oauth1.request('POST', '/', body_bytes => '\x00ff'));
SELECT type, body FROM pg_temp.made(oauth1.request('PUT', '/', body => '<a/>', content_type => 'text/xml'));
SELECT type, body FROM pg_temp.made(oauth1.request('PUT', '/', body_json => '1', content_type => 'application/vnd.api+json'));
SELECT type, body FROM pg_temp.made(oauth1.request('PUT', '/', form => '{"a": 1}', content_type => E'application/x-www-form-urlencoded\t; charset=utf-8'));
SELECT type, body FROM pg_temp.made(oauth1.request('GET', '/', content_type => 'text/x'));

-- Headers: Content-Type becomes the request's
SELECT headers, type FROM pg_temp.made(oauth1.request('GET', '/', headers => '{"X-A": ["1", "2"], "x-b": true, "X-C": null, "X-D": ""}'));
SELECT headers, type FROM pg_temp.made(oauth1.request('POST', '/', body => '', headers => '{"CONTENT-type": "a/b"}'));
SELECT headers FROM pg_temp.made(oauth1.request('GET', '/', headers => '{}'));

-- Refused
SELECT pg_temp.error_of(format('SELECT oauth1.request(%s)', arguments))
FROM unnest(ARRAY[
    $$NULL, '/'$$,
    $$'GET', NULL$$,
    $$'HEAD', '/', body => ''$$,
    $$'head', '/', form => '{}'$$,
    $$'POST', '/', form => '{}', body => 'x'$$,
    $$'POST', '/', body_json => '{}', body_bytes => 'x'$$,
    $$'POST', '/', files => '{}'$$,
    $$'POST', '/', form => '[]'$$,
    $$'POST', '/', form => '"x"'$$,
    $$'POST', '/', form => '{"a": {"b": 1}}'$$,
    $$'POST', '/', form => '{"a": [[1]]}'$$,
    $$'POST', '/', form => '{}', content_type => 'application/json'$$,
    $$'POST', '/', params => '[1]'$$,
    $$'POST', '/', params => '{"é": [{}]}'$$,
    $$'GET', '/', headers => '[]'$$,
    $$'GET', '/', headers => '{"X-A": {"b": "c"}}'$$,
    $$'POST', '/', body => '', content_type => 'a/b', headers => '{"content-type": "c/d"}'$$,
    $$'POST', '/', body => '', headers => '{"content-type": ["a/b", "c/d"]}'$$]) AS arguments;

-- Header fields that are the extension's own, and injection
SELECT name, pg_temp.error_of(format('SELECT oauth1.request(%L, %L, headers => jsonb_build_object(%L, %L))', 'GET', '/', name, 'x'))
FROM unnest(ARRAY['Authorization', 'authorization', 'Host', 'Content-Length', 'Transfer-Encoding', 'Connection',
    'Expect', 'TE', 'Trailer', 'Upgrade', 'Keep-Alive', 'Proxy-Authorization', 'Proxy-Connection',
    '', ' X', 'X ', 'X:', E'X\r\nY', 'X\Y', 'é', '(x)']) AS name;
SELECT pg_temp.error_of(format('SELECT oauth1.request(%L, %L, headers => jsonb_build_object(%L, %L::text))', 'GET', '/', 'X-A', value))
FROM unnest(ARRAY[E'a\r\nHost: evil', E'a\nb', E'a\rb', E'\x01', E'\x7f', E'tab\tis fine', 'é']) AS value;
SELECT pg_temp.error_of(format('SELECT oauth1.request(%L, %L, body => %L, content_type => %L)', 'POST', '/', '', E'a/b\r\nX: y'));
