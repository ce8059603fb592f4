/*
 * dry_run.c
 *	  A call made ready as it would be sent, and not sent: to be looked at
 *	  (explain.c), or to be sent by somebody else.
 *
 * It is made by what makes calls, from the same arguments, so that it cannot
 * differ from one but in its nonce.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "stored/access.h"
#include "work/clock.h"
#include "work/dry_run.h"

char *
oauth1_shown(oa1_text value)
{
	oa1_buffer	encoded;
	size_t		length;
	char	   *text = oauth1_try_server(value, PG_UTF8, &length);

	if (text != NULL)
		return text;
	oauth1_buffer_init(&encoded, CurrentMemoryContext);
	oa1_percent_encode(&encoded, value);
	oauth1_check_core(encoded.status, "text");
	return psprintf("%.*s (percent-encoded here: it is no text in the server encoding)",
					(int) encoded.length, encoded.data);
}

static oa1_text
given_url(HeapTupleHeader request)
{
	bool		isnull;
	Datum		url = GetAttributeByName(request, "url", &isnull);

	return oauth1_utf8_from_text(DatumGetTextPP(url));
}

void
oauth1_dry_run_make(FunctionCallInfo fcinfo, oauth1_dry_run *run)
{
	const char *token = "";
	oa1_buffer	octets;

	memset(run, 0, sizeof(*run));
	oauth1_require_argument(fcinfo, 0, "consumer");
	oauth1_require_argument(fcinfo, 1, "request");
	if (!PG_ARGISNULL(2))
		token = text_to_cstring(PG_GETARG_TEXT_PP(2));
	oauth1_message_from_request(&run->message, PG_GETARG_HEAPTUPLEHEADER(1));
	run->given_url = given_url(PG_GETARG_HEAPTUPLEHEADER(1));
	run->credential = oauth1_credential_find(text_to_cstring(PG_GETARG_TEXT_PP(0)), token);
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(run->credential, run->message.url, &octets, &run->url);
	run->composition.credential = run->credential;
	run->composition.transmission = run->credential->provider->transmission;
	run->composition.timestamp = oauth1_clock_timestamp(run->credential);
	oauth1_compose(&run->composition, &run->message, &run->url, &run->request, &run->details);
}

/* ---------------------------------------------------------------- sign_request */

/* With PLAINTEXT the signature is the secrets: it may go to the service, and to nobody here. */
static void
refuse_plaintext(const oauth1_credential *credential)
{
	if (credential->provider->signature_method == OA1_PLAINTEXT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a request signed with PLAINTEXT cannot be shown"),
				 errdetail("Its signature is the consumer's and the token's secret."),
				 errhint("Send it with oauth1.http_call, or set the provider's signature_method to one that hashes.")));
}

/* The request as the message of its octets: its Content-Type stands in a field of its own. */
static void
message_of_request(const oauth1_request *request, oauth1_message *message)
{
	memset(message, 0, sizeof(*message));
	message->http_method = request->http_method;
	message->url = request->url;
	message->body = request->body;
	message->has_body = request->has_body;
	oauth1_pairs_init(&message->headers, request->header_count);
	for (size_t i = 0; i < request->header_count; i++)
	{
		const oa1_pair *header = &request->headers[i];

		if (oauth1_same_name(header->name, OA1_TEXT("content-type")))
			message->content_type = header->value;
		else
			oauth1_pairs_add(&message->headers, header->name, header->value);
	}
}

PG_FUNCTION_INFO_V1(oauth1_sign_request);

/* sign_request(consumer, request, token) → http_request */
Datum
oauth1_sign_request(PG_FUNCTION_ARGS)
{
	oauth1_dry_run run;
	oauth1_message message;

	oauth1_dry_run_make(fcinfo, &run);
	refuse_plaintext(run.credential);
	message_of_request(&run.request, &message);
	return oauth1_message_to_request(&message, fcinfo);
}
