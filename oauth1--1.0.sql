\echo Use "CREATE EXTENSION oauth1" to load this file. \quit

-- ---------------------------------------------------------------- types

CREATE TYPE oauth1.signature_method AS ENUM
    ('HMAC-SHA1', 'HMAC-SHA256', 'HMAC-SHA512', 'RSA-SHA1', 'RSA-SHA256', 'RSA-SHA512', 'PLAINTEXT');
COMMENT ON TYPE oauth1.signature_method IS
    'how a request is signed: RFC 5849, 3.4, and its methods with SHA-256 and SHA-512';

CREATE TYPE oauth1.http_request AS
    (http_method text, url text, headers jsonb, content_type text, body bytea);
COMMENT ON TYPE oauth1.http_request IS
    'an HTTP request, query and body already as they will be sent';

CREATE TYPE oauth1.http_response AS
    (status integer, content_type text, headers jsonb, body text, body_bytes bytea,
     elapsed_ms double precision);
COMMENT ON TYPE oauth1.http_response IS
    'an HTTP response: body where the content is text, else body_bytes';

-- ---------------------------------------------------------------- signing functions

CREATE FUNCTION oauth1.percent_encode(value text)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_percent_encode'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.percent_encode(text) IS
    'percent-encodes text as UTF-8 (RFC 5849, 3.6)';

CREATE FUNCTION oauth1.percent_decode(value text)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_percent_decode'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.percent_decode(text) IS
    'decodes percent-encoded text; a plus sign stays one';

CREATE FUNCTION oauth1.form_encode(params jsonb)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_form_encode'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.form_encode(jsonb) IS
    'writes an object as application/x-www-form-urlencoded, an array as a repeated name';

CREATE FUNCTION oauth1.form_decode(form text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'oauth1_form_decode'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.form_decode(text) IS
    'reads application/x-www-form-urlencoded; a name that repeats becomes an array';

CREATE FUNCTION oauth1.base_string_uri(url text)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_base_string_uri'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.base_string_uri(text) IS
    'the URL as it is signed, without its query (RFC 5849, 3.4.1.2)';

CREATE FUNCTION oauth1.normalize_parameters(url text, params jsonb DEFAULT '{}')
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_normalize_parameters'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.normalize_parameters(text, jsonb) IS
    'the parameters as they are signed, those of the URL''s query with them (RFC 5849, 3.4.1.3.2)';

CREATE FUNCTION oauth1.signature_base_string(http_method text, url text, params jsonb DEFAULT '{}')
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_signature_base_string'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.signature_base_string(text, text, jsonb) IS
    'the text that is signed (RFC 5849, 3.4.1.1)';

CREATE FUNCTION oauth1.signature(
    http_method text,
    url text,
    params jsonb,
    consumer_secret text,
    token_secret text DEFAULT '',
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_signature'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.signature(text, text, jsonb, text, text, oauth1.signature_method) IS
    'the Base64 signature of a request; for RSA consumer_secret is a PEM private key';

CREATE FUNCTION oauth1.signature_matches(
    http_method text,
    url text,
    params jsonb,
    signature text,
    consumer_secret text,
    token_secret text DEFAULT '',
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_signature_matches'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.signature_matches(text, text, jsonb, text, text, text, oauth1.signature_method) IS
    'whether a signature is right; for RSA consumer_secret is a PEM public key or certificate';

CREATE FUNCTION oauth1.body_hash(
    body bytea,
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256')
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_body_hash'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.body_hash(bytea, oauth1.signature_method) IS
    'the value of oauth_body_hash for a body, with the hash of the signature method';

CREATE FUNCTION oauth1.parse_authorization_header(header text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'oauth1_parse_authorization_header'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.parse_authorization_header(text) IS
    'the decoded parameters of an OAuth Authorization header, realm with them (RFC 5849, 3.5.1)';

CREATE FUNCTION oauth1.oauth_parameters(
    http_method text,
    url text,
    consumer_key text,
    consumer_secret text,
    token text DEFAULT NULL,
    token_secret text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256',
    params jsonb DEFAULT '{}',
    body bytea DEFAULT NULL,
    nonce text DEFAULT NULL,
    "timestamp" bigint DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'oauth1_oauth_parameters'
LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.oauth_parameters(text, text, text, text, text, text, oauth1.signature_method, jsonb, bytea, text, bigint) IS
    'every oauth_ parameter of a request with its signature, to be sent in a query or a form';

CREATE FUNCTION oauth1.authorization_header(
    http_method text,
    url text,
    consumer_key text,
    consumer_secret text,
    token text DEFAULT NULL,
    token_secret text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256',
    params jsonb DEFAULT '{}',
    body bytea DEFAULT NULL,
    realm text DEFAULT NULL,
    nonce text DEFAULT NULL,
    "timestamp" bigint DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_authorization_header'
LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.authorization_header(text, text, text, text, text, text, oauth1.signature_method, jsonb, bytea, text, text, bigint) IS
    'the value of the Authorization header that signs a request (RFC 5849, 3.5.1)';

CREATE FUNCTION oauth1.nonce()
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_nonce'
LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.nonce() IS
    'a fresh nonce: 26 letters and digits that hold 128 random bits (RFC 5849, 3.3)';

-- ---------------------------------------------------------------- providers, consumers, tokens

-- The tables. No role has a right on them: the functions and views below judge for themselves.

CREATE FUNCTION oauth1._invalidate()
RETURNS trigger
AS 'MODULE_PATHNAME', 'oauth1_invalidate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._invalidate() IS
    'internal: tells every session to read the table''s rows again';

CREATE TABLE oauth1.provider (
    name text PRIMARY KEY,
    api_urls text[] NOT NULL,
    request_token_url text,
    authorize_url text,
    access_token_url text,
    signature_method oauth1.signature_method NOT NULL,
    realm text,
    transmission text NOT NULL,
    token_transmission text,
    token_method text NOT NULL,
    body_hash text NOT NULL,
    callback_mode text NOT NULL,
    callback_confirmed boolean NOT NULL,
    renew_url text,
    revoke_url text,
    allow_http boolean NOT NULL,
    options jsonb NOT NULL);
COMMENT ON TABLE oauth1.provider IS
    'services: a row here stands before the preset of the same name';

CREATE TABLE oauth1.preset (LIKE oauth1.provider INCLUDING INDEXES);
COMMENT ON TABLE oauth1.preset IS
    'services that come with the extension; never dumped, so that an update can replace them';

CREATE TABLE oauth1.consumer (
    name text PRIMARY KEY,
    provider text NOT NULL,
    consumer_key text NOT NULL,
    vars jsonb NOT NULL,
    callback text,
    max_concurrency integer,
    rate_limit text,
    limit_group text,
    options jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE oauth1.consumer IS
    'our registrations with services; provider has no foreign key because it may name a preset';

CREATE TABLE oauth1.token (
    consumer text REFERENCES oauth1.consumer ON UPDATE CASCADE ON DELETE CASCADE,
    name text,
    token text NOT NULL,
    requested_by name,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (consumer, name));
COMMENT ON TABLE oauth1.token IS
    'access tokens; their secrets are in oauth1.secret';

CREATE TABLE oauth1.request_token (
    token text PRIMARY KEY,
    consumer text NOT NULL REFERENCES oauth1.consumer ON UPDATE CASCADE ON DELETE CASCADE,
    name text NOT NULL,
    requested_by oid NOT NULL,
    requested_by_name name NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz);
COMMENT ON TABLE oauth1.request_token IS
    'tokens that were asked for and not yet exchanged';

CREATE TABLE oauth1.data_key (
    id text PRIMARY KEY,
    master_key text NOT NULL,
    wrapped bytea NOT NULL,
    current boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX data_key_current ON oauth1.data_key (current) WHERE current;
COMMENT ON TABLE oauth1.data_key IS
    'keys that seal secrets, each wrapped by a master key, which is never in the database';
COMMENT ON INDEX oauth1.data_key_current IS
    'one data key at most is the current one';

CREATE TABLE oauth1.secret (
    consumer text REFERENCES oauth1.consumer ON DELETE CASCADE,
    slot text,
    kind text,
    data_key text NOT NULL REFERENCES oauth1.data_key,
    destination text NOT NULL,
    ciphertext bytea NOT NULL,
    PRIMARY KEY (consumer, slot, kind));
COMMENT ON TABLE oauth1.secret IS
    'secrets, sealed; a ciphertext opens only in its own row and for its own destination';

CREATE TABLE oauth1.consumer_grant (
    consumer text REFERENCES oauth1.consumer ON UPDATE CASCADE ON DELETE CASCADE,
    token text NOT NULL DEFAULT '',
    role_oid oid NOT NULL,
    role_name name NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, token, role_name));
COMMENT ON TABLE oauth1.consumer_grant IS
    'who may use a consumer, or one token of it; counts only while role_oid and role_name agree';

-- ENABLE ALWAYS, and for each row, so that they fire for what logical replication applies as well.
DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['preset', 'provider', 'consumer', 'token', 'request_token',
                                    'data_key', 'secret', 'consumer_grant']
    LOOP
        EXECUTE format('CREATE TRIGGER invalidate_row AFTER INSERT OR UPDATE OR DELETE
            ON oauth1.%I FOR EACH ROW EXECUTE FUNCTION oauth1._invalidate()', relation);
        EXECUTE format('CREATE TRIGGER invalidate_all AFTER TRUNCATE
            ON oauth1.%I FOR EACH STATEMENT EXECUTE FUNCTION oauth1._invalidate()', relation);
        EXECUTE format('ALTER TABLE oauth1.%I ENABLE ALWAYS TRIGGER invalidate_row,
            ENABLE ALWAYS TRIGGER invalidate_all', relation);
        EXECUTE format('COMMENT ON TRIGGER invalidate_row ON oauth1.%I
            IS ''tells every session to read the table again''', relation);
        EXECUTE format('COMMENT ON TRIGGER invalidate_all ON oauth1.%I
            IS ''tells every session to read the table again''', relation);
    END LOOP;
END
$$;

SELECT pg_catalog.pg_extension_config_dump('oauth1.provider', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.consumer', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.token', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.request_token', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.data_key', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.secret', '');
SELECT pg_catalog.pg_extension_config_dump('oauth1.consumer_grant', '');

-- Providers

CREATE FUNCTION oauth1.create_provider(
    name text,
    api_urls text[],
    request_token_url text DEFAULT NULL,
    authorize_url text DEFAULT NULL,
    access_token_url text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT 'HMAC-SHA256',
    realm text DEFAULT NULL,
    transmission text DEFAULT 'header',
    token_transmission text DEFAULT NULL,
    token_method text DEFAULT 'POST',
    body_hash text DEFAULT 'off',
    callback_mode text DEFAULT 'request',
    callback_confirmed boolean DEFAULT true,
    renew_url text DEFAULT NULL,
    revoke_url text DEFAULT NULL,
    allow_http boolean DEFAULT false,
    options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_create_provider'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.create_provider(text, text[], text, text, text, oauth1.signature_method, text, text, text, text, text, text, boolean, text, text, boolean, jsonb) IS
    'describes a service and its departures from RFC 5849';

CREATE FUNCTION oauth1.alter_provider(
    name text,
    api_urls text[] DEFAULT NULL,
    request_token_url text DEFAULT NULL,
    authorize_url text DEFAULT NULL,
    access_token_url text DEFAULT NULL,
    signature_method oauth1.signature_method DEFAULT NULL,
    realm text DEFAULT NULL,
    transmission text DEFAULT NULL,
    token_transmission text DEFAULT NULL,
    token_method text DEFAULT NULL,
    body_hash text DEFAULT NULL,
    callback_mode text DEFAULT NULL,
    callback_confirmed boolean DEFAULT NULL,
    renew_url text DEFAULT NULL,
    revoke_url text DEFAULT NULL,
    allow_http boolean DEFAULT NULL,
    options jsonb DEFAULT NULL,
    reset text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_alter_provider'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.alter_provider(text, text[], text, text, text, oauth1.signature_method, text, text, text, text, text, text, boolean, text, text, boolean, jsonb, text[]) IS
    'changes what is given, sets back what reset names; of a preset it makes a row of one''s own';

CREATE FUNCTION oauth1.drop_provider(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_drop_provider'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.drop_provider(text) IS
    'forgets a service; a preset that it stood before shows again';

CREATE VIEW oauth1.providers WITH (security_barrier) AS
SELECT p.*, false AS builtin
FROM oauth1.provider p
UNION ALL
SELECT p.*, true
FROM oauth1.preset p
WHERE NOT EXISTS (SELECT FROM oauth1.provider own WHERE own.name = p.name);
COMMENT ON VIEW oauth1.providers IS
    'services, with the parameters of create_provider; builtin: as it came with the extension';

-- Consumers

CREATE FUNCTION oauth1.create_consumer(
    name text,
    provider text,
    consumer_key text,
    consumer_secret text DEFAULT NULL,
    vars jsonb DEFAULT '{}',
    private_key text DEFAULT NULL,
    callback text DEFAULT NULL,
    max_concurrency integer DEFAULT NULL,
    rate_limit text DEFAULT NULL,
    limit_group text DEFAULT NULL,
    options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_create_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.create_consumer(text, text, text, text, jsonb, text, text, integer, text, text, jsonb) IS
    'stores our registration with a service; COPY oauth1.secrets_in keeps secrets out of statements';

CREATE FUNCTION oauth1.alter_consumer(
    name text,
    provider text DEFAULT NULL,
    consumer_key text DEFAULT NULL,
    consumer_secret text DEFAULT NULL,
    vars jsonb DEFAULT NULL,
    private_key text DEFAULT NULL,
    callback text DEFAULT NULL,
    max_concurrency integer DEFAULT NULL,
    rate_limit text DEFAULT NULL,
    limit_group text DEFAULT NULL,
    options jsonb DEFAULT NULL,
    reset text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_alter_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.alter_consumer(text, text, text, text, jsonb, text, text, integer, text, text, jsonb, text[]) IS
    'changes what is given, sets back what reset names';

CREATE FUNCTION oauth1.drop_consumer(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_drop_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.drop_consumer(text) IS
    'forgets a registration with its secrets, tokens and grants';

CREATE FUNCTION oauth1._may_use(consumer text, token text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_may_use_sql'
LANGUAGE C STABLE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._may_use(text, text) IS
    'internal: whether the current role may use the consumer with this token; NULL: with any';

CREATE VIEW oauth1.consumers WITH (security_barrier) AS
SELECT c.name,
       c.provider,
       c.consumer_key,
       c.vars,
       EXISTS (SELECT FROM oauth1.secret s
               WHERE s.consumer = c.name AND s.slot = '' AND s.kind = 'consumer_secret')
           AS has_secret,
       EXISTS (SELECT FROM oauth1.secret s
               WHERE s.consumer = c.name AND s.slot = '' AND s.kind = 'private_key')
           AS has_private_key,
       c.callback,
       c.max_concurrency,
       c.rate_limit,
       c.limit_group,
       c.options,
       c.created_at
FROM oauth1.consumer c
WHERE oauth1._may_use(c.name, NULL);
COMMENT ON VIEW oauth1.consumers IS
    'the registrations that the current role may use';

-- Tokens

CREATE FUNCTION oauth1.set_token(
    consumer text,
    token text,
    token_secret text,
    name text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_set_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.set_token(text, text, text, text) IS
    'stores a token obtained elsewhere; COPY oauth1.tokens_in keeps its secret out of statements';

CREATE FUNCTION oauth1.drop_token(consumer text, name text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_drop_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.drop_token(text, text) IS
    'forgets a token with its secrets and grants; the service is not told';

CREATE FUNCTION oauth1._token_times(
    consumer text,
    name text,
    OUT last_used timestamptz,
    OUT last_refusal timestamptz)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_token_times'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._token_times(text, text) IS
    'internal: when a token was last used and last refused, as far as this server remembers';

-- The condition stands outside: a view that is a UNION ALL is no security barrier.
CREATE VIEW oauth1.tokens WITH (security_barrier) AS
SELECT t.consumer,
       t.name,
       t.token,
       t.state,
       t.requested_by,
       t.created_at,
       t.expires_at,
       CASE WHEN t.state = 'access' AND times.last_used >= t.created_at
            THEN times.last_used END AS last_used,
       CASE WHEN t.state = 'access' AND times.last_refusal >= t.created_at
            THEN times.last_refusal END AS last_refusal
FROM (SELECT consumer, name, token, 'access' AS state, requested_by, created_at, expires_at
      FROM oauth1.token
      UNION ALL
      SELECT consumer, name, token, 'requested', requested_by_name, created_at, expires_at
      FROM oauth1.request_token) t
     CROSS JOIN LATERAL oauth1._token_times(t.consumer, t.name) times
WHERE oauth1._may_use(t.consumer, t.name);
COMMENT ON VIEW oauth1.tokens IS
    'the tokens that the current role may use; last_used and last_refusal are kept in memory only';

-- Grants

CREATE FUNCTION oauth1.grant_consumer(consumer text, role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_grant_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.grant_consumer(text, regrole) IS
    'lets a role and its members make calls with a consumer and all its tokens';

CREATE FUNCTION oauth1.revoke_consumer(consumer text, role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_revoke_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.revoke_consumer(text, regrole) IS
    'takes back grant_consumer, and with it the grants of single tokens';

CREATE FUNCTION oauth1.grant_token(consumer text, name text, role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_grant_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.grant_token(text, text, regrole) IS
    'lets a role and its members make calls with one token of a consumer';

CREATE FUNCTION oauth1.revoke_token_grant(consumer text, name text, role regrole)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_revoke_token_grant'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.revoke_token_grant(text, text, regrole) IS
    'takes back grant_token';

CREATE FUNCTION oauth1.adopt_grants()
RETURNS integer
AS 'MODULE_PATHNAME', 'oauth1_adopt_grants'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.adopt_grants() IS
    'after a restore: gives the grants that count no more to the roles of the same names';

CREATE FUNCTION oauth1._grant_is_valid(role_oid oid, role_name name)
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_grant_is_valid'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1._grant_is_valid(oid, name) IS
    'internal: whether a role of that oid exists and has that name';

CREATE FUNCTION oauth1._acts_for(role_oid oid, role_name name)
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_acts_for_sql'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1._acts_for(oid, name) IS
    'internal: whether the current role may see what is that role''s: as a member, or the owner';

CREATE VIEW oauth1.grants WITH (security_barrier) AS
SELECT g.consumer,
       nullif(g.token, '') AS token,
       g.role_name AS role,
       oauth1._grant_is_valid(g.role_oid, g.role_name) AS valid,
       g.granted_at
FROM oauth1.consumer_grant g
WHERE oauth1._acts_for(g.role_oid, g.role_name);
COMMENT ON VIEW oauth1.grants IS
    'who may use what; token NULL: every token; not valid: waits for adopt_grants()';

-- Secrets by COPY

CREATE FUNCTION oauth1._entry_begin()
RETURNS trigger
AS 'MODULE_PATHNAME', 'oauth1_entry_begin'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._entry_begin() IS
    'internal: gets ready to take in rows';

CREATE FUNCTION oauth1._entry_row()
RETURNS trigger
AS 'MODULE_PATHNAME', 'oauth1_entry_row'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._entry_row() IS
    'internal: takes a row into memory, and judges nothing, since an error would show the row';

CREATE FUNCTION oauth1._entry_end()
RETURNS trigger
AS 'MODULE_PATHNAME', 'oauth1_entry_end'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._entry_end() IS
    'internal: checks the rows taken in, seals and stores their secrets, wipes them from memory';

CREATE VIEW oauth1.secrets_in AS
SELECT NULL::text AS consumer, NULL::text AS consumer_secret, NULL::text AS private_key,
       NULL::text AS client_key
WHERE false;
COMMENT ON VIEW oauth1.secrets_in IS
    'write-only: COPY oauth1.secrets_in FROM STDIN stores secrets of consumers';

CREATE VIEW oauth1.tokens_in AS
SELECT NULL::text AS consumer, NULL::text AS name, NULL::text AS token, NULL::text AS token_secret
WHERE false;
COMMENT ON VIEW oauth1.tokens_in IS
    'write-only: COPY oauth1.tokens_in FROM STDIN stores tokens and their secrets';

DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['secrets_in', 'tokens_in']
    LOOP
        EXECUTE format('CREATE TRIGGER entry_begin BEFORE INSERT
            ON oauth1.%I FOR EACH STATEMENT EXECUTE FUNCTION oauth1._entry_begin()', relation);
        EXECUTE format('CREATE TRIGGER entry_row INSTEAD OF INSERT
            ON oauth1.%I FOR EACH ROW EXECUTE FUNCTION oauth1._entry_row()', relation);
        EXECUTE format('CREATE TRIGGER entry_end AFTER INSERT
            ON oauth1.%I FOR EACH STATEMENT EXECUTE FUNCTION oauth1._entry_end()', relation);
        EXECUTE format('COMMENT ON TRIGGER entry_begin ON oauth1.%I
            IS ''gets ready to take in rows''', relation);
        EXECUTE format('COMMENT ON TRIGGER entry_row ON oauth1.%I
            IS ''takes in a row''', relation);
        EXECUTE format('COMMENT ON TRIGGER entry_end ON oauth1.%I
            IS ''stores the rows taken in''', relation);
    END LOOP;
END
$$;

-- The presets: created like any provider, so that each is checked, then moved to their own table.
-- docs/providers.md says where each fact is from. A self-hosted service takes the vars host
-- (host or host:port) and, where it does not live at the root, base_path.

SELECT oauth1.create_provider(
    'netsuite',
    ARRAY['https://{account:host}.suitetalk.api.netsuite.com',
          'https://{account:host}.restlets.api.netsuite.com/app/site/hosting'],
    request_token_url => 'https://{account:host}.restlets.api.netsuite.com/rest/requesttoken',
    authorize_url => 'https://{account:host}.app.netsuite.com/app/login/secure/authorizetoken.nl',
    access_token_url => 'https://{account:host}.restlets.api.netsuite.com/rest/accesstoken',
    revoke_url => 'https://{account:host}.restlets.api.netsuite.com/rest/revoketoken',
    signature_method => 'HMAC-SHA256',
    realm => '{account}',
    options => '{"retry_when": {"400": "$.** ? (@ == \"SSS_REQUEST_LIMIT_EXCEEDED\")"},
                 "test_url": "/services/rest/system/v1/governanceLimits"}');

SELECT oauth1.create_provider(
    'x',
    ARRAY['https://api.x.com'],
    request_token_url => 'https://api.x.com/oauth/request_token',
    authorize_url => 'https://api.x.com/oauth/authorize',
    access_token_url => 'https://api.x.com/oauth/access_token',
    revoke_url => 'https://api.x.com/1.1/oauth/invalidate_token',
    signature_method => 'HMAC-SHA1');

-- Activation pushes a verifier; no callback goes with the request for a token, none is confirmed.
SELECT oauth1.create_provider(
    'magento',
    ARRAY['https://{host}{base_path}/rest'],
    request_token_url => 'https://{host}{base_path}/oauth/token/request',
    access_token_url => 'https://{host}{base_path}/oauth/token/access',
    signature_method => 'HMAC-SHA256',
    callback_mode => 'none',
    callback_confirmed => false);

SELECT oauth1.create_provider(
    'woocommerce',
    ARRAY['https://{host}{base_path}/wp-json/wc/v3',
          'https://{host}{base_path}/wp-json'],
    signature_method => 'HMAC-SHA256',
    transmission => 'query',
    callback_mode => 'none');

SELECT oauth1.create_provider(
    'wordpress',
    ARRAY['https://{host}{base_path}/wp-json'],
    request_token_url => 'https://{host}{base_path}/oauth1/request',
    authorize_url => 'https://{host}{base_path}/oauth1/authorize',
    access_token_url => 'https://{host}{base_path}/oauth1/access',
    signature_method => 'HMAC-SHA1');

-- A body hash on every call, also of no body.
SELECT oauth1.create_provider(
    'mastercard',
    ARRAY['https://api.mastercard.com',
          'https://sandbox.api.mastercard.com'],
    signature_method => 'RSA-SHA256',
    body_hash => 'always',
    callback_mode => 'none');

SELECT oauth1.create_provider(
    'jira',
    ARRAY['https://{host}{base_path}'],
    request_token_url => 'https://{host}{base_path}/plugins/servlet/oauth/request-token',
    authorize_url => 'https://{host}{base_path}/plugins/servlet/oauth/authorize',
    access_token_url => 'https://{host}{base_path}/plugins/servlet/oauth/access-token',
    signature_method => 'RSA-SHA1',
    options => '{"empty_token": true}');

SELECT oauth1.create_provider(
    'bitbucket',
    ARRAY['https://{host}{base_path}'],
    request_token_url => 'https://{host}{base_path}/plugins/servlet/oauth/request-token',
    authorize_url => 'https://{host}{base_path}/plugins/servlet/oauth/authorize',
    access_token_url => 'https://{host}{base_path}/plugins/servlet/oauth/access-token',
    signature_method => 'RSA-SHA1',
    options => '{"empty_token": true}');

SELECT oauth1.create_provider(
    'tumblr',
    ARRAY['https://api.tumblr.com'],
    request_token_url => 'https://www.tumblr.com/oauth/request_token',
    authorize_url => 'https://www.tumblr.com/oauth/authorize',
    access_token_url => 'https://www.tumblr.com/oauth/access_token',
    signature_method => 'HMAC-SHA1');

SELECT oauth1.create_provider(
    'flickr',
    ARRAY['https://api.flickr.com/services',
          'https://www.flickr.com/services',
          'https://up.flickr.com/services'],
    request_token_url => 'https://www.flickr.com/services/oauth/request_token',
    authorize_url => 'https://www.flickr.com/services/oauth/authorize',
    access_token_url => 'https://www.flickr.com/services/oauth/access_token',
    signature_method => 'HMAC-SHA1',
    options => '{"authorize_params": {"perms": "read"}}');

SELECT oauth1.create_provider(
    'discogs',
    ARRAY['https://api.discogs.com'],
    request_token_url => 'https://api.discogs.com/oauth/request_token',
    authorize_url => 'https://www.discogs.com/oauth/authorize',
    access_token_url => 'https://api.discogs.com/oauth/access_token',
    signature_method => 'HMAC-SHA1');

SELECT oauth1.create_provider(
    'trello',
    ARRAY['https://api.trello.com/1',
          'https://trello.com/1'],
    request_token_url => 'https://trello.com/1/OAuthGetRequestToken',
    authorize_url => 'https://trello.com/1/OAuthAuthorizeToken',
    access_token_url => 'https://trello.com/1/OAuthGetAccessToken',
    signature_method => 'HMAC-SHA1');

SELECT oauth1.create_provider(
    'schoology',
    ARRAY['https://api.schoology.com/v1'],
    request_token_url => 'https://api.schoology.com/v1/oauth/request_token',
    access_token_url => 'https://api.schoology.com/v1/oauth/access_token',
    signature_method => 'HMAC-SHA1',
    realm => 'Schoology API',
    options => '{"empty_token": true}');

-- What title names is part of the URL, so it is signed.
SELECT oauth1.create_provider(
    'mediawiki',
    ARRAY['https://{host}{base_path}'],
    request_token_url => 'https://{host}{base_path}/index.php?title=Special:OAuth/initiate',
    authorize_url => 'https://{host}{base_path}/index.php?title=Special:OAuth/authorize&oauth_token={oauth_token}&oauth_consumer_key={consumer_key}',
    access_token_url => 'https://{host}{base_path}/index.php?title=Special:OAuth/token',
    signature_method => 'HMAC-SHA1');

SELECT oauth1.create_provider(
    'usos',
    ARRAY['https://{host}{base_path}/services'],
    request_token_url => 'https://{host}{base_path}/services/oauth/request_token',
    authorize_url => 'https://{host}{base_path}/services/oauth/authorize',
    access_token_url => 'https://{host}{base_path}/services/oauth/access_token',
    revoke_url => 'https://{host}{base_path}/services/oauth/revoke_token',
    signature_method => 'HMAC-SHA1');

SELECT oauth1.create_provider(
    'smugmug',
    ARRAY['https://api.smugmug.com'],
    request_token_url => 'https://api.smugmug.com/services/oauth/1.0a/getRequestToken',
    authorize_url => 'https://api.smugmug.com/services/oauth/1.0a/authorize',
    access_token_url => 'https://api.smugmug.com/services/oauth/1.0a/getAccessToken',
    signature_method => 'HMAC-SHA1');

-- oauth_callback_confirmed is true only where a callback is configured for the consumer key.
SELECT oauth1.create_provider(
    'etrade',
    ARRAY['https://api.etrade.com'],
    request_token_url => 'https://api.etrade.com/oauth/request_token',
    authorize_url => 'https://us.etrade.com/e/t/etws/authorize?key={consumer_key}&token={oauth_token}',
    access_token_url => 'https://api.etrade.com/oauth/access_token',
    renew_url => 'https://api.etrade.com/oauth/renew_access_token',
    revoke_url => 'https://api.etrade.com/oauth/revoke_access_token',
    signature_method => 'HMAC-SHA1',
    realm => '',
    token_method => 'GET',
    callback_confirmed => false);

SELECT oauth1.create_provider(
    'fatsecret',
    ARRAY['https://platform.fatsecret.com/rest'],
    request_token_url => 'https://www.fatsecret.com/oauth/request_token',
    authorize_url => 'https://www.fatsecret.com/oauth/authorize',
    access_token_url => 'https://www.fatsecret.com/oauth/access_token',
    signature_method => 'HMAC-SHA1',
    transmission => 'query');

SELECT oauth1.create_provider(
    'bricklink',
    ARRAY['https://api.bricklink.com/api/store/v1'],
    signature_method => 'HMAC-SHA1',
    callback_mode => 'none');

-- The realm is required: the URL of the request without its query.
SELECT oauth1.create_provider(
    'cardmarket',
    ARRAY['https://api.cardmarket.com/ws/v2.0'],
    signature_method => 'HMAC-SHA1',
    realm => '{url}',
    callback_mode => 'none');

INSERT INTO oauth1.preset SELECT * FROM oauth1.provider;
DELETE FROM oauth1.provider;

-- ---------------------------------------------------------------- keys

-- The tables data_key and secret stand above, with the consumers that they belong to.

CREATE FUNCTION oauth1.rotate_key()
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_rotate_key'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.rotate_key() IS
    'makes a new data key and encrypts every secret anew; returns its id';

CREATE FUNCTION oauth1.create_master_key()
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_create_master_key'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.create_master_key() IS
    'adds a master key to oauth1.key_file, used by nothing until rotate_master_key; returns its id';

CREATE FUNCTION oauth1.rotate_master_key(id text)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_rotate_master_key'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.rotate_master_key(text) IS
    'wraps every data key with that master key; the secrets stay as they are';

CREATE FUNCTION oauth1.key_status()
RETURNS TABLE (
    kind text,
    id text,
    current boolean,
    present boolean,
    needed_by bigint,
    fingerprint text,
    created_at timestamptz)
AS 'MODULE_PATHNAME', 'oauth1_key_status'
LANGUAGE C VOLATILE ROWS 10 PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.key_status() IS
    'which keys are needed and which are here, with fingerprints, never a key; on a standby too';

CREATE FUNCTION oauth1.rebind_consumer(name text)
RETURNS integer
AS 'MODULE_PATHNAME', 'oauth1_rebind_consumer'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.rebind_consumer(text) IS
    'lets a consumer''s secrets go where its provider points now (superuser); returns how many';

-- ---------------------------------------------------------------- the three-legged flow

-- Each writes: a request token or an access token. PARALLEL UNSAFE.

CREATE FUNCTION oauth1.request_token(
    consumer text,
    callback text DEFAULT NULL,
    params jsonb DEFAULT '{}',
    name text DEFAULT 'default',
    OUT oauth_token text,
    OUT authorize_url text)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_request_token_sql'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.request_token(text, text, jsonb, text) IS
    'asks for a request token (RFC 5849, 2.1) and gives the URL that the user opens to allow it';

CREATE FUNCTION oauth1.access_token(
    oauth_token text,
    oauth_verifier text,
    OUT consumer text,
    OUT name text,
    OUT params jsonb)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_access_token'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.access_token(text, text) IS
    'exchanges an allowed request token for an access token (RFC 5849, 2.3) and stores it; params are what else the provider said';

CREATE FUNCTION oauth1.handle_callback(
    callback_url text,
    OUT consumer text,
    OUT name text,
    OUT params jsonb)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_handle_callback'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.handle_callback(text) IS
    'takes the URL that the user was redirected to: exchanges the token, or says why the user or the provider refused';

CREATE FUNCTION oauth1.authorize(
    INOUT consumer text,
    INOUT name text DEFAULT 'default',
    INOUT params jsonb DEFAULT '{}',
    port integer DEFAULT 0,
    timeout_ms integer DEFAULT 300000)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_authorize'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.authorize(text, text, jsonb, integer, integer) IS
    'the whole flow in one call: shows the URL that the user opens, waits on 127.0.0.1 for the browser to come back, stores the access token';

CREATE FUNCTION oauth1.accept_credentials(
    provider text,
    body text,
    content_type text,
    name text)
RETURNS text
AS 'MODULE_PATHNAME', 'oauth1_accept_credentials'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.accept_credentials(text, text, text, text) IS
    'makes or renews a consumer with what Magento''s activation or WooCommerce''s wc-auth posted';

CREATE FUNCTION oauth1.renew_token(consumer text, name text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_renew_token'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.renew_token(text, text) IS
    'renews an access token at the provider''s renew_url, or with its session handle';

CREATE FUNCTION oauth1.revoke_token(consumer text, name text DEFAULT 'default')
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_revoke_token'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.revoke_token(text, text) IS
    'revokes an access token at the provider''s revoke_url and deletes it here';

-- ---------------------------------------------------------------- signed calls

-- VOLATILE: the planner would otherwise make a call to estimate a plan. PARALLEL
-- UNSAFE: rights are judged by the latest snapshot, which a parallel query cannot take.

CREATE FUNCTION oauth1.http_get(
    consumer text,
    url text,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_get'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_get(text, text, jsonb, jsonb, text, integer) IS
    'makes a signed GET; call it in FROM or LATERAL: (http_get(...)).* is one call a column';

CREATE FUNCTION oauth1.http_head(
    consumer text,
    url text,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_head'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_head(text, text, jsonb, jsonb, text, integer) IS
    'makes a signed HEAD; call it in FROM or LATERAL: (http_head(...)).* is one call a column';

CREATE FUNCTION oauth1.http_post(
    consumer text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_post'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_post(text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb, text, integer) IS
    'makes a signed POST with one of body_json, form, body or body_bytes; call it in FROM or LATERAL';

CREATE FUNCTION oauth1.http_put(
    consumer text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_put'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_put(text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb, text, integer) IS
    'makes a signed PUT with one of body_json, form, body or body_bytes; call it in FROM or LATERAL';

CREATE FUNCTION oauth1.http_patch(
    consumer text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_patch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_patch(text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb, text, integer) IS
    'makes a signed PATCH with one of body_json, form, body or body_bytes; call it in FROM or LATERAL';

CREATE FUNCTION oauth1.http_delete(
    consumer text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_delete'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_delete(text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb, text, integer) IS
    'makes a signed DELETE with one of body_json, form, body or body_bytes; call it in FROM or LATERAL';

CREATE FUNCTION oauth1.request(
    http_method text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL)
RETURNS oauth1.http_request
AS 'MODULE_PATHNAME', 'oauth1_make_request'
LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.request(text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb) IS
    'a request with its query and body in octets, to be sent by http_call';

CREATE FUNCTION oauth1.http_call(
    consumer text,
    request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_call'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.http_call(text, oauth1.http_request, text, integer) IS
    'signs a request and sends it; call it in FROM or LATERAL';

-- Plain SQL, so that the planner puts it in place of the call and rows come one by one in FROM
-- too: a function scan would collect them all first.
CREATE FUNCTION oauth1._http_batch(
    consumer text,
    requests oauth1.http_request[],
    token text,
    concurrency integer,
    timeout_ms integer,
    OUT n integer,
    OUT status integer,
    OUT content_type text,
    OUT headers jsonb,
    OUT body text,
    OUT body_bytes bytea,
    OUT elapsed_ms double precision,
    OUT sqlstate text,
    OUT error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'oauth1_http_batch'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._http_batch(text, oauth1.http_request[], text, integer, integer) IS
    'what stands behind http_batch';

CREATE FUNCTION oauth1.http_batch(
    consumer text,
    requests oauth1.http_request[],
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    concurrency integer DEFAULT 16,
    timeout_ms integer DEFAULT NULL)
RETURNS TABLE (
    n integer,
    status integer,
    content_type text,
    headers jsonb,
    body text,
    body_bytes bytea,
    elapsed_ms double precision,
    sqlstate text,
    error text)
LANGUAGE sql STABLE PARALLEL UNSAFE
AS $$
    SELECT (r).*
      FROM (SELECT oauth1._http_batch($1, $2, $3, $4, $5) AS r OFFSET 0) AS s
$$;
COMMENT ON FUNCTION oauth1.http_batch(text, oauth1.http_request[], text, integer, integer) IS
    'sends signed requests, several at once: a row each as it ends, also for one that failed';

-- Put in place of the call in the same way (which needs STABLE, and neither STRICT, SET nor SECURITY
-- DEFINER), so that a page is asked for when its row is: LIMIT 2 makes two calls.
CREATE FUNCTION oauth1._http_pages(
    consumer text, url text, params jsonb, headers jsonb, next text, max_pages integer,
    request oauth1.http_request, token text, timeout_ms integer)
RETURNS SETOF oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_http_pages'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._http_pages(text, text, jsonb, jsonb, text, integer, oauth1.http_request, text, integer) IS
    'what stands behind http_pages';

CREATE FUNCTION oauth1.http_pages(
    consumer text,
    url text DEFAULT NULL,
    params jsonb DEFAULT NULL,
    next text DEFAULT 'link',
    max_pages integer DEFAULT 1000,
    request oauth1.http_request DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    timeout_ms integer DEFAULT NULL)
RETURNS SETOF oauth1.http_response
LANGUAGE sql STABLE PARALLEL UNSAFE
AS $$
    SELECT (r).* FROM (SELECT oauth1._http_pages(
        consumer, url, params, headers, next, max_pages, request, token, timeout_ms) AS r OFFSET 0) s
$$;
COMMENT ON FUNCTION oauth1.http_pages(text, text, jsonb, text, integer, oauth1.http_request, jsonb, text, integer) IS
    'reads a list page by page, one signed call and one row a page, each when it is asked for; call it in FROM or LATERAL';

CREATE FUNCTION oauth1.raise_for_status(response oauth1.http_response)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_raise_for_status'
LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1.raise_for_status(oauth1.http_response) IS
    'the response itself; an error (OA010) where its status is 400 or above';

CREATE FUNCTION oauth1.sign_request(
    consumer text,
    request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'))
RETURNS oauth1.http_request
AS 'MODULE_PATHNAME', 'oauth1_sign_request'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.sign_request(text, oauth1.http_request, text) IS
    'the request signed, for somebody else to send within minutes; nothing is sent';

CREATE FUNCTION oauth1.explain_call(
    consumer text,
    request oauth1.http_request,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'))
RETURNS TABLE (step integer, name text, value text)
AS 'MODULE_PATHNAME', 'oauth1_explain_call'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.explain_call(text, oauth1.http_request, text) IS
    'how a call is signed, step by step, and what may make a service refuse it; nothing is sent';

CREATE FUNCTION oauth1.check_consumer(name text)
RETURNS TABLE (item text, ok boolean, detail text)
AS 'MODULE_PATHNAME', 'oauth1_check_consumer'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.check_consumer(text) IS
    'tries a consumer: its secrets, its token, the way to the service, its test_url; what is wrong is a row';

-- ---------------------------------------------------------------- the queue

-- None of it is dumped: what a dump holds must not be sent again by whoever restores it.

CREATE TYPE oauth1.call_attempt AS
    (n integer, started_at timestamptz, elapsed_ms double precision, status integer,
     sqlstate text, error text, sent boolean);
COMMENT ON TYPE oauth1.call_attempt IS
    'one attempt of a queued call; sent: some of it may have been received';

CREATE SEQUENCE oauth1.call_id;
COMMENT ON SEQUENCE oauth1.call_id IS
    'numbers queued calls';

CREATE SEQUENCE oauth1.claim_number;
COMMENT ON SEQUENCE oauth1.claim_number IS
    'numbers those who send queued calls: workers and drains';

-- What was asked for, and what came of it. One index alone, so that recording a result touches none;
-- and no CHECK, whose expression each statement would read anew: a fifth of what an enqueue costs.
CREATE TABLE oauth1.call (
    id bigint PRIMARY KEY,
    consumer text NOT NULL,
    token text NOT NULL,
    http_method text NOT NULL,
    url text NOT NULL,
    headers jsonb,
    content_type text,
    body bytea,
    timeout_ms integer,
    max_attempts integer NOT NULL,
    idempotent boolean NOT NULL,
    idempotency_key uuid NOT NULL,
    dedupe_key text,
    order_key text,
    on_done text,
    enqueued_by oid NOT NULL,
    enqueued_by_name name NOT NULL,
    created_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    state text,
    attempts oauth1.call_attempt[] NOT NULL DEFAULT '{}',
    finished_at timestamptz,
    status integer,
    reply_content_type text,
    reply_headers jsonb,
    reply_body text,
    reply_body_bytes bytea,
    elapsed_ms double precision,
    sqlstate text,
    error text,
    on_done_error text)
    WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE oauth1.call IS
    'queued calls and their results; state NULL: it stands in oauth1.queue';

-- What is still to be done, narrow, so that claiming costs the same whatever a call holds.
CREATE TABLE oauth1.queue (
    id bigint PRIMARY KEY,
    system_identifier bigint NOT NULL,
    database oid NOT NULL,
    consumer text NOT NULL,
    due timestamptz NOT NULL,
    order_key text,
    dedupe_key text,
    size integer NOT NULL,
    claim bigint,
    claimed_at timestamptz,
    keyed boolean)
    WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
          autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE oauth1.queue IS
    'calls that have not ended; claim: who is sending it; keyed: with an idempotency key';

CREATE INDEX queue_due ON oauth1.queue (system_identifier, database, consumer, due, id)
    WHERE claim IS NULL;
COMMENT ON INDEX oauth1.queue_due IS
    'what is to be sent next, consumer by consumer';
CREATE INDEX queue_claim ON oauth1.queue (claim, id) WHERE claim IS NOT NULL;
COMMENT ON INDEX oauth1.queue_claim IS
    'what is being sent, and what was when its sender died';
CREATE INDEX queue_order ON oauth1.queue
    (system_identifier, database, consumer, order_key, (claim IS NULL), id)
    WHERE order_key IS NOT NULL;
COMMENT ON INDEX oauth1.queue_order IS
    'calls that go one after the other: the first of a key is the running one, else the earliest';
CREATE UNIQUE INDEX queue_dedupe ON oauth1.queue
    (system_identifier, database, consumer, dedupe_key) WHERE dedupe_key IS NOT NULL;
COMMENT ON INDEX oauth1.queue_dedupe IS
    'one call with a dedupe_key, until it has ended';

CREATE TABLE oauth1.follow_up (
    id bigint PRIMARY KEY,
    system_identifier bigint NOT NULL,
    database oid NOT NULL,
    due timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0)
    WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE oauth1.follow_up IS
    'calls that have ended and whose on_done is still to run';

CREATE INDEX follow_up_due ON oauth1.follow_up (system_identifier, database, due, id);
COMMENT ON INDEX oauth1.follow_up_due IS
    'whose on_done is to run next';

CREATE TABLE oauth1.consumer_pause (
    consumer text PRIMARY KEY REFERENCES oauth1.consumer ON UPDATE CASCADE ON DELETE CASCADE,
    refusals integer NOT NULL,
    until timestamptz NOT NULL,
    reason text NOT NULL);
COMMENT ON TABLE oauth1.consumer_pause IS
    'consumers whose credential was refused again and again: their calls wait';

-- Enqueueing

CREATE FUNCTION oauth1.enqueue(
    consumer text,
    http_method text,
    url text,
    body_json jsonb DEFAULT NULL,
    form jsonb DEFAULT NULL,
    body text DEFAULT NULL,
    body_bytes bytea DEFAULT NULL,
    content_type text DEFAULT NULL,
    files jsonb DEFAULT NULL,
    params jsonb DEFAULT NULL,
    headers jsonb DEFAULT NULL,
    token text DEFAULT coalesce(current_setting('oauth1.token', true), 'default'),
    run_at timestamptz DEFAULT now(),
    max_attempts integer DEFAULT 5,
    timeout_ms integer DEFAULT NULL,
    idempotent boolean DEFAULT NULL,
    dedupe_key text DEFAULT NULL,
    order_key text DEFAULT NULL,
    on_done regprocedure DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'oauth1_enqueue'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.enqueue(text, text, text, jsonb, jsonb, text, bytea, text, jsonb, jsonb, jsonb, text, timestamptz, integer, integer, boolean, text, text, regprocedure) IS
    'has a signed call sent after COMMIT; returns its id';

CREATE FUNCTION oauth1.call_trigger()
RETURNS trigger
AS 'MODULE_PATHNAME', 'oauth1_call_trigger'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.call_trigger() IS
    'enqueues a call for each row; arguments: consumer, http_method, url with columns as {column}, and a token where it is not the default';

-- Calls and their results

-- started_at, status and what follows are the last attempt's, as long as the call has not ended.
CREATE VIEW oauth1.calls WITH (security_barrier) AS
SELECT c.id,
       c.consumer,
       nullif(c.token, '') AS token,
       c.http_method,
       c.url,
       CASE WHEN c.state IS NOT NULL THEN c.state
            WHEN q.claim IS NULL THEN 'pending'
            ELSE 'running' END AS state,
       pg_catalog.cardinality(c.attempts) + (q.claim IS NOT NULL)::integer AS attempts,
       c.max_attempts,
       coalesce(q.due, c.run_at) AS run_at,
       c.created_at,
       coalesce(q.claimed_at, last.started_at) AS started_at,
       c.finished_at,
       CASE WHEN c.state IS NULL THEN last.status ELSE c.status END AS status,
       CASE WHEN c.state IS NULL THEN last.sqlstate ELSE c.sqlstate END AS sqlstate,
       CASE WHEN c.state IS NULL THEN last.error
            ELSE nullif(pg_catalog.concat_ws('; ', c.error, c.on_done_error), '') END AS error,
       c.dedupe_key,
       c.order_key,
       c.enqueued_by_name AS enqueued_by
FROM oauth1.call c
     LEFT JOIN oauth1.queue q ON q.id = c.id
     CROSS JOIN LATERAL (SELECT (c.attempts[pg_catalog.cardinality(c.attempts)]).*) last
WHERE oauth1._acts_for(c.enqueued_by, c.enqueued_by_name);
COMMENT ON VIEW oauth1.calls IS
    'queued calls of the current role: pending, running, done, failed, uncertain or cancelled; token NULL: two-legged';

CREATE VIEW oauth1.attempts WITH (security_barrier) AS
SELECT c.id AS call_id, a.*
FROM oauth1.call c
     CROSS JOIN LATERAL pg_catalog.unnest(c.attempts) a
WHERE oauth1._acts_for(c.enqueued_by, c.enqueued_by_name);
COMMENT ON VIEW oauth1.attempts IS
    'every attempt at queued calls of the current role; sent: some of it may have been received';

-- Neither SECURITY DEFINER nor with a search_path, since it commits; its C code sees to both.
CREATE PROCEDURE oauth1.drain(max_calls integer DEFAULT NULL, concurrency integer DEFAULT NULL)
AS 'MODULE_PATHNAME', 'oauth1_drain'
LANGUAGE C;
COMMENT ON PROCEDURE oauth1.drain(integer, integer) IS
    'sends queued calls that are due, as the worker does, until none is; a statement of its own';

CREATE FUNCTION oauth1.call_result(id bigint)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_call_result'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.call_result(bigint) IS
    'the answer to a queued call that has ended; NULL where it has none';

CREATE FUNCTION oauth1.await_call(id bigint, timeout_ms integer DEFAULT NULL)
RETURNS oauth1.http_response
AS 'MODULE_PATHNAME', 'oauth1_await_call'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.await_call(bigint, integer) IS
    'waits until a queued call has ended; its answer, NULL where it has none; not in the transaction that enqueued it';

CREATE FUNCTION oauth1.cancel_call(id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_cancel_call'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.cancel_call(bigint) IS
    'cancels a queued call that is pending; false where it is being sent, or has ended';

CREATE FUNCTION oauth1.retry_call(id bigint)
RETURNS boolean
AS 'MODULE_PATHNAME', 'oauth1_retry_call'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.retry_call(bigint) IS
    'has a call sent again that failed, is uncertain or was cancelled, or one that waits sent now; false where it is being sent, or done';

CREATE FUNCTION oauth1.purge_calls(older_than interval)
RETURNS bigint
AS 'MODULE_PATHNAME', 'oauth1_purge_calls'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.purge_calls(interval) IS
    'deletes the current role''s calls that ended longer ago than that; the owner''s: all; returns how many';

CREATE FUNCTION oauth1.adopt_calls()
RETURNS bigint
AS 'MODULE_PATHNAME', 'oauth1_adopt_calls'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.adopt_calls() IS
    'after a restore or a copy: takes over the calls that wait in the database this one is a copy of; returns how many';

-- ---------------------------------------------------------------- watching it

CREATE FUNCTION oauth1._system_identifier()
RETURNS bigint
AS 'MODULE_PATHNAME', 'oauth1_system_identifier'
LANGUAGE C STABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION oauth1._system_identifier() IS
    'internal: which server this is, as the queue''s tables have it';

CREATE FUNCTION oauth1._worker_pid()
RETURNS integer
AS 'MODULE_PATHNAME', 'oauth1_worker_pid'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1._worker_pid() IS
    'internal: the process that sends this database''s queued calls; NULL where there is none';

-- What is not asked for is not read: the calls that have ended are the largest part.
CREATE VIEW oauth1.queue_status WITH (security_barrier) AS
SELECT coalesce(c.name, q.consumer) AS consumer,
       coalesce(q.pending, 0) AS pending,
       coalesce(q.due, 0) AS due,
       q.next_due,
       coalesce(q.running, 0) AS running,
       q.running_since,
       p.until AS paused_until,
       p.reason AS pause_reason,
       coalesce(f.on_done_pending, 0) AS on_done_pending,
       coalesce(ended.uncertain, 0) AS uncertain,
       ended.last_finished,
       ended.last_error,
       oauth1._worker_pid() AS worker_pid
FROM oauth1.consumer c
     FULL JOIN (SELECT consumer,
                       count(*) FILTER (WHERE claim IS NULL) AS pending,
                       count(*) FILTER (WHERE claim IS NULL
                                        AND due <= pg_catalog.clock_timestamp()) AS due,
                       min(due) FILTER (WHERE claim IS NULL) AS next_due,
                       count(claim) AS running,
                       min(claimed_at) AS running_since
                FROM oauth1.queue
                WHERE system_identifier = oauth1._system_identifier()
                      AND database = (SELECT oid FROM pg_catalog.pg_database
                                      WHERE datname = pg_catalog.current_database())
                GROUP BY consumer) q ON q.consumer = c.name
     LEFT JOIN oauth1.consumer_pause p
         ON p.consumer = c.name AND p.until > pg_catalog.clock_timestamp()
     LEFT JOIN (SELECT call.consumer, count(*) AS on_done_pending
                FROM oauth1.follow_up JOIN oauth1.call USING (id)
                GROUP BY call.consumer) f ON f.consumer = coalesce(c.name, q.consumer)
     LEFT JOIN (SELECT consumer,
                       count(*) FILTER (WHERE state = 'uncertain') AS uncertain,
                       max(finished_at) AS last_finished,
                       (array_agg(coalesce(error, on_done_error) ORDER BY finished_at DESC)
                        FILTER (WHERE coalesce(error, on_done_error) IS NOT NULL))[1]
                           AS last_error
                FROM oauth1.call
                WHERE state IS NOT NULL AND oauth1._acts_for(enqueued_by, enqueued_by_name)
                GROUP BY consumer) ended ON ended.consumer = coalesce(c.name, q.consumer)
WHERE oauth1._may_use(coalesce(c.name, q.consumer), NULL);
COMMENT ON VIEW oauth1.queue_status IS
    'what is to be sent, consumer by consumer, of those that the current role may use';

CREATE VIEW oauth1.stats WITH (security_barrier) AS
SELECT c.consumer,
       c.calls,
       c.pending,
       c.done,
       c.failed,
       c.uncertain,
       c.cancelled,
       c.retries,
       coalesce(e.errors, '{}') AS errors,
       c.bytes_sent,
       c.bytes_received,
       c.latency_ms[1] AS p50_ms,
       c.latency_ms[2] AS p95_ms,
       c.latency_ms[3] AS p99_ms,
       c.since
FROM (SELECT consumer,
             count(*) AS calls,
             count(*) FILTER (WHERE state IS NULL) AS pending,
             count(*) FILTER (WHERE state = 'done') AS done,
             count(*) FILTER (WHERE state = 'failed') AS failed,
             count(*) FILTER (WHERE state = 'uncertain') AS uncertain,
             count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
             sum(greatest(pg_catalog.cardinality(attempts) - 1, 0))::bigint AS retries,
             sum(coalesce(pg_catalog.octet_length(body), 0)::bigint
                 * (SELECT count(*) FROM pg_catalog.unnest(attempts) a WHERE a.sent))::bigint
                 AS bytes_sent,
             sum(coalesce(pg_catalog.octet_length(reply_body),
                          pg_catalog.octet_length(reply_body_bytes), 0))::bigint AS bytes_received,
             pg_catalog.percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY elapsed_ms)
                 FILTER (WHERE status IS NOT NULL) AS latency_ms,
             min(created_at) AS since
      FROM oauth1.call
      WHERE oauth1._acts_for(enqueued_by, enqueued_by_name)
      GROUP BY consumer) c
     LEFT JOIN (SELECT consumer, pg_catalog.jsonb_object_agg(sqlstate, n) AS errors
                FROM (SELECT consumer, a.sqlstate, count(*) AS n
                      FROM oauth1.call CROSS JOIN LATERAL pg_catalog.unnest(attempts) a
                      WHERE a.sqlstate IS NOT NULL
                            AND oauth1._acts_for(enqueued_by, enqueued_by_name)
                      GROUP BY consumer, a.sqlstate) errors
                GROUP BY consumer) e ON e.consumer = c.consumer;
COMMENT ON VIEW oauth1.stats IS
    'what became of the current role''s queued calls that are kept, consumer by consumer';

CREATE FUNCTION oauth1.health()
RETURNS TABLE (item text, ok boolean, detail text)
AS 'MODULE_PATHNAME', 'oauth1_health'
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.health() IS
    'whether queued calls are sent, and what is wrong where they are not';

-- ---------------------------------------------------------------- incoming requests

-- Clients are those who call us; of consumers, who we are elsewhere, they know nothing.

CREATE TABLE oauth1.client (
    name text PRIMARY KEY,
    consumer_key text NOT NULL UNIQUE,
    data_key text NOT NULL REFERENCES oauth1.data_key,
    ciphertext bytea NOT NULL,
    public_key text,
    created_at timestamptz NOT NULL DEFAULT now());
COMMENT ON TABLE oauth1.client IS
    'who may send us signed requests; the secret is sealed, and opens only in its own row';

CREATE INDEX client_public_key ON oauth1.client (consumer_key) WHERE public_key IS NOT NULL;
COMMENT ON INDEX oauth1.client_public_key IS
    'clients that may sign with RSA';

-- Never dumped. Each row is deleted by later requests, a while after its timestamp is out of date.
CREATE TABLE oauth1.client_nonce (
    signed_at timestamptz,
    digest bytea,
    PRIMARY KEY (signed_at, digest))
    WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
COMMENT ON TABLE oauth1.client_nonce IS
    'requests that were accepted: oauth_timestamp, and a hash of consumer key, token and nonce';

SELECT pg_catalog.pg_extension_config_dump('oauth1.client', '');

CREATE FUNCTION oauth1.create_client(
    name text,
    INOUT consumer_key text DEFAULT NULL,
    INOUT consumer_secret text DEFAULT NULL,
    public_key text DEFAULT NULL)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_create_client'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.create_client(text, text, text, text) IS
    'lets somebody send us signed requests; a key or secret that is not given is made, and shown this once';

CREATE FUNCTION oauth1.drop_client(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'oauth1_drop_client'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.drop_client(text) IS
    'forgets a client with its secret: its requests are refused from now on';

CREATE FUNCTION oauth1.verify_request(
    http_method text,
    url text,
    params jsonb DEFAULT '{}',
    authorization_header text DEFAULT NULL,
    body bytea DEFAULT NULL,
    OUT client text,
    OUT token text)
RETURNS record
AS 'MODULE_PATHNAME', 'oauth1_verify_request'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION oauth1.verify_request(text, text, jsonb, text, bytea) IS
    'whose signed request it is; client NULL: refused. A request is accepted once';

-- ---------------------------------------------------------------- privileges

-- PUBLIC may sign, call and look; calls, flow and views judge the current role themselves. What
-- creates, changes or lets others in is the owner's, and whose it lets.

GRANT USAGE ON SCHEMA oauth1 TO PUBLIC;

GRANT SELECT ON
    oauth1.providers,
    oauth1.consumers,
    oauth1.tokens,
    oauth1.grants,
    oauth1.calls,
    oauth1.attempts,
    oauth1.queue_status,
    oauth1.stats
TO PUBLIC;

REVOKE ALL ON FUNCTION
    oauth1.create_provider(text, text[], text, text, text, oauth1.signature_method, text, text, text, text, text, text, boolean, text, text, boolean, jsonb),
    oauth1.alter_provider(text, text[], text, text, text, oauth1.signature_method, text, text, text, text, text, text, boolean, text, text, boolean, jsonb, text[]),
    oauth1.drop_provider(text),
    oauth1.create_consumer(text, text, text, text, jsonb, text, text, integer, text, text, jsonb),
    oauth1.alter_consumer(text, text, text, text, jsonb, text, text, integer, text, text, jsonb, text[]),
    oauth1.drop_consumer(text),
    oauth1.set_token(text, text, text, text),
    oauth1.drop_token(text, text),
    oauth1.accept_credentials(text, text, text, text),
    oauth1.grant_consumer(text, regrole),
    oauth1.revoke_consumer(text, regrole),
    oauth1.grant_token(text, text, regrole),
    oauth1.revoke_token_grant(text, text, regrole),
    oauth1.adopt_grants(),
    oauth1.rotate_key(),
    oauth1.create_master_key(),
    oauth1.rotate_master_key(text),
    oauth1.key_status(),
    oauth1.rebind_consumer(text),
    oauth1.purge_calls(interval),
    oauth1.adopt_calls(),
    oauth1.create_client(text, text, text, text),
    oauth1.drop_client(text),
    oauth1.verify_request(text, text, jsonb, text, bytea),
    oauth1._invalidate(),
    oauth1._entry_begin(),
    oauth1._entry_row(),
    oauth1._entry_end()
FROM PUBLIC;

REVOKE ALL ON PROCEDURE oauth1.drain(integer, integer) FROM PUBLIC;

-- It tells of all roles' calls, in numbers, and of all consumers.
REVOKE ALL ON FUNCTION oauth1.health() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION oauth1.health() TO pg_monitor;

