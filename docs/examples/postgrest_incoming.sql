-- Signed requests that reach an API behind PostgREST: the client is known before anything is done.
--
-- PostgREST hands a request to SQL as settings of its transaction: request.method, request.path and
-- request.headers (names in lower case, Authorization with them). Two things it does not hand on:
--
-- * the query. The proxy before PostgREST does, and overwrites what a client sends under that name;
--   in nginx:  proxy_set_header X-Query $args;
-- * that of a GET or HEAD in a transaction that may write. These are READ ONLY, and what was accepted
--   has to be noted: verify_request is an error there (25006, to the client 405). So what is to be
--   called with a signature is a volatile function, by POST.
--
-- The request and what it does are one transaction: where it fails, it was not accepted either, and
-- may be sent again as it is.

-- The roles as PostgREST has them, and one that may verify. No role of the API may by itself.
CREATE ROLE authenticator LOGIN NOINHERIT;
CREATE ROLE web_anon NOLOGIN;
GRANT web_anon TO authenticator;

CREATE ROLE gatekeeper NOLOGIN;
GRANT EXECUTE ON FUNCTION oauth1.verify_request(text, text, jsonb, text, bytea) TO gatekeeper;

-- api is exposed (db-schemas = "api"), gate is not.
CREATE SCHEMA api;
CREATE SCHEMA gate;
GRANT USAGE ON SCHEMA api, gate TO web_anon;

-- Whose request this is; 401 where it is nobody's. It can be asked once a request.
--   params  what a form had, name by name
--   body    any other body, octet by octet. It must have been signed, by oauth_body_hash: the
--           signature itself is not over it
CREATE FUNCTION gate.client(params jsonb DEFAULT '{}', body bytea DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    headers jsonb := current_setting('request.headers')::jsonb;
    accepted text;
BEGIN
    SELECT v.client INTO accepted
    FROM oauth1.verify_request(
        current_setting('request.method'),
        'https://api.example.com' || current_setting('request.path')
            || coalesce('?' || (headers ->> 'x-query'), ''),
        params,
        headers ->> 'authorization',
        body) AS v;

    IF accepted IS NULL
       OR body IS NOT NULL AND NOT coalesce(
           oauth1.parse_authorization_header(headers ->> 'authorization') ? 'oauth_body_hash', false)
    THEN
        RAISE SQLSTATE 'PT401' USING
            MESSAGE = 'the request is not signed, or its signature is refused';
    END IF;
    RETURN accepted;
END
$$;
ALTER FUNCTION gate.client(jsonb, bytea) OWNER TO gatekeeper;
REVOKE ALL ON FUNCTION gate.client(jsonb, bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gate.client(jsonb, bytea) TO web_anon;

-- Not in api: what is there can be written past the functions below.
CREATE TABLE gate.received (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client text NOT NULL,
    content jsonb NOT NULL);
GRANT INSERT, SELECT ON gate.received TO web_anon;

-- POST /rpc/receive, Content-Type: application/json. A single parameter without a name is the body,
-- and json keeps it as it came.
CREATE FUNCTION api.receive(json)
RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
    INSERT INTO gate.received (client, content)
    VALUES (gate.client(body => convert_to($1::text, 'UTF8')), $1)
    RETURNING id
$$;

-- POST /rpc/place_order, Content-Type: application/x-www-form-urlencoded. PostgREST makes arguments of the
-- fields, so a field that is not among them is refused by PostgREST already.
CREATE FUNCTION api.place_order(item text, amount text)
RETURNS bigint
LANGUAGE sql VOLATILE
AS $$
    INSERT INTO gate.received (client, content)
    SELECT gate.client(params => form), form
    FROM jsonb_build_object('item', item, 'amount', amount) AS form
    RETURNING id
$$;
