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

-- Reports of services, as their documentation has them
SELECT pg_temp.raised(401, '{}', '{"errors": [{"code": 32, "message": "Could not authenticate you."}]}');
SELECT pg_temp.raised(401, '{}', '{"errors": [{"code": 89, "message": "Invalid or expired token."}]}');
SELECT pg_temp.raised(401, '{}', '{"errors": [{"message": "Timestamp out of bounds.", "code": 135}]}');
SELECT pg_temp.raised(400, '{}', '{"errors": [{"code": 215, "message": "Bad Authentication data."}]}');
SELECT pg_temp.raised(404, '{}', '{"errors": [{"code": 32, "message": "Something else."}]}');
SELECT pg_temp.raised(401, '{}', '{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}');
SELECT pg_temp.raised(401, '{"www-authenticate": "OAuth realm=\"1234567_SB1\", error=\"token_rejected\", error_description=\"Invalid login attempt.\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "OAuth realm=\"1\", error=\"nonce_used\""}');
SELECT pg_temp.raised(401, '{}', '{"type": "x", "title": "Unauthorized", "status": 401, "o:errorDetails": [{"detail": "Invalid login attempt. See the Login Audit Trail.", "o:errorCode": "INVALID_LOGIN"}]}');
SELECT pg_temp.raised(403, '{}', '{"error": {"code": "INVALID_LOGIN_ATTEMPT", "message": "Invalid login attempt."}}');
SELECT pg_temp.raised(400, '{}', '{"error": {"code": "SSS_REQUEST_LIMIT_EXCEEDED", "message": "Request limit exceeded."}}');
SELECT pg_temp.raised(401, '{}', '{"code": "woocommerce_rest_authentication_error", "message": "Invalid signature - provided signature does not match.", "data": {"status": 401}}');
SELECT pg_temp.raised(401, '{}', '{"code": "woocommerce_rest_authentication_error", "message": "Invalid timestamp.", "data": {"status": 401}}');
SELECT pg_temp.raised(401, '{}', '{"code": "woocommerce_rest_authentication_missing_parameter", "message": "Missing OAuth parameters oauth_nonce, oauth_signature", "data": {"status": 401}}');
SELECT pg_temp.raised(401, '{}', '{"message": "The signature is invalid. Verify and try again."}');
SELECT pg_temp.raised(401, '{}', '{"message": "The consumer isn''t authorized to access %resources.", "parameters": {"resources": "Magento_Sales::sales"}}');
SELECT pg_temp.raised(401, '{}', '{"Errors": {"Error": [{"Source": "Gateway", "ReasonCode": "AUTHENTICATION_FAILED", "Description": "OAuth signatures did not match. Acceptable signature base string: GET&https", "Recoverable": false, "Details": null}]}}');
SELECT pg_temp.raised(400, '{}', '{"Errors": {"Error": [{"Source": "Gateway", "ReasonCode": "INVALID_BODY_HASH", "Description": "The provided oauth_body_hash does not match."}]}}');
SELECT pg_temp.raised(403, '{}', '{"error": "Not allowed here."}');
SELECT pg_temp.raised(403);
SELECT pg_temp.raised(500, '{}', '{"message": "' || repeat('é', 300) || '"}');
SELECT pg_temp.raised(500, '{}', '{"message": {"deep": {"deeper": {"deepest": {"x": 1}}}}, "errors": [[[]]], "error": null, "title": ""}');
SELECT pg_temp.raised(500, '{}', '{"errors": [' || repeat('{"a": 1},', 2000) || '{"code": 32, "message": "far behind"}]}');

-- Several challenges in one field, and quotes that hold what looks like one
SELECT pg_temp.raised(401, '{"www-authenticate": "Basic realm=\"a, OAuth b\", OAuth realm=\"x\", oauth_problem=\"token_revoked\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "Negotiate, oauth oauth_problem=\"token_used\", Bearer error=\"invalid_token\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "Basic realm=\"OAuth oauth_problem=\\\"nonce_used\\\"\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": "Bearer realm=\"x\", error=\"invalid_token\""}');
SELECT pg_temp.raised(401, '{"www-authenticate": ",,= \"\", OAuth"}'), pg_temp.raised(401, '{"www-authenticate": ""}');

-- The rest of the Problem Reporting extension
SELECT pg_temp.raised(400, '{"www-authenticate": "OAuth oauth_problem=\"parameter_absent\", oauth_parameters_absent=\"oauth_token%26oauth_nonce\""}');
SELECT pg_temp.raised(400, '{}', 'oauth_problem=parameter_rejected&oauth_parameters_rejected=oauth_version%3D1.0');
SELECT pg_temp.raised(400, '{}', 'oauth_problem=version_rejected&oauth_acceptable_versions=1.0-1.0');
SELECT regexp_replace(pg_temp.raised(401, '{}', 'oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1000-2000'), 'says \d{10}', 'says NOW');
SELECT pg_temp.raised(401, '{}', 'oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1000-99999999999');
