/*
 * drain.c
 *	  CALL oauth1.drain(): the worker's work in a session, for jobs and for servers
 *	  without a worker.
 *
 * It commits as it goes, so it is a procedure, and a statement of its own.  While
 * the network works there is a transaction, as there always is in a session, but
 * one that holds nothing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

#include "ground/settings.h"
#include "stored/query.h"
#include "stored/registry.h"
#include "work/dispatch.h"

/* As the setting's: descriptors, and memory for bodies, are bounded. */
#define MAX_CONCURRENCY 500

/* ---------------------------------------------------------------- transactions */

/*
 * Claim and record must be on disk whatever the session set, and see what others
 * committed.  The transaction was begun for us; nothing was done in it yet.
 */
static void
begin(void)
{
	XactIsoLevel = XACT_READ_COMMITTED;
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	oauth1_procedure_commit();
}

static const oauth1_transactions transactions = {begin, commit};

/* ---------------------------------------------------------------- the loop */

/* Sends what is due until nothing is.  NULL, or the error that ended it. */
static ErrorData *
send_all(oauth1_dispatch *dispatch)
{
	ErrorData  *error;

	do
	{
		error = oauth1_dispatch_lap(dispatch, true);
		if (error != NULL || !oauth1_dispatch_has_due(dispatch))
			return error;
		error = oauth1_dispatch_wait(dispatch, PG_INT64_MAX);
	} while (error == NULL);
	return error;
}

/* An error that nobody caught, as of a commit, must not leave calls that nobody speaks for. */
static void
drain(int concurrency, int64 max_calls)
{
	MemoryContext memory = AllocSetContextCreate(PortalContext, "oauth1 drain",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);
	oauth1_dispatch *dispatch;
	ErrorData  *volatile error = NULL;

	/* The statement's own snapshot goes with its transaction. */
	oauth1_procedure_commit();
	dispatch = oauth1_dispatch_begin(&transactions, concurrency, max_calls, false);
	PG_TRY();
	{
		error = send_all(dispatch);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		oauth1_procedure_rollback();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	if (error != NULL)
	{
		oauth1_dispatch_abandon(dispatch);
		ReThrowError(error);
	}
	oauth1_dispatch_end(dispatch);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

/* ---------------------------------------------------------------- SQL procedure */

static bool
is_atomic(FunctionCallInfo fcinfo)
{
	return fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic;
}

PG_FUNCTION_INFO_V1(oauth1_drain);

/* drain(max_calls, concurrency): commits between claim, network and record. */
Datum
oauth1_drain(PG_FUNCTION_ARGS)
{
	int64		max_calls = PG_ARGISNULL(0) ? -1 : PG_GETARG_INT32(0);
	int			concurrency = PG_ARGISNULL(1) ? oauth1_worker_concurrency : PG_GETARG_INT32(1);

	oauth1_prevent_read_only("oauth1.drain()");
	if (is_atomic(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("oauth1.drain() must be a statement of its own"),
				 errdetail("It commits between claiming, sending and recording."),
				 errhint("Call it outside a transaction block, and not from a function.")));
	if (!PG_ARGISNULL(0) && max_calls < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_calls must be greater than zero")));
	if (concurrency < 1 || concurrency > MAX_CONCURRENCY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("concurrency must be from 1 to %d", MAX_CONCURRENCY)));
	oauth1_procedure_begin();
	drain(concurrency, max_calls);
	oauth1_procedure_end();
	PG_RETURN_VOID();
}
