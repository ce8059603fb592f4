/*
 * loopback_http.h
 *	  What is HTTP of the loopback end of a redirect; pure.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LOOPBACK_HTTP_H
#define OAUTH1_LOOPBACK_HTTP_H

#include "core/core.h"

/* What a request is found to be; all but the first are answered with a page that says no. */
typedef enum oauth1_loopback_verdict
{
	OAUTH1_LOOPBACK_AWAITED,	/* GET of the path, with any query */
	OAUTH1_LOOPBACK_MALFORMED,	/* not HTTP/1, or not one Host field */
	OAUTH1_LOOPBACK_OTHER_HOST,	/* meant for another host: DNS was made to lead here */
	OAUTH1_LOOPBACK_OTHER_PATH,
	OAUTH1_LOOPBACK_OTHER_METHOD,
	OAUTH1_LOOPBACK_TOO_LONG	/* for the caller, who has seen no end of it */
} oauth1_loopback_verdict;

/* Octets of request that are read at most. */
#define OAUTH1_LOOPBACK_LONGEST_REQUEST 16384

/* Octets of a page with its header that are written at most; texts are cut to fit. */
#define OAUTH1_LOOPBACK_LONGEST_PAGE 8192

/*
 * Judges the head of a request, up to its empty line, for that authority
 * (host[:port], as the Host field has it) and path.  Where it is the awaited one,
 * *target is its target (RFC 9112, 3.2.1), which points into the request.
 */
extern oauth1_loopback_verdict oauth1_loopback_judge(oa1_text request, oa1_text authority,
													 oa1_text path, oa1_text *target);

/*
 * Writes the whole response, of OAUTH1_LOOPBACK_LONGEST_PAGE octets at most, and
 * returns its length.  Title and text, in UTF-8, are escaped.
 */
extern size_t oauth1_loopback_page(char *out, bool fine, const char *title, const char *text);

/* The same for a request that is not the awaited one. */
extern size_t oauth1_loopback_refusal(char *out, oauth1_loopback_verdict verdict);

#endif							/* OAUTH1_LOOPBACK_HTTP_H */
