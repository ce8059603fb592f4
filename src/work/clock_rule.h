/*
 * clock_rule.h
 *	  The rules by which a timestamp is chosen and a refusal is read; no server
 *	  and no clock needed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CLOCK_RULE_H
#define OAUTH1_CLOCK_RULE_H

#include <stdint.h>

#include "core/core.h"

/* The farthest that clocks may be apart, and the longest that timestamps stand still. */
#define OAUTH1_MAX_CLOCK_SECONDS 900

/* What a consumer signed with last; all zeros: nothing yet. */
typedef struct oauth1_clock_floor
{
	int64_t		last;			/* timestamp */
	int64_t		times_learned;	/* by then */
	int64_t		held_since_us;	/* 0: it does not stand still */
} oauth1_clock_floor;

/* What is known of a provider's clock; all zeros: nothing. */
typedef struct oauth1_clock_known
{
	int64_t		offset;			/* seconds that it is ahead */
	int64_t		times_learned;
} oauth1_clock_known;

/*
 * The next timestamp, which is noted in the floor.  wall in seconds,
 * monotonic_us on a clock that no one sets.  Not before the last one, unless the
 * offset was learned meanwhile (what was signed before was refused, and binds to
 * nothing) or the timestamps stood still for long enough.
 */
extern int64_t oauth1_clock_next(oauth1_clock_floor *floor, const oauth1_clock_known *known,
								 int64_t wall, int64_t monotonic_us);

/* What an answer shows. */
typedef struct oauth1_clock_evidence
{
	int			status;
	bool		timestamp_refused;	/* the service says so (Problem Reporting extension) */
	bool		has_date;
	int64_t		date;			/* of the Date field */
	oa1_text	acceptable;		/* oauth_acceptable_timestamps; data NULL: none */
	int64_t		signed_timestamp;
	int64_t		elapsed;		/* seconds from signing to the end of the answer, rounded up */
	int64_t		wall;			/* this server's clock at that end */
} oauth1_clock_evidence;

typedef enum oauth1_clock_verdict
{
	OAUTH1_CLOCK_OTHER,			/* not refused for its timestamp, or not to be mended */
	OAUTH1_CLOCK_OVERTAKEN,		/* refused though the clocks agree: by a later one, it seems */
	OAUTH1_CLOCK_WRONG			/* the clocks differ, and *offset is by how much */
} oauth1_clock_verdict;

/* What the evidence comes to.  *offset is set for OAUTH1_CLOCK_WRONG alone. */
extern oauth1_clock_verdict oauth1_clock_judge(const oauth1_clock_evidence *evidence,
											   int64_t *offset);

#endif							/* OAUTH1_CLOCK_RULE_H */
