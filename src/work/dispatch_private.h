/*
 * dispatch_private.h
 *	  What dispatch.c, dispatch_record.c and dispatch_claim.c share.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DISPATCH_PRIVATE_H
#define OAUTH1_DISPATCH_PRIVATE_H

#include "work/dispatch.h"
#include "work/job.h"

/* The tables are looked at that often for what nobody told of. */
#define LOOK_EVERY_US INT64CONST(1000000)

/*
 * Looking may take a tenth of the time, however much there is.  But what took long
 * may have waited for a lock, so the next is never put off for longer than that.
 */
#define LOOK_SHARE 10
#define LONGEST_LOOK_PAUSE_US INT64CONST(5000000)

/* Follow-ups that are known by their ids. */
#define FOLLOW_UPS_KNOWN 256

/* Work that failed and is tried again later. */
typedef struct setback
{
	int64		until;			/* not before (monotonic) */
	int64		pause;			/* the last one; 0: it went well */
} setback;

struct oauth1_dispatch
{
	MemoryContext memory;
	MemoryContext scratch;		/* of a lap; kept while what is over is not recorded */
	const oauth1_transactions *transactions;
	bool		patient;		/* it does not give up where claims fail */
	int64		number;			/* our claim number */
	oauth1_lanes lanes;
	int64		left;			/* how many calls may still be claimed */
	ErrorData  *error;			/* it must end with that */

	int			count;			/* of jobs: 2 * concurrency at most, more where that was lowered */
	oauth1_job **jobs;

	/* Of the turn-over that is going on. */
	int			done_count;
	oauth1_job **done;			/* recorded; they have left jobs and their lanes */
	int			taken_count;
	oauth1_claimed *taken;		/* claimed, and not yet jobs */
	MemoryContext taken_memory;
	oauth1_queue_ended found_dead;	/* calls of the dead that have ended by that */

	bool		expects;		/* somebody says that there is news */
	int64		look_at;		/* when the tables are looked at at the latest */
	int64		look_from;		/* and not before */
	int64		recover_at;
	setback		claiming;
	setback		recording;

	oauth1_queue_chain *chains; /* whose next call may be due */
	int			chain_count;
	int			chain_room;

	int64		follow_ups[FOLLOW_UPS_KNOWN];
	int			follow_up_count;
	int			follow_ups_found;	/* of these the first, which others may have run */
	oauth1_queue_position follow_up_after;
	int64		follow_up_at;
	bool		has_follow_ups; /* some are due later */
};

/* Tries again later, the longer the more often it failed. */
extern void oauth1_dispatch_set_back(setback *setback);

/* True where the dispatch goes on after that error, which is logged; else it must end with it. */
extern bool oauth1_dispatch_survives(oauth1_dispatch *dispatch, ErrorData *error,
									 const char *what);

/* Are there jobs whose end is not recorded? */
extern bool oauth1_dispatch_has_over(const oauth1_dispatch *dispatch);

/*
 * Records jobs that are over, in a transaction: together, or else one by one.
 * What is recorded moves to done, and its places in the lanes are free.
 */
extern void oauth1_dispatch_record(oauth1_dispatch *dispatch);

/* After the commit: tells of what ended, and lets go of what is done. */
extern void oauth1_dispatch_finish(oauth1_dispatch *dispatch);

/* The commit failed: what is done is to be recorded again. */
extern void oauth1_dispatch_undo(oauth1_dispatch *dispatch);

/* Is there anything that claiming, or looking, would find? */
extern bool oauth1_dispatch_is_time_to_claim(const oauth1_dispatch *dispatch, int64 clock);

/* Sees what there is, and claims what may be, in a transaction; for oauth1_dispatch_take_in. */
extern void oauth1_dispatch_claim(oauth1_dispatch *dispatch);

/* After the commit: makes jobs of what was claimed. */
extern void oauth1_dispatch_take_in(oauth1_dispatch *dispatch);

/* How many calls may be claimed besides those that are. */
extern int64 oauth1_dispatch_places_left(const oauth1_dispatch *dispatch);

#endif							/* OAUTH1_DISPATCH_PRIVATE_H */
