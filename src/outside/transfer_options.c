/*
 * transfer_options.c
 *	  What libcurl is told of one exchange.
 *
 * Exactly the octets that were signed: libcurl gets the URL as it was parsed,
 * checked and signed, may not normalize it, follow redirects, use cookies, netrc
 * or the environment, and adds no header but Content-Length.
 *
 * HTTP/1.1.  HTTP/2 would add repetitions of its own (refused streams) and tie
 * many calls to the fate of one connection, and gives sequential calls nothing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "utils/builtins.h"

#include "ground/header.h"
#include "outside/transfer_private.h"

/* A connection that was idle for longer is not used again: few servers keep one. */
#define MAX_IDLE_SECONDS 60L

/* How long a CA file that was read is taken as unchanged. */
#define CA_CACHE_SECONDS 300L

/*
 * libcurl 7.88 forgets a timeout that is due less than a millisecond after another
 * one of the same exchange.
 */
#define APART_MS 5

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
	oauth1_tls_watch(exchange, code);
	OAUTH1_SET(CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_SECONDS);
	OAUTH1_SET(CURLOPT_MAXAGE_CONN, MAX_IDLE_SECONDS);
	OAUTH1_SET(CURLOPT_TCP_NODELAY, 1L);
	/* We decode: libcurl would take half a stream for a whole one. */
	OAUTH1_SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	OAUTH1_SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	OAUTH1_SET(CURLOPT_ERRORBUFFER, exchange->error);
	OAUTH1_SET(CURLOPT_PRIVATE, exchange);
}

/* Where the exchange goes, and through what. */
static void
set_destination(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	char	   *url = pnstrdup(request->url.data, request->url.length);

	OAUTH1_SET(CURLOPT_PROTOCOLS_STR, request->allow_http ? "http,https" : "https");
	OAUTH1_SET(CURLOPT_URL, url);
	OPENSSL_cleanse(url, request->url.length);
	pfree(url);

	OAUTH1_SET(CURLOPT_FRESH_CONNECT, request->fresh_connection ? 1L : 0L);

	/* Always set: unset, both would be read from the postmaster's environment. */
	OAUTH1_SET(CURLOPT_PROXY, request->proxy);
	OAUTH1_SET(CURLOPT_NOPROXY, "");
}

/* Whom it trusts there. */
static void
set_authorities(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
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

/*
 * The client's certificate, as a copy with a line after it that differs with the
 * key: libcurl uses a kept connection, or TLS session, again where the
 * certificate is the same, and does not ask with which key it was made.  Who has
 * the certificate alone, which is no secret, would be taken for who has the key.
 * PEM ends at its last block; what comes after is passed over.
 */
static char *
certificate_for_key(const oauth1_request *request)
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	char		hex[2 * EVP_MAX_MD_SIZE + 1];
	unsigned	length = 0;

	if (EVP_Digest(request->client_key.data, request->client_key.length, digest, &length,
				   EVP_sha256(), NULL) != 1)
		return NULL;
	hex_encode((char *) digest, length, hex);
	hex[2 * length] = '\0';
	return psprintf("%s\n%s\n", request->client_certificate, hex);
}

/*
 * What the client shows of itself over TLS.  libcurl reads the key where it is,
 * and only when it makes a connection.
 */
static void
set_client(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	struct curl_blob key = {(void *) request->client_key.data, request->client_key.length,
	CURL_BLOB_NOCOPY};
	struct curl_blob certificate = {.flags = CURL_BLOB_COPY};

	if (request->client_certificate == NULL)
		return;
	/* Without a key libcurl would look for one in the certificate. */
	certificate.data = request->client_key.length > 0 ? certificate_for_key(request) : NULL;
	if (certificate.data == NULL)
	{
		*code = CURLE_SSL_CERTPROBLEM;
		return;
	}
	certificate.len = strlen(certificate.data);
	OAUTH1_SET(CURLOPT_SSLCERT_BLOB, &certificate);
	OAUTH1_SET(CURLOPT_SSLKEY_BLOB, &key);
	/* libcurl 7.88 crashes where PEM is encrypted and there is no password at all. */
	OAUTH1_SET(CURLOPT_KEYPASSWD, "");
	pfree(certificate.data);
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
	return request->has_body || request->body_source != NULL || is_method(request, "POST") ||
		is_method(request, "PUT") || is_method(request, "PATCH");
}

/* The body: octets that stay where they are, or none, or those of a source. */
static void
set_body(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	const char *octets = request->has_body ? request->body.data : "";
	size_t		length = request->has_body ? request->body.length : 0;

	if (exchange->source)
	{
		octets = NULL;
		length = exchange->source->length;
	}
	OAUTH1_SET(CURLOPT_POST, 1L);
	OAUTH1_SET(CURLOPT_POSTFIELDS, octets);
	OAUTH1_SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) length);
}

static void
set_method(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	bool		with_body = sends_length(request);
	char	   *name;

	if (is_method(request, "HEAD"))
	{
		OAUTH1_SET(CURLOPT_NOBODY, 1L);
		exchange->head_only = true;
		return;
	}
	if (with_body)
		set_body(exchange, request, code);
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
	long		connect = request->connect_timeout_ms;

	if (connect <= 0 || connect > timeout - APART_MS)
		connect = timeout;

	exchange->timeout_ms = timeout;
	exchange->connect_timeout_ms = connect;
	OAUTH1_SET(CURLOPT_TIMEOUT_MS, timeout);
	OAUTH1_SET(CURLOPT_CONNECTTIMEOUT_MS, connect);
}

void
oauth1_exchange_extend(oauth1_exchange *exchange, int64 ms)
{
	exchange->timeout_ms = (int) Min(exchange->timeout_ms + ms, INT_MAX);
	exchange->connect_timeout_ms = (int) Min(exchange->connect_timeout_ms + ms, INT_MAX);
	curl_easy_setopt(exchange->easy, CURLOPT_TIMEOUT_MS, (long) exchange->timeout_ms);
	curl_easy_setopt(exchange->easy, CURLOPT_CONNECTTIMEOUT_MS,
					 (long) exchange->connect_timeout_ms);
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

/*
 * Host and port of the URL, as they were signed (RFC 5849, 3.4.1.2).  libcurl would
 * write addresses in a form of its own: 0x5db8d822 as 93.184.216.34.
 */
static oa1_pair
host_header(const oauth1_request *request)
{
	const char *start = strstr(request->url.data, "://") + 3;
	const char *end = request->url.data + request->url.length;
	const char *at = start;

	while (at < end && *at != '/' && *at != '?')
		at++;
	return (oa1_pair) {OA1_TEXT("Host"), {start, at - start}};
}

/*
 * The request's headers, and none of libcurl's own but Content-Length.  A caller's
 * Accept-Encoding stands in place of ours; what we decode does not change with it.
 */
static void
set_headers(oauth1_exchange *exchange, const oauth1_request *request, CURLcode *code)
{
	oa1_pair	host = host_header(request);
	bool		added = add_header(exchange, &host);

	for (size_t i = 0; i < request->header_count && added; i++)
		added = add_header(exchange, &request->headers[i]);
	if (!has_header(request, OA1_TEXT("Accept")))
		added = added && add_line(exchange, "Accept:");
	if (!has_header(request, OA1_TEXT("Accept-Encoding")))
		added = added && add_line(exchange, "Accept-Encoding: " OAUTH1_ACCEPT_ENCODING);
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
	set_authorities(exchange, request, code);
	set_client(exchange, request, code);
	set_method(exchange, request, code);
	set_headers(exchange, request, code);
	set_timeouts(exchange, request, code);
}
