-- grants: who may use what, and who sees what
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
SELECT oauth1.create_consumer('reg_b', 'reg_p', 'key b', 'secret');
RESET client_min_messages;
SELECT oauth1.set_token('reg_a', 'tok 1', 's', 'one');
SELECT oauth1.set_token('reg_a', 'tok 2', 's', 'two');
SELECT oauth1.set_token('reg_b', 'tok 1', 's', 'one');
INSERT INTO oauth1.request_token (token, consumer, name, requested_by, requested_by_name)
SELECT 'req', 'reg_a', 'two', oid, rolname FROM pg_roles WHERE rolname = current_user;

CREATE ROLE oauth1_reg_whole;
CREATE ROLE oauth1_reg_token;
CREATE ROLE oauth1_reg_both;
CREATE ROLE oauth1_reg_member IN ROLE oauth1_reg_whole;
CREATE ROLE oauth1_reg_noinherit NOINHERIT IN ROLE oauth1_reg_whole;
CREATE ROLE oauth1_reg_none;
CREATE ROLE oauth1_reg_super SUPERUSER;
CREATE ROLE oauth1_reg_deputy;
SELECT current_user AS owner \gset
GRANT :"owner" TO oauth1_reg_deputy;
SELECT oauth1.grant_consumer('reg_a', 'oauth1_reg_whole');
SELECT oauth1.grant_token('reg_a', 'one', 'oauth1_reg_token');
SELECT oauth1.grant_consumer('reg_b', 'oauth1_reg_both');
SELECT oauth1.grant_token('reg_a', 'two', 'oauth1_reg_both');
-- given twice is given once
SELECT oauth1.grant_consumer('reg_b', 'oauth1_reg_both');
SELECT consumer, token, role, valid, granted_at BETWEEN now() - interval '1 hour' AND now() AS recent FROM oauth1.grants ORDER BY 1, 3, 2;

-- What the views and the rule say, role by role: consumers; tokens; grants; may it sign with a token of this name?
CREATE FUNCTION pg_temp.seen() RETURNS TABLE (role text, consumers text, tokens text, grants text, one boolean, two boolean, no_token boolean, some_token boolean)
LANGUAGE plpgsql AS $$
DECLARE
    r text;
BEGIN
    FOREACH r IN ARRAY ARRAY['whole', 'token', 'both', 'member', 'noinherit', 'none', 'deputy', 'super'] LOOP
        EXECUTE format('SET LOCAL ROLE oauth1_reg_%s', r);
        RETURN QUERY SELECT r,
            (SELECT string_agg(c.name, ' ' ORDER BY c.name) FROM oauth1.consumers c WHERE c.name LIKE 'reg\_%'),
            (SELECT string_agg(concat_ws('.', t.consumer, t.name, nullif(t.state, 'access')), ' ' ORDER BY t.consumer, t.name, t.state)
             FROM oauth1.tokens t WHERE t.consumer LIKE 'reg\_%'),
            (SELECT string_agg(concat_ws('.', g.consumer, g.token, replace(g.role, 'oauth1_reg_', '')) || CASE WHEN g.valid THEN '' ELSE '!' END,
                               ' ' ORDER BY g.consumer, g.role, g.token) FROM oauth1.grants g WHERE g.consumer LIKE 'reg\_%'),
            oauth1._may_use('reg_a', 'one'), oauth1._may_use('reg_a', 'two'), oauth1._may_use('reg_a', ''), oauth1._may_use('reg_a', NULL);
        RESET ROLE;
    END LOOP;
END $$;
SELECT * FROM pg_temp.seen() \x\g\x

-- a condition of the reader's does not see rows that the view leaves out
CREATE FUNCTION pg_temp.leak(value text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS
    $$ BEGIN RAISE NOTICE 'seen: %', value; RETURN true; END $$;
SET ROLE oauth1_reg_token;
SELECT count(*) FROM oauth1.consumers WHERE pg_temp.leak(consumer_key);
SELECT count(*) FROM oauth1.tokens WHERE pg_temp.leak(token);
SELECT count(*) FROM oauth1.grants WHERE pg_temp.leak(role);

-- nor anything else of the extension's
SELECT relation, pg_temp.error_of(format('TABLE oauth1.%I', relation))
FROM unnest(ARRAY['preset', 'provider', 'consumer', 'token', 'request_token', 'secret', 'data_key', 'consumer_grant', 'secrets_in', 'tokens_in']) AS r(relation);
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$create_consumer('reg_x', 'reg_p', 'k')$$, $$alter_consumer('reg_a')$$, $$drop_consumer('reg_a')$$, $$set_token('reg_a', 't', 's')$$,
    $$drop_token('reg_a')$$, $$grant_consumer('reg_a', current_user::regrole)$$, $$revoke_consumer('reg_a', current_user::regrole)$$,
    $$grant_token('reg_a', 'two', current_user::regrole)$$, $$revoke_token_grant('reg_a', 'one', current_user::regrole)$$, $$adopt_grants()$$]) AS c(call);
SELECT pg_temp.error_of($$INSERT INTO oauth1.secrets_in VALUES ('reg_a', 's', NULL)$$), pg_temp.error_of($$INSERT INTO oauth1.tokens_in VALUES ('reg_a', 'one', 't', 's')$$);
RESET ROLE;

-- a dropped role's grant passes to nobody: not to the next of its name, nor of its oid
DROP ROLE oauth1_reg_token;
SELECT consumer, token, role, valid FROM oauth1.grants WHERE role = 'oauth1_reg_token';
CREATE ROLE oauth1_reg_token;
SELECT consumer, token, role, valid FROM oauth1.grants WHERE role = 'oauth1_reg_token';
SELECT * FROM pg_temp.seen() s WHERE s.role = 'token';
UPDATE oauth1.consumer_grant SET role_oid = 'oauth1_reg_none'::regrole WHERE role_name = 'oauth1_reg_whole';
SELECT * FROM pg_temp.seen() s WHERE s.role IN ('whole', 'none', 'member');
-- nor to one that is renamed to it; a role that is renamed loses its own
ALTER ROLE oauth1_reg_both RENAME TO oauth1_reg_other;
SELECT consumer, token, role, valid FROM oauth1.grants WHERE role LIKE 'oauth1\_reg\_%' ORDER BY 1, 3;
ALTER ROLE oauth1_reg_other RENAME TO oauth1_reg_both;

-- adopt_grants takes over by name what counts no more, and says how many
SELECT oauth1.adopt_grants();
SELECT oauth1.adopt_grants();
SELECT * FROM pg_temp.seen() s WHERE s.role IN ('whole', 'token', 'none', 'member');
-- or the grant is given again
DROP ROLE oauth1_reg_token;
CREATE ROLE oauth1_reg_token;
SELECT oauth1.grant_token('reg_a', 'one', 'oauth1_reg_token');
SELECT count(*), bool_and(valid) FROM oauth1.grants WHERE role = 'oauth1_reg_token';

-- revoked; of a consumer, with what was granted of its tokens
SELECT oauth1.grant_consumer('reg_a', 'oauth1_reg_token');
SELECT oauth1.revoke_token_grant('reg_a', 'one', 'oauth1_reg_token');
SELECT * FROM pg_temp.seen() s WHERE s.role = 'token';
SELECT oauth1.grant_token('reg_a', 'one', 'oauth1_reg_token');
SELECT oauth1.revoke_consumer('reg_a', 'oauth1_reg_token');
SELECT * FROM pg_temp.seen() s WHERE s.role = 'token';
SELECT oauth1.revoke_consumer('reg_a', 'oauth1_reg_token');
SELECT oauth1.revoke_token_grant('reg_a', 'two', 'oauth1_reg_none');
-- a renamed role's too, but not that of a role that has the name now
SELECT oauth1.grant_consumer('reg_a', 'oauth1_reg_token');
ALTER ROLE oauth1_reg_token RENAME TO oauth1_reg_renamed;
SELECT oauth1.revoke_consumer('reg_a', 'oauth1_reg_renamed');
SELECT count(*) FROM oauth1.grants WHERE role = 'oauth1_reg_token';
ALTER ROLE oauth1_reg_renamed RENAME TO oauth1_reg_token;
SELECT oauth1.grant_consumer('reg_a', 'oauth1_reg_token');
UPDATE oauth1.consumer_grant SET role_oid = 'oauth1_reg_none'::regrole WHERE role_name = 'oauth1_reg_token';
SELECT oauth1.revoke_consumer('reg_a', 'oauth1_reg_none');
SELECT role, valid FROM oauth1.grants WHERE role = 'oauth1_reg_token';
SELECT oauth1.revoke_consumer('reg_a', 'oauth1_reg_token');

-- a token's grants go with it; another token of its name has none
SELECT oauth1.grant_token('reg_a', 'one', 'oauth1_reg_token');
SELECT oauth1.set_token('reg_a', 'tok 1 again', 's', 'one');
SELECT count(*) FROM oauth1.grants WHERE role = 'oauth1_reg_token';
SELECT oauth1.drop_token('reg_a', 'one');
SELECT oauth1.set_token('reg_a', 'tok 1', 's', 'one');
SELECT count(*) FROM oauth1.grants WHERE role = 'oauth1_reg_token';

-- arguments
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$grant_consumer('reg_none', 'oauth1_reg_none')$$, $$grant_consumer(NULL, 'oauth1_reg_none')$$, $$grant_consumer('reg_a', NULL)$$,
    $$grant_consumer('reg_a', 'oauth1_reg_nobody')$$, $$grant_consumer('reg_a', 4294967295::regrole)$$, $$grant_consumer('reg_a', 0::regrole)$$,
    $$revoke_consumer('reg_none', 'oauth1_reg_none')$$, $$revoke_consumer('reg_a', NULL)$$,
    $$grant_token('reg_a', 'none', 'oauth1_reg_none')$$, $$grant_token('reg_none', 'one', 'oauth1_reg_none')$$, $$grant_token('reg_a', '', 'oauth1_reg_none')$$,
    $$grant_token('reg_a', NULL, 'oauth1_reg_none')$$, $$revoke_token_grant('reg_none', 'one', 'oauth1_reg_none')$$, $$revoke_token_grant('reg_a', '', 'oauth1_reg_none')$$]) AS c(call);
BEGIN READ ONLY;
SELECT call, pg_temp.error_of('SELECT oauth1.' || call)
FROM unnest(ARRAY[$$grant_consumer('reg_a', 'oauth1_reg_none')$$, $$revoke_consumer('reg_a', 'oauth1_reg_none')$$, $$grant_token('reg_a', 'one', 'oauth1_reg_none')$$,
    $$revoke_token_grant('reg_a', 'one', 'oauth1_reg_none')$$, $$adopt_grants()$$]) AS c(call);
SELECT count(*) FROM oauth1.grants WHERE consumer LIKE 'reg\_%';
COMMIT;

-- the rule reads what is committed now, whatever the transaction's snapshot: a revoked role is out at once
\c -
SET ROLE oauth1_reg_both;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT oauth1._may_use('reg_b', NULL);
\setenv DATABASE :DBNAME
\! psql -X -q -d "$DATABASE" -Atc "SELECT oauth1.revoke_consumer('reg_b', 'oauth1_reg_both')"
SELECT oauth1._may_use('reg_b', NULL);
COMMIT;
RESET ROLE;

-- who asks beside a scan that would be parallel is answered as well: the latest snapshot cannot be had in parallel mode
CREATE TABLE reg_big AS SELECT n FROM generate_series(1, 20000) n;
ANALYZE reg_big;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE FUNCTION pg_temp.is_parallel(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan::text LIKE '%Gather%';
END $$;
SELECT pg_temp.is_parallel('SELECT count(*) FROM reg_big WHERE n % 2 = 0');
GRANT SELECT ON reg_big TO oauth1_reg_whole;
SET ROLE oauth1_reg_whole;
SELECT count(*) FROM reg_big WHERE n % 2 = 0 AND EXISTS (SELECT FROM oauth1.consumers WHERE name = 'reg_a');
RESET ROLE;
DROP TABLE reg_big;

SELECT oauth1.drop_consumer('reg_a');
SELECT oauth1.drop_consumer('reg_b');
SELECT oauth1.drop_provider('reg_p');
SELECT count(*) FROM oauth1.consumer_grant WHERE consumer LIKE 'reg\_%';
DROP ROLE oauth1_reg_whole, oauth1_reg_token, oauth1_reg_both, oauth1_reg_member, oauth1_reg_noinherit, oauth1_reg_none, oauth1_reg_deputy, oauth1_reg_super;
