/*
 * dispatch.c
 *	  Claim, send, record: the loop that the worker and every drain run.
 *
 * The order of a lap is what docs/queue.md promises: what got done is recorded
 * before anything else can fail; more is claimed, and record and claim are on
 * disk before any of it is sent; then comes what follows from what was recorded.
 *
 * Whatever can fail runs in a subtransaction, so that no failure aborts the whole
 * transaction, which would give up the lock that says that we live.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/fault.h"
#include "stored/claim.h"
#include "work/dispatch_private.h"
#include "work/follow_up.h"

/* A consumer whose limits ask to wait for longer gets its call back. */
#define LONGEST_HOLD_US INT64CONST(1000000)

/* After a failure to claim or to record it is tried again: from this, doubling, to that. */
#define FIRST_PAUSE_US INT64CONST(100000)
#define LAST_PAUSE_US INT64CONST(10000000)

/* So long follow-ups are run, or one, before the network is looked after again. */
#define FOLLOW_UPS_US INT64CONST(100000)

/* ---------------------------------------------------------------- begin and end */

oauth1_dispatch *
oauth1_dispatch_begin(const oauth1_transactions *transactions, int concurrency, int64 max_calls,
					  bool patient)
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
	dispatch->done = palloc(2 * concurrency * sizeof(oauth1_job *));
	dispatch->patient = patient;
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
oauth1_dispatch_set_concurrency(oauth1_dispatch *dispatch, int concurrency)
{
	size_t		size = Max(2 * concurrency, dispatch->count) * sizeof(oauth1_job *);

	dispatch->jobs = repalloc(dispatch->jobs, size);
	dispatch->done = repalloc(dispatch->done, size);
	dispatch->lanes.concurrency = concurrency;
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

void
oauth1_dispatch_set_back(setback *setback)
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

bool
oauth1_dispatch_survives(oauth1_dispatch *dispatch, ErrorData *error, const char *what)
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
	dispatch->follow_ups_found = found;
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

		dispatch->error = oauth1_follow_up_run(dispatch->transactions, dispatch->follow_ups[done],
											   done >= dispatch->follow_ups_found, &aborted);
		done++;
		if (aborted)
			oauth1_claim_restore(dispatch->number);
		/* It may have enqueued. */
		dispatch->expects = true;
	}
	dispatch->follow_up_count -= done;
	dispatch->follow_ups_found = Max(dispatch->follow_ups_found - done, 0);
	memmove(dispatch->follow_ups, dispatch->follow_ups + done,
			dispatch->follow_up_count * sizeof(dispatch->follow_ups[0]));
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

static bool
is_time_to_send(const oauth1_dispatch *dispatch, int64 clock)
{
	for (int i = 0; i < dispatch->count; i++)
		if (oauth1_job_is_due(dispatch->jobs[i], clock))
			return true;
	return false;
}

/* Lets everything go on that can, each job in turn; one that fails fails alone. */
static void
send_jobs(oauth1_dispatch *dispatch)
{
	int64		clock = oauth1_monotonic_us();
	round		round = {dispatch, clock, 0};
	ErrorData  *error;

	if (!is_time_to_send(dispatch, clock))
		return;
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

/* ---------------------------------------------------------------- a lap */

bool
oauth1_dispatch_has_over(const oauth1_dispatch *dispatch)
{
	for (int i = 0; i < dispatch->count; i++)
		if (oauth1_job_has_ended(dispatch->jobs[i]))
			return true;
	return false;
}

/*
 * Records what is over and claims more, with one commit, which is what takes
 * longest.  A failure of either is not the other's.
 */
static void
turn_over(oauth1_dispatch *dispatch, bool may_claim)
{
	int64		clock = oauth1_monotonic_us();
	bool		has_over = clock >= dispatch->recording.until && oauth1_dispatch_has_over(dispatch);

	if (!has_over && !(may_claim && oauth1_dispatch_is_time_to_claim(dispatch, clock)))
		return;
	if (has_over)
		OAUTH1_FAULT("K");
	dispatch->transactions->begin();
	if (has_over)
		oauth1_dispatch_record(dispatch);
	if (dispatch->error == NULL && may_claim &&
		oauth1_dispatch_is_time_to_claim(dispatch, clock))
		oauth1_dispatch_claim(dispatch);
	dispatch->transactions->commit();
	if (dispatch->done_count > 0)
		OAUTH1_FAULT("M");
}

ErrorData *
oauth1_dispatch_lap(oauth1_dispatch *dispatch, bool may_claim)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->scratch);

	send_jobs(dispatch);
	if (dispatch->error == NULL)
		turn_over(dispatch, may_claim);
	oauth1_dispatch_take_in(dispatch);
	if (dispatch->error == NULL)
		send_jobs(dispatch);
	oauth1_dispatch_finish(dispatch);
	if (dispatch->error == NULL)
		follow_up(dispatch);
	MemoryContextSwitchTo(old);
	if (dispatch->error == NULL && !oauth1_dispatch_has_over(dispatch))
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
	if (oauth1_dispatch_places_left(dispatch) > 0 &&
		(dispatch->chain_count > 0 || oauth1_lanes_have_more(&dispatch->lanes, now, clock)))
		wakes = clock;
	wakes = Max(wakes, dispatch->claiming.until);
	if (oauth1_dispatch_has_over(dispatch))
		wakes = Min(wakes, dispatch->recording.until);
	if (dispatch->follow_up_count > 0)
		return clock;
	if (dispatch->has_follow_ups)
		wakes = Min(wakes, dispatch->follow_up_at);
	if (!oauth1_transfer_has_room())
		return wakes;
	for (int i = 0; i < dispatch->count; i++)
		if (!oauth1_job_has_ended(dispatch->jobs[i]))
			wakes = Min(wakes, oauth1_job_wakes(dispatch->jobs[i]));
	return wakes;
}

typedef struct waiting
{
	oauth1_dispatch *dispatch;
	int64		until;
	bool		latch_set;
} waiting;

static int
count_due(const oauth1_dispatch *dispatch)
{
	int64		clock = oauth1_monotonic_us();
	int			count = 0;

	for (int i = 0; i < dispatch->count; i++)
		count += oauth1_job_is_due(dispatch->jobs[i], clock);
	return count;
}

/*
 * Looks on, without waiting, as long as that brings more: answers that come one
 * after the other are recorded together.
 */
static void
gather(waiting *waiting)
{
	int			count = count_due(waiting->dispatch);
	int			before = 0;

	while (!waiting->latch_set && count > before && count < waiting->dispatch->count)
	{
		waiting->latch_set = oauth1_transfer_wait(0);
		before = count;
		count = count_due(waiting->dispatch);
	}
}

/* An operation: waits, and lets the network work. */
static void
wait_once(void *argument)
{
	waiting    *waiting = argument;

	waiting->latch_set = oauth1_transfer_wait(waiting->until);
	gather(waiting);
}

ErrorData *
oauth1_dispatch_wait(oauth1_dispatch *dispatch, int64 until)
{
	MemoryContext old = MemoryContextSwitchTo(dispatch->scratch);
	waiting		waiting = {dispatch, Min(until, next_lap(dispatch))};

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

	oauth1_dispatch_undo(dispatch);
	for (int i = 0; i < dispatch->count; i++)
		oauth1_job_stop(dispatch->jobs[i]);
	dispatch->recording = (setback) {0};
	HOLD_INTERRUPTS();
	PG_TRY();
	{
		turn_over(dispatch, false);
		oauth1_dispatch_finish(dispatch);
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
