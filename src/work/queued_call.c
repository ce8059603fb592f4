/*
 * queued_call.c
 *	  A call that was enqueued: its result, waiting for it, changing one's mind.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "ground/compat.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "outside/transfer.h"
#include "stored/queue.h"
#include "stored/queue_change.h"
#include "stored/queue_look.h"
#include "stored/registry.h"
#include "work/call.h"
#include "work/follow_up.h"

/*
 * Between two looks goes this part of the time since the first, within these
 * bounds: nobody waits for much longer than was needed.
 */
#define PAUSE_SHARE 8
#define SHORTEST_PAUSE_US INT64CONST(250)
#define LONGEST_PAUSE_US INT64CONST(20000)

/* So many calls are looked at before a cancel is heard. */
#define PURGE_SLICE 1000

/* ---------------------------------------------------------------- waiting */

/* Until the time has passed or the latch was set, by whatever; a latch's time is in whole ms. */
static void
pause_for(int64 us)
{
	static uint32 event = 0;

	if (us < 1000)
	{
		pg_usleep((long) us);
		CHECK_FOR_INTERRUPTS();
		return;
	}
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 (long) ((us + 999) / 1000),
					 oauth1_wait_event("Oauth1AwaitCall", &event));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
refuse_own_news(int64 id, const oauth1_call_look *look)
{
	if (look->is_own_news)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("call %lld cannot be awaited in the transaction that enqueued it",
						(long long) id),
				 errdetail("It is sent after COMMIT.")));
}

/*
 * Returns when the call has ended, as look then says; OA006 when the time is over.
 * The response is in a child of the current memory context, which holds no more
 * than one look.
 */
static void
await(int64 id, int timeout_ms, oauth1_call_look *look)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 await",
												 ALLOCSET_DEFAULT_SIZES);
	int64		began = oauth1_monotonic_us();

	for (;;)
	{
		MemoryContext old = MemoryContextSwitchTo(memory);
		int64		waited_us;
		int64		left_us;
		int64		pause_us;

		MemoryContextReset(memory);
		oauth1_queue_look(id, look);
		MemoryContextSwitchTo(old);
		if (look->ended)
			return;
		refuse_own_news(id, look);
		waited_us = oauth1_monotonic_us() - began;
		left_us = (int64) timeout_ms * 1000 - waited_us;
		if (left_us <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_OAUTH1_TIMED_OUT),
					 errmsg("call %lld has not ended within %d ms", (long long) id, timeout_ms),
					 errdetail("It is %s.", look->running ? "running" : "pending")));
		pause_us = Min(Max(waited_us / PAUSE_SHARE, SHORTEST_PAUSE_US), LONGEST_PAUSE_US);
		pause_for(Min(pause_us, left_us));
	}
}

/* ---------------------------------------------------------------- arguments */

/* The id of a call that the current role may see; 42704 for any other. */
static int64
call_argument(FunctionCallInfo fcinfo, oauth1_call_look *look)
{
	oauth1_require_argument(fcinfo, 0, "id");
	oauth1_queue_look(PG_GETARG_INT64(0), look);
	return PG_GETARG_INT64(0);
}

/* What ended before this time is older than the interval. */
static TimestampTz
older_than_argument(FunctionCallInfo fcinfo)
{
	Interval	zero = {0};
	Datum		now = TimestampTzGetDatum(GetCurrentTransactionStartTimestamp());

	oauth1_require_argument(fcinfo, 0, "older_than");
	if (DatumGetBool(DirectFunctionCall2(interval_lt, PG_GETARG_DATUM(0),
										 IntervalPGetDatum(&zero))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("older_than must not be negative")));
	return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_mi_interval, now,
												   PG_GETARG_DATUM(0)));
}

static Datum
response_or_null(FunctionCallInfo fcinfo, const oauth1_call_look *look)
{
	if (!look->has_response)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(look->response);
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_call_result);

/* call_result(id) → http_response; NULL where there is none, or none yet */
Datum
oauth1_call_result(PG_FUNCTION_ARGS)
{
	oauth1_call_look look;

	(void) call_argument(fcinfo, &look);
	return response_or_null(fcinfo, &look);
}

PG_FUNCTION_INFO_V1(oauth1_await_call);

/* await_call(id, timeout_ms) → http_response; NULL where none came */
Datum
oauth1_await_call(PG_FUNCTION_ARGS)
{
	oauth1_call_look look;

	oauth1_require_argument(fcinfo, 0, "id");
	await(PG_GETARG_INT64(0), oauth1_timeout_argument(fcinfo, 1), &look);
	return response_or_null(fcinfo, &look);
}

PG_FUNCTION_INFO_V1(oauth1_cancel_call);

/* cancel_call(id) → was it pending? */
Datum
oauth1_cancel_call(PG_FUNCTION_ARGS)
{
	oauth1_call_look look;
	int64		id;

	oauth1_prevent_read_only("oauth1.cancel_call()");
	id = call_argument(fcinfo, &look);
	if (!oauth1_queue_cancel(id, psprintf("cancelled by %s", GetUserNameFromId(GetUserId(), false))))
		PG_RETURN_BOOL(false);
	if (oauth1_notify)
		oauth1_follow_up_tell(id, OAUTH1_STATE_CANCELLED);
	PG_RETURN_BOOL(true);
}

PG_FUNCTION_INFO_V1(oauth1_retry_call);

/* retry_call(id) → is it to be sent (again)? */
Datum
oauth1_retry_call(PG_FUNCTION_ARGS)
{
	oauth1_call_look look;

	oauth1_prevent_read_only("oauth1.retry_call()");
	PG_RETURN_BOOL(oauth1_queue_retry(call_argument(fcinfo, &look)));
}

PG_FUNCTION_INFO_V1(oauth1_purge_calls);

/* purge_calls(older_than) → how many ended calls of the role were deleted; of all, as the owner */
Datum
oauth1_purge_calls(PG_FUNCTION_ARGS)
{
	int64		deleted = 0;
	int64		after = 0;
	TimestampTz before;

	oauth1_prevent_read_only("oauth1.purge_calls()");
	before = older_than_argument(fcinfo);
	do
	{
		CHECK_FOR_INTERRUPTS();
		deleted += oauth1_queue_purge_of(GetUserId(), before, PURGE_SLICE, &after);
	} while (after != 0);
	PG_RETURN_INT64(deleted);
}

PG_FUNCTION_INFO_V1(oauth1_adopt_calls);

/* adopt_calls() → how many calls of the database that this one is a copy of are now its own */
Datum
oauth1_adopt_calls(PG_FUNCTION_ARGS)
{
	oauth1_prevent_read_only("oauth1.adopt_calls()");
	PG_RETURN_INT64(oauth1_queue_adopt());
}
