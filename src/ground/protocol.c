/*
 * protocol.c
 *	  The oauth_ parameters of one request (RFC 5849, 3.1).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/protocol.h"

static bool
same_text(oa1_text a, oa1_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool
is_protocol_name(oa1_text name)
{
	return name.length >= 6 && memcmp(name.data, "oauth_", 6) == 0;
}

void
oauth1_check_method(const oauth1_pairs *params, oa1_method method)
{
	for (size_t i = 0; i < params->count; i++)
	{
		const oa1_pair *pair = &params->data[i];

		if (oauth1_text_is(pair->name, "oauth_signature_method") &&
			!same_text(pair->value, oa1_method_name(method)))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("oauth_signature_method contradicts the signature method"),
					 errdetail("The parameter is \"%s\", the signature method %s.",
							   oauth1_cstring_from_utf8(pair->value),
							   oauth1_cstring_from_utf8(oa1_method_name(method)))));
	}
}

/*
 * True where *sent has the pair already; raises 22023 where it has the name with
 * another value.  Values are not shown: a nonce or a token may be private.
 */
static bool
already_sent(const oauth1_pairs *sent, const oa1_pair *pair)
{
	for (size_t i = 0; i < sent->count; i++)
	{
		if (!same_text(sent->data[i].name, pair->name))
			continue;
		if (same_text(sent->data[i].value, pair->value))
			return true;
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" has two values", oauth1_cstring_from_utf8(pair->name)),
				 errdetail("An oauth_ parameter appears at most once in a request.")));
	}
	return false;
}

/* The digits of a timestamp, in the current context. */
static oa1_text
timestamp_text(int64 timestamp)
{
	char	   *digits = psprintf(INT64_FORMAT, timestamp);

	return (oa1_text) {digits, strlen(digits)};
}

void
oauth1_protocol_parameters(const oauth1_protocol *protocol, const oauth1_pairs *params,
						   oauth1_pairs *sent, oauth1_pairs *signed_only)
{
	oauth1_check_method(params, protocol->method);

	oauth1_pairs_add(sent, OA1_TEXT("oauth_consumer_key"), protocol->consumer_key);
	if (protocol->token.data != NULL)
		oauth1_pairs_add(sent, OA1_TEXT("oauth_token"), protocol->token);
	oauth1_pairs_add(sent, OA1_TEXT("oauth_signature_method"), oa1_method_name(protocol->method));
	oauth1_pairs_add(sent, OA1_TEXT("oauth_timestamp"), timestamp_text(protocol->timestamp));
	oauth1_pairs_add(sent, OA1_TEXT("oauth_nonce"), protocol->nonce);
	oauth1_pairs_add(sent, OA1_TEXT("oauth_version"), OA1_TEXT("1.0"));
	if (protocol->body_hash.data != NULL)
		oauth1_pairs_add(sent, OA1_TEXT("oauth_body_hash"), protocol->body_hash);

	for (size_t i = 0; i < params->count; i++)
	{
		const oa1_pair *pair = &params->data[i];

		if (oauth1_text_is(pair->name, "oauth_signature"))
			continue;
		if (!is_protocol_name(pair->name))
			oauth1_pairs_add(signed_only, pair->name, pair->value);
		else if (!already_sent(sent, pair))
			oauth1_pairs_add(sent, pair->name, pair->value);
	}
}
