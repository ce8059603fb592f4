-- the views secrets_in and tokens_in
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
SELECT oauth1.create_provider('reg_p', ARRAY['https://api.example.com']);
SELECT oauth1.create_consumer('reg_a', 'reg_p', 'key a', 'secret');
SELECT oauth1.alter_consumer('reg_a', reset => '{consumer_secret}');
SELECT oauth1.create_consumer('reg_b', 'reg_p', 'key b');
RESET client_min_messages;
CREATE VIEW pg_temp.stored AS
SELECT consumer, slot, kind FROM oauth1.secret WHERE consumer LIKE 'reg\_%' ORDER BY 1, 2, 3;
CREATE VIEW pg_temp.tokens AS
SELECT consumer, name, token FROM oauth1.tokens WHERE consumer LIKE 'reg\_%' ORDER BY 1, 2;

-- COPY, columns in any order, some left out
COPY oauth1.secrets_in (consumer, consumer_secret, private_key) FROM STDIN;
reg_a	one	\N
\.
COPY oauth1.secrets_in (consumer_secret, consumer) FROM STDIN;
two	reg_b
three	reg_a
\.
COPY oauth1.tokens_in FROM STDIN WITH (FORMAT csv);
reg_a,,t1,s1
reg_a,second,t2,"s
2"
reg_b,default,t3,""
\.
COPY oauth1.tokens_in (consumer, token, token_secret) FROM STDIN;
reg_a	t1 again	s1 again
\.
TABLE pg_temp.stored;
TABLE pg_temp.tokens;
-- no row at all
COPY oauth1.tokens_in FROM STDIN;
\.

-- a private key, in the CSV form that keeps its lines
\copy oauth1.secrets_in (consumer, private_key) FROM PROGRAM 'printf ''reg_b,"%s"\n'' "$(cat test/keys/rsa_pkcs1.pem)"' WITH (FORMAT csv)
TABLE pg_temp.stored;

-- INSERT works the same, and hands nothing back but what it was given
INSERT INTO oauth1.secrets_in SELECT name, 'from a query', NULL FROM oauth1.consumers WHERE name LIKE 'reg\_%';
INSERT INTO oauth1.tokens_in (consumer, name, token, token_secret) VALUES ('reg_b', 'other', 't4', 's4') RETURNING consumer, name;
SELECT * FROM oauth1.secrets_in;
SELECT * FROM oauth1.tokens_in;
COPY (SELECT * FROM oauth1.secrets_in) TO STDOUT;
COPY oauth1.secrets_in TO STDOUT;
SELECT left(pg_temp.error_of(statement), 5)
FROM unnest(ARRAY['UPDATE oauth1.secrets_in SET consumer = NULL', 'DELETE FROM oauth1.tokens_in']) AS s(statement);

-- what is wrong with a row is told by its number, and nothing of the statement is stored
COPY oauth1.secrets_in FROM STDIN;
reg_a	PLANTED01	\N	\N
PLANTED02	PLANTED03	\N	\N
\.
COPY oauth1.secrets_in FROM STDIN;
\N	PLANTED04	\N	\N
\.
COPY oauth1.secrets_in FROM STDIN;
reg_a	\N	\N	\N
\.
COPY oauth1.secrets_in FROM STDIN;
reg_a	\N	PLANTED05	\N
\.
COPY oauth1.secrets_in FROM STDIN;
reg_a	\N	\N	PLANTED16
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	x	PLANTED06	PLANTED07
reg_a	y	\N	PLANTED08
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	x	PLANTED09	\N
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a		PLANTED10	PLANTED11
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	PLANTED12PLANTED12PLANTED12PLANTED12PLANTED12PLANTED12PLANTED12PLANTED12	PLANTED13	PLANTED14
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	x		PLANTED15
\.
INSERT INTO oauth1.tokens_in VALUES ('reg_none', 'x', 't', 's');
TABLE pg_temp.tokens;
-- what PostgreSQL says of a line that it cannot read is beyond us
\set VERBOSITY terse
COPY oauth1.tokens_in FROM STDIN;
reg_a	too few
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	x	y	z	too many
\.
\set VERBOSITY default

-- several in one transaction; a savepoint takes back what it should
BEGIN;
COPY oauth1.tokens_in FROM STDIN;
reg_a	in 1	t	s
\.
SAVEPOINT a;
COPY oauth1.tokens_in FROM STDIN;
reg_a	in 2	t	s
\.
ROLLBACK TO a;
SAVEPOINT b;
COPY oauth1.tokens_in FROM STDIN;
reg_a	in 3	t	s
nobody	in 4	t	s
\.
ROLLBACK TO b;
SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'oauth1 entry%';
COPY oauth1.tokens_in FROM STDIN;
reg_b	in 5	t	s
\.
COMMIT;
TABLE pg_temp.tokens;

-- a statement inside of another, and one that writes to both views
CREATE FUNCTION pg_temp.nested(n int) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    IF n = 2 THEN
        BEGIN
            INSERT INTO oauth1.tokens_in VALUES ('reg_b', 'inner fails', 't', 's'), (NULL, NULL, NULL, NULL);
        EXCEPTION WHEN null_value_not_allowed THEN
            RAISE NOTICE 'inner failed: %', SQLERRM;
        END;
    END IF;
    INSERT INTO oauth1.tokens_in VALUES ('reg_b', 'inner ' || n, 't', 's');
    RETURN 'outer ' || n;
END $$;
INSERT INTO oauth1.tokens_in SELECT 'reg_b', pg_temp.nested(n), 't', 's' FROM generate_series(1, 3) n;
WITH token AS (INSERT INTO oauth1.tokens_in VALUES ('reg_b', 'with 1', 't', 's') RETURNING 1),
     secret AS (INSERT INTO oauth1.secrets_in VALUES ('reg_b', 'with', NULL) RETURNING 1),
     again AS (INSERT INTO oauth1.tokens_in VALUES ('reg_b', 'with 2', 't', 's') RETURNING 1)
SELECT (SELECT count(*) FROM token) + (SELECT count(*) FROM secret) + (SELECT count(*) FROM again) AS rows;
SELECT * FROM pg_temp.tokens WHERE consumer = 'reg_b';

-- many rows
INSERT INTO oauth1.tokens_in SELECT 'reg_a', 'many ' || n, 't' || n, repeat('s', n) FROM generate_series(1, 1000) n;
SELECT count(*), count(DISTINCT token) FROM oauth1.tokens WHERE name LIKE 'many %';
-- a value that is stored compressed
INSERT INTO oauth1.tokens_in SELECT 'reg_a', 'long', 't', string_agg('long secret', '') FROM generate_series(1, 10000) n;
CREATE TEMP TABLE toasted AS SELECT string_agg('long secret', '') AS value FROM generate_series(1, 10000) n;
INSERT INTO oauth1.tokens_in SELECT 'reg_a', 'long 2', 't', value FROM toasted;
SELECT slot, octet_length(ciphertext) FROM oauth1.secret WHERE slot LIKE 'long%' ORDER BY slot;
-- nothing is left of it in the session's memory
SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'oauth1 entry%';

-- whoever is let in may enter secrets, and see none
CREATE ROLE oauth1_reg_clerk;
GRANT INSERT ON oauth1.secrets_in, oauth1.tokens_in TO oauth1_reg_clerk;
SET ROLE oauth1_reg_clerk;
COPY oauth1.secrets_in (consumer, consumer_secret) FROM STDIN;
reg_a	by the clerk
\.
COPY oauth1.tokens_in FROM STDIN;
reg_a	clerk	t	s
\.
SELECT pg_temp.error_of('TABLE oauth1.secrets_in'), (SELECT count(*) FROM oauth1.consumers);
RESET ROLE;
SELECT name, requested_by FROM oauth1.tokens WHERE name = 'clerk';
REVOKE ALL ON oauth1.secrets_in, oauth1.tokens_in FROM oauth1_reg_clerk;
DROP ROLE oauth1_reg_clerk;

-- not in a read-only transaction; the trigger functions are triggers, and nobody's
BEGIN READ ONLY;
SELECT pg_temp.error_of($$INSERT INTO oauth1.secrets_in VALUES ('reg_a', 's', NULL)$$);
COMMIT;
SELECT pg_temp.error_of(format('SELECT oauth1.%s()', f)) FROM unnest(ARRAY['_entry_begin', '_entry_row', '_entry_end', '_invalidate']) AS t(f);
SELECT proname, has_function_privilege('pg_monitor', oid, 'EXECUTE') FROM pg_proc
WHERE pronamespace = 'oauth1'::regnamespace AND prorettype = 'trigger'::regtype AND proname ^@ '_' ORDER BY 1;

SELECT oauth1.drop_consumer('reg_a');
SELECT oauth1.drop_consumer('reg_b');
SELECT oauth1.drop_provider('reg_p');
