-- Databases in LATIN1, EUC_JP and SQL_ASCII: what is signed is UTF-8 everywhere
SELECT current_database() AS dbname \gset
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS oauth1;
DROP DATABASE IF EXISTS oauth1_latin1;
DROP DATABASE IF EXISTS oauth1_euc_jp;
DROP DATABASE IF EXISTS oauth1_sql_ascii;
CREATE DATABASE oauth1_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE oauth1_euc_jp TEMPLATE template0 ENCODING 'EUC_JP' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE oauth1_sql_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';

-- the signature that the LATIN1 database must give as well
\encoding UTF8
SELECT oauth1.signature('GET', 'http://example.com/é?q=ü', '{"ö": "ß"}', 'sécret', 'tökén') AS expected,
       oauth1.signature('GET', 'http://example.com/日?q=本', '{"語": "。"}', '秘密') AS expected_jp \gset

\c oauth1_latin1
\encoding UTF8
SET client_min_messages = warning;
CREATE EXTENSION oauth1;
RESET client_min_messages;
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE ignored text;
BEGIN
    EXECUTE statement INTO ignored;
    RETURN 'no error: ' || coalesce(ignored, 'NULL');
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' | ' || SQLERRM;
END $$;
SELECT length(convert_to('é', getdatabaseencoding()::name)) AS octets, oauth1.percent_encode('é'), oauth1.percent_decode('%C3%A9'), oauth1.form_encode('{"é": "ÿ"}'),
       oauth1.form_decode('%C3%A9=%C3%BF'), oauth1.base_string_uri('http://example.com/é');
SELECT oauth1.signature('GET', 'http://example.com/é?q=ü', '{"ö": "ß"}', 'sécret', 'tökén') = :'expected' AS same,
       oauth1.signature_matches('GET', 'http://example.com/é?q=ü', '{"ö": "ß"}', :'expected', 'sécret', 'tökén') AS matches;
SELECT h, oauth1.parse_authorization_header(h) - 'oauth_signature' FROM oauth1.authorization_header('GET', 'http://example.com/', 'clé', 's',
    realm => 'Réalm', nonce => 'n', "timestamp" => 1, signature_method => 'PLAINTEXT', params => '{"oauth_ä": "ö"}') h;
-- what the server's encoding does not have, and what is no UTF-8
SELECT s, error_of(s) FROM (VALUES ($$SELECT oauth1.percent_decode('%E2%98%83')$$), ($$SELECT oauth1.percent_decode('%E9')$$),
    ($$SELECT oauth1.percent_decode('%00')$$), ($$SELECT oauth1.form_decode('a=%E2%98%83')$$),
    ($$SELECT oauth1.parse_authorization_header('OAuth a="%E2%98%83"')$$), ($$SELECT oauth1.normalize_parameters('http://example.com/?a=%E2%98%83%FF')$$),
    ($$SELECT oauth1.form_encode('{"é": {}}')$$)) AS t(s);

\c oauth1_euc_jp
\encoding UTF8
SET client_min_messages = warning;
CREATE EXTENSION oauth1;
RESET client_min_messages;
SELECT length(convert_to('日', getdatabaseencoding()::name)) AS octets, oauth1.percent_encode('日本語'), oauth1.percent_decode('%E6%97%A5'), oauth1.form_encode('{"日": "本"}'),
       oauth1.form_decode('%E6%97%A5=%E6%9C%AC'), oauth1.base_string_uri('http://example.com/日');
SELECT oauth1.signature('GET', 'http://example.com/日?q=本', '{"語": "。"}', '秘密') = :'expected_jp' AS same,
       oauth1.signature_matches('GET', 'http://example.com/日?q=本', '{"語": "。"}', :'expected_jp', '秘密') AS matches;

-- SQL_ASCII: octets pass as they are, whatever they mean
\c oauth1_sql_ascii
\encoding SQL_ASCII
SET client_min_messages = warning;
CREATE EXTENSION oauth1;
RESET client_min_messages;
SELECT oauth1.percent_encode('é'), oauth1.percent_encode(E'\xe9'), oauth1.percent_decode('%C3%A9') = 'é' AS utf8, oauth1.percent_decode('%E9') = E'\xe9' AS octet,
       oauth1.form_encode(E'{"\xe9": "\xff"}'), oauth1.form_decode('a=%E9')->>'a' = E'\xe9' AS form, oauth1.base_string_uri(E'http://example.com/\xe9');
SELECT oauth1.signature('GET', 'http://example.com/é?q=ü', '{"ö": "ß"}', 'sécret', 'tökén') = :'expected' AS same;
SELECT oauth1.percent_decode('%00');

\c :dbname
DROP DATABASE oauth1_latin1;
DROP DATABASE oauth1_euc_jp;
DROP DATABASE oauth1_sql_ascii;
