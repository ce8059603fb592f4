/*
 * transfer_callbacks.c
 *	  What libcurl calls in one exchange, and where what it hands over is kept.
 *
 * Never twice.  libcurl repeats a request by itself when a kept connection dies
 * before the first octet of an answer, whatever the method.  Its prerequest
 * callback is called before every sending: the first sets "sent", which is the
 * exact edge between "certainly not sent" and "uncertain"; a second is refused.
 * Before it comes to that, a new lookup or a new socket after the edge is refused
 * as well, so that the outcome does not wait for a connection nobody will use.
 *
 * All of these copy octets into capped malloc memory or count.  They never throw,
 * never palloc, never call libcurl.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <arpa/inet.h>

#include "ground/fault.h"
#include "ground/settings.h"
#include "outside/address.h"
#include "outside/transfer_private.h"
#include "outside/transfer_sockets.h"
#include "outside/transfer_wait.h"

/* A header of a server is a few kB; what exceeds this is an attack or a mistake. */
#define MAX_HEADER_OCTETS (256 * 1024)
#define MAX_HEADER_LINES 1000

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
	/* A cancel that is seen when interrupts are looked for next would find it sent. */
	if (OAUTH1_FAULT_REFUSES("E"))
		return CURL_PREREQFUNC_ABORT;
	exchange->sent = true;
	oauth1_tls_sent(exchange, remote_ip, remote_port, local_port);
	exchange->sent_at = oauth1_monotonic_us();
	exchange->stage = OAUTH1_STAGE_SEND;
	strlcpy(exchange->address, remote_ip, sizeof(exchange->address));
	if (exchange->began != NULL)
		exchange->began(exchange->argument, exchange->sent_at);
	OAUTH1_FAULT_IN_CALLBACK("F");
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
	{
		exchange->stage = OAUTH1_STAGE_ANSWER;
		OAUTH1_FAULT_IN_CALLBACK("I");
	}
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
	OAUTH1_FAULT_IN_CALLBACK("J");
	return kept ? length : 0;
}

void
oauth1_exchange_set_callbacks(oauth1_exchange *exchange, size_t max_body, CURLcode *code)
{
	oa1_buffer_init(&exchange->head, malloc_grow, NULL, MAX_HEADER_OCTETS);
	oa1_buffer_init(&exchange->body, body_grow, exchange, max_body);
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
