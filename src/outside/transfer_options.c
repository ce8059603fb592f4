/*
 * transfer_options.c
 *	  What libcurl is told of one exchange.
 *
 * Exactly the octets that were signed: libcurl gets the URL as it was parsed,
 * checked and signed, may not normalize it, follow redirects, use cookies, netrc
 * or the environment, and adds no header but Host and Content-Length.
 *
 * HTTP/1.1.  HTTP/2 would add repetitions of its own (refused streams) and tie
 * many calls to the fate of one connection, and gives sequential calls nothing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <limits.h>

#include <openssl/crypto.h>

#include "ground/header.h"
#include "outside/transfer_private.h"

/* A connection that was idle for longer is not used again: few servers keep one. */
#define MAX_IDLE_SECONDS 60L

/* How long a CA file that was read is taken as unchanged. */
#define CA_CACHE_SECONDS 300L

/* ---------------------------------------------------------------- options */

/* What is the same in every exchange. */
static void
set_constants(oauth1_exchange *exchange, CURLcode *code)
{
	/* Signals are the backend's; without this libcurl plays with SIGPIPE and SIGALRM. */
	OAUTH1_SET(CURLOPT_NOSIGNAL, 1L);
	/* Never join a resolver thread: it can be stuck in getaddrinfo for long. */
	OAUTH1_SET(CURLOPT_QUICK_EXIT, 1L);
	OAUTH1_SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	OAUTH1_SET(CURLOPT_HTTP09_ALLOWED, 0L);
	OAUTH1_SET(CURLOPT_PATH_AS_IS, 1L);
	OAUTH1_SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	OAUTH1_SET(CURLOPT_FOLLOWLOCATION, 0L);
	OAUTH1_SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	OAUTH1_SET(CURLOPT_SSL_VERIFYPEER, 1L);
	OAUTH1_SET(CURLOPT_SSL_VERIFYHOST, 2L);
	OAUTH1_SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	OAUTH1_SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
	OAUTH1_SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_SECONDS);
	OAUTH1_SET(CURLOPT_TCP_NODELAY, 1L);
	/* All that libcurl can decode; what the write callback counts is decoded. */
	OAUTH1_SET(CURLOPT_ACCEPT_ENCODING, "");
	OAUTH1_SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	OAUTH1_SET(CURLOPT_ERRORBUFFER, exchange->error);
	OAUTH1_SET(CURLOPT_PRIVATE, exchange);
}

/* Where the exchange goes, through what, and whom it trusts there. */
static void
set_destination(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	char	   *url = pnstrdup(request->url.data, request->url.length);

	OAUTH1_SET(CURLOPT_PROTOCOLS_STR, request->allow_http ? "http,https" : "https");
	OAUTH1_SET(CURLOPT_URL, url);
	OPENSSL_cleanse(url, request->url.length);
	pfree(url);

	/* Always set: unset, both would be read from the postmaster's environment. */
	OAUTH1_SET(CURLOPT_PROXY, request->proxy);
	OAUTH1_SET(CURLOPT_NOPROXY, "");

	if (request->ca_pem.length > 0)
	{
		struct curl_blob blob = {(void *) request->ca_pem.data, request->ca_pem.length,
		CURL_BLOB_COPY};

		OAUTH1_SET(CURLOPT_CAINFO_BLOB, &blob);
	}
	else if (request->ca_file[0] != '\0')
		OAUTH1_SET(CURLOPT_CAINFO, request->ca_file);
	else
		return;
	/* The system's folder of certificates would be trusted beside it. */
	OAUTH1_SET(CURLOPT_CAPATH, NULL);
}

/* Methods are case-sensitive (RFC 9110, 9.1). */
static bool
is_method(const oauth1_request *request, const char *name)
{
	return request->http_method.length == strlen(name) &&
		memcmp(request->http_method.data, name, request->http_method.length) == 0;
}

/* Some methods mean a Content-Length, of 0 where there is no body (RFC 9110, 8.6). */
static bool
sends_length(const oauth1_request *request)
{
	return request->has_body || is_method(request, "POST") ||
		is_method(request, "PUT") || is_method(request, "PATCH");
}

static void
set_method(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	bool		with_body = sends_length(request);
	char	   *name;

	if (is_method(request, "HEAD"))
	{
		OAUTH1_SET(CURLOPT_NOBODY, 1L);
		return;
	}
	if (with_body)
	{
		OAUTH1_SET(CURLOPT_POST, 1L);
		OAUTH1_SET(CURLOPT_POSTFIELDS, request->has_body ? request->body.data : "");
		OAUTH1_SET(CURLOPT_POSTFIELDSIZE_LARGE,
			(curl_off_t) (request->has_body ? request->body.length : 0));
	}
	if (is_method(request, with_body ? "POST" : "GET"))
		return;
	name = pnstrdup(request->http_method.data, request->http_method.length);
	OAUTH1_SET(CURLOPT_CUSTOMREQUEST, name);
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

	OAUTH1_SET(CURLOPT_TIMEOUT_MS, timeout);
	OAUTH1_SET(CURLOPT_CONNECTTIMEOUT_MS, connect);
}

/* ---------------------------------------------------------------- header lines */

static bool
has_octet(oa1_text text, char octet)
{
	return text.length > 0 && memchr(text.data, octet, text.length) != NULL;
}

static void
check_header(const oa1_pair *header)
{
	bool		bad = header->name.length == 0 || has_octet(header->value, '\r') ||
		has_octet(header->value, '\n') || has_octet(header->value, '\0');

	for (size_t i = 0; i < header->name.length && !bad; i++)
		bad = (unsigned char) header->name.data[i] <= ' ' || header->name.data[i] == ':' ||
			header->name.data[i] == 0x7f;
	if (bad)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid HTTP header"),
				 errdetail("A header needs a name without spaces, colons or control characters, "
						   "and a value on one line.")));
}

void
oauth1_request_check(const oauth1_request *request)
{
	for (size_t i = 0; i < request->header_count; i++)
		check_header(&request->headers[i]);
}

/* Wipes and frees the lines; they can hold a secret (PLAINTEXT, the caller's own headers). */
void
oauth1_exchange_free_lines(oauth1_exchange *exchange)
{
	for (struct curl_slist *line = exchange->lines; line; line = line->next)
		OPENSSL_cleanse(line->data, strlen(line->data));
	curl_slist_free_all(exchange->lines);
	exchange->lines = NULL;
}

/* Appends a copy of a line for libcurl; false: no memory. */
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
has_header(const oauth1_request *request, oa1_text name)
{
	return oauth1_find_header(request->headers, request->header_count, name) != NULL;
}

/* The request's headers, and none of libcurl's own but Host, Accept-Encoding and Content-Length. */
static void
set_headers(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	bool		added = true;

	for (size_t i = 0; i < request->header_count && added; i++)
		added = add_header(exchange, &request->headers[i]);
	if (!has_header(request, OA1_TEXT("Accept")))
		added = added && add_line(exchange, "Accept:");
	/* 100-continue would be a second chance to send, and a wait of a second. */
	if (sends_length(request))
		added = added && add_line(exchange, "Expect:");
	if (sends_length(request) && !has_header(request, OA1_TEXT("Content-Type")))
		added = added && add_line(exchange, "Content-Type:");
	if (!added)
		*code = CURLE_OUT_OF_MEMORY;
	OAUTH1_SET(CURLOPT_HTTPHEADER, exchange->lines);
}

void
oauth1_exchange_set_options(oauth1_exchange *exchange, const oauth1_request *request,
							CURLcode *code)
{
	set_constants(exchange, code);
	set_destination(exchange, request, code);
	set_method(exchange, request, code);
	set_headers(exchange, request, code);
	set_timeouts(exchange, request, code);
}
