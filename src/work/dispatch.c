/*
 * dispatch.c
 *	  Claim, send, record: the loop that the worker and every drain run.
 *
 * The order of a lap is what docs/queue.md promises: what got done is recorded
 * before anything else can fail; what follows from it comes next; then more is
 * claimed, and the claim is on disk before any of it is sent.
 *
 * Whatever can fail runs in a subtransaction, so that no failure aborts the whole
 * transaction, which would give up the lock that says that we live.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/fault.h"
#include "ground/settings.h"
#include "stored/claim.h"
#include "stored/pause.h"
#include "work/dispatch.h"
#include "work/follow_up.h"
#include "work/job.h"

/* Octets of requests that are claimed at a time; one call may be larger. */
#define CLAIM_OCTETS (16 * 1024 * 1024)

/* The tables are looked at that often for what nobody told of. */
#define LOOK_EVERY_US INT64CONST(1000000)

/* Looking may take a tenth of the time, however many consumers there are. */
#define LOOK_SHARE 10

/* A consumer whose limits ask to wait for longer gets its call back. */
#define LONGEST_HOLD_US INT64CONST(1000000)

/* After a failure to claim or to record it is tried again: from this, doubling, to that. */
#define FIRST_PAUSE_US INT64CONST(100000)
#define LAST_PAUSE_US INT64CONST(10000000)

/* A row that a user's transaction has locked is recorded later. */
#define LOCK_TIMEOUT "1s"

/* A pause in what gets done, after which it is recorded. */
#define LINGER_US 100

/* The status that says that the credential was refused (RFC 9110, 15.5.2). */
#define REFUSED 401

/* So long follow-ups are run, or one, before the network is looked after again. */
#define FOLLOW_UPS_US INT64CONST(100000)

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
	int64		number;			/* our claim number */
	oauth1_lanes lanes;
	int64		left;			/* how many calls may still be claimed */
	ErrorData  *error;			/* it must end with that */

	int			count;
	oauth1_job **jobs;			/* 2 * concurrency */

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
	oauth1_queue_position follow_up_after;
	int64		follow_up_at;
	bool		has_follow_ups; /* some are due later */
};

/* ---------------------------------------------------------------- begin and end */

oauth1_dispatch *
oauth1_dispatch_begin(const oauth1_transactions *transactions, int concurrency, int64 max_calls)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 dispatch",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	oauth1_dispatch *dispatch = palloc0(sizeof(*dispatch));

	dispatch->memory = memory;
	dispatch->scratch = AllocSetContextCreate(memory, "oauth1 dispatch lap",
											  ALLOCSET_DEFAULT_SIZES);
	dispatch->transactions = transactions;
	dispatch->jobs = palloc(2 * concurrency * sizeof(oauth1_job *));
	dispatch->left = max_calls < 0 ? PG_INT64_MAX : max_calls;
	oauth1_lanes_init(&dispatch->lanes, concurrency);
	dispatch->expects = true;
	transactions->begin();
	dispatch->number = oauth1_claim_begin();
	transactions->commit();
	MemoryContextSwitchTo(old);
	return dispatch;
}

void
oauth1_dispatch_end(oauth1_dispatch *dispatch)
{
	for (int i = 0; i < dispatch->count; i++)
		oauth1_job_free(dispatch->jobs[i]);
	oauth1_claim_end(dispatch->number);
	MemoryContextDelete(dispatch->memory);
}

/* ---------------------------------------------------------------- failures */

static void
set_back(setback *setback)
{
	setback->pause = Min(Max(setback->pause * 2, FIRST_PAUSE_US), LAST_PAUSE_US);
	setback->until = oauth1_monotonic_us() + setback->pause;
}

/* No work is possible here: the extension, or one of its tables, is not as it was. */
static bool
is_the_end(const ErrorData *error)
{
	return oauth1_error_ends_statement(error) ||
		error->sqlerrcode == ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE ||
		error->sqlerrcode == ERRCODE_UNDEFINED_OBJECT ||
		error->sqlerrcode == ERRCODE_UNDEFINED_TABLE ||
		error->sqlerrcode == ERRCODE_UNDEFINED_SCHEMA;
}

/* True where the dispatch goes on after that error. */
static bool
survives(oauth1_dispatch *dispatch, ErrorData *error, const char *what)
{
	if (is_the_end(error))
	{
		dispatch->error = error;
		return false;
	}
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not %s queued calls: %s", what, error->message)));
	return true;
}

/* ---------------------------------------------------------------- record */

typedef struct recording
{
	oauth1_dispatch *dispatch;
	const oauth1_record **records;
	int			count;
	bool		without_bodies;
} recording;

/* From here to AtEOXact_GUC of what it returns no lock is waited for long. */
static int
bound_locks(void)
{
	int			nest_level = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	return nest_level;
}

/* An operation: writes records. */
static void
write_records(void *argument)
{
	recording  *recording = argument;
	int			nest_level = bound_locks();

	(void) oauth1_queue_record(recording->dispatch->number, recording->records, recording->count,
							   recording->without_bodies);
	OAUTH1_FAULT("L");
	AtEOXact_GUC(true, nest_level);
}

/* An operation: fills in the records of jobs that are over. */
static void
judge_jobs(void *argument)
{
	oauth1_dispatch *dispatch = argument;

	for (int i = 0; i < dispatch->count; i++)
	{
		oauth1_job *job = dispatch->jobs[i];

		if ((job->over || job->withdrawn) && !job->judged)
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
	return error == NULL || (survives(dispatch, error, "record") && false);
}

/*
 * Records those that are over, together or else one by one; moves what is
 * recorded to the end of done, and returns how many that are.
 */
static int
record_jobs(oauth1_dispatch *dispatch, oauth1_job **done, int count)
{
	recording	all = {dispatch, palloc(count * sizeof(oauth1_record *)), count, false};
	int			recorded = 0;
	ErrorData  *error;

	for (int i = 0; i < count; i++)
		all.records[i] = &done[i]->record;
	error = oauth1_catch_all(write_records, &all);
	if (error == NULL)
		return count;
	for (int i = 0; i < count && dispatch->error == NULL; i++)
		if (record_one(dispatch, done[i]))
			done[recorded++] = done[i];
	return recorded;
}

/* An operation: what an answer says of the lane's credential. */
static void
note_answer(void *argument)
{
	const oauth1_job *job = argument;
	int			nest_level = bound_locks();

	oauth1_pause_note(job->lane->consumer, job->record.status == REFUSED);
	AtEOXact_GUC(true, nest_level);
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

static void
free_chain(oauth1_queue_chain *chain)
{
	pfree(unconstify(char *, chain->consumer));
	pfree(unconstify(char *, chain->order_key));
}

/* The first count chains were gone on with. */
static void
forget_chains(oauth1_dispatch *dispatch, int count)
{
	for (int i = 0; i < count; i++)
		free_chain(&dispatch->chains[i]);
	dispatch->chain_count -= count;
	memmove(dispatch->chains, dispatch->chains + count,
			dispatch->chain_count * sizeof(dispatch->chains[0]));
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

/* Takes recorded jobs out. */
static void
release_jobs(oauth1_dispatch *dispatch, oauth1_job **done, int count)
{
	for (int i = 0; i < count; i++)
	{
		int			at = 0;

		tell_lane(dispatch, done[i]);
		while (dispatch->jobs[at] != done[i])
			at++;
		dispatch->jobs[at] = dispatch->jobs[--dispatch->count];
		dispatch->lanes.claimed--;
		oauth1_job_free(done[i]);
	}
}

static int
collect_over(oauth1_dispatch *dispatch, oauth1_job **done)
{
	int			count = 0;

	for (int i = 0; i < dispatch->count; i++)
		if (dispatch->jobs[i]->over || dispatch->jobs[i]->withdrawn)
			done[count++] = dispatch->jobs[i];
	return count;
}

/* Tells of calls that ended, and notes those that have an on_done. */
static void
follow(oauth1_dispatch *dispatch, oauth1_job **done, int count)
{
	int64	   *ids = palloc(count * sizeof(*ids));
	oauth1_call_state *states = palloc(count * sizeof(*states));
	int			ended = 0;

	for (int i = 0; i < count; i++)
	{
		const oauth1_record *record = &done[i]->record;

		if (record->state == OAUTH1_STATE_PENDING)
			continue;
		ids[ended] = record->id;
		states[ended++] = record->state;
		if (!done[i]->claimed->has_on_done || record->state == OAUTH1_STATE_CANCELLED)
			continue;
		if (dispatch->follow_up_count < FOLLOW_UPS_KNOWN)
			dispatch->follow_ups[dispatch->follow_up_count++] = record->id;
		else
			dispatch->follow_up_at = 0;
	}
	if (ended > 0)
		oauth1_follow_up_notify(dispatch->transactions, ids, states, ended);
}

/* Records what is over, commits that, and lets go of it. */
static void
record(oauth1_dispatch *dispatch)
{
	oauth1_job **done = palloc(Max(dispatch->count, 1) * sizeof(*done));
	int			count = collect_over(dispatch, done);
	int			recorded;
	ErrorData  *error;

	if (count == 0)
		return;
	OAUTH1_FAULT("K");
	dispatch->transactions->begin();
	error = oauth1_catch_all(judge_jobs, dispatch);
	recorded = error == NULL ? record_jobs(dispatch, done, count) : 0;
	if (error != NULL)
		(void) survives(dispatch, error, "record");
	note_answers(dispatch, done, recorded);
	dispatch->transactions->commit();
	OAUTH1_FAULT("M");
	if (recorded < count)
		set_back(&dispatch->recording);
	else
		dispatch->recording = (setback) {0};
	follow(dispatch, done, recorded);
	OAUTH1_FAULT("N");
	release_jobs(dispatch, done, recorded);
}

/* ---------------------------------------------------------------- follow-ups */

/* Asks the table for those that nobody here knows of: of other processes, or tried again. */
static void
find_follow_ups(oauth1_dispatch *dispatch, int64 clock)
{
	TimestampTz next;
	int			room = FOLLOW_UPS_KNOWN - dispatch->follow_up_count;
	int			found = oauth1_follow_up_due(dispatch->transactions, &dispatch->follow_up_after,
											 dispatch->follow_ups + dispatch->follow_up_count,
											 room, &next);
	int64		took = oauth1_monotonic_us() - clock;

	dispatch->follow_up_count += found;
	dispatch->has_follow_ups = next != PG_INT64_MAX;
	dispatch->follow_up_at = found == room ? clock :
		clock + Max(LOOK_EVERY_US, took * LOOK_SHARE);
	if (found < room)
		dispatch->follow_up_after = (oauth1_queue_position) {0};
}

static void
follow_up(oauth1_dispatch *dispatch)
{
	int64		clock = oauth1_monotonic_us();
	int			done = 0;

	if (dispatch->follow_up_count == 0 && clock >= dispatch->follow_up_at)
		find_follow_ups(dispatch, clock);
	while (done < dispatch->follow_up_count && dispatch->error == NULL &&
		   (done == 0 || oauth1_monotonic_us() < clock + FOLLOW_UPS_US))
	{
		bool		aborted;

		dispatch->error = oauth1_follow_up_run(dispatch->transactions,
											   dispatch->follow_ups[done++], &aborted);
		if (aborted)
			oauth1_claim_restore(dispatch->number);
		/* It may have enqueued. */
		dispatch->expects = true;
	}
	dispatch->follow_up_count -= done;
	memmove(dispatch->follow_ups, dispatch->follow_ups + done,
			dispatch->follow_up_count * sizeof(dispatch->follow_ups[0]));
}

/* ---------------------------------------------------------------- claim */

typedef struct claiming
{
	oauth1_dispatch *dispatch;
	MemoryContext memory;		/* of what is claimed */
	oauth1_queue_wish *wishes;
	int			wish_count;
	int			chain_count;	/* of the dispatch's first chains: those that were gone on with */
	oauth1_claimed *claimed;
	int			count;
	int64		began;
} claiming;

typedef struct recovery
{
	oauth1_dispatch *dispatch;
	oauth1_queue_ended ended;
} recovery;

/* An operation: gives true states to what others left when they died. */
static void
recover(void *argument)
{
	recovery   *recovery = argument;

	if (oauth1_queue_recover(recovery->dispatch->number, &recovery->ended) > 0)
		recovery->dispatch->follow_up_at = 0;
}

static void
look(oauth1_dispatch *dispatch)
{
	int64		began = oauth1_monotonic_us();
	oauth1_lanes *lanes = &dispatch->lanes;
	oauth1_queue_wish *known = palloc(Max(lanes->count, 1) * sizeof(*known));
	int			known_count = oauth1_lanes_known(lanes, began, known);
	int			count;
	oauth1_queue_lane *found = oauth1_queue_lanes(known, known_count, &count);
	int64		again = oauth1_lanes_update(lanes, found, count, GetCurrentTimestamp(), began);
	int64		ended = oauth1_monotonic_us();

	dispatch->expects = false;
	dispatch->look_from = ended + (ended - began) * LOOK_SHARE;
	dispatch->look_at = Min(again, ended + LOOK_EVERY_US);
}

static bool
is_time_to_look(const oauth1_dispatch *dispatch, int64 clock)
{
	return clock >= dispatch->look_from && (dispatch->expects || clock >= dispatch->look_at);
}

/* How many calls may be claimed besides those that are. */
static int64
places_left(const oauth1_dispatch *dispatch)
{
	return Min(2 * dispatch->lanes.concurrency - dispatch->count, dispatch->left);
}

/*
 * How many chains to go on with.  What a lane that is held has to wait for is found
 * again by looking.
 */
static int
choose_chains(oauth1_dispatch *dispatch, TimestampTz now, int64 clock)
{
	int			kept = 0;

	for (int i = 0; i < dispatch->chain_count; i++)
	{
		oauth1_queue_chain chain = dispatch->chains[i];
		oauth1_lane *lane = oauth1_lane_of(&dispatch->lanes, chain.consumer);

		if (!oauth1_lane_is_held(lane, now, clock))
		{
			dispatch->chains[kept++] = chain;
			continue;
		}
		lane->quiet_until = 0;
		free_chain(&chain);
	}
	dispatch->chain_count = kept;
	return (int) Min(kept, places_left(dispatch));
}

/* An operation: sees what there is, and claims what may be. */
static void
claim(void *argument)
{
	claiming   *claiming = argument;
	oauth1_dispatch *dispatch = claiming->dispatch;
	TimestampTz now = GetCurrentTimestamp();
	int64		clock = oauth1_monotonic_us();
	bool		ordered = true;

	if (is_time_to_look(dispatch, clock))
		look(dispatch);
	claiming->chain_count = choose_chains(dispatch, now, clock);
	claiming->wishes = palloc(Max(dispatch->lanes.count, 1) * sizeof(oauth1_queue_wish));
	claiming->wish_count = oauth1_lanes_wishes(&dispatch->lanes,
											   places_left(dispatch) - claiming->chain_count,
											   now, clock, claiming->wishes);
	claiming->began = oauth1_monotonic_us();
	if (claiming->wish_count == 0 && claiming->chain_count == 0)
		return;
	claiming->claimed = oauth1_queue_claim(dispatch->number, claiming->wishes,
										   claiming->wish_count, dispatch->chains,
										   claiming->chain_count, CLAIM_OCTETS, claiming->memory,
										   &claiming->count, &ordered);
	if (!ordered)
		claiming->chain_count = 0;
}

/* Tells each lane how its wish went. */
static void
tell_lanes_of_claim(const claiming *claiming, int64 clock)
{
	for (int i = 0; i < claiming->wish_count; i++)
		oauth1_lane_took(oauth1_lane_of(&claiming->dispatch->lanes, claiming->wishes[i].consumer),
						 &claiming->wishes[i], clock - claiming->began, clock);
}

/* Makes jobs of what was claimed. */
static void
take_in(const claiming *claiming)
{
	oauth1_dispatch *dispatch = claiming->dispatch;
	oauth1_batch *batch = MemoryContextAllocZero(claiming->memory, sizeof(*batch));

	batch->memory = claiming->memory;
	for (int n = 0; n < claiming->count; n++)
	{
		oauth1_claimed *claimed = &claiming->claimed[n];
		oauth1_lane *lane = oauth1_lane_of(&dispatch->lanes, claimed->consumer);

		dispatch->jobs[dispatch->count++] = oauth1_job_create(batch, claimed, lane);
	}
	dispatch->lanes.claimed += claiming->count;
	if (dispatch->left != PG_INT64_MAX)
		dispatch->left -= claiming->count;
	ereport(DEBUG1,
			(errmsg_internal("claimed %d queued calls, %d are on their way",
							 claiming->count, dispatch->count)));
}

static void
claim_more(oauth1_dispatch *dispatch, int64 clock)
{
	claiming	claiming = {.dispatch = dispatch};
	recovery	recovery = {.dispatch = dispatch};
	ErrorData  *error = NULL;

	claiming.memory = AllocSetContextCreate(dispatch->memory, "oauth1 claim",
											ALLOCSET_DEFAULT_SIZES);
	dispatch->transactions->begin();
	if (clock >= dispatch->recover_at)
	{
		error = oauth1_catch_all(recover, &recovery);
		dispatch->recover_at = clock + LOOK_EVERY_US;
	}
	if (error == NULL)
		error = oauth1_catch_all(claim, &claiming);
	dispatch->transactions->commit();
	if (recovery.ended.count > 0)
		oauth1_follow_up_notify(dispatch->transactions, recovery.ended.ids, recovery.ended.states,
								recovery.ended.count);
	if (error != NULL)
	{
		if (survives(dispatch, error, "claim"))
			set_back(&dispatch->claiming);
		MemoryContextDelete(claiming.memory);
		return;
	}
	dispatch->claiming = (setback) {0};
	tell_lanes_of_claim(&claiming, oauth1_monotonic_us());
	forget_chains(dispatch, claiming.chain_count);
	if (claiming.count > 0)
	{
		take_in(&claiming);
		OAUTH1_FAULT("D");
	}
	else
		MemoryContextDelete(claiming.memory);
}

static bool
is_time_to_claim(const oauth1_dispatch *dispatch, int64 clock)
{
	if (clock < dispatch->claiming.until)
		return false;
	if (is_time_to_look(dispatch, clock) || clock >= dispatch->recover_at)
		return true;
	return places_left(dispatch) > 0 &&
		(dispatch->chain_count > 0 ||
		 oauth1_lanes_have_more(&dispatch->lanes, GetCurrentTimestamp(), clock));
}

/* ---------------------------------------------------------------- send */

typedef struct round
{
	oauth1_dispatch *dispatch;
	int64		clock;
	int			next;			/* the job after the one that is stepped */
} round;

/* An attempt needs a descriptor; while the server grants none more it waits for one. */
static bool
may_step(const oauth1_job *job)
{
	return (job->attempt.call != NULL && oauth1_call_is_under_way(job->attempt.call)) ||
		oauth1_transfer_has_room();
}

/* An operation: steps the jobs that are due, from the round's next on. */
static void
step_jobs(void *argument)
{
	round	   *round = argument;

	while (round->next < round->dispatch->count)
	{
		oauth1_job *job = round->dispatch->jobs[round->next++];

		if (oauth1_job_is_due(job, round->clock) && may_step(job))
			oauth1_job_step(job);
	}
}

/*
 * Calls that wait for their consumer's limits: one may stay, unless it has to wait
 * long; the others go back, so that they hold up nobody.
 */
static void
give_back_waiting(oauth1_dispatch *dispatch, int64 clock)
{
	for (int i = 0; i < dispatch->count; i++)
	{
		oauth1_job *job = dispatch->jobs[i];
		oauth1_lane *lane = job->lane;
		int64		wakes;

		if (!job->waits)
			continue;
		(void) oauth1_call_waits_for_place(job->attempt.call, &wakes);
		if (wakes > clock + LONGEST_HOLD_US)
			lane->held_until = Max(lane->held_until, wakes);
		else if (lane->waiting == 1)
			continue;
		/* The first says how many there was room for: the others that go back still count. */
		lane->window = Min(lane->window, Max(1, lane->claimed - lane->waiting + 1));
		oauth1_job_stop(job);
	}
}

/* Lets everything go on that can, each job in turn; one that fails fails alone. */
static void
send_jobs(oauth1_dispatch *dispatch, int64 clock)
{
	round		round = {dispatch, clock, 0};
	ErrorData  *error;

	dispatch->transactions->begin();
	do
	{
		error = oauth1_catch_all(step_jobs, &round);
		if (error != NULL && oauth1_error_ends_statement(error))
			dispatch->error = error;
		else if (error != NULL)
			oauth1_job_fail(dispatch->jobs[round.next - 1], error);
	} while (error != NULL && dispatch->error == NULL);
	dispatch->transactions->commit();
	give_back_waiting(dispatch, clock);
	oauth1_lanes_widen(&dispatch->lanes);
}

static bool
is_time_to_send(const oauth1_dispatch *dispatch, int64 clock)
{
	for (int i = 0; i < dispatch->count; i++)
		if (oauth1_job_is_due(dispatch->jobs[i], clock))
			return true;
	return false;
}

/* ---------------------------------------------------------------- a lap */

/* Are there jobs whose end is not recorded? */
static bool
has_over(const oauth1_dispatch *dispatch)
{
	for (int i = 0; i < dispatch->count; i++)
		if (dispatch->jobs[i]->over || dispatch->jobs[i]->withdrawn)
			return true;
	return false;
}

ErrorData *
oauth1_dispatch_lap(oauth1_dispatch *dispatch, bool may_claim)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->scratch);
	int64		clock = oauth1_monotonic_us();

	if (is_time_to_send(dispatch, clock))
		send_jobs(dispatch, clock);
	if (dispatch->error == NULL && clock >= dispatch->recording.until)
		record(dispatch);
	if (dispatch->error == NULL)
		follow_up(dispatch);
	if (dispatch->error == NULL && may_claim && is_time_to_claim(dispatch, clock))
	{
		claim_more(dispatch, clock);
		if (dispatch->error == NULL)
			send_jobs(dispatch, oauth1_monotonic_us());
	}
	MemoryContextSwitchTo(old);
	if (dispatch->error == NULL && !has_over(dispatch))
		MemoryContextReset(dispatch->scratch);
	return dispatch->error;
}

/* ---------------------------------------------------------------- wait */

/* When the next lap has something to do, whatever the network does. */
static int64
next_lap(const oauth1_dispatch *dispatch)
{
	int64		clock = oauth1_monotonic_us();
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due = oauth1_lanes_next_due(&dispatch->lanes, now);
	int64		wakes = Min(Max(dispatch->look_at, dispatch->look_from), dispatch->recover_at);

	if (dispatch->expects)
		wakes = dispatch->look_from;
	if (due != DT_NOEND)
		wakes = Min(wakes, clock + (due - now));
	if (places_left(dispatch) > 0 &&
		(dispatch->chain_count > 0 || oauth1_lanes_have_more(&dispatch->lanes, now, clock)))
		wakes = clock;
	wakes = Max(wakes, dispatch->claiming.until);
	if (has_over(dispatch))
		wakes = Min(wakes, dispatch->recording.until);
	if (dispatch->follow_up_count > 0)
		return clock;
	if (dispatch->has_follow_ups)
		wakes = Min(wakes, dispatch->follow_up_at);
	if (!oauth1_transfer_has_room())
		return wakes;
	for (int i = 0; i < dispatch->count; i++)
		if (!dispatch->jobs[i]->over && !dispatch->jobs[i]->withdrawn)
			wakes = Min(wakes, oauth1_job_wakes(dispatch->jobs[i]));
	return wakes;
}

typedef struct waiting
{
	const oauth1_dispatch *dispatch;
	int64		until;
	bool		latch_set;
} waiting;

/*
 * Several that get done one right after the other are recorded together: half of
 * what is under way, or as many as come without a pause.
 */
static void
linger(const oauth1_dispatch *dispatch, waiting *waiting)
{
	for (int n = 1; n < dispatch->count / 2 && !waiting->latch_set; n++)
	{
		int64		until = oauth1_monotonic_us() + LINGER_US;

		waiting->latch_set = oauth1_transfer_wait(until);
		if (oauth1_monotonic_us() >= until)
			break;
	}
}

/* An operation: waits, and lets the network work. */
static void
wait_once(void *argument)
{
	waiting    *waiting = argument;

	waiting->latch_set = oauth1_transfer_wait(waiting->until);
	if (oauth1_monotonic_us() < waiting->until)
		linger(waiting->dispatch, waiting);
}

ErrorData *
oauth1_dispatch_wait(oauth1_dispatch *dispatch, int64 until)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->scratch);
	waiting		waiting = {dispatch, Min(until, next_lap(dispatch)), false};

	/* A session cannot be without a transaction; then a cancel must not abort it. */
	if (IsTransactionState())
		dispatch->error = oauth1_catch_all(wait_once, &waiting);
	else
		wait_once(&waiting);
	if (waiting.latch_set)
		oauth1_dispatch_expect(dispatch);
	MemoryContextSwitchTo(old);
	return dispatch->error;
}

void
oauth1_dispatch_expect(oauth1_dispatch *dispatch)
{
	dispatch->expects = true;
	oauth1_lanes_expect(&dispatch->lanes);
}

/* ---------------------------------------------------------------- what there is */

int
oauth1_dispatch_claimed(const oauth1_dispatch *dispatch)
{
	return dispatch->count;
}

bool
oauth1_dispatch_has_pending(const oauth1_dispatch *dispatch)
{
	if (dispatch->follow_up_count > 0 || dispatch->has_follow_ups)
		return true;
	for (int i = 0; i < dispatch->lanes.count; i++)
		if (dispatch->lanes.lanes[i]->is_known)
			return true;
	return dispatch->expects;
}

bool
oauth1_dispatch_has_due(const oauth1_dispatch *dispatch)
{
	if (dispatch->count > 0 || dispatch->follow_up_count > 0)
		return true;
	if (dispatch->left == 0)
		return false;
	return dispatch->expects || dispatch->chain_count > 0 ||
		oauth1_lanes_have_more(&dispatch->lanes, GetCurrentTimestamp(), oauth1_monotonic_us());
}

/* ---------------------------------------------------------------- the end of it */

void
oauth1_dispatch_abandon(oauth1_dispatch *dispatch)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->scratch);

	for (int i = 0; i < dispatch->count; i++)
		oauth1_job_stop(dispatch->jobs[i]);
	HOLD_INTERRUPTS();
	PG_TRY();
	{
		record(dispatch);
	}
	PG_CATCH();
	{
		/* Those who find our claim dead do the same. */
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(old);
}
