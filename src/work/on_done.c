/*
 * on_done.c
 *	  One run of an on_done: somebody's function, in a process that goes on for
 *	  others.
 *
 * What it must not do, and what keeps it from that:
 *
 * - have other rights than the role that enqueued the call, or another role: it
 *	 runs as that role in a security-restricted operation, which also forbids what
 *	 would outlive it: temporary tables, prepared statements, LISTEN, DISCARD,
 *	 cursors WITH HOLD, deferred triggers
 * - leave a setting behind: a GUC nest level of its own is put back, whether SET,
 *	 SET LOCAL or set_config() was used
 * - leave behind what else it could: on_done_guard.c refuses that
 * - stay: a timeout cancels it.  A function can catch that, and go on; so the
 *	 cancel is repeated whenever a subtransaction of it was rolled back, until all
 *	 blocks that can catch it have done so once
 *
 * Whoever cancels the session, or its statement_timeout, means the statement and
 * not the on_done, whether that caught it or not.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/regproc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/compat.h"
#include "ground/errors.h"
#include "work/on_done.h"
#include "work/on_done_guard.h"

/* Why the function that runs is to end. */
typedef enum cut
{
	CUT_NOT,
	CUT_TOO_LONG,
	CUT_STOPPED
} cut;

static volatile sig_atomic_t is_running = false;
static volatile sig_atomic_t is_cut = CUT_NOT;
static volatile sig_atomic_t is_stopped = false;

static TimeoutId timeout = MAX_TIMEOUTS;	/* until it is registered */

/* One run, as its error context sees it. */
typedef struct watch
{
	int64		id;
	MemoryContext memory;
	ErrorData  *cancel;			/* of the session, which came meanwhile; NULL: none */
} watch;

/* ---------------------------------------------------------------- its end */

/* In a signal handler, or where no error may be raised. */
static void
cancel(void)
{
	QueryCancelPending = true;
	InterruptPending = true;
	SetLatch(MyLatch);
}

static void
cut_short(cut why)
{
	if (is_running && is_cut == CUT_NOT)
	{
		is_cut = why;
		cancel();
	}
}

static void
time_is_over(void)
{
	cut_short(CUT_TOO_LONG);
}

void
oauth1_on_done_stop(void)
{
	is_stopped = true;
	cut_short(CUT_STOPPED);
}

bool
oauth1_on_done_is_stopped(void)
{
	return is_stopped;
}

/*
 * The cancel was caught, perhaps: the next is raised outside of what caught it, so
 * each block has one.
 */
static void
subtransaction_ended(SubXactEvent event, SubTransactionId mine, SubTransactionId parent,
					 void *argument)
{
	if (is_running && is_cut != CUT_NOT && event == SUBXACT_EVENT_ABORT_SUB)
		cancel();
}

/* ---------------------------------------------------------------- around it */

static void
watch_begin(void)
{
	if (timeout == MAX_TIMEOUTS)
	{
		timeout = RegisterTimeout(USER_TIMEOUT, time_is_over);
		RegisterSubXactCallback(subtransaction_ended, NULL);
	}
	oauth1_on_done_guard_begin();
	is_cut = CUT_NOT;
	is_running = true;
	enable_timeout_after(timeout, OAUTH1_ON_DONE_TIMEOUT);
	if (is_stopped)
		cut_short(CUT_STOPPED);
}

/* Also after an error.  What was cancelled for our own reasons is not to be cancelled any more. */
static void
watch_end(void)
{
	disable_timeout(timeout, false);
	is_running = false;
	oauth1_on_done_guard_end();
	if (is_cut != CUT_NOT)
		QueryCancelPending = false;
}

bool
oauth1_on_done_was_cancelled(const ErrorData *error)
{
	return is_stopped || oauth1_error_is_cancel(error);
}

/* The error context: it sees what is raised, also where that is caught. */
static void
see_error(void *argument)
{
	watch	   *watch = argument;

	errcontext("on_done of call " INT64_FORMAT, watch->id);
	if (geterrcode() == ERRCODE_QUERY_CANCELED && is_cut == CUT_NOT && watch->cancel == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(watch->memory);
		ErrorData  *error = CopyErrorData();

		if (oauth1_error_is_cancel(error))
			watch->cancel = error;
		MemoryContextSwitchTo(old);
	}
}

/* Raises what is to be raised in place of what the function raised, if it did. */
static void
raise_cut(const watch *watch)
{
	if (is_cut == CUT_STOPPED)
		ereport(ERROR,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("on_done was cut short by the end of its worker")));
	if (is_cut == CUT_TOO_LONG)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_TIMED_OUT),
				 errmsg("on_done took longer than %d s", OAUTH1_ON_DONE_TIMEOUT / 1000)));
	if (watch->cancel != NULL)
		ReThrowError(watch->cancel);
}

/* ---------------------------------------------------------------- the function */

static void
check_role(const oauth1_follow_up *follow_up)
{
	char	   *name = GetUserNameFromId(follow_up->role, true);

	if (name == NULL || strcmp(name, follow_up->role_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\", which enqueued the call, does not exist any more",
						follow_up->role_name)));
}

/* Its name is looked up as the role, which must be able to see the schema. */
static Oid
find_function(const oauth1_follow_up *follow_up)
{
	Datum		signature = CStringGetDatum(follow_up->on_done);
	Oid			function = DatumGetObjectId(DirectFunctionCall1(regprocedurein, signature));

	if (!oauth1_may_execute(function, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", follow_up->on_done)));
	return function;
}

static void
call_function(const oauth1_follow_up *follow_up)
{
	LOCAL_FCINFO(fcinfo, 2);
	FmgrInfo	function;

	fmgr_info(find_function(follow_up), &function);
	if (function.fn_strict && !follow_up->has_response)
		return;
	InitFunctionCallInfoData(*fcinfo, &function, 2, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = Int64GetDatum(follow_up->id);
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = follow_up->response;
	fcinfo->args[1].isnull = !follow_up->has_response;
	InvokeFunctionExecuteHook(function.fn_oid);
	(void) FunctionCallInvoke(fcinfo);
}

static void
call_watched(const oauth1_follow_up *follow_up)
{
	watch	   *watch = palloc0(sizeof(*watch));
	ErrorContextCallback context = {error_context_stack, see_error, watch};

	watch->id = follow_up->id;
	watch->memory = CurrentMemoryContext;
	watch_begin();
	error_context_stack = &context;
	PG_TRY();
	{
		call_function(follow_up);
	}
	PG_CATCH();
	{
		error_context_stack = context.previous;
		watch_end();
		if (is_cut != CUT_NOT || watch->cancel != NULL)
			FlushErrorState();
		raise_cut(watch);
		PG_RE_THROW();
	}
	PG_END_TRY();
	error_context_stack = context.previous;
	watch_end();
	raise_cut(watch);
}

void
oauth1_on_done_run(const oauth1_follow_up *follow_up)
{
	Oid			user;
	int			context;
	int			nest_level;

	check_role(follow_up);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(follow_up->role, context | SECURITY_RESTRICTED_OPERATION |
						   SECURITY_LOCAL_USERID_CHANGE);
	nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", follow_up->search_path,
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	call_watched(follow_up);
	AtEOXact_GUC(false, nest_level);
	SetUserIdAndSecContext(user, context);
	CommandCounterIncrement();
}
