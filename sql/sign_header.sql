-- oauth_parameters, authorization_header, parse_authorization_header, nonce
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

-- RFC 5849, 1.2: the third request, with the oauth_version that is always sent
SELECT oauth1.authorization_header('GET', 'http://photos.example.net/photos?file=vacation.jpg&size=original',
    'dpf43f3p2l4k3l03', 'kd94hf93k423kf44', 'nnch734d00sl2jdk', 'pfkkdhi9sl3r4s00', 'HMAC-SHA1',
    realm => 'Photos', nonce => 'chapoH', "timestamp" => 137131202);
-- positions, as api.sql has them
SELECT oauth1.authorization_header('POST', 'http://example.com/', 'k', 's', 't', 'ts', 'HMAC-SHA256', '{"a": "1"}', 'body', 'r', 'n', 1);
SELECT jsonb_pretty(oauth1.oauth_parameters('POST', 'http://example.com/', 'k', 's', 't', 'ts', 'HMAC-SHA256', '{"a": "1"}', 'body', 'n', 1));

-- both say the same, and what they say matches
CREATE FUNCTION pg_temp.matches(method oauth1.signature_method, url text, params jsonb, sent jsonb, secret text, token_secret text)
RETURNS boolean LANGUAGE sql AS $$
    SELECT oauth1.signature_matches('POST', url, params || (sent - 'oauth_signature'), sent->>'oauth_signature', secret, token_secret, method)
$$;
SELECT m, t, h->>'realm' AS realm, h - 'realm' = p AS same,
       pg_temp.matches(m, 'http://example.com/?q=1&q=2', params, h, 'se%cret', coalesce(ts, '')) AS matches
FROM unnest(ARRAY['HMAC-SHA1', 'HMAC-SHA512', 'PLAINTEXT']::oauth1.signature_method[]) m,
     (VALUES (NULL, NULL), ('', ''), ('tök&en', 'tök=en')) AS tokens(t, ts),
     (VALUES ('{"a": ["1", "2", "1"], "": "", "ü": "☃ 😀"}'::jsonb)) AS form(params),
     LATERAL oauth1.parse_authorization_header(oauth1.authorization_header('POST', 'http://example.com/?q=1&q=2', 'k&y', 'se%cret', t, ts, m,
         params, realm => 'a "quoted" \ ré%41lm', nonce => 'n+ü', "timestamp" => 9223372036854775807)) AS h,
     LATERAL oauth1.oauth_parameters('POST', 'http://example.com/?q=1&q=2', 'k&y', 'se%cret', t, ts, m,
         params, nonce => 'n+ü', "timestamp" => 9223372036854775807) AS p
ORDER BY m, t;

-- what is sent: oauth_ parameters of params too, never form-body ones, realm or oauth_signature
SELECT p - 'oauth_signature' FROM oauth1.oauth_parameters('POST', 'http://example.com/', 'k', 's', nonce => 'n', "timestamp" => 1,
    params => '{"oauth_callback": "oob", "oauth_verifier": "v", "oauth_": "", "status": "x", "realm": "r", "oauth_signature": "x"}') p;
SELECT oauth1.authorization_header('POST', 'http://example.com/', 'k', 's', nonce => 'n', "timestamp" => 1, signature_method => 'PLAINTEXT',
    params => '{"oauth_callback": "http://a/?b=c", "status": "x", "realm": "r", "oauth_signature": "x"}');
-- realm is not signed, form-body parameters are
SELECT count(DISTINCT p->>'oauth_signature') FROM (VALUES ('{}'::jsonb), ('{"realm": "r"}'), ('{"a": "1"}')) AS v(params),
    LATERAL oauth1.oauth_parameters('POST', 'http://example.com/', 'k', 's', nonce => 'n', "timestamp" => 1, params => v.params) p;
-- an empty realm is sent, and none is not
SELECT oauth1.authorization_header('GET', 'http://e/', 'k', 's', realm => '', nonce => 'n', "timestamp" => 1, signature_method => 'PLAINTEXT'),
       oauth1.authorization_header('GET', 'http://e/', 'k', 's', realm => NULL, nonce => 'n', "timestamp" => 1, signature_method => 'PLAINTEXT');
-- an empty body has a hash, no body has none
SELECT m, b, p->>'oauth_body_hash' = oauth1.body_hash(b, m) AS hash, p ? 'oauth_body_hash' AS sent
FROM unnest(ARRAY['HMAC-SHA1', 'HMAC-SHA256', 'HMAC-SHA512']::oauth1.signature_method[]) m, unnest(ARRAY['', '\x00ff', NULL]::bytea[]) b,
     LATERAL oauth1.oauth_parameters('PUT', 'http://example.com/', 'k', 's', signature_method => m, body => b) p
ORDER BY m, b;
-- equal twice is once
SELECT p - 'oauth_signature' FROM oauth1.oauth_parameters('POST', 'http://example.com/', 'k', 's', nonce => 'n', "timestamp" => 1, params =>
    '{"oauth_signature_method": "HMAC-SHA256", "oauth_version": "1.0", "oauth_nonce": "n", "oauth_timestamp": 1, "oauth_callback": ["oob", "oob"]}') p;

-- NULL: a default for what has one
SELECT p ?& ARRAY['oauth_consumer_key', 'oauth_nonce', 'oauth_timestamp', 'oauth_version', 'oauth_signature_method', 'oauth_signature'] AS all,
       p ?| ARRAY['oauth_token', 'oauth_body_hash'] AS more, pg_temp.matches('HMAC-SHA256', 'http://example.com/', '{}', p, 's', '') AS matches
FROM oauth1.oauth_parameters('POST', 'http://example.com/', 'k', 's', NULL, NULL, params => NULL) p;
SELECT call, pg_temp.error_of(format('SELECT oauth1.%s', call)) FROM (VALUES
    ($$oauth_parameters(NULL, 'http://e/', 'k', 's')$$), ($$oauth_parameters('GET', NULL, 'k', 's')$$),
    ($$oauth_parameters('GET', 'http://e/', NULL, 's')$$), ($$oauth_parameters('GET', 'http://e/', 'k', NULL)$$),
    ($$oauth_parameters('GET', 'http://e/', 'k', 's', signature_method => NULL)$$),
    ($$authorization_header(NULL, 'http://e/', 'k', 's')$$), ($$authorization_header('GET', NULL, 'k', 's')$$),
    ($$authorization_header('GET', 'http://e/', NULL, 's')$$), ($$authorization_header('GET', 'http://e/', 'k', NULL)$$),
    ($$authorization_header('GET', 'http://e/', 'k', 's', signature_method => NULL)$$)) AS v(call);

-- the clock and the random source
SELECT abs((p->>'oauth_timestamp')::bigint - extract(epoch FROM clock_timestamp())) < 5 AS now, p->>'oauth_nonce' ~ '^[A-Za-z0-9]{22,30}$' AS nonce
FROM oauth1.oauth_parameters('GET', 'http://example.com/', 'k', 's') p;
SELECT count(DISTINCT n), bool_and(n ~ '^[A-Za-z0-9]{22,30}$') FROM (SELECT oauth1.nonce() FROM generate_series(1, 1000)) AS v(n);
SELECT count(DISTINCT p->>'oauth_nonce') FROM generate_series(1, 1000) i, LATERAL oauth1.oauth_parameters('GET', 'http://example.com/' || i, 'k', 's') p;
-- all 32 letters and digits occur in every place but the last, which has 3 bits left
SELECT count(*) FILTER (WHERE letters = 32), min(letters) FROM (
    SELECT count(DISTINCT substr(n, place, 1)) AS letters FROM (SELECT oauth1.nonce() FROM generate_series(1, 2000)) AS v(n),
        generate_series(1, 26) place GROUP BY place) AS places;

-- what is refused
SELECT args, pg_temp.error_of(format('SELECT oauth1.oauth_parameters(''POST'', ''http://example.com/'', ''k'', ''s'', %s)', args)) FROM (VALUES
    ($$params => '{"oauth_signature_method": "HMAC-SHA1"}'$$), ($$params => '{"oauth_signature_method": ["HMAC-SHA256", ""]}'$$),
    ($$params => '{"oauth_version": "2.0"}'$$), ($$params => '{"oauth_nonce": "x"}'$$), ($$params => '{"oauth_timestamp": 5}'$$),
    ($$params => '{"oauth_consumer_key": "x"}'$$), ($$token => 't', params => '{"oauth_token": "x"}'$$),
    ($$params => '{"oauth_callback": ["a", "b"]}'$$), ($$body => 'x', params => '{"oauth_body_hash": "x"}'$$),
    ($$params => '[]'$$), ($$params => '{"a": {}}'$$), ($$"timestamp" => 0$$), ($$"timestamp" => -1$$),
    ($$signature_method => 'PLAINTEXT', body => 'x'$$), ($$signature_method => 'RSA-SHA1'$$)) AS v(args);
SELECT pg_temp.error_of(s) FROM (VALUES
    ($$SELECT oauth1.authorization_header('GET', 'http://example.com/', 'k', 's', realm => E'a\r\nb')$$),
    ($$SELECT oauth1.authorization_header('GET', 'http://example.com/', 'k', 's', realm => E'\x7f')$$),
    ($$SELECT oauth1.authorization_header('GET', 'example.com', 'k', 's')$$),
    ($$SELECT oauth1.authorization_header('G T', 'http://example.com', 'k', 's')$$),
    ($$SELECT oauth1.authorization_header('GET', 'http://example.com/?a=%x', 'k', 's')$$)) AS v(s);

-- parse_authorization_header
SELECT h, oauth1.parse_authorization_header(h) FROM (VALUES
    ('OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_signature="74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D"'),
    ('oauth a="1",b="2"'), ('OAUTH  a="1" ,  b="2" '), ('OAuth'), ('OAuth '), ('OAuth a=""'), ('OAuth a="%20+"'),
    ('OAuth realm="a%20b \"c\" \\"'), ('OAuth A="1", a="2"'), ('OAuth a="x,y=z"'), ('OAuth a="%E2%98%83"'),
    ('OAuth realm="http://sp.example.com/",oauth_token="ad180jjd733klru7",,')) AS v(h);
SELECT h, pg_temp.error_of(format('SELECT oauth1.parse_authorization_header(%L)', h)) FROM (VALUES
    (''), ('Basic abc'), ('OAuthX a="1"'), ('Bearer x'), ('OAuth a=1'), ('OAuth a'), ('OAuth a="1'), ('OAuth a="1" b="2"'), ('OAuth ="1"'),
    ('OAuth a="1", a="1"'), ('OAuth realm="x", realm="y"'), ('OAuth a="%"'), ('OAuth a="%zz"'), ('OAuth a="%FF"'), ('OAuth a="%00"'),
    ('OAuth a="1"x'), ('OAuth a b="1"'), (E'OAuth a="1\n"'), ('OAuth a="\'), ('OAuth %41="1", A="2"')) AS v(h);
SELECT oauth1.parse_authorization_header(NULL) IS NULL AS null_of_null;
