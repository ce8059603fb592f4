/*
 * sign_sql.c
 *	  The SQL face of the core's signing: base string, signature, header.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/protocol.h"
#include "ground/random.h"
#include "process/signing.h"

PG_FUNCTION_INFO_V1(oauth1_normalize_parameters);
PG_FUNCTION_INFO_V1(oauth1_signature_base_string);
PG_FUNCTION_INFO_V1(oauth1_signature);
PG_FUNCTION_INFO_V1(oauth1_signature_matches);
PG_FUNCTION_INFO_V1(oauth1_body_hash);
PG_FUNCTION_INFO_V1(oauth1_oauth_parameters);
PG_FUNCTION_INFO_V1(oauth1_authorization_header);

static oa1_text
text_argument(FunctionCallInfo fcinfo, int n)
{
	return oauth1_utf8_from_text(PG_GETARG_TEXT_PP(n));
}

/* The params argument as pairs in the current context; raises 22023 as oauth1_pairs_from_jsonb. */
static void
params_argument(FunctionCallInfo fcinfo, int n, oauth1_pairs *pairs)
{
	Jsonb	   *params = PG_GETARG_JSONB_P(n);

	oauth1_pairs_init(pairs, JB_ROOT_COUNT(params));
	oauth1_pairs_from_jsonb(pairs, params, "params");
}

/* The base string of the arguments at url and params, in scratch. */
static oa1_text
base_string_of(oauth1_signing *signing, oa1_text http_method, oa1_text url,
			   const oauth1_pairs *params)
{
	oa1_url		parsed;

	oauth1_signing_parse_url(signing, url, &parsed);
	oauth1_signing_collect(signing, &parsed, &params, 1);
	return oauth1_signing_base_string(signing, http_method, &parsed);
}

/* normalize_parameters(url, params): RFC 5849, 3.4.1.3.2. */
Datum
oauth1_normalize_parameters(PG_FUNCTION_ARGS)
{
	oauth1_signing *signing = oauth1_signing_of(fcinfo);
	oauth1_pairs params;
	const oauth1_pairs *lists = &params;
	oa1_url		url;

	params_argument(fcinfo, 1, &params);
	oauth1_signing_parse_url(signing, text_argument(fcinfo, 0), &url);
	oauth1_signing_collect(signing, &url, &lists, 1);
	oa1_buffer_reset(&signing->base_string);
	oauth1_check_core(oa1_parameters_write(&signing->parameters, &signing->base_string),
					  "parameters");
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(oa1_buffer_text(&signing->base_string)));
}

/* signature_base_string(http_method, url, params): RFC 5849, 3.4.1.1. */
Datum
oauth1_signature_base_string(PG_FUNCTION_ARGS)
{
	oauth1_pairs params;
	oa1_text	base_string;

	params_argument(fcinfo, 2, &params);
	base_string = base_string_of(oauth1_signing_of(fcinfo), text_argument(fcinfo, 0),
								 text_argument(fcinfo, 1), &params);
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(base_string));
}

/*
 * signature(http_method, url, params, consumer_secret, token_secret, signature_method):
 * RFC 5849, 3.4.2 to 3.4.4.
 */
Datum
oauth1_signature(PG_FUNCTION_ARGS)
{
	oauth1_signing *signing = oauth1_signing_of(fcinfo);
	oa1_method	method = oauth1_signing_method(signing, PG_GETARG_OID(5));
	oauth1_pairs params;
	oa1_text	base_string;

	params_argument(fcinfo, 2, &params);
	oauth1_check_method(&params, method);
	base_string = base_string_of(signing, text_argument(fcinfo, 0), text_argument(fcinfo, 1),
								 &params);
	oauth1_signing_set_key(signing, OAUTH1_TO_SIGN, method,
						   text_argument(fcinfo, 3), text_argument(fcinfo, 4));
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(oauth1_signing_sign(signing, base_string)));
}

/*
 * signature_matches(http_method, url, params, signature, consumer_secret, token_secret,
 * signature_method): RFC 5849, 3.2.  A signature of any form is a true or a false;
 * only a key that cannot be used is an error.
 */
Datum
oauth1_signature_matches(PG_FUNCTION_ARGS)
{
	oauth1_signing *signing = oauth1_signing_of(fcinfo);
	oa1_method	method = oauth1_signing_method(signing, PG_GETARG_OID(6));
	oauth1_pairs params;
	oa1_text	base_string;
	bool		matches;

	params_argument(fcinfo, 2, &params);
	oauth1_check_method(&params, method);
	base_string = base_string_of(signing, text_argument(fcinfo, 0), text_argument(fcinfo, 1),
								 &params);
	oauth1_signing_set_key(signing, OAUTH1_TO_VERIFY, method,
						   text_argument(fcinfo, 4), text_argument(fcinfo, 5));
	oauth1_check_core(oa1_signer_verify(&signing->signer, base_string, text_argument(fcinfo, 3),
										&matches), "verification key");
	PG_RETURN_BOOL(matches);
}

/* ---------------------------------------------------------------- body hash */

static oa1_text
body_hash_of(oa1_method method, bytea *body)
{
	oa1_text	octets = {VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)};
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_body_hash(method, octets, &out), "signature method for a body hash");
	return oa1_buffer_text(&out);
}

/* body_hash(body, signature_method): OAuth Request Body Hash, 3.2, with the method's hash. */
Datum
oauth1_body_hash(PG_FUNCTION_ARGS)
{
	oa1_method	method = oauth1_method_from_oid(PG_GETARG_OID(1));

	PG_RETURN_TEXT_P(oauth1_text_from_ascii(body_hash_of(method, PG_GETARG_BYTEA_PP(0))));
}

/* ---------------------------------------------------------------- protocol parameters */

/* The arguments that oauth_parameters and authorization_header share, by position. */
enum
{
	ARG_HTTP_METHOD,
	ARG_URL,
	ARG_CONSUMER_KEY,
	ARG_CONSUMER_SECRET,
	ARG_TOKEN,
	ARG_TOKEN_SECRET,
	ARG_SIGNATURE_METHOD,
	ARG_PARAMS,
	ARG_BODY,
	ARG_REST					/* realm, nonce, timestamp: each function's own */
};

/*
 * Raises 22004 for what has no sensible meaning when NULL.  A consumer without a
 * secret has an empty one: NULL is more likely a secret that was not found.
 */
static void
check_not_null(FunctionCallInfo fcinfo)
{
	static const struct
	{
		int			position;
		const char *name;
	}			required[] = {
		{ARG_HTTP_METHOD, "http_method"},
		{ARG_URL, "url"},
		{ARG_CONSUMER_KEY, "consumer_key"},
		{ARG_CONSUMER_SECRET, "consumer_secret"},
		{ARG_SIGNATURE_METHOD, "signature_method"},
	};

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i].position))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("%s must not be null", required[i].name)));
}

/* A text argument, or {NULL, 0}. */
static oa1_text
optional_text(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return (oa1_text) {NULL, 0};
	return text_argument(fcinfo, n);
}

/* The caller's nonce, or a fresh one in the current context. */
static oa1_text
nonce_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *nonce;

	if (!PG_ARGISNULL(n))
		return text_argument(fcinfo, n);
	nonce = palloc(OA1_NONCE_LENGTH);
	oauth1_draw_nonce(nonce);
	return (oa1_text) {nonce, OA1_NONCE_LENGTH};
}

/* The caller's timestamp, or the clock's; raises 22023 unless positive (RFC 5849, 3.3). */
static int64
timestamp_argument(FunctionCallInfo fcinfo, int n)
{
	int64		timestamp = PG_ARGISNULL(n) ? (int64) time(NULL) : PG_GETARG_INT64(n);

	if (timestamp <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timestamp must be positive"),
				 errdetail("It counts the seconds since 1970-01-01 00:00:00 UTC.")));
	return timestamp;
}

/*
 * Signs the shared arguments; nonce_at is where nonce stands, with timestamp
 * behind it.  Fills *sent with every oauth_ parameter, oauth_signature last.  The
 * texts live in the current context and in the expression's scratch.
 */
static void
sign_arguments(FunctionCallInfo fcinfo, int nonce_at, oauth1_pairs *sent)
{
	oauth1_signing *signing = oauth1_signing_of(fcinfo);
	oauth1_protocol protocol = {0};
	oauth1_pairs params;
	oauth1_pairs signed_only;
	const oauth1_pairs *lists[] = {sent, &signed_only};
	oa1_text	base_string;
	oa1_url		url;

	check_not_null(fcinfo);
	protocol.method = oauth1_signing_method(signing, PG_GETARG_OID(ARG_SIGNATURE_METHOD));
	protocol.consumer_key = text_argument(fcinfo, ARG_CONSUMER_KEY);
	protocol.token = optional_text(fcinfo, ARG_TOKEN);
	protocol.timestamp = timestamp_argument(fcinfo, nonce_at + 1);
	protocol.nonce = nonce_argument(fcinfo, nonce_at);
	if (!PG_ARGISNULL(ARG_BODY))
		protocol.body_hash = body_hash_of(protocol.method, PG_GETARG_BYTEA_PP(ARG_BODY));

	if (PG_ARGISNULL(ARG_PARAMS))
		oauth1_pairs_init(&params, 0);
	else
		params_argument(fcinfo, ARG_PARAMS, &params);
	oauth1_pairs_init(sent, OAUTH1_PROTOCOL_COUNT + 1 + params.count);
	oauth1_pairs_init(&signed_only, params.count);
	oauth1_protocol_parameters(&protocol, &params, sent, &signed_only);

	oauth1_signing_parse_url(signing, text_argument(fcinfo, ARG_URL), &url);
	oauth1_signing_collect(signing, &url, lists, lengthof(lists));
	base_string = oauth1_signing_base_string(signing, text_argument(fcinfo, ARG_HTTP_METHOD),
											 &url);
	oauth1_signing_set_key(signing, OAUTH1_TO_SIGN, protocol.method,
						   text_argument(fcinfo, ARG_CONSUMER_SECRET),
						   optional_text(fcinfo, ARG_TOKEN_SECRET));
	oauth1_pairs_add(sent, OA1_TEXT("oauth_signature"), oauth1_signing_sign(signing, base_string));
}

/* oauth_parameters(..., nonce, "timestamp"): RFC 5849, 3.5.2 and 3.5.3 send these. */
Datum
oauth1_oauth_parameters(PG_FUNCTION_ARGS)
{
	oauth1_pairs sent;

	sign_arguments(fcinfo, ARG_REST, &sent);
	PG_RETURN_JSONB_P(oauth1_pairs_to_jsonb(&sent));
}

/* authorization_header(..., realm, nonce, "timestamp"): RFC 5849, 3.5.1. */
Datum
oauth1_authorization_header(PG_FUNCTION_ARGS)
{
	oa1_text	realm = optional_text(fcinfo, ARG_REST);
	oauth1_pairs sent;
	oa1_buffer	out;

	sign_arguments(fcinfo, ARG_REST + 1, &sent);
	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_authorization_write(&out, realm, sent.data, sent.count), "realm");
	PG_RETURN_TEXT_P(oauth1_text_from_utf8(oa1_buffer_text(&out)));
}
