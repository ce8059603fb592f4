-- percent_encode, percent_decode, form_encode, form_decode, base_string_uri
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

-- RFC 5849, 3.6: letters, digits, "-", ".", "_", "~" stay, all else is %XX in upper case
SELECT oauth1.percent_encode(string_agg(chr(c), '' ORDER BY c)) FROM generate_series(1, 127) c;
SELECT v, oauth1.percent_encode(v)
FROM (VALUES (''), ('abcABC123'), ('-._~'), ('%'), ('+'), ('&=*'), (E'\n'), (' '), (U&'\0080'), (U&'\3001'),
             ('Ladies + Gentlemen'), ('An encoded string!'), ('☃'), ('😀'), ('%20')) AS t(v);
SELECT v, oauth1.percent_decode(v)
FROM (VALUES (''), ('a%20b'), ('%e2%98%83'), ('%E2%98%83'), ('a+b'), ('%2B'), ('%25 41'), ('%F0%9f%98%80')) AS t(v);
-- characters of all planes come back
SELECT count(*) FILTER (WHERE oauth1.percent_decode(oauth1.percent_encode(chr(c))) = chr(c)) AS same, count(*)
FROM generate_series(1, 1114111, 97) c WHERE c NOT BETWEEN 55296 AND 57343;

SELECT v, pg_temp.error_of(format('SELECT oauth1.percent_decode(%L)', v))
FROM (VALUES ('%'), ('%4'), ('a%'), ('%zz'), ('%4g'), ('%%41'), ('% 41'), ('%FF'), ('%C3'), ('%ED%A0%80'), ('%00'),
             ('a%00b')) AS t(v);

-- form_encode keeps jsonb's order; a space is "+"
SELECT v, oauth1.form_encode(v)
FROM (VALUES ('{}'::jsonb), ('{"a": "1"}'), ('{"bb": 1, "a": 2}'), ('{"a": ["x", "y", "x"]}'), ('{"a": "b c+d&e=f~*"}'),
             ('{"": "empty name"}'), ('{"empty value": ""}'), ('{"a": null, "b": 1}'), ('{"a": [1, null, 2]}'),
             ('{"a": [], "b": 1}'), ('{"t": true, "f": false}'), ('{"realm": "kept"}'),
             ('{"n": [0, -1, 1.50, 1e3, 1e-7, 12345678901234567890.123456789]}'), ('{"ü": "☃😀"}')) AS t(v);
SELECT v, oauth1.form_decode(v)
FROM (VALUES (''), ('a=1'), ('a=1&b=2'), ('a'), ('a='), ('=a'), ('='), ('a=b=c'), ('&&a=1&&'), ('a=1&a=2&b=3&a=1'),
             ('a+b=c+d'), ('a%2Bb=%26%3D'), ('a;b=1;c=2'), ('%C3%BC=%E2%98%83'), ('a=1#b')) AS t(v);
-- and back
SELECT bool_and(oauth1.form_decode(oauth1.form_encode(v)) = v)
FROM (VALUES ('{"a": "1", "b": ["x", "", "x"], "": "", "ü": "☃ 😀+%"}'::jsonb)) AS t(v);

SELECT v, pg_temp.error_of(format('SELECT oauth1.form_decode(%L)', v))
FROM (VALUES ('%'), ('a=%4'), ('a%zz=1'), ('a=%FF'), ('%00=1'), ('a=%00')) AS t(v);
SELECT v, pg_temp.error_of(format('SELECT oauth1.form_encode(%L)', v))
FROM (VALUES ('{"a": {"b": 1}}'), ('{"a b": {}}'), ('{"x": 1, "a": [1, [2]]}'), ('{"a": [[]]}'), ('{"a": [{"b": 1}]}'),
             ('[]'), ('[1]'), ('null'), ('1'), ('"a"'), ('true')) AS t(v);

-- RFC 5849, 3.4.1.2: its examples first
SELECT v, oauth1.base_string_uri(v)
FROM (VALUES ('http://EXAMPLE.COM:80/r%20v/X?id=123'), ('https://www.example.net:8080/?q=1'),
             ('HTTP://example.com'), ('http://example.com?q'), ('https://example.com:443/a#b'), ('http://example.com:443/'),
             ('https://example.com:80/'), ('http://user:pass@Example.com/x'), ('http://u@example.com'), ('http://[2001:DB8::1]/'),
             ('http://[2001:db8::1]:80/a'), ('https://[::1]:8443/a?b'), ('http://127.0.0.1:08080/'), ('http://example.com:/'),
             ('http://example.com/a/../b/./c'), ('http://example.com/%2f%2F%7e'), ('http://example.com/a;b=c'),
             ('http://example.com/ü/☃ x'), ('http://example.com//'), ('http://a_b.example.com./')) AS t(v);
SELECT v, pg_temp.error_of(format('SELECT oauth1.base_string_uri(%L)', v))
FROM (VALUES (''), ('example.com'), ('/path'), ('ftp://example.com/'), ('file:///etc/passwd'), ('http:'), ('http:/example.com'),
             ('http://'), ('http:///x'), ('http://?q'), ('http://:80/'), ('http://u@/'), ('http://exa mple.com/'),
             ('http://exa<mple.com/'), ('http://bücher.example/'), ('http://example.com:0/'), ('http://example.com:65536/'),
             ('http://example.com:8o/'), ('http://example.com:-1/'), ('http://a@b@example.com/'), ('http://example.com\x'),
             ('http://example.com/a\b'), (E'http://example.com/\n'), (E'http://example.com/\x7f'), (E'\thttp://example.com/'),
             ('http://[::1/'), ('http://[::g]/'), ('http://[fe80::1%25eth0]/'), ('http://::1/'), ('http://example.com/%'),
             ('http://example.com/%zz')) AS t(v);

-- STRICT
SELECT oauth1.percent_encode(NULL) IS NULL AND oauth1.percent_decode(NULL) IS NULL AND oauth1.form_encode(NULL) IS NULL
   AND oauth1.form_decode(NULL) IS NULL AND oauth1.base_string_uri(NULL) IS NULL AS null_of_null;
