/*
 * transfer.c
 *	  One HTTP exchange over libcurl: its life, from its start to its end.
 *
 * What stays in memory.  Request line and headers, the URL and the response are
 * wiped here; libcurl's own copies of the request are not ours to wipe.  Only
 * with PLAINTEXT do they hold a secret of the consumer.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "utils/memutils.h"

#include "ground/fault.h"
#include "outside/transfer_private.h"
#include "outside/transfer_sockets.h"
#include "outside/transfer_wait.h"

/*
 * Handles that a session keeps for its next exchanges.  Each has TLS sessions of
 * its own, from the connections it made: with TLS 1.3 one can be taken up again
 * once, so a batch has need of as many as it has connections.
 */
#define KEPT_HANDLES 64

/* What ties an exchange to the memory context it was started in. */
typedef struct owner
{
	MemoryContextCallback callback;
	oauth1_exchange *exchange;	/* NULL: ended */
} owner;

static oauth1_exchange *kept_exchanges = NULL;
static int	kept_count = 0;

/* Exchanges in flight, and when libcurl last worked on them (oauth1_monotonic_us's clock). */
static dlist_head in_flight = DLIST_STATIC_INIT(in_flight);
static int64 attended = 0;

/* Time for which exchanges may go unattended without getting it back. */
#define NEGLECT_US INT64CONST(10000)

/* ---------------------------------------------------------------- the life of an exchange */

/* An exchange with its handle, kept or new. */
static oauth1_exchange *
take_exchange(void)
{
	oauth1_exchange *exchange = kept_exchanges;

	if (exchange)
	{
		kept_exchanges = exchange->next_kept;
		kept_count--;
		return exchange;
	}
	exchange = calloc(1, sizeof(*exchange));
	if (exchange)
		exchange->easy = curl_easy_init();
	if (exchange == NULL || exchange->easy == NULL)
	{
		free(exchange);
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	}
	return exchange;
}

/*
 * Gives everything back but the handle, which keeps its TLS sessions; no option
 * of one exchange is there in the next.
 */
static void
clear_exchange(oauth1_exchange *exchange)
{
	CURL	   *easy = exchange->easy;

	oauth1_tls_forget(exchange);
	curl_easy_reset(easy);
	oauth1_exchange_free_lines(exchange);
	oauth1_decoder_free(exchange->decoder);
	oa1_buffer_free(&exchange->head);
	oa1_buffer_free(&exchange->body);
	free(exchange->headers);
	memset(exchange, 0, sizeof(*exchange));
	exchange->easy = easy;
}

/* Frees a cleared exchange with its handle and the TLS sessions of that. */
static void
free_exchange(oauth1_exchange *exchange)
{
	curl_easy_cleanup(exchange->easy);
	free(exchange);
}

/* Keeps a cleared exchange for the next, or frees it where enough are kept. */
static void
give_back(oauth1_exchange *exchange)
{
	clear_exchange(exchange);
	if (kept_count >= KEPT_HANDLES)
	{
		free_exchange(exchange);
		return;
	}
	exchange->next_kept = kept_exchanges;
	kept_exchanges = exchange;
	kept_count++;
}

/* Puts an exchange in flight; what libcurl says of it is returned. */
static CURLMcode
enter_flight(oauth1_exchange *exchange)
{
	CURLMcode	code = oauth1_wait_add(exchange->easy);

	if (code != CURLM_OK)
		return code;
	if (dlist_is_empty(&in_flight))
		attended = oauth1_monotonic_us();
	dlist_push_tail(&in_flight, &exchange->node);
	exchange->in_flight = true;
	return code;
}

static void
leave_flight(oauth1_exchange *exchange)
{
	exchange->in_flight = false;
	dlist_delete(&exchange->node);
	oauth1_wait_remove(exchange->easy);
}

/*
 * The time in which nobody looked after the exchanges, because a query did
 * something else between two rows, is not theirs: libcurl, which looks at the
 * clock before it reads, would drop answers that came meanwhile.
 */
static void
make_up_for_neglect(void)
{
	int64		neglect = oauth1_monotonic_us() - attended;
	dlist_iter	iter;

	if (neglect < NEGLECT_US || dlist_is_empty(&in_flight))
		return;
	dlist_foreach(iter, &in_flight)
		oauth1_exchange_extend(dlist_container(oauth1_exchange, node, iter.cur),
							   neglect / 1000);
}

void
oauth1_transfer_end(oauth1_exchange *exchange)
{
	exchange->owner->exchange = NULL;
	if (exchange->in_flight)
		leave_flight(exchange);
	give_back(exchange);
}

/* The owner's memory context goes: so does the exchange. */
static void
owner_goes(void *argument)
{
	owner	   *owner = argument;

	if (owner->exchange)
		oauth1_transfer_end(owner->exchange);
}

/* Takes an exchange into the current memory context. */
static oauth1_exchange *
own_exchange(void)
{
	owner	   *owner = palloc0(sizeof(*owner));

	owner->exchange = take_exchange();
	owner->exchange->owner = owner;
	owner->callback.func = owner_goes;
	owner->callback.arg = owner;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &owner->callback);
	return owner->exchange;
}

/*
 * How far it came.  Between the socket and the sending no callback tells, so it
 * is seen from the end: what did not fail to connect, connected.
 */
static oauth1_stage
reached_stage(const oauth1_exchange *exchange, CURLcode code)
{
	bool		connected = code != CURLE_COULDNT_CONNECT;

	if (exchange->stage != OAUTH1_STAGE_CONNECT)
		return exchange->stage;
	if (code == CURLE_OPERATION_TIMEDOUT)
		connected = oauth1_sockets_got_connected(exchange->socket, exchange->socket_birth);
	return connected ? OAUTH1_STAGE_TLS : OAUTH1_STAGE_CONNECT;
}

/* Takes an exchange out of flight, with all that is known of it. */
static void
finish(oauth1_exchange *exchange, CURLcode code)
{
	oauth1_response *response = &exchange->response;
	curl_off_t	elapsed = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_TOTAL_TIME_T, &elapsed);
	response->elapsed_ms = elapsed / 1000.0;
	response->reused = exchange->sent && !exchange->connected_anew;
	response->stage = reached_stage(exchange, code);
	response->sent_at = exchange->sent_at;
	response->address = exchange->address;
	if (exchange->in_flight)
		leave_flight(exchange);
	exchange->done = true;
	oauth1_exchange_set_outcome(exchange, code);
	/* The backend's own TLS connection reads the same queue. */
	ERR_clear_error();
	if (exchange->got_done != NULL)
		exchange->got_done(exchange->argument, response);
}

void
oauth1_transfer_stop(oauth1_exchange *exchange)
{
	if (exchange->done)
		return;
	exchange->given_up = true;
	finish(exchange, CURLE_ABORTED_BY_CALLBACK);
}

/* The body's source, at its beginning, where there is one. */
static void
take_source(oauth1_exchange *exchange, oauth1_body_source *source)
{
	if (source == NULL)
		return;
	source->rewind(source);
	exchange->source = source;
	exchange->source_left = source->length;
}

oauth1_exchange *
oauth1_transfer_start(const oauth1_request *request)
{
	oauth1_exchange *exchange;
	CURLcode	code = CURLE_OK;

	oauth1_request_check(request);
	oauth1_wait_prepare();
	exchange = own_exchange();
	exchange->allow_private = request->allow_private_addresses;
	exchange->got_done = request->got_done;
	exchange->began = request->began;
	exchange->argument = request->argument;
	exchange->through_proxy = request->proxy[0] != '\0';
	exchange->judge_address = !exchange->through_proxy || !request->proxy_is_trusted;
	exchange->has_certificate = request->client_certificate != NULL;
	take_source(exchange, request->body_source);
	oauth1_exchange_set_callbacks(exchange, request->max_response_size, &code);
	oauth1_exchange_set_options(exchange, request, &code);
	if (code == CURLE_OK && request->deadline <= oauth1_monotonic_us())
		code = CURLE_OPERATION_TIMEDOUT;
	if (code == CURLE_OK && enter_flight(exchange) != CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (!exchange->in_flight)
		finish(exchange, code);
	return exchange;
}

/* Finishes those that got done since the last time; returns how many. */
static int
finish_done(void)
{
	CURL	   *easy;
	CURLcode	code;
	int			count = 0;

	while (oauth1_wait_next_done(&easy, &code))
	{
		oauth1_exchange *exchange;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &exchange);
		finish(exchange, code);
		count++;
	}
	return count;
}

/*
 * The points of fault.h that no callback tells of, seen from what libcurl waits for:
 * G, some of the request is still to be sent; H, only an answer is missing.
 */
#ifdef OAUTH1_FAULTS
static void
pass_points(void)
{
	dlist_iter	iter;

	dlist_foreach(iter, &in_flight)
	{
		const oauth1_exchange *exchange = dlist_container(oauth1_exchange, node, iter.cur);

		if (exchange->stage == OAUTH1_STAGE_SEND)
			OAUTH1_FAULT(oauth1_sockets_wants_to_write(exchange->socket) ? "G" : "H");
	}
}
#else
#define pass_points() ((void) 0)
#endif

void
oauth1_transfer_drive(int64 until)
{
	make_up_for_neglect();
	do
	{
		pass_points();
		oauth1_wait_once(until);
	} while (finish_done() == 0 && oauth1_monotonic_us() < until);
	attended = oauth1_monotonic_us();
}

bool
oauth1_transfer_wait(int64 until)
{
	bool		latch_set;

	oauth1_wait_prepare();
	make_up_for_neglect();
	do
	{
		pass_points();
		latch_set = oauth1_wait_once(until);
	} while (finish_done() == 0 && !latch_set && oauth1_monotonic_us() < until);
	attended = oauth1_monotonic_us();
	return latch_set;
}

bool
oauth1_transfer_has_room(void)
{
	return oauth1_wait_has_room();
}

void
oauth1_transfer_drop_connections(void)
{
	while (kept_exchanges)
	{
		oauth1_exchange *exchange = kept_exchanges;

		kept_exchanges = exchange->next_kept;
		free_exchange(exchange);
	}
	kept_count = 0;
	oauth1_wait_drop();
}

bool
oauth1_transfer_done(const oauth1_exchange *exchange)
{
	return exchange->done;
}

const oauth1_response *
oauth1_transfer_response(const oauth1_exchange *exchange)
{
	return &exchange->response;
}

oauth1_exchange *
oauth1_transfer_run(const oauth1_request *request)
{
	oauth1_exchange *exchange = oauth1_transfer_start(request);

	PG_TRY();
	{
		/* libcurl's own timer ends it at the request's deadline. */
		while (!exchange->done)
			oauth1_transfer_drive(PG_INT64_MAX);
	}
	PG_CATCH();
	{
		oauth1_transfer_end(exchange);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return exchange;
}
