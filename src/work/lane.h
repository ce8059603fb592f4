/*
 * lane.h
 *	  The consumers that have work, one lane each, and how much of it may be
 *	  claimed now.
 *
 * Fair by three rules.  A lane has at most concurrency calls claimed, and never
 * more than places are left to all others: so one whose service hangs fills half
 * of the places at most, the next a quarter, and there is one left for whoever
 * comes.  A lane that its consumer's limits hold back has at most one call claimed
 * that waits.  And lanes take turns.
 *
 * A lane has a cursor, so that what was claimed before, which stays in the index
 * as long as some old transaction may want to see it, is not walked over again.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LANE_H
#define OAUTH1_LANE_H

#include "utils/hsearch.h"

#include "stored/queue.h"

typedef struct oauth1_lane
{
	char	   *consumer;
	bool		is_known;		/* the last look found pending calls */
	TimestampTz due;			/* of the first of them */
	bool		keyed;			/* an idempotency key goes out with its calls */
	TimestampTz paused_until;	/* its credential was refused again and again */

	oauth1_queue_position after;	/* the cursor */
	bool		has_more;		/* behind the cursor there may be calls that are due */
	bool		is_from_head;	/* all since the head was passed over, but for the first wish */
	int64		head_cost;		/* of that (us) */
	int64		head_at;		/* not before may it go back to the head (monotonic) */
	int64		quiet_until;	/* nor before that, unless there is news */

	int			claimed;		/* calls that are, and not yet recorded */
	int			waiting;		/* of these, for the consumer's limits */
	int			window;			/* how many may be, by what its limits let through lately */
	int64		held_until;		/* by its limits (monotonic); 0: not */
	int			refusals;		/* answers 401 in a row */
} oauth1_lane;

/* All lanes of a dispatch. */
typedef struct oauth1_lanes
{
	MemoryContext memory;
	int			concurrency;
	int			count;
	int			room;
	oauth1_lane **lanes;
	HTAB	   *by_consumer;
	int			first;			/* whose turn it is */
	int			claimed;		/* in all lanes */
} oauth1_lanes;

/* No lanes yet; what they need is taken from the current memory context. */
extern void oauth1_lanes_init(oauth1_lanes *lanes, int concurrency);

/* The lane of a consumer, made where there is none. */
extern oauth1_lane *oauth1_lane_of(oauth1_lanes *lanes, const char *consumer);

/*
 * The lanes that are looked at from their cursor only, since going back to the
 * head would take too much of the time; returns how many, into an array with room
 * for lanes->count.
 */
extern int	oauth1_lanes_known(const oauth1_lanes *lanes, int64 clock, oauth1_queue_wish *known);

/*
 * Takes in what a look found, that was told of known; clock is as it was for
 * oauth1_lanes_known.  Forgets lanes that have nothing.  Returns when a known one
 * may be looked at from its head (monotonic); PG_INT64_MAX: there are none.
 */
extern int64 oauth1_lanes_update(oauth1_lanes *lanes, const oauth1_queue_lane *found, int count,
								 TimestampTz now, int64 clock);

/* Somebody says that there are new calls: each lane is looked into from its cursor. */
extern void oauth1_lanes_expect(oauth1_lanes *lanes);

/*
 * What to claim now, in turn, at most most calls; returns how many wishes, into an
 * array with room for lanes->count.
 */
extern int	oauth1_lanes_wishes(oauth1_lanes *lanes, int64 most, TimestampTz now, int64 clock,
								oauth1_queue_wish *wishes);

/* Is the lane held back as a whole, by its limits or because it is paused? */
extern bool oauth1_lane_is_held(const oauth1_lane *lane, TimestampTz now, int64 clock);

/* Lets the window grow where the limits let all through that it allowed. */
extern void oauth1_lanes_widen(oauth1_lanes *lanes);

/* How claiming went for a lane's wish, and how long it took (us). */
extern void oauth1_lane_took(oauth1_lane *lane, const oauth1_queue_wish *wish, int64 cost,
							 int64 clock);

/* A call of the lane is given back as if it had not been claimed: it comes again. */
extern void oauth1_lane_give_back(oauth1_lane *lane, const oauth1_queue_position *position);

/* Is there a lane that may have calls that are due, and may be claimed now? */
extern bool oauth1_lanes_have_more(const oauth1_lanes *lanes, TimestampTz now, int64 clock);

/* When the first lane that has nothing due now has: DT_NOEND where none has. */
extern TimestampTz oauth1_lanes_next_due(const oauth1_lanes *lanes, TimestampTz now);

#endif							/* OAUTH1_LANE_H */
