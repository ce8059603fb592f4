-- Sizes from 0 to 1 MiB and 1,000 parameters, against the same thing said in SQL
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS oauth1;
RESET client_min_messages;
\encoding UTF8

-- values: stays, is tripled, is nine times as long encoded; there and back
SELECT n, length(oauth1.percent_encode(repeat('a', n))) = n AS plain,
       oauth1.percent_encode(repeat('%', n)) = repeat('%25', n) AS escapes,
       oauth1.percent_encode(repeat('☃', n)) = repeat('%E2%98%83', n) AS snowmen,
       oauth1.percent_decode(repeat('%E2%98%83', n)) = repeat('☃', n) AS decoded,
       oauth1.form_decode('a=' || repeat('+', n) || '&b=' || repeat('%2b', n)) = jsonb_build_object('a', repeat(' ', n), 'b', repeat('+', n)) AS form,
       oauth1.form_encode(jsonb_build_object(repeat('n', n), repeat(' ', n))) = repeat('n', n) || '=' || repeat('+', n) AS form_encoded
FROM unnest(ARRAY[0, 1, 7, 8, 9, 63, 64, 255, 256, 4095, 4096, 65535, 65536, 1048576]) n;

-- one parameter as large: the base string, its HMAC by the server's own sha256 (RFC 2104), the body hash
CREATE FUNCTION pg_temp.xored(key bytea, pad int) RETURNS bytea LANGUAGE sql AS $$
    SELECT string_agg(set_byte('\x00', 0, (CASE WHEN i < length(key) THEN get_byte(key, i) ELSE 0 END) # pad), '' ORDER BY i)
    FROM generate_series(0, 63) i
$$;
CREATE FUNCTION pg_temp.hmac_sha256(message text, key text) RETURNS text LANGUAGE sql AS $$
    SELECT encode(sha256(pg_temp.xored(k, 92) || sha256(pg_temp.xored(k, 54) || convert_to(message, 'UTF8'))), 'base64')
    FROM (SELECT CASE WHEN length(key) > 64 THEN sha256(convert_to(key, 'UTF8')) ELSE convert_to(key, 'UTF8') END) AS v(k)
$$;
SELECT n, base = 'POST&http%3A%2F%2Fexample.com%2F&q%3D' || repeat('%2525', n) || '%26v%3D' || repeat('%25E2%2598%2583', n) AS base_string,
       oauth1.signature('POST', 'http://example.com/?q=' || repeat('%25', n), jsonb_build_object('v', repeat('☃', n)), 'secret')
           = pg_temp.hmac_sha256(base, 'secret&') AS signature,
       oauth1.signature('POST', 'http://example.com/', '{}', repeat('s', n), repeat('%', n))
           = pg_temp.hmac_sha256('POST&http%3A%2F%2Fexample.com%2F&', repeat('s', n) || '&' || repeat('%25', n)) AS key,
       oauth1.body_hash(convert_to(repeat('☃', n), 'UTF8')) = encode(sha256(convert_to(repeat('☃', n), 'UTF8')), 'base64') AS body_hash
FROM unnest(ARRAY[0, 1, 63, 64, 4096, 65536, 1048576]) n,
     LATERAL oauth1.signature_base_string('POST', 'http://example.com/?q=' || repeat('%25', n), jsonb_build_object('v', repeat('☃', n))) base;

-- 1 to 1,000 parameters, and 1,000 values of one name
SELECT n,
       oauth1.normalize_parameters('http://example.com/', many) = many_sorted AS names,
       oauth1.normalize_parameters('http://example.com/', one) = one_sorted AS one_name,
       oauth1.normalize_parameters('http://example.com/?' || oauth1.form_encode(many)) = many_sorted AS query,
       oauth1.form_decode(oauth1.form_encode(many)) = many AS form
FROM unnest(ARRAY[1, 2, 3, 16, 17, 999, 1000]) n, LATERAL (
    SELECT jsonb_object_agg('p' || i * 7919 % 1009, 'v' || i),
           string_agg('p' || i * 7919 % 1009 || '=v' || i, '&' ORDER BY ('p' || i * 7919 % 1009) COLLATE "C"),
           jsonb_build_object('p', jsonb_agg('v' || i * 7919 % 1009)),
           string_agg('p=v' || i * 7919 % 1009, '&' ORDER BY ('v' || i * 7919 % 1009) COLLATE "C")
    FROM generate_series(1, n) i) AS expected(many, many_sorted, one, one_sorted);
SELECT count(*) FROM jsonb_each(oauth1.parse_authorization_header('OAuth ' ||
    (SELECT string_agg('p' || i || '="' || repeat('%20', 100) || '"', ',') FROM generate_series(1, 1000) i)));
SELECT length(oauth1.authorization_header('GET', 'http://example.com/', repeat('k', 1048576), 's', realm => repeat('"', 1048576),
    params => (SELECT jsonb_object_agg('oauth_' || i, i) FROM generate_series(1, 1000) i), nonce => 'n', "timestamp" => 1, signature_method => 'PLAINTEXT'))
    = length('OAuth realm="", oauth_consumer_key="", oauth_signature_method="PLAINTEXT", oauth_timestamp="1", oauth_nonce="n", oauth_version="1.0", oauth_signature="s%26"')
    + 3 * 1048576 + (SELECT sum(length(format(', oauth_%s="%1$s"', i))) FROM generate_series(1, 1000) i) AS header;

-- toasted, compressed and short values from a table
CREATE TEMP TABLE stored (url text, params jsonb, secret text);
INSERT INTO stored SELECT 'http://example.com/?q=' || repeat('a', n), jsonb_build_object('v', repeat('b', n)), repeat('c', n)
FROM unnest(ARRAY[1, 100, 10000, 100000]) n;
SELECT bool_and(oauth1.signature('GET', url, params, secret) = oauth1.signature('GET', url || '', params || '{}', secret || '')) FROM stored;

-- in parallel workers: the same signatures, and no nonce twice
CREATE TABLE sign_parallel AS SELECT i FROM generate_series(1, 2000) i;
ALTER TABLE sign_parallel SET (parallel_workers = 2);
SET max_parallel_workers_per_gather = 0;
SELECT md5(string_agg(oauth1.signature('GET', 'http://example.com/?i=' || i, '{}', 's'), '' ORDER BY i)) AS serial FROM sign_parallel \gset
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT i, oauth1.signature('GET', 'http://example.com/?i=' || i, '{}', 's'), oauth1.nonce() FROM sign_parallel;
SELECT md5(string_agg(signature, '' ORDER BY i)) = :'serial' AS same, count(DISTINCT nonce)
FROM (SELECT i, oauth1.signature('GET', 'http://example.com/?i=' || i, '{}', 's') AS signature, oauth1.nonce() AS nonce
      FROM sign_parallel OFFSET 0) AS v;
DROP TABLE sign_parallel;
