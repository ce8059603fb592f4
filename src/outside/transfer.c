/*
 * transfer.c
 *	  One HTTP exchange over libcurl: its options, caps, callbacks, outcome.
 *
 * Never twice.  libcurl repeats a request by itself when a kept connection dies
 * before the first octet of an answer, whatever the method.  Its prerequest
 * callback is called before every sending: the first sets "sent", which is the
 * exact edge between "certainly not sent" and "uncertain"; a second is refused.
 * Before it comes to that, a new lookup or a new socket after the edge is refused
 * as well, so that the outcome does not wait for a connection nobody will use.
 *
 * HTTP/1.1.  HTTP/2 would add repetitions of its own (refused streams) and tie
 * many calls to the fate of one connection, and gives sequential calls nothing.
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

#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "utils/memutils.h"

#include "outside/address.h"
#include "outside/transfer.h"
#include "outside/transfer_wait.h"

/* A header of a server is a few kB; what exceeds this is an attack or a mistake. */
#define MAX_HEADER_OCTETS (256 * 1024)
#define MAX_HEADER_LINES 1000

/* Handles, with their TLS sessions, that a session keeps for its next exchanges. */
#define KEPT_HANDLES 16

/* A connection that was idle for longer is not used again: few servers keep one. */
#define MAX_IDLE_SECONDS 60L

/* How long a CA file that was read is taken as unchanged. */
#define CA_CACHE_SECONDS 300L

/* A CURLcode of libcurl 8.6, which the headers at hand may not have. */
#define OAUTH1_CURLE_TOO_LARGE 100

/*
 * One exchange; malloc'ed and kept with its handle for the next.  While in use
 * it belongs to a memory context, through an owner in that context.
 */
struct oauth1_exchange
{
	CURL	   *easy;
	struct owner *owner;
	struct oauth1_exchange *next_kept;
	bool		in_flight;
	bool		done;

	/* what was asked for */
	bool		allow_private;
	bool		judge_address;	/* false: the address is that of a trusted proxy */
	bool		through_proxy;
	struct curl_slist *lines;	/* header lines as sent */

	/* what the callbacks saw */
	bool		connected_anew; /* a socket was opened for it */
	bool		address_refused;	/* the rule allowed none of the addresses */
	bool		sent;
	bool		repeat_refused;
	bool		too_large;		/* body, headers: the reason says which */
	bool		no_memory;
	bool		headers_whole;	/* the blank line came; more are trailers */
	size_t		header_octets;	/* of all responses, interim ones too */
	int			header_lines;
	int			status;			/* of the final response */
	oa1_buffer	head;			/* its header lines, as they came */
	oa1_buffer	body;

	oauth1_response response;
	oa1_pair   *headers;		/* into head */
	char		error[CURL_ERROR_SIZE];
};

typedef struct owner
{
	MemoryContextCallback callback;
	oauth1_exchange *exchange;	/* NULL: ended */
} owner;

static oauth1_exchange *kept_exchanges = NULL;
static int	kept_count = 0;

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
	if (exchange->judge_address &&
		!oauth1_address_is_allowed(&address->addr, exchange->allow_private))
	{
		exchange->address_refused = !exchange->connected_anew;
		return CURL_SOCKET_BAD;
	}
	exchange->connected_anew = true;
	exchange->address_refused = false;
	return oauth1_wait_open_socket(address);
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
	return CURL_PREREQFUNC_OK;
}

/* Appends what came; false: it could not, and the exchange says why. */
static bool
keep_octets(oauth1_exchange *exchange, oa1_buffer *buffer, const char *data, size_t length)
{
	oa1_buffer_append(buffer, data, length);
	if (buffer->status == OA1_OUT_OF_MEMORY)
		exchange->no_memory = true;
	else if (buffer->status != OA1_OK)
		exchange->too_large = true;
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

/* A new response begins: an interim one (1xx) is no answer, its headers do not count as such. */
static void
begin_response(oauth1_exchange *exchange, int status)
{
	exchange->status = status >= 200 ? status : 0;
	exchange->headers_whole = false;
	oa1_buffer_reset(&exchange->head);
}

/* CURLOPT_HEADERFUNCTION: one line, the status line and the blank line included. */
static size_t
header_came(char *data, size_t size, size_t count, void *argument)
{
	oauth1_exchange *exchange = argument;
	size_t		length = size * count;
	int			status;

	exchange->header_octets += length;
	exchange->header_lines++;
	if (exchange->header_octets > MAX_HEADER_OCTETS ||
		exchange->header_lines > MAX_HEADER_LINES)
	{
		exchange->too_large = true;
		return 0;
	}
	status = status_of_line(data, length);
	if (status != 0)
	{
		begin_response(exchange, status);
		return length;
	}
	/* Trailers count, but they are not headers (RFC 9110, 6.5.1). */
	if (exchange->headers_whole)
		return length;
	if (data[0] == '\r' || data[0] == '\n')
	{
		exchange->headers_whole = true;
		return length;
	}
	return keep_octets(exchange, &exchange->head, data, length) ? length : 0;
}

/* CURLOPT_WRITEFUNCTION: octets of the body, transfer coding undone. */
static size_t
body_came(char *data, size_t size, size_t count, void *argument)
{
	oauth1_exchange *exchange = argument;
	size_t		length = size * count;

	return keep_octets(exchange, &exchange->body, data, length) ? length : 0;
}

/* ---------------------------------------------------------------- options */

/*
 * Sets an option; the first failure sticks in *code.  None may fail: each of
 * them is a promise of this file.
 */
#define SET(option, value) \
	do { \
		if (*code == CURLE_OK) \
			*code = curl_easy_setopt(exchange->easy, option, value); \
	} while (0)

/* What is the same in every exchange. */
static void
set_constants(oauth1_exchange *exchange, CURLcode *code)
{
	/* Signals are the backend's; without this libcurl plays with SIGPIPE and SIGALRM. */
	SET(CURLOPT_NOSIGNAL, 1L);
	/* Never join a resolver thread: it can be stuck in getaddrinfo for long. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
	SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_SECONDS);
	SET(CURLOPT_TCP_NODELAY, 1L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_ERRORBUFFER, exchange->error);
	SET(CURLOPT_PRIVATE, exchange);
}

static void
set_callbacks(oauth1_exchange *exchange, CURLcode *code)
{
	SET(CURLOPT_RESOLVER_START_FUNCTION, resolver_starts);
	SET(CURLOPT_RESOLVER_START_DATA, exchange);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, exchange);
	/* Remembered by the connection, which outlives the exchange: no data. */
	SET(CURLOPT_CLOSESOCKETFUNCTION, oauth1_wait_close_socket);
	SET(CURLOPT_CLOSESOCKETDATA, NULL);
	SET(CURLOPT_PREREQFUNCTION, before_sending);
	SET(CURLOPT_PREREQDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, header_came);
	SET(CURLOPT_HEADERDATA, exchange);
	SET(CURLOPT_WRITEFUNCTION, body_came);
	SET(CURLOPT_WRITEDATA, exchange);
}

/* Where the exchange goes, through what, and whom it trusts there. */
static void
set_destination(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	char	   *url = pnstrdup(request->url.data, request->url.length);

	SET(CURLOPT_PROTOCOLS_STR, request->allow_http ? "http,https" : "https");
	SET(CURLOPT_URL, url);
	OPENSSL_cleanse(url, request->url.length);
	pfree(url);

	/* Always set: unset, both would be read from the postmaster's environment. */
	SET(CURLOPT_PROXY, request->proxy);
	SET(CURLOPT_NOPROXY, "");

	if (request->ca_pem.length > 0)
	{
		struct curl_blob blob = {(void *) request->ca_pem.data, request->ca_pem.length,
		CURL_BLOB_COPY};

		SET(CURLOPT_CAINFO_BLOB, &blob);
	}
	else if (request->ca_file[0] != '\0')
		SET(CURLOPT_CAINFO, request->ca_file);
	else
		return;
	/* The system's folder of certificates would be trusted beside it. */
	SET(CURLOPT_CAPATH, NULL);
}

static bool
is_method(const oauth1_request *request, const char *name)
{
	return request->http_method.length == strlen(name) &&
		memcmp(request->http_method.data, name, request->http_method.length) == 0;
}

/* The method and the body, with a Content-Length where the method means one (RFC 9110, 8.6). */
static void
set_method(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	bool		with_body = request->has_body || is_method(request, "POST") ||
		is_method(request, "PUT") || is_method(request, "PATCH");
	char	   *name;

	if (is_method(request, "HEAD"))
	{
		SET(CURLOPT_NOBODY, 1L);
		return;
	}
	if (with_body)
	{
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDS, request->has_body ? request->body.data : "");
		SET(CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t) (request->has_body ? request->body.length : 0));
	}
	if (is_method(request, with_body ? "POST" : "GET"))
		return;
	name = pnstrdup(request->http_method.data, request->http_method.length);
	SET(CURLOPT_CUSTOMREQUEST, name);
	pfree(name);
}

/*
 * The time that is left, for the whole and for the connection; libcurl takes 0
 * for "no limit", so at least 1 ms.
 */
static void
set_timeouts(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	int64		left = (request->deadline - oauth1_monotonic_us() + 999) / 1000;
	long		timeout = (long) Max(1, Min(left, INT_MAX));
	long		connect = request->connect_timeout_ms > 0 ?
		Min(request->connect_timeout_ms, timeout) : timeout;

	SET(CURLOPT_TIMEOUT_MS, timeout);
	SET(CURLOPT_CONNECTTIMEOUT_MS, connect);
}

/* ---------------------------------------------------------------- header lines */

/* Raises 22023 for a header that would be more than one line, or none. */
static void
check_header(const oa1_pair *header)
{
	bool		bad = header->name.length == 0;

	for (size_t i = 0; i < header->name.length && !bad; i++)
		bad = (unsigned char) header->name.data[i] <= ' ' || header->name.data[i] == ':' ||
			header->name.data[i] == 0x7f;
	for (size_t i = 0; i < header->value.length && !bad; i++)
		bad = header->value.data[i] == '\r' || header->value.data[i] == '\n' ||
			header->value.data[i] == '\0';
	if (bad)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid HTTP header"),
				 errdetail("A header needs a name without spaces, colons or control characters, and a value on one line.")));
}

/* Wipes and frees the lines; they can hold a secret (PLAINTEXT, the caller's own headers). */
static void
free_lines(oauth1_exchange *exchange)
{
	for (struct curl_slist *line = exchange->lines; line; line = line->next)
		OPENSSL_cleanse(line->data, strlen(line->data));
	curl_slist_free_all(exchange->lines);
	exchange->lines = NULL;
}

static bool
add_line(oauth1_exchange *exchange, const char *line)
{
	struct curl_slist *lines = curl_slist_append(exchange->lines, line);

	if (lines == NULL)
		return false;
	exchange->lines = lines;
	return true;
}

/* libcurl takes "Name: value"; "Name:" would suppress the header, "Name;" sends it empty. */
static bool
add_header(oauth1_exchange *exchange, const oa1_pair *header)
{
	size_t		length = header->name.length + 2 + header->value.length;
	char	   *line = palloc(length + 1);
	bool		added;

	memcpy(line, header->name.data, header->name.length);
	memcpy(line + header->name.length, ": ", 2);
	memcpy(line + header->name.length + 2, header->value.data, header->value.length);
	line[length] = '\0';
	if (header->value.length == 0)
		strcpy(line + header->name.length, ";");
	added = add_line(exchange, line);
	OPENSSL_cleanse(line, length);
	pfree(line);
	return added;
}

static bool
request_has_header(const oauth1_request *request, const char *name)
{
	size_t		length = strlen(name);

	for (size_t i = 0; i < request->header_count; i++)
	{
		if (request->headers[i].name.length == length &&
			pg_strncasecmp(request->headers[i].name.data, name, length) == 0)
			return true;
	}
	return false;
}

/* The request's headers, and none of libcurl's own but Host and Content-Length. */
static void
set_headers(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	bool		added = true;

	for (size_t i = 0; i < request->header_count && added; i++)
		added = add_header(exchange, &request->headers[i]);
	/* 100-continue would be a second chance to send, and a wait of a second. */
	added = added && add_line(exchange, "Expect:");
	if (!request_has_header(request, "Accept"))
		added = added && add_line(exchange, "Accept:");
	if (!request_has_header(request, "Content-Type"))
		added = added && add_line(exchange, "Content-Type:");
	if (!added)
		*code = CURLE_OUT_OF_MEMORY;
	SET(CURLOPT_HTTPHEADER, exchange->lines);
}

/* ---------------------------------------------------------------- outcome */

/* Our own words on how it ended; NULL: libcurl's are better. */
static const char *
own_reason(const oauth1_exchange *exchange, CURLcode code)
{
	if (exchange->address_refused && !exchange->sent)
		return exchange->allow_private ?
			"The address is link-local or a cloud's metadata service, which is never allowed" :
			"The address is a loopback, private or other special-purpose one";
	if (exchange->too_large && exchange->body.status == OA1_TOO_LONG)
		return "The body exceeds the limit.";
	if (exchange->too_large)
		return "The headers exceed 256 kB, 1000 lines or 100 kB a line.";
	if (exchange->repeat_refused)
		return "The connection was closed before an answer came";
	if (code == CURLE_OK)
		return "Only an interim response came";
	return NULL;
}

/*
 * libcurl's words on how it ended: the text it wrote, where the code is one
 * whose texts were found to hold no part of a URL, else the code's name.  A
 * query can hold a signature or, with PLAINTEXT, a secret; a proxy's URL a
 * password.
 */
static const char *
curl_reason(const oauth1_exchange *exchange, CURLcode code)
{
	switch (code)
	{
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_OPERATION_TIMEDOUT:
		case CURLE_SSL_CONNECT_ERROR:
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_GOT_NOTHING:
		case CURLE_PARTIAL_FILE:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_WEIRD_SERVER_REPLY:
			if (exchange->error[0] != '\0')
				return exchange->error;
			break;
		case CURLE_COULDNT_CONNECT:
			/* A proxy's URL that is refused is quoted, with its password. */
			if (exchange->error[0] != '\0' && !exchange->through_proxy)
				return exchange->error;
			break;
		default:
			break;
	}
	return curl_easy_strerror(code);
}

/* Copies a reason as printable ASCII: a server can have put in a word. */
static void
set_reason(oauth1_outcome *outcome, const char *reason)
{
	size_t		length = strnlen(reason, sizeof(outcome->reason) - 1);

	for (size_t i = 0; i < length; i++)
		outcome->reason[i] = reason[i] >= ' ' && reason[i] <= '~' ? reason[i] : '?';
	outcome->reason[length] = '\0';
}

/*
 * What libcurl's code means.  Which code it was matters little: what happened to
 * the request is told by the edge and by the status line.
 */
static oauth1_outcome_kind
classify(const oauth1_exchange *exchange, CURLcode code)
{
	if (exchange->address_refused && !exchange->sent)
		return OAUTH1_ADDRESS_REFUSED;
	if (exchange->too_large)
		return OAUTH1_TOO_LARGE;
	if (exchange->no_memory || code == CURLE_OUT_OF_MEMORY)
		return OAUTH1_NO_MEMORY;
	if (code == CURLE_OPERATION_TIMEDOUT)
		return OAUTH1_TIMED_OUT;
	if (!exchange->sent)
		return OAUTH1_NOT_SENT;
	if (exchange->status == 0)
		return OAUTH1_UNANSWERED;
	return code == CURLE_OK ? OAUTH1_ANSWERED : OAUTH1_CUT;
}

static void
set_outcome(oauth1_exchange *exchange, CURLcode code)
{
	oauth1_outcome *outcome = &exchange->response.outcome;
	const char *reason = own_reason(exchange, code);

	outcome->kind = classify(exchange, code);
	outcome->sent = exchange->sent;
	outcome->status = exchange->status;
	if (outcome->kind != OAUTH1_ANSWERED)
		set_reason(outcome, reason ? reason : curl_reason(exchange, code));
}

/* ---------------------------------------------------------------- the response's headers */

/* Takes optional white space off both ends (RFC 9110, 5.6.3), and the line's end. */
static oa1_text
trimmed(const char *data, size_t length)
{
	while (length > 0 && strchr(" \t\r\n", data[length - 1]) != NULL)
		length--;
	while (length > 0 && (data[0] == ' ' || data[0] == '\t'))
	{
		data++;
		length--;
	}
	return (oa1_text) {data, length};
}

/* Cuts the next line off; a folded one (RFC 9112, 5.2) becomes one line, with spaces. */
static oa1_text
next_line(char **rest, char *end)
{
	char	   *start = *rest;
	char	   *line_end;

	for (;;)
	{
		line_end = memchr(*rest, '\n', end - *rest);
		*rest = line_end ? line_end + 1 : end;
		if (line_end == NULL || *rest == end || (**rest != ' ' && **rest != '\t'))
			break;
		*line_end = ' ';
		if (line_end > start && line_end[-1] == '\r')
			line_end[-1] = ' ';
	}
	return (oa1_text) {start, *rest - start};
}

/* Splits the head into names and values; a line without a colon is none. */
static void
read_headers(oauth1_exchange *exchange)
{
	char	   *rest = exchange->head.data;
	char	   *end = rest + exchange->head.length;
	size_t		count = 0;

	exchange->headers = malloc((exchange->header_lines + 1) * sizeof(oa1_pair));
	if (exchange->headers == NULL)
	{
		exchange->no_memory = true;
		return;
	}
	while (rest < end)
	{
		oa1_text	line = next_line(&rest, end);
		const char *colon = memchr(line.data, ':', line.length);

		if (colon == NULL)
			continue;
		exchange->headers[count].name = trimmed(line.data, colon - line.data);
		exchange->headers[count].value = trimmed(colon + 1, line.data + line.length - colon - 1);
		count++;
	}
	exchange->response.headers = exchange->headers;
	exchange->response.header_count = count;
}

oa1_text
oauth1_transfer_header(const oauth1_response *response, const char *name)
{
	size_t		length = strlen(name);

	for (size_t i = 0; i < response->header_count; i++)
	{
		const oa1_pair *header = &response->headers[i];

		if (header->name.length == length &&
			pg_strncasecmp(header->name.data, name, length) == 0)
			return header->value;
	}
	return (oa1_text) {NULL, 0};
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

	curl_easy_reset(easy);
	free_lines(exchange);
	oa1_buffer_free(&exchange->head);
	oa1_buffer_free(&exchange->body);
	free(exchange->headers);
	memset(exchange, 0, sizeof(*exchange));
	exchange->easy = easy;
}

static void
give_back(oauth1_exchange *exchange)
{
	clear_exchange(exchange);
	if (kept_count >= KEPT_HANDLES)
	{
		curl_easy_cleanup(exchange->easy);
		free(exchange);
		return;
	}
	exchange->next_kept = kept_exchanges;
	kept_exchanges = exchange;
	kept_count++;
}

void
oauth1_transfer_end(oauth1_exchange *exchange)
{
	exchange->owner->exchange = NULL;
	if (exchange->in_flight)
		oauth1_wait_remove(exchange->easy);
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
 * True where the code says that a header line exceeded libcurl's own limit of
 * 100 kB; older versions take the code of lack of memory for it, which at that
 * point is by far the likelier cause.
 */
static bool
is_long_line(const oauth1_exchange *exchange, CURLcode code)
{
	return exchange->sent && !exchange->headers_whole && !exchange->no_memory &&
		(code == CURLE_OUT_OF_MEMORY || code == OAUTH1_CURLE_TOO_LARGE);
}

/* What libcurl measured, and the response as the caller sees it. */
static void
finish(oauth1_exchange *exchange, CURLcode code)
{
	oauth1_response *response = &exchange->response;
	curl_off_t	elapsed = 0;

	curl_easy_getinfo(exchange->easy, CURLINFO_TOTAL_TIME_T, &elapsed);
	response->elapsed_ms = elapsed / 1000.0;
	response->reused = exchange->sent && !exchange->connected_anew;
	if (exchange->in_flight)
		oauth1_wait_remove(exchange->easy);
	exchange->in_flight = false;
	exchange->done = true;
	if (exchange->status == 0)
	{
		/* Whatever came belongs to an interim response. */
		oa1_buffer_reset(&exchange->head);
		oa1_buffer_reset(&exchange->body);
	}
	read_headers(exchange);
	response->content_type = oauth1_transfer_header(response, "content-type");
	response->body = oa1_buffer_text(&exchange->body);
	exchange->too_large |= is_long_line(exchange, code);
	set_outcome(exchange, code);
	/* The backend's own TLS connection reads the same queue. */
	ERR_clear_error();
}

static void
set_options(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	set_constants(exchange, code);
	set_callbacks(exchange, code);
	set_destination(exchange, request, code);
	set_method(exchange, request, code);
	set_headers(exchange, request, code);
	set_timeouts(exchange, request, code);
}

oauth1_exchange *
oauth1_transfer_start(const oauth1_request *request)
{
	oauth1_exchange *exchange;
	CURLcode	code = CURLE_OK;

	for (size_t i = 0; i < request->header_count; i++)
		check_header(&request->headers[i]);
	oauth1_wait_prepare();
	exchange = own_exchange();
	exchange->allow_private = request->allow_private_addresses;
	exchange->through_proxy = request->proxy[0] != '\0';
	exchange->judge_address = !exchange->through_proxy || !request->proxy_is_trusted;
	oa1_buffer_init(&exchange->head, malloc_grow, NULL, MAX_HEADER_OCTETS);
	oa1_buffer_init(&exchange->body, malloc_grow, NULL, request->max_response_size);
	set_options(exchange, request, &code);
	if (code == CURLE_OK && request->deadline <= oauth1_monotonic_us())
		code = CURLE_OPERATION_TIMEDOUT;
	if (code == CURLE_OK && oauth1_wait_add(exchange->easy) != CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	exchange->in_flight = code == CURLE_OK;
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
	do
		oauth1_wait_once(until);
	while (finish_done() == 0 && oauth1_monotonic_us() < until);
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
