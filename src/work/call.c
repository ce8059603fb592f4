/*
 * call.c
 *	  One signed call from a message to its response.
 *
 * The order decides what an error costs: whatever can be refused (grant, URL,
 * arguments, secret) is refused before a byte is sent; once the exchange is
 * done, nothing but a lack of memory can keep its response from the caller.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/access.h"
#include "stored/token_times.h"
#include "work/call.h"
#include "work/response.h"

int
oauth1_timeout_argument(FunctionCallInfo fcinfo, int n)
{
	if (PG_ARGISNULL(n))
		return oauth1_timeout;
	if (PG_GETARG_INT32(n) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout_ms must be greater than zero")));
	return PG_GETARG_INT32(n);
}

/* How the exchange is to be made, beyond what was composed. */
static void
set_transport(const oauth1_credential *credential, int timeout_ms, oauth1_request *request)
{
	const oauth1_provider_options *options = &credential->provider->options;

	request->connect_timeout_ms = Min(oauth1_connect_timeout, timeout_ms);
	request->deadline = oauth1_monotonic_us() + (int64) timeout_ms * 1000;
	request->max_response_size = (size_t) oauth1_max_response_size * 1024;
	request->allow_http = oauth1_allow_http && credential->provider->allow_http;
	request->allow_private_addresses = oauth1_allow_private_addresses;
	request->proxy = options->proxy ? options->proxy : oauth1_proxy;
	request->proxy_is_trusted = options->proxy == NULL;
	request->ca_file = oauth1_ca_file;
	if (options->ca != NULL)
		request->ca_pem = (oa1_text) {options->ca, strlen(options->ca)};
}

/* A use is what left this server; its peer's own word for a bad credential is 401. */
static void
note_use(const oauth1_credential *credential, const oauth1_outcome *outcome)
{
	if (credential->token.token.data == NULL || !outcome->sent)
		return;
	oauth1_token_note_use(credential->consumer->name, credential->token_name);
	if (outcome->status == 401)
		oauth1_token_note_refusal(credential->consumer->name, credential->token_name);
}

oauth1_exchange *
oauth1_send(const oauth1_composition *composition, const oauth1_message *message,
			const oa1_url *url, int timeout_ms)
{
	oauth1_request request = {0};
	oauth1_exchange *exchange;
	const oauth1_response *response;

	oauth1_compose(composition, message, url, &request, NULL);
	set_transport(composition->credential, timeout_ms, &request);
	exchange = oauth1_transfer_run(&request);
	response = oauth1_transfer_response(exchange);
	note_use(composition->credential, &response->outcome);
	oauth1_check_outcome(&response->outcome, pnstrdup(url->host.data, url->host.length),
						 timeout_ms);
	return exchange;
}

/*
 * A call of a SQL function: everything made on the way, the exchange included,
 * lives in a context of its own, which is gone when the row is made.
 */
typedef struct sql_call
{
	MemoryContext scratch;
	MemoryContext result;
} sql_call;

static sql_call
begin_call(void)
{
	sql_call	call = {.result = CurrentMemoryContext};

	call.scratch = AllocSetContextCreate(CurrentMemoryContext, "oauth1 call",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(call.scratch);
	return call;
}

/* Sends the message for a consumer and a token's name; the row is in call's result context. */
static Datum
finish_call(sql_call *call, FunctionCallInfo fcinfo, const oauth1_message *message,
			int token_argument, int timeout_argument)
{
	int			timeout_ms = oauth1_timeout_argument(fcinfo, timeout_argument);
	char	   *consumer;
	char	   *token = "";
	oauth1_composition composition = {0};
	oauth1_exchange *exchange;
	oa1_buffer	octets;
	oa1_url		url;
	Datum		row;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("consumer must not be null")));
	consumer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(token_argument))
		token = text_to_cstring(PG_GETARG_TEXT_PP(token_argument));

	composition.credential = oauth1_credential_find(consumer, token);
	composition.transmission = composition.credential->provider->transmission;
	composition.timestamp = (int64) time(NULL);
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(composition.credential, message->url, &octets, &url);
	exchange = oauth1_send(&composition, message, &url, timeout_ms);

	MemoryContextSwitchTo(call->result);
	row = oauth1_response_datum(oauth1_transfer_response(exchange),
								oauth1_response_descriptor(fcinfo));
	oauth1_transfer_end(exchange);
	MemoryContextDelete(call->scratch);
	return row;
}

/* ---------------------------------------------------------------- SQL functions */

/* http_get and http_head: consumer, url, params, headers, token, timeout_ms */
static Datum
call_without_body(FunctionCallInfo fcinfo, const char *http_method)
{
	sql_call	call = begin_call();
	oauth1_message message;

	oauth1_message_without_body(&message, http_method, fcinfo, 1);
	return finish_call(&call, fcinfo, &message, 4, 5);
}

/*
 * http_post and the like: consumer, url, body_json, form, body, body_bytes,
 * content_type, files, params, headers, token, timeout_ms
 */
static Datum
call_with_body(FunctionCallInfo fcinfo, const char *http_method)
{
	sql_call	call = begin_call();
	oauth1_message message;

	oauth1_message_from_arguments(&message, http_method, fcinfo, 1);
	return finish_call(&call, fcinfo, &message, 10, 11);
}

PG_FUNCTION_INFO_V1(oauth1_http_get);

Datum
oauth1_http_get(PG_FUNCTION_ARGS)
{
	return call_without_body(fcinfo, "GET");
}

PG_FUNCTION_INFO_V1(oauth1_http_head);

Datum
oauth1_http_head(PG_FUNCTION_ARGS)
{
	return call_without_body(fcinfo, "HEAD");
}

PG_FUNCTION_INFO_V1(oauth1_http_post);

Datum
oauth1_http_post(PG_FUNCTION_ARGS)
{
	return call_with_body(fcinfo, "POST");
}

PG_FUNCTION_INFO_V1(oauth1_http_put);

Datum
oauth1_http_put(PG_FUNCTION_ARGS)
{
	return call_with_body(fcinfo, "PUT");
}

PG_FUNCTION_INFO_V1(oauth1_http_patch);

Datum
oauth1_http_patch(PG_FUNCTION_ARGS)
{
	return call_with_body(fcinfo, "PATCH");
}

PG_FUNCTION_INFO_V1(oauth1_http_delete);

Datum
oauth1_http_delete(PG_FUNCTION_ARGS)
{
	return call_with_body(fcinfo, "DELETE");
}

PG_FUNCTION_INFO_V1(oauth1_http_call);

/* http_call(consumer, request, token, timeout_ms) */
Datum
oauth1_http_call(PG_FUNCTION_ARGS)
{
	sql_call	call = begin_call();
	oauth1_message message;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("request must not be null")));
	oauth1_message_from_request(&message, PG_GETARG_HEAPTUPLEHEADER(1));
	return finish_call(&call, fcinfo, &message, 2, 3);
}

PG_FUNCTION_INFO_V1(oauth1_make_request);

/* request(http_method, url, body_json, ..., headers): nothing is sent */
Datum
oauth1_make_request(PG_FUNCTION_ARGS)
{
	oauth1_message message;
	oa1_text	method = oauth1_required_text(fcinfo, 0, "http_method");

	oauth1_message_from_arguments(&message, pnstrdup(method.data, method.length), fcinfo, 1);
	return oauth1_message_to_request(&message, fcinfo);
}
