/*
 * transfer_outcome.c
 *	  What became of one exchange: how it ended, in which words, and the headers
 *	  of the response.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/header.h"
#include "outside/transfer_private.h"

/* A CURLcode of libcurl 8.6, which the headers at hand may not have. */
#define OAUTH1_CURLE_TOO_LARGE 100

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

/* ---------------------------------------------------------------- outcome */

/* Our own words on how it ended; NULL: libcurl's are better. */
static const char *
own_reason(const oauth1_exchange *exchange, CURLcode code)
{
	if (exchange->address_refused && !exchange->sent)
		return exchange->allow_private ?
			"The address is link-local or a cloud's metadata service, which is never allowed" :
			"The address is a loopback, private or other special-purpose one";
	if (exchange->all_too_large)
		return "The bodies of all replies under way in this session exceed its limit together.";
	if (exchange->too_large && exchange->body.status == OA1_TOO_LONG)
		return "The body exceeds the limit.";
	if (exchange->too_large)
		return "The headers exceed 256 kB, 1000 lines or 100 kB a line.";
	if (exchange->broken)
		return exchange->broken;
	if (exchange->source_failed)
		return "The body ended before the length that was announced";
	if (exchange->given_up)
		return "The call was given up by this server";
	/* libcurl would begin anew, and a body that has a source cannot. */
	if (exchange->repeat_refused || code == CURLE_SEND_FAIL_REWIND)
		return "The connection was closed before an answer came";
	if (code == CURLE_SSL_CERTPROBLEM && exchange->has_certificate)
		return "The client certificate or its key is missing or unreadable, or they do not belong together";
	/* It looked for the address of a peer that had gone, and keeps its first words. */
	if (exchange->sent && exchange->status == 0 &&
		strncmp(exchange->error, "getpeername() failed", strlen("getpeername() failed")) == 0)
		return "The connection was closed before an answer came";
	/* libcurl has misleading words for it. */
	if (code == CURLE_BAD_FUNCTION_ARGUMENT && exchange->headers_whole)
		return "A trailer is malformed";
	if (code == CURLE_OK && exchange->status == 0)
		return "Only an interim response came";
	if (code == CURLE_OK)
		return "The connection was closed in the middle of the headers";
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
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_CLIENTCERT:
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
	/* To libcurl a header that is cut is a whole one. */
	return code == CURLE_OK && exchange->headers_whole && !exchange->broken ?
		OAUTH1_ANSWERED : OAUTH1_CUT;
}

/* Writes the outcome of an exchange of which everything is known but that. */
static void
describe(oauth1_exchange *exchange, CURLcode code)
{
	oauth1_outcome *outcome = &exchange->response.outcome;
	const char *reason = own_reason(exchange, code);

	outcome->kind = classify(exchange, code);
	outcome->all_too_large = exchange->all_too_large;
	outcome->sent = exchange->sent;
	outcome->wants_certificate = exchange->certificate_alert && !exchange->has_certificate;
	outcome->status = exchange->status;
	if (outcome->kind != OAUTH1_ANSWERED)
		set_reason(outcome, reason ? reason : curl_reason(exchange, code));
}

/* ---------------------------------------------------------------- the response's headers */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Takes optional white space off both ends (RFC 9110, 5.6.3), and the line's end. */
static oa1_text
trimmed(const char *data, size_t length)
{
	while (length > 0 && is_space(data[length - 1]))
		length--;
	while (length > 0 && is_space(data[0]))
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
	const oa1_pair *header = oauth1_find_header(response->headers, response->header_count,
												(oa1_text) {name, strlen(name)});

	return header ? header->value : (oa1_text) {NULL, 0};
}

/* True where a body ends with its connection, and in no other way (RFC 9112, 6.3). */
static bool
ends_with_connection(const oauth1_exchange *exchange)
{
	const oauth1_response *response = &exchange->response;

	return !exchange->head_only && exchange->status != 204 &&
		exchange->status != 304 &&
		oauth1_transfer_header(response, "content-length").data == NULL &&
		oauth1_transfer_header(response, "transfer-encoding").data == NULL;
}

/* A body that only the end of a TLS connection ends, and that was cut. */
static void
look_for_goodbye(oauth1_exchange *exchange)
{
	char	   *scheme = NULL;

	if (!exchange->headers_whole || !ends_with_connection(exchange) ||
		exchange->goodbye ||
		curl_easy_getinfo(exchange->easy, CURLINFO_SCHEME, &scheme) != CURLE_OK ||
		scheme == NULL || pg_strcasecmp(scheme, "https") != 0)
		return;
	exchange->broken = "The TLS connection was cut, and only its end could tell that of the body";
}

/*
 * What arrived as it was announced can still be the half of what was coded: a
 * service, or a cache before it, broke off before it knew the length.
 */
static void
look_for_end(oauth1_exchange *exchange)
{
	if (exchange->decoder != NULL && !oauth1_decoder_is_whole(exchange->decoder))
		exchange->broken = "The body ends before its content coding does";
}

void
oauth1_exchange_set_outcome(oauth1_exchange *exchange, CURLcode code)
{
	oauth1_response *response = &exchange->response;

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
	if (code == CURLE_OK)
	{
		look_for_goodbye(exchange);
		look_for_end(exchange);
	}
	describe(exchange, code);
}
