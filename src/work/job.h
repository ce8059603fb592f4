/*
 * job.h
 *	  A claimed call on its way: one attempt, from its row to its record.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_JOB_H
#define OAUTH1_JOB_H

#include "work/lane.h"
#include "work/verdict.h"

/* Calls that were claimed together: their rows' memory goes with the last of them. */
typedef struct oauth1_batch
{
	MemoryContext memory;		/* this struct's as well */
	int			jobs;
} oauth1_batch;

typedef struct oauth1_job
{
	oauth1_batch *batch;
	MemoryContext memory;		/* its own: of this struct, the call and its record */
	const oauth1_claimed *claimed;
	oauth1_lane *lane;
	oauth1_message message;
	oauth1_attempt attempt;
	bool		waits;			/* for its consumer's limits; counts in lane->waiting */
	bool		withdrawn;		/* it is given back as if it had not been claimed */
	bool		over;
	bool		judged;			/* record is filled in */
	oauth1_record record;
} oauth1_job;

/* A job for a call of the batch; nothing is sent yet. */
extern oauth1_job *oauth1_job_create(oauth1_batch *batch, const oauth1_claimed *claimed,
									 oauth1_lane *lane);

/* Is there nothing more to do for it than to record it? */
static inline bool
oauth1_job_has_ended(const oauth1_job *job)
{
	return job->over || job->withdrawn;
}

/* Has oauth1_job_step anything to do now? */
extern bool oauth1_job_is_due(const oauth1_job *job, int64 clock);

/* When it is to be stepped by itself (monotonic). */
extern int64 oauth1_job_wakes(const oauth1_job *job);

/*
 * Lets the call go on, as the role that enqueued it; makes it where it does not
 * exist yet.  An operation for oauth1_catch: what it raises is the job's end.
 */
extern void oauth1_job_step(oauth1_job *job);

/* The job is over with that error, a copy of which it keeps. */
extern void oauth1_job_fail(oauth1_job *job, ErrorData *error);

/* Ends what is under way: it is then over, or withdrawn where nothing was sent.  Never throws. */
extern void oauth1_job_stop(oauth1_job *job);

/* Fills in the record of a job that is over or withdrawn.  In a transaction. */
extern void oauth1_job_judge(oauth1_job *job);

/* Takes a place of the lane; gives it back. */
extern void oauth1_job_enter(oauth1_job *job, oauth1_lane *lane);
extern void oauth1_job_leave(oauth1_job *job);

/* Frees it, and the batch with its last. */
extern void oauth1_job_free(oauth1_job *job);

#endif							/* OAUTH1_JOB_H */
