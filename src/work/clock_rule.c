/*
 * clock_rule.c
 *	  The rules by which a timestamp is chosen and a refusal is read; no server
 *	  and no clock needed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "work/clock_rule.h"

#include <string.h>

#include "work/http_date.h"

/* A Date that differs by less is no reason for a refusal that does not say so. */
#define UNSAID_SECONDS 60

/* How far Date, cut to a second, may be off where the clocks agree. */
#define PRECISION_SECONDS 1

/* No timestamp is greater; the year 5138. */
#define MAX_TIMESTAMP INT64_C(100000000000)

int64_t
oauth1_clock_next(oauth1_clock_floor *floor, const oauth1_clock_known *known, int64_t wall,
				  int64_t monotonic_us)
{
	int64_t		now = wall + known->offset;

	if (floor->times_learned == known->times_learned && now < floor->last)
	{
		if (floor->held_since_us == 0)
			floor->held_since_us = monotonic_us;
		if (monotonic_us - floor->held_since_us < OAUTH1_MAX_CLOCK_SECONDS * INT64_C(1000000))
			return floor->last;
	}
	*floor = (oauth1_clock_floor) {.last = now, .times_learned = known->times_learned};
	return now;
}

/* low-high, in seconds since 1970 (Problem Reporting extension, oauth_acceptable_timestamps). */
static bool
read_range(oa1_text text, int64_t *low, int64_t *high)
{
	const char *dash = text.data ? memchr(text.data, '-', text.length) : NULL;

	if (dash == NULL)
		return false;
	return oauth1_digits_read((oa1_text) {text.data, dash - text.data}, MAX_TIMESTAMP, low) &&
		oauth1_digits_read((oa1_text) {dash + 1, text.data + text.length - dash - 1},
						   MAX_TIMESTAMP, high) &&
		*low <= *high;
}

/*
 * Where the service's clock stands, as the range that its time at the end of the
 * answer is in; and whether what was signed was right by it.
 */
static bool
service_clock(const oauth1_clock_evidence *evidence, int64_t tolerance, int64_t *time,
			  bool *agrees)
{
	int64_t		low;
	int64_t		high;

	if (evidence->has_date)
	{
		/* Written somewhere between the signing and the end. */
		*time = evidence->date;
		*agrees = evidence->date >= evidence->signed_timestamp - tolerance &&
			evidence->date <= evidence->signed_timestamp + evidence->elapsed + tolerance;
		return true;
	}
	if (!read_range(evidence->acceptable, &low, &high))
		return false;
	*time = low + (high - low) / 2;
	*agrees = evidence->signed_timestamp >= low && evidence->signed_timestamp <= high;
	return true;
}

oauth1_clock_verdict
oauth1_clock_judge(const oauth1_clock_evidence *evidence, int64_t *offset)
{
	bool		said = evidence->timestamp_refused &&
		(evidence->status == 400 || evidence->status == 401 || evidence->status == 403);
	int64_t		time;
	int64_t		difference;
	bool		agrees;

	if (!said && !(evidence->status == 401 && evidence->has_date))
		return OAUTH1_CLOCK_OTHER;
	if (!service_clock(evidence, said ? PRECISION_SECONDS : UNSAID_SECONDS, &time, &agrees))
		return OAUTH1_CLOCK_OTHER;
	if (agrees)
		return said ? OAUTH1_CLOCK_OVERTAKEN : OAUTH1_CLOCK_OTHER;
	difference = time - evidence->wall;
	if (difference > OAUTH1_MAX_CLOCK_SECONDS || difference < -OAUTH1_MAX_CLOCK_SECONDS)
		return OAUTH1_CLOCK_OTHER;
	*offset = difference;
	return OAUTH1_CLOCK_WRONG;
}
