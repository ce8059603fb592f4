/*
 * loopback_http.c
 *	  What is HTTP of the loopback end of a redirect: judging the head of a
 *	  request, writing a page.  Pure: octets in, octets out.
 *
 * The pages are read by whoever sits at the browser, and can be asked for by
 * whatever runs on the machine.  So nothing of a request is repeated in them, and
 * what they say is escaped; they load, frame and send nothing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "ground/jsonb_params.h"
#include "outside/loopback_http.h"

/* ---------------------------------------------------------------- the request */

/* Takes off what stands before the separator, which is passed over; false: it is not there. */
static bool
cut(oa1_text *rest, const char *separator, oa1_text *piece)
{
	size_t		length = strlen(separator);
	const char *end = memmem(rest->data, rest->length, separator, length);

	if (end == NULL)
		return false;
	*piece = (oa1_text) {rest->data, end - rest->data};
	rest->length -= piece->length + length;
	rest->data = end + length;
	return true;
}

static oa1_text
without_space(oa1_text text)
{
	while (text.length > 0 && (*text.data == ' ' || *text.data == '\t'))
	{
		text.data++;
		text.length--;
	}
	while (text.length > 0 &&
		   (text.data[text.length - 1] == ' ' || text.data[text.length - 1] == '\t'))
		text.length--;
	return text;
}

static bool
equals(oa1_text a, oa1_text b)
{
	return a.length == b.length && CRYPTO_memcmp(a.data, b.data, a.length) == 0;
}

/*
 * RFC 9112, 3.2: there must be one Host field.  A page of another site whose name
 * was made to lead to 127.0.0.1 has that name in it.
 */
static oauth1_loopback_verdict
judge_host(oa1_text fields, oa1_text authority)
{
	oauth1_loopback_verdict verdict = OAUTH1_LOOPBACK_MALFORMED;
	int			hosts = 0;
	oa1_text	line;
	oa1_text	name;

	while (cut(&fields, "\r\n", &line) && line.length > 0)
	{
		if (!cut(&line, ":", &name))
			return OAUTH1_LOOPBACK_MALFORMED;
		if (name.length != 4 || pg_strncasecmp(name.data, "Host", 4) != 0)
			continue;
		if (++hosts > 1)
			return OAUTH1_LOOPBACK_MALFORMED;
		verdict = equals(without_space(line), authority) ? OAUTH1_LOOPBACK_AWAITED :
			OAUTH1_LOOPBACK_OTHER_HOST;
	}
	return verdict;
}

oauth1_loopback_verdict
oauth1_loopback_judge(oa1_text request, oa1_text authority, oa1_text path, oa1_text *target)
{
	oauth1_loopback_verdict verdict;
	oa1_text	line;
	oa1_text	method;
	oa1_text	asked;
	const char *question;

	if (!cut(&request, "\r\n", &line) || !cut(&line, " ", &method) || !cut(&line, " ", target) ||
		!(oauth1_text_is(line, "HTTP/1.1") || oauth1_text_is(line, "HTTP/1.0")))
		return OAUTH1_LOOPBACK_MALFORMED;
	verdict = judge_host(request, authority);
	if (verdict != OAUTH1_LOOPBACK_AWAITED)
		return verdict;
	asked = *target;
	question = memchr(asked.data, '?', asked.length);
	if (question != NULL)
		asked.length = question - asked.data;
	if (!equals(asked, path))
		return OAUTH1_LOOPBACK_OTHER_PATH;
	return oauth1_text_is(method, "GET") ? OAUTH1_LOOPBACK_AWAITED : OAUTH1_LOOPBACK_OTHER_METHOD;
}

/* ---------------------------------------------------------------- pages */

/* More than any text of ours has; together they leave room for the rest of a page. */
#define LONGEST_TITLE 512
#define LONGEST_TEXT 4096

/* Copies text as HTML, NUL-terminated; what does not fit is cut off. */
static void
escape(char *out, size_t size, const char *text)
{
	size_t		used = 0;

	for (; *text != '\0'; text++)
	{
		char		plain[2] = {*text, '\0'};
		const char *piece = *text == '&' ? "&amp;" : *text == '<' ? "&lt;" :
			*text == '>' ? "&gt;" : *text == '"' ? "&quot;" : *text == '\'' ? "&#39;" : plain;

		if (used + strlen(piece) >= size)
			break;
		memcpy(out + used, piece, strlen(piece));
		used += strlen(piece);
	}
	out[used] = '\0';
}

/* status: with its reason; fields: lines of the header besides the usual, or "". */
static size_t
write_page(char *out, const char *status, const char *fields, const char *title, const char *text)
{
	char		safe_title[LONGEST_TITLE];
	char		safe_text[LONGEST_TEXT];
	char		body[OAUTH1_LOOPBACK_LONGEST_PAGE - 1024];
	int			length;

	escape(safe_title, sizeof(safe_title), title);
	escape(safe_text, sizeof(safe_text), text);
	length = snprintf(body, sizeof(body),
					  "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
					  "<meta name=\"viewport\" content=\"width=device-width\">"
					  "<title>%s</title></head>\n<body>\n<h1>%s</h1>\n<p>%s</p>\n</body>\n</html>\n",
					  safe_title, safe_title, safe_text);
	return snprintf(out, OAUTH1_LOOPBACK_LONGEST_PAGE,
					"HTTP/1.1 %s\r\nContent-Type: text/html; charset=utf-8\r\n"
					"Content-Length: %d\r\nConnection: close\r\nCache-Control: no-store\r\n"
					"Content-Security-Policy: default-src 'none'; base-uri 'none'; "
					"form-action 'none'; frame-ancestors 'none'\r\n"
					"Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
					"%s\r\n%s", status, length, fields, body);
}

size_t
oauth1_loopback_page(char *out, bool fine, const char *title, const char *text)
{
	return write_page(out, fine ? "200 OK" : "403 Forbidden", "", title, text);
}

size_t
oauth1_loopback_refusal(char *out, oauth1_loopback_verdict verdict)
{
	switch (verdict)
	{
		case OAUTH1_LOOPBACK_OTHER_PATH:
			return write_page(out, "404 Not Found", "", "Not found", "There is no such page here.");
		case OAUTH1_LOOPBACK_OTHER_METHOD:
			return write_page(out, "405 Method Not Allowed", "Allow: GET\r\n",
							  "Method not allowed", "This page can only be fetched with GET.");
		case OAUTH1_LOOPBACK_OTHER_HOST:
			return write_page(out, "421 Misdirected Request", "", "Wrong host",
							  "The request was meant for another host.");
		case OAUTH1_LOOPBACK_TOO_LONG:
			return write_page(out, "431 Request Header Fields Too Large", "", "Request too large",
							  "The request is longer than 16 kB.");
		default:
			return write_page(out, "400 Bad Request", "", "Bad request",
							  "The request could not be read.");
	}
}
