/*
 * transfer.c
 *	  One HTTP exchange over libcurl: its life, its caps, libcurl's callbacks.
 *
 * Never twice.  libcurl repeats a request by itself when a kept connection dies
 * before the first octet of an answer, whatever the method.  Its prerequest
 * callback is called before every sending: the first sets "sent", which is the
 * exact edge between "certainly not sent" and "uncertain"; a second is refused.
 * Before it comes to that, a new lookup or a new socket after the edge is refused
 * as well, so that the outcome does not wait for a connection nobody will use.
 *
 * What stays in memory.  Request line and headers, the URL and the response are
 * wiped here; libcurl's own copies of the request are not ours to wipe.  Only
 * with PLAINTEXT do they hold a secret of the consumer.
 *
 * Callbacks of libcurl copy octets into capped malloc memory or count.  They
 * never throw, never palloc, never call libcurl.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "utils/memutils.h"

#include "ground/settings.h"
#include "outside/address.h"
#include "outside/transfer_private.h"
#include "outside/transfer_sockets.h"
#include "outside/transfer_wait.h"

/* A header of a server is a few kB; what exceeds this is an attack or a mistake. */
#define MAX_HEADER_OCTETS (256 * 1024)
#define MAX_HEADER_LINES 1000

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

/* Octets that the bodies of all exchanges take. */
static size_t body_memory = 0;

/* ---------------------------------------------------------------- memory */

/* An oa1_grow over malloc: libcurl's callbacks may not palloc. */
static void *
malloc_grow(void *context, void *old, size_t old_size, size_t new_size)
{
	if (new_size == 0)
	{
		free(old);
		return NULL;
	}
	return malloc(new_size);
}

/*
 * The same for the body of an exchange, which is the context: all bodies of the
 * session together stay within oauth1.max_memory.
 */
static void *
body_grow(void *context, void *old, size_t old_size, size_t new_size)
{
	oauth1_exchange *exchange = context;
	void	   *grown;

	if (new_size == 0)
	{
		body_memory -= old_size;
		free(old);
		return NULL;
	}
	if (new_size + body_memory > (size_t) oauth1_max_memory * 1024)
	{
		exchange->all_too_large = true;
		return NULL;
	}
	grown = malloc(new_size);
	if (grown != NULL)
		body_memory += new_size;
	return grown;
}

/* ---------------------------------------------------------------- callbacks */

/* CURLOPT_RESOLVER_START_FUNCTION: before each lookup.  After the edge: no more. */
static int
resolver_starts(void *resolver, void *reserved, void *argument)
{
	oauth1_exchange *exchange = argument;

	if (exchange->sent)
	{
		exchange->repeat_refused = true;
		return 1;
	}
	oauth1_wait_block_signals();
	return 0;
}

/* Notes the address that a socket is opened to. */
static void
note_address(oauth1_exchange *exchange, const struct sockaddr *address)
{
	const void *number = address->sa_family == AF_INET6 ?
		(const void *) &((const struct sockaddr_in6 *) address)->sin6_addr :
		(const void *) &((const struct sockaddr_in *) address)->sin_addr;

	if (inet_ntop(address->sa_family, number, exchange->address,
				  sizeof(exchange->address)) == NULL)
		exchange->address[0] = '\0';
}

/* CURLOPT_OPENSOCKETFUNCTION: the address rule, on what the name resolved to. */
static curl_socket_t
open_socket(void *argument, curlsocktype purpose, struct curl_sockaddr *address)
{
	oauth1_exchange *exchange = argument;

	if (exchange->sent)
	{
		exchange->repeat_refused = true;
		return CURL_SOCKET_BAD;
	}
	exchange->stage = OAUTH1_STAGE_CONNECT;
	if (exchange->judge_address &&
		!oauth1_address_is_allowed(&address->addr, exchange->allow_private))
	{
		exchange->address_refused = !exchange->connected_anew;
		return CURL_SOCKET_BAD;
	}
	exchange->connected_anew = true;
	exchange->address_refused = false;
	note_address(exchange, &address->addr);
	exchange->socket = oauth1_sockets_open(address);
	exchange->socket_birth = oauth1_sockets_last_birth();
	return exchange->socket;
}

/*
 * CURLOPT_PREREQFUNCTION: before each sending.  The address is judged here as
 * well, for a kept connection can be older than the rule.
 */
static int
before_sending(void *argument, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	oauth1_exchange *exchange = argument;

	if (exchange->sent)
	{
		exchange->repeat_refused = true;
		return CURL_PREREQFUNC_ABORT;
	}
	if (exchange->judge_address &&
		!oauth1_address_text_is_allowed(remote_ip, exchange->allow_private))
	{
		exchange->address_refused = true;
		return CURL_PREREQFUNC_ABORT;
	}
	exchange->sent = true;
	oauth1_tls_sent(exchange, remote_ip, remote_port, local_port);
	exchange->sent_at = oauth1_monotonic_us();
	exchange->stage = OAUTH1_STAGE_SEND;
	strlcpy(exchange->address, remote_ip, sizeof(exchange->address));
	if (exchange->began != NULL)
		exchange->began(exchange->argument, exchange->sent_at);
	return CURL_PREREQFUNC_OK;
}

/*
 * CURLOPT_READFUNCTION: the next octets of a body that has a source.  Not one
 * more than was announced, and a source that ends before ends the exchange.
 */
static size_t
body_wanted(char *to, size_t size, size_t count, void *argument)
{
	oauth1_exchange *exchange = argument;
	size_t		room = Min(size * count, exchange->source_left);
	size_t		length;

	if (room == 0)
		return 0;
	length = exchange->source->read(exchange->source, to, room);
	if (length == 0 || length > room)
	{
		exchange->source_failed = true;
		return CURL_READFUNC_ABORT;
	}
	exchange->source_left -= length;
	return length;
}

/* Appends what came; false: it could not, and the exchange says why. */
static bool
keep_octets(oauth1_exchange *exchange, oa1_buffer *buffer, const char *data, size_t length)
{
	oa1_buffer_append(buffer, data, length);
	if (buffer->status == OA1_TOO_LONG || exchange->all_too_large)
		exchange->too_large = true;
	else if (buffer->status != OA1_OK)
		exchange->no_memory = true;
	return buffer->status == OA1_OK;
}

/* The status of a status line (RFC 9112, 4), 0 where the line is none. */
static int
status_of_line(const char *line, size_t length)
{
	const char *space;

	if (length < 12 || memcmp(line, "HTTP/", 5) != 0)
		return 0;
	space = memchr(line, ' ', length);
	if (space == NULL || line + length - space < 4)
		return 0;
	for (int i = 1; i <= 3; i++)
	{
		if (space[i] < '0' || space[i] > '9')
			return 0;
	}
	return (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
}

/*
 * A new response begins: an interim one (1xx) is no answer, its headers do not
 * count as such.  False: it does not begin like one, or with a change of the
 * protocol, which only a request that asks for it may get (RFC 9110, 15.2.2).
 */
static bool
begin_response(oauth1_exchange *exchange, const char *line, size_t length)
{
	int			status = status_of_line(line, length);

	if (status < 100 || status == 101)
	{
		exchange->broken = status == 101 ?
			"The server switched to another protocol, which was not asked for" :
			"The status line is malformed";
		return false;
	}
	exchange->status = status >= 200 ? status : 0;
	if (exchange->status != 0)
		exchange->stage = OAUTH1_STAGE_ANSWER;
	exchange->in_head = true;
	oa1_buffer_reset(&exchange->head);
	return true;
}

/* The blank line came; false: nobody can say what the body will be. */
static bool
end_head(oauth1_exchange *exchange)
{
	exchange->in_head = false;
	if (exchange->status == 0)
		return true;
	exchange->headers_whole = true;
	exchange->broken = oauth1_framing_fault(oa1_buffer_text(&exchange->head));
	return exchange->broken == NULL;
}

/*
 * CURLOPT_HEADERFUNCTION: one line, the status line and the blank line included.
 * A status line is where one is due: as a header or a trailer it is none.
 */
static size_t
header_came(char *data, size_t size, size_t count, void *argument)
{
	oauth1_exchange *exchange = argument;
	size_t		length = size * count;

	exchange->header_octets += length;
	exchange->header_lines++;
	if (exchange->header_octets > MAX_HEADER_OCTETS ||
		exchange->header_lines > MAX_HEADER_LINES)
	{
		exchange->too_large = true;
		return 0;
	}
	/* Trailers count, but they are not headers (RFC 9110, 6.5.1). */
	if (exchange->headers_whole)
		return length;
	if (!exchange->in_head)
		return begin_response(exchange, data, length) ? length : 0;
	if (data[0] == '\r' || data[0] == '\n')
		return end_head(exchange) ? length : 0;
	return keep_octets(exchange, &exchange->head, data, length) ? length : 0;
}

/* An oauth1_sink: octets of the body, decoded. */
static bool
keep_decoded(void *argument, const char *data, size_t length)
{
	oauth1_exchange *exchange = argument;

	return keep_octets(exchange, &exchange->body, data, length);
}

/* The body begins: how it is coded; false: not in a way that we know. */
static bool
begin_body(oauth1_exchange *exchange)
{
	oauth1_coding coding = oauth1_framing_coding(oa1_buffer_text(&exchange->head));

	exchange->body_began = true;
	if (coding == OAUTH1_CODING_NONE)
		return true;
	if (coding == OAUTH1_CODING_OTHER)
	{
		exchange->broken = "The body has a content coding that was not asked for, or several";
		return false;
	}
	exchange->decoder = oauth1_decoder_new(coding, malloc_grow, NULL, keep_decoded, exchange);
	exchange->no_memory = exchange->decoder == NULL;
	return !exchange->no_memory;
}

/* Decodes and keeps what came; false: it could not, and the exchange says why. */
static bool
decode_octets(oauth1_exchange *exchange, const char *data, size_t length)
{
	switch (oauth1_decoder_put(exchange->decoder, data, length))
	{
		case OAUTH1_DECODED:
			return true;
		case OAUTH1_DECODED_REFUSED:
			/* keep_octets said why. */
			break;
		case OAUTH1_DECODED_NO_MEMORY:
			exchange->no_memory = true;
			break;
		case OAUTH1_DECODED_BROKEN:
			exchange->broken = "The body does not have the content coding it should, or is damaged";
			break;
		case OAUTH1_DECODED_TOO_MUCH:
			exchange->broken = "The body goes on behind the end of its content coding";
			break;
	}
	return false;
}

/* CURLOPT_WRITEFUNCTION: octets of the body, transfer coding undone. */
static size_t
body_came(char *data, size_t size, size_t count, void *argument)
{
	oauth1_exchange *exchange = argument;
	size_t		length = size * count;
	bool		kept;

	if (!exchange->body_began && !begin_body(exchange))
		return 0;
	kept = exchange->decoder != NULL ? decode_octets(exchange, data, length) :
		keep_octets(exchange, &exchange->body, data, length);
	return kept ? length : 0;
}

/* What libcurl calls, with the exchange as argument. */
static void
set_callbacks(oauth1_exchange *exchange, CURLcode *code)
{
	OAUTH1_SET(CURLOPT_RESOLVER_START_FUNCTION, resolver_starts);
	OAUTH1_SET(CURLOPT_RESOLVER_START_DATA, exchange);
	OAUTH1_SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	OAUTH1_SET(CURLOPT_OPENSOCKETDATA, exchange);
	/* Remembered by the connection, which outlives the exchange: no data. */
	OAUTH1_SET(CURLOPT_CLOSESOCKETFUNCTION, oauth1_sockets_close);
	OAUTH1_SET(CURLOPT_CLOSESOCKETDATA, NULL);
	OAUTH1_SET(CURLOPT_PREREQFUNCTION, before_sending);
	OAUTH1_SET(CURLOPT_PREREQDATA, exchange);
	/* Always set: libcurl's own would read the backend's standard input. */
	OAUTH1_SET(CURLOPT_READFUNCTION, body_wanted);
	OAUTH1_SET(CURLOPT_READDATA, exchange);
	OAUTH1_SET(CURLOPT_HEADERFUNCTION, header_came);
	OAUTH1_SET(CURLOPT_HEADERDATA, exchange);
	OAUTH1_SET(CURLOPT_WRITEFUNCTION, body_came);
	OAUTH1_SET(CURLOPT_WRITEDATA, exchange);
}

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
	oa1_buffer_init(&exchange->head, malloc_grow, NULL, MAX_HEADER_OCTETS);
	oa1_buffer_init(&exchange->body, body_grow, exchange, request->max_response_size);
	set_callbacks(exchange, &code);
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

void
oauth1_transfer_drive(int64 until)
{
	make_up_for_neglect();
	do
		oauth1_wait_once(until);
	while (finish_done() == 0 && oauth1_monotonic_us() < until);
	attended = oauth1_monotonic_us();
}

void
oauth1_transfer_wait(int64 until)
{
	bool		latch_set;

	oauth1_wait_prepare();
	make_up_for_neglect();
	do
		latch_set = oauth1_wait_once(until);
	while (finish_done() == 0 && !latch_set && oauth1_monotonic_us() < until);
	attended = oauth1_monotonic_us();
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
