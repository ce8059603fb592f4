-- The contract: the heads of every type and public function of this version, for check-api.
--
-- Names, argument names, order, defaults and results are fixed: others' code calls them. What
-- stands after a result (volatility, strictness, parallel safety) is fixed where it stands. A
-- later version adds lines here and changes none.

CREATE TYPE oauth1.signature_method AS ENUM
    ('HMAC-SHA1', 'HMAC-SHA256', 'HMAC-SHA512', 'RSA-SHA1', 'RSA-SHA256', 'RSA-SHA512',
     'PLAINTEXT');
CREATE TYPE oauth1.http_request AS
    (http_method text, url text, headers jsonb, content_type text, body bytea);
CREATE TYPE oauth1.http_response AS
    (status integer, content_type text, headers jsonb, body text, body_bytes bytea,
     elapsed_ms double precision);
CREATE TYPE oauth1.call_attempt AS
    (n integer, started_at timestamptz, elapsed_ms double precision, status integer,
     sqlstate text, error text, sent boolean);

-- Signing
CREATE FUNCTION oauth1.percent_encode(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.percent_decode(value text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.form_encode(params jsonb) RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.form_decode(form text) RETURNS jsonb IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.base_string_uri(url text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.normalize_parameters(
    url text, params jsonb DEFAULT '{}')
RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.signature_base_string(
    http_method text, url text, params jsonb DEFAULT '{}')
RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.signature(
    http_method text, url text, params jsonb, consumer_secret text, token_secret text DEFAULT '',
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.signature_matches(
    http_method text, url text, params jsonb, signature text, consumer_secret text,
    token_secret text DEFAULT '', signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS boolean IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.body_hash(
    body bytea, signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS text IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.parse_authorization_header(header text)
    RETURNS jsonb IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION oauth1.oauth_parameters(
    http_method text, url text, consumer_key text, consumer_secret text, token text DEFAULT NULL,
    token_secret text DEFAULT NULL, signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256',
    params jsonb DEFAULT '{}', body bytea DEFAULT NULL, nonce text DEFAULT NULL,
    "timestamp" bigint DEFAULT NULL)
RETURNS jsonb VOLATILE PARALLEL SAFE;
CREATE FUNCTION oauth1.authorization_header(
    http_method text, url text, consumer_key text, consumer_secret text, token text DEFAULT NULL,
    token_secret text DEFAULT NULL, signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256',
    params jsonb DEFAULT '{}', body bytea DEFAULT NULL, realm text DEFAULT NULL,
    nonce text DEFAULT NULL, "timestamp" bigint DEFAULT NULL)
RETURNS text VOLATILE PARALLEL SAFE;
CREATE FUNCTION oauth1.nonce() RETURNS text VOLATILE PARALLEL SAFE;

-- Providers, consumers, tokens
CREATE FUNCTION oauth1.create_provider(
    name text, api_urls text[], request_token_url text DEFAULT NULL,
    authorize_url text DEFAULT NULL, access_token_url text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256', realm text DEFAULT NULL,
    transmission text DEFAULT 'header', token_transmission text DEFAULT NULL,
    token_method text DEFAULT 'POST', body_hash text DEFAULT 'off',
    callback_mode text DEFAULT 'request', callback_confirmed boolean DEFAULT true,
    renew_url text DEFAULT NULL, revoke_url text DEFAULT NULL, allow_http boolean DEFAULT false,
    options jsonb DEFAULT '{}')
RETURNS void;
CREATE FUNCTION oauth1.alter_provider(
    name text, api_urls text[] DEFAULT NULL, request_token_url text DEFAULT NULL,
    authorize_url text DEFAULT NULL, access_token_url text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT NULL, realm text DEFAULT NULL,
    transmission text DEFAULT NULL, token_transmission text DEFAULT NULL,
    token_method text DEFAULT NULL, body_hash text DEFAULT NULL, callback_mode text DEFAULT NULL,
    callback_confirmed boolean DEFAULT NULL, renew_url text DEFAULT NULL,
    revoke_url text DEFAULT NULL, allow_http boolean DEFAULT NULL, options jsonb DEFAULT NULL,
    reset text[] DEFAULT NULL)
RETURNS void;
CREATE FUNCTION oauth1.drop_provider(name text) RETURNS void;
CREATE FUNCTION oauth1.create_consumer(
    name text, provider text, consumer_key text, consumer_secret text DEFAULT NULL,
    vars jsonb DEFAULT '{}', private_key text DEFAULT NULL, callback text DEFAULT NULL,
    max_concurrency integer DEFAULT NULL, rate_limit text DEFAULT NULL,
    limit_group text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void;
CREATE FUNCTION oauth1.alter_consumer(
    name text, provider text DEFAULT NULL, consumer_key text DEFAULT NULL,
    consumer_secret text DEFAULT NULL, vars jsonb DEFAULT NULL, private_key text DEFAULT NULL,
    callback text DEFAULT NULL, max_concurrency integer DEFAULT NULL, rate_limit text DEFAULT NULL,
    limit_group text DEFAULT NULL, options jsonb DEFAULT NULL, reset text[] DEFAULT NULL)
RETURNS void;
CREATE FUNCTION oauth1.drop_consumer(name text) RETURNS void;
CREATE FUNCTION oauth1.set_token(
    consumer text, token text, token_secret text, name text DEFAULT 'default')
RETURNS void;
CREATE FUNCTION oauth1.drop_token(consumer text, name text DEFAULT 'default') RETURNS void;
CREATE FUNCTION oauth1.grant_consumer(consumer text, role regrole) RETURNS void;
CREATE FUNCTION oauth1.revoke_consumer(consumer text, role regrole) RETURNS void;
CREATE FUNCTION oauth1.grant_token(consumer text, name text, role regrole) RETURNS void;
CREATE FUNCTION oauth1.revoke_token_grant(consumer text, name text, role regrole) RETURNS void;
CREATE FUNCTION oauth1.adopt_grants() RETURNS integer;
CREATE FUNCTION oauth1.rotate_key() RETURNS text;
CREATE FUNCTION oauth1.create_master_key() RETURNS text;
CREATE FUNCTION oauth1.rotate_master_key(id text) RETURNS void;
CREATE FUNCTION oauth1.key_status(
)
RETURNS TABLE (kind text, id text, current boolean, present boolean, needed_by bigint,
    fingerprint text, created_at timestamptz);
CREATE FUNCTION oauth1.rebind_consumer(name text) RETURNS integer;

-- The three-legged flow
CREATE FUNCTION oauth1.request_token(
    consumer text, callback text DEFAULT NULL, params jsonb DEFAULT '{}',
    name text DEFAULT 'default', OUT oauth_token text, OUT authorize_url text)
RETURNS record;
CREATE FUNCTION oauth1.access_token(
    oauth_token text, oauth_verifier text, OUT consumer text, OUT name text, OUT params jsonb)
RETURNS record;
CREATE FUNCTION oauth1.accept_credentials(
    provider text, body text, content_type text, name text)
RETURNS text;
CREATE FUNCTION oauth1.handle_callback(
    callback_url text, OUT consumer text, OUT name text, OUT params jsonb)
RETURNS record;
CREATE FUNCTION oauth1.authorize(
    INOUT consumer text, INOUT name text DEFAULT 'default', INOUT params jsonb DEFAULT '{}',
    port integer DEFAULT 0, timeout_ms integer DEFAULT 300000)
RETURNS record;
CREATE FUNCTION oauth1.renew_token(consumer text, name text DEFAULT 'default') RETURNS void;
CREATE FUNCTION oauth1.revoke_token(consumer text, name text DEFAULT 'default') RETURNS void;

-- Signed calls
CREATE FUNCTION oauth1.http_get(
    consumer text, url text, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_head(
    consumer text, url text, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_post(
    consumer text, url text, body_json jsonb DEFAULT NULL, form jsonb DEFAULT NULL,
    body text DEFAULT NULL, body_bytes bytea DEFAULT NULL, content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_put(
    consumer text, url text, body_json jsonb DEFAULT NULL, form jsonb DEFAULT NULL,
    body text DEFAULT NULL, body_bytes bytea DEFAULT NULL, content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_patch(
    consumer text, url text, body_json jsonb DEFAULT NULL, form jsonb DEFAULT NULL,
    body text DEFAULT NULL, body_bytes bytea DEFAULT NULL, content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_delete(
    consumer text, url text, body_json jsonb DEFAULT NULL, form jsonb DEFAULT NULL,
    body text DEFAULT NULL, body_bytes bytea DEFAULT NULL, content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.request(
    http_method text, url text, body_json jsonb DEFAULT NULL, form jsonb DEFAULT NULL,
    body text DEFAULT NULL, body_bytes bytea DEFAULT NULL, content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL, params jsonb DEFAULT NULL, headers jsonb DEFAULT NULL)
RETURNS oauth1.http_request;
CREATE FUNCTION oauth1.http_call(
    consumer text, request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.http_batch(
    consumer text, requests oauth1.http_request[],
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    concurrency integer DEFAULT 16, timeout_ms integer DEFAULT NULL)
RETURNS TABLE (n integer, status integer, content_type text, headers jsonb, body text,
    body_bytes bytea, elapsed_ms double precision, sqlstate text, error text) STABLE;
CREATE FUNCTION oauth1.http_pages(
    consumer text, url text DEFAULT NULL, params jsonb DEFAULT NULL, next text DEFAULT 'link',
    max_pages integer DEFAULT 1000, request oauth1.http_request DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS SETOF oauth1.http_response STABLE;
CREATE FUNCTION oauth1.raise_for_status(response oauth1.http_response) RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.sign_request(
    consumer text, request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'))
RETURNS oauth1.http_request;
CREATE FUNCTION oauth1.explain_call(
    consumer text, request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'))
RETURNS TABLE (step integer, name text, value text);
CREATE FUNCTION oauth1.check_consumer(name text)
RETURNS TABLE (item text, ok boolean, detail text);

-- The queue
CREATE FUNCTION oauth1.enqueue(
    consumer text, http_method text, url text, body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL, body text DEFAULT NULL, body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL, files jsonb DEFAULT NULL, params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    run_at timestamptz DEFAULT now(), max_attempts integer DEFAULT 5,
    timeout_ms integer DEFAULT NULL, idempotent boolean DEFAULT NULL,
    dedupe_key text DEFAULT NULL, order_key text DEFAULT NULL, on_done regprocedure DEFAULT NULL)
RETURNS bigint;
CREATE FUNCTION oauth1.call_trigger() RETURNS trigger;
CREATE PROCEDURE oauth1.drain(max_calls integer DEFAULT NULL, concurrency integer DEFAULT NULL);
CREATE FUNCTION oauth1.call_result(id bigint) RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.await_call(id bigint, timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response;
CREATE FUNCTION oauth1.cancel_call(id bigint) RETURNS boolean;
CREATE FUNCTION oauth1.retry_call(id bigint) RETURNS boolean;
CREATE FUNCTION oauth1.purge_calls(older_than interval) RETURNS bigint;
CREATE FUNCTION oauth1.adopt_calls() RETURNS bigint;
CREATE FUNCTION oauth1.health() RETURNS TABLE (item text, ok boolean, detail text);

-- Incoming requests
CREATE FUNCTION oauth1.create_client(
    name text, INOUT consumer_key text DEFAULT NULL, INOUT consumer_secret text DEFAULT NULL,
    public_key text DEFAULT NULL)
RETURNS record;
CREATE FUNCTION oauth1.drop_client(name text) RETURNS void;
CREATE FUNCTION oauth1.verify_request(
    http_method text, url text, params jsonb DEFAULT '{}',
    authorization_header text DEFAULT NULL, body bytea DEFAULT NULL,
    OUT client text, OUT token text)
RETURNS record;

-- Not for PUBLIC; all other functions are. Arguments do not matter here.
REVOKE ALL ON FUNCTION
    oauth1.create_provider(), oauth1.alter_provider(), oauth1.drop_provider(),
    oauth1.create_consumer(), oauth1.alter_consumer(), oauth1.drop_consumer(),
    oauth1.set_token(), oauth1.drop_token(), oauth1.accept_credentials(),
    oauth1.grant_consumer(), oauth1.revoke_consumer(),
    oauth1.grant_token(), oauth1.revoke_token_grant(), oauth1.adopt_grants(),
    oauth1.rotate_key(), oauth1.create_master_key(), oauth1.rotate_master_key(),
    oauth1.key_status(), oauth1.rebind_consumer(),
    oauth1.drain(),
    oauth1.purge_calls(), oauth1.adopt_calls(), oauth1.health(),
    oauth1.create_client(), oauth1.drop_client(), oauth1.verify_request()
FROM PUBLIC;
