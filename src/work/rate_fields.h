/*
 * rate_fields.h
 *	  What a service says about its rate in header fields; no server needed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_RATE_FIELDS_H
#define OAUTH1_RATE_FIELDS_H

#include <stdint.h>

#include "core/core.h"

/* A wish beyond this is cut to it: a day. */
#define OAUTH1_MAX_WISH_MS (INT64_C(86400) * 1000)

/* The values of the fields; data NULL: the response has it not. */
typedef struct oauth1_rate_fields
{
	int			status;
	oa1_text	date;
	oa1_text	retry_after;
	oa1_text	x_remaining;	/* x-rate-limit-remaining, x-ratelimit-remaining */
	oa1_text	x_reset;		/* seconds since 1970, or from now where it is too small for that */
	oa1_text	remaining;		/* ratelimit-remaining (draft-ietf-httpapi-ratelimit-headers-06) */
	oa1_text	reset;			/* seconds from now */
	oa1_text	discogs_remaining;	/* of a minute */
} oauth1_rate_fields;

/*
 * Milliseconds that the service asks to wait, now being the seconds since 1970 by
 * our own clock: Retry-After, else the end of the period in a 429; -1 where it
 * does not say.  What is over already is 0; what cannot be read is not there.
 */
extern int64_t oauth1_rate_fields_retry_after(const oauth1_rate_fields *fields, int64_t now);

/* Only what Retry-After says. */
extern int64_t oauth1_rate_fields_retry_after_alone(const oauth1_rate_fields *fields,
													int64_t now);

/*
 * Milliseconds until the rate begins anew, where it is used up: no call remains,
 * or the answer is a 429; -1 where it is not, or the service does not say.
 */
extern int64_t oauth1_rate_fields_used_up(const oauth1_rate_fields *fields, int64_t now);

#endif							/* OAUTH1_RATE_FIELDS_H */
