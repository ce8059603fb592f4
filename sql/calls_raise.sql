-- raise_for_status(): which responses are errors, and what their details say
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

CREATE FUNCTION pg_temp.response(status int, headers jsonb DEFAULT '{}', body text DEFAULT NULL)
RETURNS oauth1.http_response LANGUAGE sql AS $$
    SELECT ROW(status, 'text/plain', headers, body, NULL, 1.5)::oauth1.http_response
$$;
CREATE FUNCTION pg_temp.raised(status int, headers jsonb DEFAULT '{}', body text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.error_of(format('SELECT (oauth1.raise_for_status(pg_temp.response(%L, %L, %L))).status',
        status, headers, body))
$$;

-- What passes is the response itself.
SELECT oauth1.raise_for_status(pg_temp.response(200, '{"a": "b"}', 'body')) = pg_temp.response(200, '{"a": "b"}', 'body');
SELECT oauth1.raise_for_status(NULL) IS NULL, oauth1.raise_for_status(ROW(NULL, NULL, NULL, NULL, NULL, NULL)::oauth1.http_response) IS NULL;
SELECT status, pg_temp.raised(status) FROM unnest(ARRAY[100, 204, 302, 399, 400, 401, 404, 429, 500, 503, 599]) AS status;

-- What the provider says, wherever it says it
SELECT pg_temp.raised(401, '{"www-authenticate": "OAuth realm=\"x\", oauth_problem=\"token_expired\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "OAuth oauth_problem=made%20up,oauth_problem_advice=\"Try%20again.\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "Basic realm=\"x\""}', 'oauth_problem=nonce_used');
SELECT pg_temp.raised(400, '{}', 'oauth_problem=parameter_absent&oauth_parameters_absent=oauth_token');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "signature_invalid", "more": {"a": [1, 2]}}');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "signature_invalid"');
SELECT pg_temp.raised(400, '{}', '<html>oauth_problem=token_rejected</html>');
SELECT pg_temp.raised(429, '{"retry-after": "30"}'), pg_temp.raised(503, '{"retry-after": "Tue, 24 Nov 2026 08:00:00 GMT"}');
SELECT pg_temp.raised(404, '{"location": "/elsewhere"}');
SELECT pg_temp.raised(404, '{"www-authenticate": ["a", "b"], "retry-after": 3}');

-- Words that are long, hostile, cut in the middle of a character
SELECT pg_temp.raised(400, '{}', 'oauth_problem=' || repeat('x', 1000));
SELECT pg_temp.raised(400, '{}', 'oauth_problem=x' || repeat('%C3%A9', 200));
SELECT pg_temp.raised(400, '{}', 'oauth_problem=a%0D%0Ab%00c%1B%5B31m');
SELECT pg_temp.raised(400, '{}', 'oauth_problem=%FF%FE');
SELECT pg_temp.raised(400, '{}', 'oauth_problem=');

-- Bodies that would exhaust a parser
SELECT pg_temp.raised(400, '{}', '{"a": ' || repeat('[', 1000000));
SELECT pg_temp.raised(400, '{}', '{"a": ' || repeat('{"a":', 100000) || '1' || repeat('}', 100001));
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "token_used", "a": ' || repeat('[', 99) || repeat(']', 99) || '}');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "token_used", "a": "' || repeat('[', 1000) || '\"[{", "b": "\\"}');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "\ud83d\ude00 \u20ac \u0041"}');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "\ud83d"}');
SELECT pg_temp.raised(400, '{}', '{"oauth_problem": "\u0000"}');
SELECT pg_temp.raised(500, '{}', 'oauth_problem=token_used&x=' || repeat('a', 100000));
