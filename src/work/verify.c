/*
 * verify.c
 *	  Whether a request that somebody sent us is a client's of ours (RFC 5849, 3.2).
 *
 * Nobody learns why a request was refused, nor by its time whether a consumer key
 * is anybody's: for one that is not, another client's secret is opened, and the
 * signature is compared with that one's, in vain.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/client.h"
#include "stored/client_nonce.h"
#include "stored/registry.h"
#include "work/incoming.h"

/* What verify_request returns of a request that is accepted. */
typedef struct accepted
{
	char	   *client;
	char	   *token;			/* NULL where none was sent */
} accepted;

/* ---------------------------------------------------------------- signature and body */

/*
 * Compares in constant time.  OA005 where the client's secret cannot be decrypted,
 * OA001 where its public key cannot be used.
 */
static bool
signature_matches(const oauth1_client *client, const oauth1_incoming *incoming)
{
	oa1_buffer *secret = oauth1_secret_buffer(CurrentMemoryContext);
	bool		matches = false;
	oa1_signer	signer;
	oa1_status	status;

	if (oa1_method_is_rsa(incoming->method))
		status = oa1_signer_init_public_key(&signer, incoming->method,
											oauth1_utf8_from_cstring(client->public_key));
	else
	{
		oauth1_client_open(client, secret);
		status = oa1_signer_init_secret(&signer, incoming->method, oa1_buffer_text(secret),
										OA1_TEXT(""), oauth1_arena_grow, CurrentMemoryContext);
		oa1_buffer_free(secret);
	}
	/* Nothing from here to _free raises an error. */
	if (status == OA1_OK)
		status = oa1_signer_verify(&signer, oa1_buffer_text(&incoming->base_string),
								   incoming->signature, &matches);
	oa1_signer_free(&signer);
	oauth1_check_core(status, "client's key");
	return matches;
}

static bool
is_hash_of(oa1_text given, oa1_text body, oa1_method hash_method)
{
	oa1_buffer	hash;
	bool		same;

	oauth1_buffer_init(&hash, CurrentMemoryContext);
	oauth1_check_core(oa1_body_hash(hash_method, body, &hash), "body");
	same = hash.length == given.length && memcmp(hash.data, given.data, given.length) == 0;
	oa1_buffer_free(&hash);
	return same;
}

/*
 * With the signature method's hash, or with SHA-1: the Request Body Hash draft
 * (3.2) knows no other, and python3-oauthlib sends it with every method.
 */
static bool
body_matches(const oauth1_incoming *incoming, oa1_text body)
{
	if (incoming->body_hash.data == NULL)
		return true;
	return is_hash_of(incoming->body_hash, body, incoming->method) ||
		is_hash_of(incoming->body_hash, body, OA1_HMAC_SHA1);
}

/* ---------------------------------------------------------------- all of it */

/* The request's text for SQL; false where it is none in the server's encoding. */
static bool
to_server(oa1_text text, char **server)
{
	size_t		length;

	*server = text.data != NULL ? oauth1_try_server(text, PG_UTF8, &length) : NULL;
	return *server != NULL || text.data == NULL;
}

/*
 * Whose signature it is: NULL, and *name; else why it is refused.  The same work
 * is done whether the key is known or not.
 */
static const char *
check_signature(const oauth1_incoming *incoming, const char *consumer_key, char **name)
{
	oauth1_client *client = oauth1_client_find(consumer_key,
											   oa1_method_is_rsa(incoming->method));
	bool		matches;

	if (client == NULL)
		return "there is no client that could sign so";
	matches = signature_matches(client, incoming);
	if (!client->known)
		return "no client that could sign so has this oauth_consumer_key";
	*name = client->name;
	if (!matches)
		return psprintf("not the signature of client \"%s\"", client->name);
	return NULL;
}

/*
 * NULL where the request is accepted, with *accepted; else why not.  The nonce is
 * written last: only the client itself can use one up.
 */
static const char *
verify(const oauth1_arrived *arrived, oa1_text body, accepted *accepted)
{
	oauth1_incoming incoming;
	oauth1_client_nonce nonce;
	char	   *consumer_key;
	const char *reason = oauth1_incoming_read(arrived, (int64) time(NULL), &incoming);

	if (reason != NULL)
		return reason;
	if (!to_server(incoming.consumer_key, &consumer_key) ||
		!to_server(incoming.token, &accepted->token))
		return "an oauth_consumer_key or oauth_token that is no text here";
	reason = check_signature(&incoming, consumer_key, &accepted->client);
	if (reason != NULL)
		return reason;
	if (!body_matches(&incoming, body))
		return psprintf("not the body that client \"%s\" signed", accepted->client);

	nonce.consumer_key = incoming.consumer_key;
	nonce.token = incoming.token;
	nonce.nonce = incoming.nonce;
	nonce.timestamp = incoming.timestamp;
	if (!oauth1_client_nonce_use(&nonce))
		return psprintf("a request of client \"%s\" that was accepted before", accepted->client);
	return NULL;
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_verify_request);

/* A text argument, or {NULL, 0}. */
static oa1_text
optional_text(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return (oa1_text) {NULL, 0};
	return oauth1_utf8_from_text(PG_GETARG_TEXT_PP(n));
}

static Datum
result_row(FunctionCallInfo fcinfo, const accepted *accepted)
{
	Datum		values[2] = {0};
	bool		nulls[2] = {accepted->client == NULL, accepted->token == NULL};
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return a row")));
	if (accepted->client != NULL)
		values[0] = CStringGetTextDatum(accepted->client);
	if (accepted->token != NULL)
		values[1] = CStringGetTextDatum(accepted->token);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/*
 * verify_request(http_method, url, params, authorization_header, body) → client,
 * token; both null where it is refused.  22004 without method or URL, 22023 for a
 * URL that is not absolute or params that are none, OA005 where the client's
 * secret cannot be decrypted.
 */
Datum
oauth1_verify_request(PG_FUNCTION_ARGS)
{
	oauth1_arrived arrived;
	oa1_text	body = OA1_TEXT("");
	accepted	accepted = {NULL, NULL};
	const char *reason;

	oauth1_prevent_read_only("oauth1.verify_request()");
	(void) oauth1_required_argument(fcinfo, 0, "http_method");
	(void) oauth1_required_argument(fcinfo, 1, "url");
	arrived.http_method = optional_text(fcinfo, 0);
	arrived.url = optional_text(fcinfo, 1);
	arrived.params = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	arrived.authorization = optional_text(fcinfo, 3);
	if (!PG_ARGISNULL(4))
	{
		bytea	   *octets = PG_GETARG_BYTEA_PP(4);

		body = (oa1_text) {VARDATA_ANY(octets), VARSIZE_ANY_EXHDR(octets)};
	}
	reason = verify(&arrived, body, &accepted);
	if (reason != NULL)
	{
		ereport(DEBUG1,
				(errmsg_internal("incoming request refused: %s", reason)));
		accepted.client = accepted.token = NULL;
	}
	PG_RETURN_DATUM(result_row(fcinfo, &accepted));
}
