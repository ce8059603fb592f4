/*
 * rate_fields.c
 *	  What a service says about its rate in header fields; no server needed.
 *
 * Sources: RFC 9110, 10.2.3 (Retry-After); X's documentation of its rate limits
 * (x-rate-limit-reset in seconds since 1970); draft-ietf-httpapi-ratelimit-headers
 * (reset in seconds from now); Discogs's documentation (60 calls in a window of a
 * minute that moves).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "work/rate_fields.h"

#include "work/http_date.h"

/* Numbers above are read as this: more than any date, and far from the end of int64. */
#define MAX_NUMBER INT64_C(100000000000000)

/* A smaller number is no time since 1970 but one from now: this is the year 2001. */
#define FIRST_EPOCH INT64_C(1000000000)

/* A greater one counts milliseconds since 1970: as seconds this is the year 5138. */
#define LAST_EPOCH INT64_C(100000000000)

/* In milliseconds, from 0 to a day. */
static int64_t
wish(int64_t seconds)
{
	if (seconds <= 0)
		return 0;
	return seconds < OAUTH1_MAX_WISH_MS / 1000 ? seconds * 1000 : OAUTH1_MAX_WISH_MS;
}

/* What the service takes for now: its own word, so that clocks that differ do no harm. */
static int64_t
service_time(const oauth1_rate_fields *fields, int64_t now)
{
	int64_t		date = now;

	(void) oauth1_http_date_read(fields->date, now, &date);
	return date;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
oauth1_rate_fields_retry_after_alone(const oauth1_rate_fields *fields, int64_t now)
{
	int64_t		number;

	if (oauth1_digits_read(fields->retry_after, MAX_NUMBER, &number))
		return wish(number);
	if (oauth1_http_date_read(fields->retry_after, now, &number))
		return wish(number - service_time(fields, now));
	return -1;
}

/* Is it a number, and none is left? */
static bool
is_zero(oa1_text remaining)
{
	int64_t		number;

	return oauth1_digits_read(remaining, MAX_NUMBER, &number) && number == 0;
}

static int64_t
x_reset(const oauth1_rate_fields *fields, int64_t now)
{
	int64_t		number;

	if (!oauth1_digits_read(fields->x_reset, MAX_NUMBER, &number))
		return -1;
	if (number < FIRST_EPOCH)
		return wish(number);
	if (number > LAST_EPOCH)
		number /= 1000;
	return wish(number - service_time(fields, now));
}

static int64_t
reset(const oauth1_rate_fields *fields)
{
	int64_t		number;

	return oauth1_digits_read(fields->reset, MAX_NUMBER, &number) ? wish(number) : -1;
}

int64_t
oauth1_rate_fields_used_up(const oauth1_rate_fields *fields, int64_t now)
{
	int64_t		wait = -1;

	if (fields->status == 429 || is_zero(fields->x_remaining))
		wait = larger(wait, x_reset(fields, now));
	if (fields->status == 429 || is_zero(fields->remaining))
		wait = larger(wait, reset(fields));
	/* When the oldest call leaves the window is not told; in a minute it is empty. */
	if (is_zero(fields->discogs_remaining))
		wait = larger(wait, wish(60));
	return wait;
}

int64_t
oauth1_rate_fields_retry_after(const oauth1_rate_fields *fields, int64_t now)
{
	int64_t		wait = oauth1_rate_fields_retry_after_alone(fields, now);

	if (wait < 0 && fields->status == 429)
		wait = oauth1_rate_fields_used_up(fields, now);
	return wait;
}
