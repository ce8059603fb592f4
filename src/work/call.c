/*
 * call.c
 *	  One signed call, from a message to its response.
 *
 * The order decides what an error costs: whatever can be refused (grant, URL,
 * arguments, secret) is refused before a byte is sent; once an exchange is done,
 * nothing but a lack of memory can keep its response from the caller.
 *
 * After an attempt the call is over, or due again: at once, because a kept
 * connection died under a GET, because the service's clock is
 * another, or because it points elsewhere; or later, because a retry is allowed
 * (retry.c).  Each attempt waits for its place (limits.c), looks at grant and URL
 * again, and has a nonce and a timestamp of its own.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/access.h"
#include "stored/token_times.h"
#include "work/call.h"
#include "work/clock.h"
#include "work/limits.h"
#include "work/redirect.h"
#include "work/response.h"
#include "work/retry.h"

typedef enum call_state
{
	CALL_DUE,					/* an attempt is to be made, at wakes */
	CALL_UNDER_WAY,				/* the exchange is in flight */
	CALL_OVER
} call_state;

struct oauth1_call
{
	MemoryContext memory;		/* what was current at its begin */
	MemoryContext attempt;		/* its child: all that was made for the last attempt alone */
	MemoryContextCallback callback;
	bool		ended;

	const char *consumer;		/* to be found for each attempt; NULL: composed by the caller */
	const char *token_name;
	const oauth1_message *message;
	oauth1_composition composition; /* its credential is held */
	oa1_url		url;
	bool		judged;			/* grant and URL, for the attempt that is due */
	bool		queued;			/* attempts and time are the queue's */
	int			timeout_ms;
	int64		started;		/* these on oauth1_monotonic_us's clock */
	int64		deadline;

	call_state	state;
	int64		wakes;
	bool		waits_for_place;	/* one may be free whenever the session was woken */
	oauth1_place place;
	oa1_buffer *client_key;		/* opened for each attempt, wiped with the call's end */
	oauth1_exchange *exchange;	/* of the last attempt; NULL: there was none */
	oauth1_outcome own;			/* counts where exchange is NULL, or too many redirects came */

	int			retries;
	int			redirects;
	bool		distrusts_kept; /* since a kept connection died under it */
	bool		clock_set;		/* once, by the service's */
	StringInfo	tried;			/* earlier attempts, in words; NULL: none */
};

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

/* ---------------------------------------------------------------- begin and end */

void
oauth1_call_end(oauth1_call *call)
{
	if (call->ended)
		return;
	call->ended = true;
	if (call->exchange != NULL)
		oauth1_transfer_end(call->exchange);
	call->exchange = NULL;
	oa1_buffer_reset(call->client_key);
	/* What is dropped under way counts as sent. */
	oauth1_limits_release(&call->place,
						  call->state == CALL_UNDER_WAY ? oauth1_monotonic_us() : 0);
	oauth1_credential_release(call->composition.credential);
}

/* The call's memory goes, and its exchange by itself. */
static void
memory_goes(void *argument)
{
	oauth1_call *call = argument;

	call->exchange = NULL;
	oauth1_call_end(call);
}

static oauth1_call *
begin(const oauth1_composition *composition, const oauth1_message *message, int timeout_ms)
{
	oauth1_call *call = palloc0(sizeof(*call));

	call->memory = CurrentMemoryContext;
	call->composition = *composition;
	call->message = message;
	call->judged = true;
	call->timeout_ms = timeout_ms;
	call->started = oauth1_monotonic_us();
	call->deadline = call->started + (int64) timeout_ms * 1000;
	call->attempt = AllocSetContextCreate(call->memory, "oauth1 attempt", ALLOCSET_SMALL_SIZES);
	call->client_key = oauth1_secret_buffer(call->memory);
	oauth1_credential_hold(call->composition.credential);
	call->callback.func = memory_goes;
	call->callback.arg = call;
	MemoryContextRegisterResetCallback(call->memory, &call->callback);
	return call;
}

oauth1_call *
oauth1_call_begin(const char *consumer, const char *token_name, const oauth1_message *message,
				  int timeout_ms)
{
	oauth1_credential *credential = oauth1_credential_find(consumer, token_name);
	oauth1_composition composition = {
		.credential = credential,
		.transmission = credential->provider->transmission,
	};
	oauth1_call *call;
	oa1_buffer	octets;
	oa1_url		url;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(credential, message->url, &octets, &url);
	call = begin(&composition, message, timeout_ms);
	call->consumer = consumer;
	call->token_name = token_name;
	call->url = url;
	return call;
}

oauth1_call *
oauth1_call_begin_queued(const char *consumer, const char *token_name,
						 const oauth1_message *message, int timeout_ms)
{
	oauth1_call *call = oauth1_call_begin(consumer, token_name, message, timeout_ms);

	call->queued = true;
	return call;
}

oauth1_call *
oauth1_call_begin_composed(const oauth1_composition *composition, const oauth1_message *message,
						   const oa1_url *url, int timeout_ms)
{
	oauth1_call *call = begin(composition, message, timeout_ms);

	call->url = *url;
	return call;
}

/* ---------------------------------------------------------------- an attempt begins */

/*
 * Looks again at what may have changed since the call began or was last sent:
 * grant, provider, and whether the URL, which stays as it is, may be called.  A
 * call that waits for its place comes here often, and must not grow by it.
 */
static void
judge(oauth1_call *call)
{
	oauth1_credential *credential;
	oa1_buffer	octets;
	oa1_url		judged;

	if (call->judged || call->consumer == NULL)
		return;
	credential = oauth1_credential_find(call->consumer, call->token_name);
	oauth1_credential_hold(credential);
	oauth1_credential_release(call->composition.credential);
	call->composition.credential = credential;
	call->composition.transmission = credential->provider->transmission;
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(credential, call->url.text, &octets, &judged);
	oa1_buffer_free(&octets);
}

void
oauth1_call_transport(const oauth1_credential *credential, int64 deadline,
					  oa1_buffer *client_key, oauth1_request *request)
{
	const oauth1_provider *provider = credential->provider;
	const oauth1_provider_options *options = &provider->options;
	int64		left_ms = Max((deadline - oauth1_monotonic_us()) / 1000, 1);

	request->connect_timeout_ms = (int) Min(oauth1_connect_timeout, left_ms);
	request->deadline = deadline;
	request->max_response_size = (size_t) oauth1_max_response_size * 1024;
	request->allow_http = oauth1_allow_http && provider->allow_http;
	request->allow_private_addresses = oauth1_allow_private_addresses;
	request->proxy = options->proxy ? options->proxy : oauth1_proxy;
	request->proxy_is_trusted = options->proxy == NULL;
	request->ca_file = oauth1_ca_file;
	if (options->ca != NULL)
		request->ca_pem = (oa1_text) {options->ca, strlen(options->ca)};
	oa1_buffer_reset(client_key);
	if (oauth1_credential_client_key(credential, client_key))
	{
		request->client_certificate = options->client_certificate;
		request->client_key = oa1_buffer_text(client_key);
	}
}

/*
 * The response of the attempt before, which could still have been the call's, is
 * needed no more, nor is what was sent then: base string, header lines, the form.
 */
static void
forget_last(oauth1_call *call)
{
	if (call->exchange != NULL)
		oauth1_transfer_end(call->exchange);
	call->exchange = NULL;
	MemoryContextReset(call->attempt);
}

/* What the attempt before got, if there was one, is then the call's. */
static void
give_up_waiting(oauth1_call *call)
{
	const char *reason = oauth1_limits_reason(call->composition.credential->consumer,
											  &call->place);

	oauth1_limits_release(&call->place, 0);
	call->state = CALL_OVER;
	if (call->exchange != NULL)
		return;
	call->own.kind = OAUTH1_NO_PLACE;
	strlcpy(call->own.reason, reason ? reason : "", sizeof(call->own.reason));
}

/* Takes the place that the limits ask for; false: the call goes on waiting, or is over. */
static bool
take_place(oauth1_call *call, int64 now)
{
	int64		wakes;

	if (call->queued)
		call->deadline = now + (int64) call->timeout_ms * 1000;
	else if (now >= call->deadline)
	{
		give_up_waiting(call);
		return false;
	}
	call->waits_for_place = !oauth1_limits_take(call->composition.credential->consumer,
												call->url.path, &call->place, &wakes);
	if (!call->waits_for_place)
		return true;
	call->judged = false;
	call->wakes = Min(wakes, call->deadline);
	return false;
}

/* Gives the place back at once: the call may be stepped only later, and others wait for it. */
static void
exchange_got_done(void *argument, const oauth1_response *response)
{
	oauth1_call *call = argument;

	oauth1_limits_release(&call->place, response->sent_at);
}

/* What was sent ages, however long the answer takes. */
static void
exchange_began(void *argument, int64 sent_at)
{
	oauth1_call *call = argument;

	oauth1_limits_sent(&call->place, sent_at);
}

static void
start_attempt(oauth1_call *call, int64 now)
{
	oauth1_request request = {0};

	judge(call);
	if (!take_place(call, now))
		return;
	forget_last(call);
	call->judged = false;
	MemoryContextSwitchTo(call->attempt);
	call->composition.timestamp = oauth1_clock_timestamp(call->composition.credential);
	oauth1_compose(&call->composition, call->message, &call->url, &request, NULL);
	oauth1_call_transport(call->composition.credential, call->deadline, call->client_key,
						  &request);
	request.fresh_connection = call->distrusts_kept;
	request.got_done = exchange_got_done;
	request.began = exchange_began;
	request.argument = call;
	call->exchange = oauth1_transfer_start(&request);
	MemoryContextSwitchTo(call->memory);
	call->state = CALL_UNDER_WAY;
}

/* ---------------------------------------------------------------- an attempt ends */

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

/* The call is due again; what came so far is kept in words. */
static void
try_again(oauth1_call *call, const oauth1_outcome *outcome, int64 now, int64 wakes)
{
	if (call->tried == NULL)
	{
		call->tried = makeStringInfo();
		appendStringInfoString(call->tried, " Before that: ");
	}
	else
		appendStringInfoString(call->tried, ", ");
	oauth1_retry_describe(outcome, call->tried);
	appendStringInfo(call->tried, " after " INT64_FORMAT " ms", (now - call->started) / 1000);
	call->state = CALL_DUE;
	call->wakes = wakes;
}

/*
 * A kept connection can die just as it is used again.  What is meant to change
 * nothing (RFC 9110, 9.2.1) is repeated for that, signed anew.  From then on the
 * call makes connections of its own, since others can have died with that one; so
 * this comes once a call.
 */
static bool
died_on_reuse(oauth1_call *call, const oauth1_response *response)
{
	if (response->outcome.kind != OAUTH1_UNANSWERED || !response->reused)
		return false;
	call->distrusts_kept = true;
	return oauth1_method_is_safe(call->message->http_method);
}

/* Was the timestamp refused, and is the service's clock known now? */
static bool
learned_clock(oauth1_call *call, const oauth1_response *response)
{
	MemoryContext old;

	if (call->clock_set)
		return false;
	old = MemoryContextSwitchTo(call->attempt);
	call->clock_set = oauth1_clock_learn(call->composition.credential, response,
										 call->composition.timestamp);
	MemoryContextSwitchTo(old);
	return call->clock_set;
}

/* Does the call go on with another URL?  Too many of them end it with an outcome of its own. */
static bool
was_redirected(oauth1_call *call, const oauth1_response *response)
{
	oa1_url		target;

	if (call->consumer == NULL || oauth1_max_redirects == 0 ||
		!oauth1_redirect_find(call->composition.credential, call->message->http_method,
							  &call->url, response, &target))
		return false;
	if (call->redirects >= oauth1_max_redirects)
	{
		call->own = response->outcome;
		call->own.kind = OAUTH1_TOO_MANY_REDIRECTS;
		return false;
	}
	call->redirects++;
	call->url = target;
	return true;
}

/* As oauth1_retry_wait_us; what it makes of the body, many times as large, is the attempt's. */
static int64
retry_wait(oauth1_call *call, const oauth1_response *response, bool idempotent, int attempt)
{
	MemoryContext old = MemoryContextSwitchTo(call->attempt);
	int64		wait = oauth1_retry_wait_us(call->composition.credential->provider,
											idempotent, response, attempt);

	MemoryContextSwitchTo(old);
	return wait;
}

/*
 * Decides what follows from an exchange that got done.  The settings may have
 * been lowered since the call began, between two rows of a cursor.
 */
static void
conclude(oauth1_call *call, int64 now)
{
	const oauth1_credential *credential = call->composition.credential;
	const oauth1_response *response = oauth1_transfer_response(call->exchange);
	int64		wait;

	note_use(credential, &response->outcome);
	oauth1_limits_heed(credential->consumer, call->url.path, response);
	call->state = CALL_OVER;
	if (died_on_reuse(call, response) || learned_clock(call, response) ||
		was_redirected(call, response))
	{
		try_again(call, &response->outcome, now, now);
		return;
	}
	if (call->queued || call->retries >= oauth1_retries || call->own.kind != OAUTH1_ANSWERED)
		return;
	wait = retry_wait(call, response, oauth1_method_is_idempotent(call->message->http_method),
					  call->retries + 1);
	if (wait < 0 || now + wait >= call->deadline)
		return;
	call->retries++;
	try_again(call, &response->outcome, now, now + wait);
}

/* ---------------------------------------------------------------- a call goes on */

/* Is it time, by what the call knows itself? */
static bool
is_time(const oauth1_call *call, int64 now)
{
	if (call->state == CALL_UNDER_WAY)
		return oauth1_transfer_done(call->exchange);
	return call->state == CALL_DUE && call->wakes <= now;
}

bool
oauth1_call_is_due(const oauth1_call *call, int64 now)
{
	return is_time(call, now) || (call->state == CALL_DUE && call->waits_for_place);
}

bool
oauth1_call_is_under_way(const oauth1_call *call)
{
	return call->state == CALL_UNDER_WAY;
}

void
oauth1_call_extend(oauth1_call *call, int64 us)
{
	call->deadline += us;
}

int64
oauth1_call_wakes(const oauth1_call *call)
{
	return call->state == CALL_DUE ? call->wakes : PG_INT64_MAX;
}

bool
oauth1_call_step(oauth1_call *call)
{
	MemoryContext old = MemoryContextSwitchTo(call->memory);
	int64		now = oauth1_monotonic_us();

	for (bool due = oauth1_call_is_due(call, now); due; due = is_time(call, now))
	{
		if (call->state == CALL_UNDER_WAY)
			conclude(call, now);
		else
			start_attempt(call, now);
	}
	MemoryContextSwitchTo(old);
	return call->state == CALL_OVER;
}

bool
oauth1_call_waits_for_place(const oauth1_call *call, int64 *wakes)
{
	*wakes = call->wakes;
	return call->state == CALL_DUE && call->waits_for_place;
}

void
oauth1_call_stop(oauth1_call *call)
{
	if (call->state == CALL_UNDER_WAY && !oauth1_transfer_done(call->exchange))
		oauth1_transfer_stop(call->exchange);
	call->state = CALL_OVER;
}

const oauth1_outcome *
oauth1_call_outcome(const oauth1_call *call)
{
	if (call->own.kind != OAUTH1_ANSWERED)
		return &call->own;
	if (call->exchange == NULL || !oauth1_transfer_done(call->exchange))
		return NULL;
	return &oauth1_transfer_response(call->exchange)->outcome;
}

int64
oauth1_call_retry_wait_us(oauth1_call *call, bool idempotent, int attempt)
{
	if (call->exchange == NULL || call->own.kind != OAUTH1_ANSWERED)
		return -1;
	return retry_wait(call, oauth1_transfer_response(call->exchange), idempotent, attempt);
}

const oauth1_response *
oauth1_call_response(const oauth1_call *call)
{
	const oauth1_response *response = NULL;
	const oauth1_outcome *outcome = &call->own;
	const char *tried = call->tried ? psprintf("%s.", call->tried->data) : "";

	if (call->exchange != NULL)
		response = oauth1_transfer_response(call->exchange);
	if (response != NULL && outcome->kind == OAUTH1_ANSWERED)
		outcome = &response->outcome;
	if (outcome->kind != OAUTH1_ANSWERED)
		oauth1_check_outcome(outcome, pnstrdup(call->url.host.data, call->url.host.length),
							 call->timeout_ms, tried);
	return response;
}

const oauth1_response *
oauth1_call_run(oauth1_call *call)
{
	const oauth1_response *response = NULL;

	/* An error must not wait for the end of the call's memory to give back place and connection. */
	PG_TRY();
	{
		while (!oauth1_call_step(call))
			oauth1_transfer_wait(oauth1_call_wakes(call));
		response = oauth1_call_response(call);
	}
	PG_CATCH();
	{
		oauth1_call_end(call);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return response;
}

const oa1_url *
oauth1_call_url(const oauth1_call *call)
{
	return &call->url;
}

/* ---------------------------------------------------------------- from SQL to a row */

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
begin_sql_call(void)
{
	sql_call	call = {.result = CurrentMemoryContext};

	call.scratch = AllocSetContextCreate(CurrentMemoryContext, "oauth1 call",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(call.scratch);
	return call;
}

/* Sends the message for a consumer and a token's name; the row is in call's result context. */
static Datum
finish_sql_call(sql_call *sql_call, FunctionCallInfo fcinfo, const oauth1_message *message,
				int token_argument, int timeout_argument)
{
	int			timeout_ms = oauth1_timeout_argument(fcinfo, timeout_argument);
	char	   *token = "";
	oauth1_call *call;
	const oauth1_response *response;
	Datum		row;

	oauth1_require_argument(fcinfo, 0, "consumer");
	if (!PG_ARGISNULL(token_argument))
		token = text_to_cstring(PG_GETARG_TEXT_PP(token_argument));
	call = oauth1_call_begin(text_to_cstring(PG_GETARG_TEXT_PP(0)), token, message, timeout_ms);
	response = oauth1_call_run(call);

	MemoryContextSwitchTo(sql_call->result);
	row = oauth1_response_datum(response, oauth1_response_descriptor(fcinfo));
	oauth1_call_end(call);
	MemoryContextDelete(sql_call->scratch);
	return row;
}

/* ---------------------------------------------------------------- SQL functions */

/* http_get and http_head: consumer, url, params, headers, token, timeout_ms */
static Datum
call_without_body(FunctionCallInfo fcinfo, const char *http_method)
{
	sql_call	call = begin_sql_call();
	oauth1_message message;

	oauth1_message_without_body(&message, http_method, fcinfo, 1);
	return finish_sql_call(&call, fcinfo, &message, 4, 5);
}

/*
 * http_post and the like: consumer, url, body_json, form, body, body_bytes,
 * content_type, files, params, headers, token, timeout_ms
 */
static Datum
call_with_body(FunctionCallInfo fcinfo, const char *http_method)
{
	sql_call	call = begin_sql_call();
	oauth1_message message;

	oauth1_message_from_arguments(&message, http_method, fcinfo, 1);
	return finish_sql_call(&call, fcinfo, &message, 10, 11);
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
	sql_call	call = begin_sql_call();
	oauth1_message message;

	oauth1_require_argument(fcinfo, 1, "request");
	oauth1_message_from_request(&message, PG_GETARG_HEAPTUPLEHEADER(1));
	return finish_sql_call(&call, fcinfo, &message, 2, 3);
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
