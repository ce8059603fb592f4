-- The heads of the signing functions and types, as the contract has them
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS oauth1;
RESET client_min_messages;
SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')' AS function, pg_get_function_result(p.oid) AS result,
       p.provolatile AS volatile, p.proisstrict AS strict, p.proparallel AS parallel, p.proacl IS NULL AS by_public,
       obj_description(p.oid, 'pg_proc') AS comment
FROM pg_proc p JOIN unnest(ARRAY['percent_encode', 'percent_decode', 'form_encode', 'form_decode', 'base_string_uri', 'normalize_parameters',
    'signature_base_string', 'signature', 'signature_matches', 'body_hash', 'parse_authorization_header', 'oauth_parameters',
    'authorization_header', 'nonce']) WITH ORDINALITY AS f(name, n) ON p.proname = f.name
WHERE p.pronamespace = 'oauth1'::regnamespace ORDER BY n \gx
SELECT enum_range(NULL::oauth1.signature_method);
SELECT t.typname, string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns, obj_description(t.oid, 'pg_type') AS comment
FROM pg_type t LEFT JOIN pg_attribute a ON a.attrelid = t.typrelid AND attnum > 0
WHERE t.typnamespace = 'oauth1'::regnamespace AND t.typname IN ('signature_method', 'http_request', 'http_response')
GROUP BY t.oid, t.typname ORDER BY t.typname;

-- an ordinary role may sign
CREATE ROLE oauth1_sign_nobody;
SET ROLE oauth1_sign_nobody;
SELECT oauth1.signature('GET', 'http://example.com/', '{}', 's'), length(oauth1.nonce());
RESET ROLE;
DROP ROLE oauth1_sign_nobody;

-- IMMUTABLE functions may stand in an index; the index finds what it was built of
CREATE TABLE sign_index (url text);
INSERT INTO sign_index SELECT 'http://EXAMPLE.com/' || i || '?a=' || i FROM generate_series(1, 1000) i;
CREATE INDEX ON sign_index (oauth1.base_string_uri(url), oauth1.signature('GET', url, '{}', 's'));
SET enable_seqscan = off;
SELECT url FROM sign_index WHERE oauth1.base_string_uri(url) = 'http://example.com/42'
   AND oauth1.signature('GET', url, '{}', 's') = oauth1.signature('GET', 'http://example.com/42?a=42', '{}', 's');
DROP TABLE sign_index;
