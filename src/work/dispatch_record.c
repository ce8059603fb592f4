/*
 * dispatch_record.c
 *	  The dispatch writes down what became of calls, and lets go of them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/fault.h"
#include "stored/pause.h"
#include "work/dispatch_private.h"
#include "work/follow_up.h"

/* The status that says that the credential was refused (RFC 9110, 15.5.2). */
#define REFUSED 401

typedef struct recording
{
	oauth1_dispatch *dispatch;
	const oauth1_record **records;
	int			count;
	bool		without_bodies;
} recording;

/* An operation: writes records. */
static void
write_records(void *argument)
{
	recording  *recording = argument;

	(void) oauth1_queue_record(recording->dispatch->number, recording->records, recording->count,
							   recording->without_bodies);
	OAUTH1_FAULT("L");
}

/* An operation: fills in the records of jobs that are over. */
static void
judge_jobs(void *argument)
{
	oauth1_dispatch *dispatch = argument;

	for (int i = 0; i < dispatch->count; i++)
	{
		oauth1_job *job = dispatch->jobs[i];

		if (oauth1_job_has_ended(job) && !job->judged)
			oauth1_job_judge(job);
	}
}

/* One record by itself, as it is or without its body; false: not now. */
static bool
record_one(oauth1_dispatch *dispatch, oauth1_job *job)
{
	const oauth1_record *record = &job->record;
	recording	one = {dispatch, &record, 1, false};
	ErrorData  *error = oauth1_catch_all(write_records, &one);

	/* What stands in the way of a row, or a disk that is full, can pass. */
	if (error != NULL && record->has_response && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
	{
		one.without_bodies = true;
		error = oauth1_catch_all(write_records, &one);
	}
	if (error != NULL)
		(void) oauth1_dispatch_survives(dispatch, error, "record");
	return error == NULL;
}

/*
 * Records jobs, together or else one by one; moves those that are recorded to the
 * front, and returns how many they are.
 */
static int
record_jobs(oauth1_dispatch *dispatch, oauth1_job **over, int count)
{
	recording	all = {dispatch, palloc(count * sizeof(oauth1_record *)), count, false};
	int			recorded = 0;
	ErrorData  *error;

	for (int i = 0; i < count; i++)
		all.records[i] = &over[i]->record;
	error = oauth1_catch_all(write_records, &all);
	if (error == NULL)
		return count;
	for (int i = 0; i < count && dispatch->error == NULL; i++)
		if (record_one(dispatch, over[i]))
			over[recorded++] = over[i];
	return recorded;
}

/* An operation: what an answer says of the lane's credential. */
static void
note_answer(void *argument)
{
	const oauth1_job *job = argument;

	oauth1_pause_note(job->lane->consumer, job->record.status == REFUSED);
}

/* Consumers whose credential is refused again and again are to wait. */
static void
note_answers(oauth1_dispatch *dispatch, oauth1_job **done, int count)
{
	for (int i = 0; i < count; i++)
	{
		oauth1_lane *lane = done[i]->lane;
		bool		refused = done[i]->record.status == REFUSED;

		if (done[i]->record.status == 0 ||
			!oauth1_pause_count(&lane->refusals, lane->paused_until != 0, refused))
			continue;
		if (oauth1_catch_all(note_answer, done[i]) == NULL && !refused)
			lane->paused_until = 0;
		/* Until when is read with the next look; before that nothing is claimed. */
		if (refused)
			lane->paused_until = Max(lane->paused_until,
									 TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 1000));
		dispatch->expects = true;
	}
}

/* The next call of its chain may be due. */
static void
remember_chain(oauth1_dispatch *dispatch, const oauth1_job *job)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->memory);

	if (dispatch->chain_count == dispatch->chain_room)
	{
		dispatch->chain_room = Max(16, dispatch->chain_room * 2);
		dispatch->chains = dispatch->chains == NULL ?
			palloc(dispatch->chain_room * sizeof(oauth1_queue_chain)) :
			repalloc(dispatch->chains, dispatch->chain_room * sizeof(oauth1_queue_chain));
	}
	dispatch->chains[dispatch->chain_count++] = (oauth1_queue_chain) {
		.consumer = pstrdup(job->claimed->consumer),
		.order_key = pstrdup(job->claimed->order_key),
		.keyed = job->lane->keyed,
	};
	MemoryContextSwitchTo(old);
}

/* What a lane learns from a job that is recorded. */
static void
tell_lane(oauth1_dispatch *dispatch, const oauth1_job *job)
{
	const oauth1_record *record = &job->record;
	oauth1_lane *lane = job->lane;

	if (job->withdrawn)
		oauth1_lane_give_back(lane, &job->claimed->position);
	else if (record->state == OAUTH1_STATE_PENDING)
	{
		lane->is_known = true;
		lane->due = Min(lane->due, record->due);
	}
	if (job->claimed->order_key != NULL)
		remember_chain(dispatch, job);
}

/* Takes recorded jobs out, and gives their places free. */
static void
move_to_done(oauth1_dispatch *dispatch, oauth1_job **recorded, int count)
{
	for (int i = 0; i < count; i++)
	{
		int			at = 0;

		while (dispatch->jobs[at] != recorded[i])
			at++;
		dispatch->jobs[at] = dispatch->jobs[--dispatch->count];
		dispatch->done[dispatch->done_count++] = recorded[i];
		tell_lane(dispatch, recorded[i]);
		oauth1_job_leave(recorded[i]);
		dispatch->lanes.claimed--;
	}
}

static int
collect_over(oauth1_dispatch *dispatch, oauth1_job **over)
{
	int			count = 0;

	for (int i = 0; i < dispatch->count; i++)
		if (oauth1_job_has_ended(dispatch->jobs[i]))
			over[count++] = dispatch->jobs[i];
	return count;
}

void
oauth1_dispatch_record(oauth1_dispatch *dispatch)
{
	oauth1_job **over = palloc(Max(dispatch->count, 1) * sizeof(*over));
	int			count = collect_over(dispatch, over);
	int			recorded;
	ErrorData  *error = oauth1_catch_all(judge_jobs, dispatch);

	recorded = error == NULL ? record_jobs(dispatch, over, count) : 0;
	if (error != NULL)
		(void) oauth1_dispatch_survives(dispatch, error, "record");
	note_answers(dispatch, over, recorded);
	if (recorded < count)
		oauth1_dispatch_set_back(&dispatch->recording);
	else
		dispatch->recording = (setback) {0};
	move_to_done(dispatch, over, recorded);
}

/* ---------------------------------------------------------------- after the commit */

/* Tells of calls that ended, and notes those that have an on_done. */
static void
follow(oauth1_dispatch *dispatch)
{
	int64	   *ids = palloc(dispatch->done_count * sizeof(*ids));
	oauth1_call_state *states = palloc(dispatch->done_count * sizeof(*states));
	int			ended = 0;

	for (int i = 0; i < dispatch->done_count; i++)
	{
		const oauth1_job *job = dispatch->done[i];

		if (job->record.state == OAUTH1_STATE_PENDING)
			continue;
		ids[ended] = job->record.id;
		states[ended++] = job->record.state;
		if (!job->claimed->has_on_done || job->record.state == OAUTH1_STATE_CANCELLED)
			continue;
		if (dispatch->follow_up_count < FOLLOW_UPS_KNOWN)
			dispatch->follow_ups[dispatch->follow_up_count++] = job->record.id;
		else
			dispatch->follow_up_at = 0;
	}
	if (ended > 0)
		oauth1_follow_up_notify(dispatch->transactions, ids, states, ended);
}

void
oauth1_dispatch_finish(oauth1_dispatch *dispatch)
{
	if (dispatch->done_count == 0)
		return;
	follow(dispatch);
	OAUTH1_FAULT("N");
	for (int i = 0; i < dispatch->done_count; i++)
		oauth1_job_free(dispatch->done[i]);
	dispatch->done_count = 0;
}

void
oauth1_dispatch_undo(oauth1_dispatch *dispatch)
{
	while (dispatch->done_count > 0)
	{
		oauth1_job *job = dispatch->done[--dispatch->done_count];

		oauth1_job_enter(job, oauth1_lane_of(&dispatch->lanes, job->claimed->consumer));
		dispatch->lanes.claimed++;
		dispatch->jobs[dispatch->count++] = job;
	}
}
