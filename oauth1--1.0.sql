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

