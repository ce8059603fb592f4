/*
 * follow_up.c
 *	  What follows when a call has ended: its on_done, and NOTIFY oauth1_call.
 *
 * What an on_done did and the end of its row commit together, so it takes effect
 * once, whatever dies when.  Both run in subtransactions.  The commit itself can
 * fail, too: where an on_done writes to another server which does not commit, or
 * notifies more than there is room for.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "commands/async.h"
#include "mb/pg_wchar.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/errors.h"
#include "ground/fault.h"
#include "ground/settings.h"
#include "stored/follow_up_row.h"
#include "work/follow_up.h"
#include "work/on_done.h"

/* After a failure to find what is due. */
#define LOOK_AGAIN_MS 10000

/* Octets of an on_done's error that are kept. */
#define ERROR_OCTETS 1000

/* From this share of the server's room for notifications on we send none. */
#define FULL_SHARE 0.8

/* ---------------------------------------------------------------- transactions */

/* Commits; NULL, or the error, after which the transaction was aborted. */
static ErrorData *
commit(const oauth1_transactions *transactions, MemoryContext memory)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		transactions->commit();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(memory);
	return error;
}

/* Runs the operation in a transaction of its own; *aborted: its commit failed. */
static ErrorData *
transact(const oauth1_transactions *transactions, void (*operation) (void *), void *argument,
		 bool *aborted)
{
	MemoryContext memory = CurrentMemoryContext;
	ErrorData  *error;
	ErrorData  *commit_error;

	transactions->begin();
	MemoryContextSwitchTo(memory);
	error = oauth1_catch_all(operation, argument);
	commit_error = commit(transactions, memory);
	if (commit_error == NULL)
		return error;
	*aborted = true;
	return error ? error : commit_error;
}

/* ---------------------------------------------------------------- on_done */

typedef struct on_done
{
	int64		id;
	int			attempt;		/* which it is; 0: it is not counted, or not to be run */
	char	   *error;			/* why it failed */
	bool		given_up;
} on_done;

static void
run(void *argument)
{
	on_done    *this = argument;
	oauth1_follow_up follow_up;

	if (!oauth1_follow_up_take(this->id, &follow_up))
		return;
	if (follow_up.on_done != NULL)
		oauth1_on_done_run(&follow_up);
	OAUTH1_FAULT("O");
	oauth1_follow_up_done(&follow_up);
}

static void
note_failure(void *argument)
{
	on_done    *this = argument;

	this->given_up = oauth1_follow_up_failed(this->id, this->attempt > 0, this->error);
}

static void
count(void *argument)
{
	on_done    *this = argument;

	this->attempt = oauth1_follow_up_count(this->id);
	if (this->attempt > OAUTH1_FOLLOW_UP_ATTEMPTS)
	{
		this->error = "on_done failed: its process died while it ran";
		note_failure(this);
	}
}

static void
uncount(void *argument)
{
	on_done    *this = argument;

	oauth1_follow_up_uncount(this->id);
}

static void
log_given_up(const on_done *this, int sqlstate)
{
	ereport(LOG,
			(errcode(sqlstate),
			 errmsg("on_done of call " INT64_FORMAT " is given up", this->id),
			 errdetail("%s", this->error)));
}

/* Counts the run before it begins; false where it is not to begin. */
static bool
may_begin(const oauth1_transactions *transactions, on_done *this, bool *aborted)
{
	ErrorData  *error = transact(transactions, count, this, aborted);

	oauth1_cancel_again(error);
	if (error != NULL)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not begin on_done of call " INT64_FORMAT ": %s", this->id,
						error->message)));
	else if (this->given_up)
		log_given_up(this, ERRCODE_OPERATOR_INTERVENTION);
	return error == NULL && this->attempt > 0 && !this->given_up;
}

/* That it failed is written down, in a transaction of its own; or else logged. */
static void
record_failure(const oauth1_transactions *transactions, on_done *this, const ErrorData *error,
			   bool *aborted)
{
	int			length = pg_mbcliplen(error->message, strlen(error->message), ERROR_OCTETS);
	ErrorData  *second;

	this->error = psprintf("on_done failed: %.*s", length, error->message);
	second = transact(transactions, note_failure, this, aborted);
	oauth1_cancel_again(second);
	if (second != NULL)
		ereport(LOG,
				(errcode(second->sqlerrcode),
				 errmsg("could not write down that on_done of call " INT64_FORMAT " failed: %s",
						this->id, second->message),
				 errdetail("%s", this->error)));
	else if (this->given_up)
		log_given_up(this, error->sqlerrcode);
}

/* Runs it, and writes down how that went; NULL, or what cancelled it. */
static ErrorData *
attempt(const oauth1_transactions *transactions, on_done *this, bool *aborted)
{
	ErrorData  *error = transact(transactions, run, this, aborted);

	if (error == NULL)
		return NULL;
	if (!oauth1_on_done_was_cancelled(error))
	{
		record_failure(transactions, this, error, aborted);
		return NULL;
	}
	if (this->attempt > 0)
		(void) transact(transactions, uncount, this, aborted);
	return error;
}

ErrorData *
oauth1_follow_up_run(const oauth1_transactions *transactions, int64 id, bool is_first,
					 bool *aborted)
{
	MemoryContext caller_memory = CurrentMemoryContext;
	MemoryContext memory;
	on_done		this = {.id = id};
	ErrorData  *error = NULL;

	*aborted = false;
	if (oauth1_on_done_is_stopped())
		return NULL;
	memory = AllocSetContextCreate(caller_memory, "oauth1 on_done", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	if (is_first || may_begin(transactions, &this, aborted))
		error = attempt(transactions, &this, aborted);
	MemoryContextSwitchTo(caller_memory);
	if (error != NULL && !oauth1_on_done_is_stopped())
		return error;
	MemoryContextDelete(memory);
	return NULL;
}

/* ---------------------------------------------------------------- NOTIFY */

void
oauth1_follow_up_tell(int64 id, oauth1_call_state state)
{
	Async_Notify("oauth1_call", psprintf("{\"id\": " INT64_FORMAT ", \"state\": \"%s\"}",
										 id, oauth1_call_state_name(state)));
}

typedef struct notifications
{
	const int64 *ids;
	const oauth1_call_state *states;
	int			count;
} notifications;

/*
 * A commit that found no room for its notifications would fail.  So we look, under
 * the lock that every commit with notifications takes.
 */
static void
check_room(void)
{
	double		share;

	LockSharedObject(DatabaseRelationId, InvalidOid, 0, AccessExclusiveLock);
	share = DatumGetFloat8(OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE));
	if (share > FULL_SHARE)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the server's queue of notifications is %d %% full", (int) (share * 100)),
				 errhint("A session that listens and stays in a transaction holds it up; the server's log names it.")));
}

static void
send_notifications(void *argument)
{
	const notifications *those = argument;
	int			nest_level = NewGUCNestLevel();

	/* Who holds that lock commits; for a standby, it may be long. */
	(void) set_config_option("lock_timeout", "4s", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	check_room();
	AtEOXact_GUC(false, nest_level);
	/* Nothing is lost with this commit: who listens would not hear of it after a crash anyway. */
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	for (int i = 0; i < those->count; i++)
		oauth1_follow_up_tell(those->ids[i], those->states[i]);
}

/* Once, until it went well again. */
static void
log_failure(const ErrorData *error)
{
	static bool is_logged = false;

	if (error != NULL && !is_logged)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not notify that queued calls have ended"),
				 errdetail("%s", error->message),
				 error->hint ? errhint("%s", error->hint) : 0));
	is_logged = error != NULL;
}

void
oauth1_follow_up_notify(const oauth1_transactions *transactions, const int64 *ids,
						const oauth1_call_state *states, int count)
{
	MemoryContext caller_memory = CurrentMemoryContext;
	MemoryContext memory;
	notifications those = {ids, states, count};
	ErrorData  *error;
	bool		aborted = false;

	if (!oauth1_notify || count == 0)
		return;
	memory = AllocSetContextCreate(caller_memory, "oauth1 notify", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(memory);
	error = transact(transactions, send_notifications, &those, &aborted);
	oauth1_cancel_again(error);
	log_failure(error);
	MemoryContextSwitchTo(caller_memory);
	MemoryContextDelete(memory);
}

/* ---------------------------------------------------------------- what is due */

typedef struct due
{
	oauth1_queue_position *after;
	int64	   *ids;
	int			room;
	TimestampTz *next;
	int			count;
} due;

static void
list(void *argument)
{
	due		   *this = argument;

	this->count = oauth1_follow_up_list(this->after, this->ids, this->room, this->next);
}

int
oauth1_follow_up_due(const oauth1_transactions *transactions, oauth1_queue_position *after,
					 int64 *ids, int room, TimestampTz *next)
{
	due			this = {after, ids, room, next, 0};
	bool		aborted = false;
	ErrorData  *error = transact(transactions, list, &this, &aborted);

	if (error == NULL)
		return this.count;
	oauth1_cancel_again(error);
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not look for on_done that are due: %s", error->message)));
	FreeErrorData(error);
	*next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LOOK_AGAIN_MS);
	return 0;
}
