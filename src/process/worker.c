/*
 * worker.c
 *	  The life of a database's worker: it sends queued calls as long as there are
 *	  any, and makes room for whoever wants the database.
 *
 * It is started by the COMMIT that enqueued (wakeup.c), by the launcher or by a
 * successor (launcher.c), and connects as nobody in particular: what it does to
 * the tables it does as their owner (stored/query.c).  It holds no lock, no
 * snapshot and no transaction id while it waits, but the session locks that say
 * that it lives.
 *
 * Of its leaving this is the order: it takes its number out of the shared entry,
 * gives up the lock that makes it the worker, and looks at the queue once more.
 * Whoever commits looks for a number after the rows can be seen, and asks for a
 * worker where there is none.  So a call that the last look did not see has had
 * another worker started, which gets the lock.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/settings.h"
#include "ground/shared.h"
#include "outside/transfer.h"
#include "process/background.h"
#include "process/neighbours.h"
#include "process/order.h"
#include "process/retention.h"
#include "stored/claim.h"
#include "stored/queue.h"
#include "work/dispatch.h"
#include "work/follow_up.h"
#include "work/on_done.h"
#include "work/worker_entry.h"

/* How often it looks who wants the database, and whether the extension is there. */
#define LOOK_AROUND_US (400 * INT64CONST(1000))

/* How long it waits for answers when it has to leave. */
#define GRACE_US (2 * USECS_PER_SEC)
#define GRACE_FOR_COPY_US (3 * USECS_PER_SEC)

/*
 * When a successor comes: others have 5 s to wait for us; an error may pass; and a
 * worker of the extension that was is only in the way.
 */
#define SUCCESSOR_AFTER_NEIGHBOUR_S 5
#define SUCCESSOR_AFTER_ERROR_S 60
#define SUCCESSOR_AFTER_EXTENSION_S 1

/* Why it leaves; the later ones go before the earlier. */
typedef enum leave_reason
{
	STAY,
	IDLE,						/* nothing to do */
	REPLACED,					/* its lock was lost, and another has it */
	TURNED_OFF,					/* oauth1.worker */
	TERMINATED,					/* SIGTERM: the server stops, or somebody wants it so */
	COPIED,						/* the database is a template at this moment */
	TAKEN,						/* the database is dropped, renamed or moved */
	EXTENSION_GONE				/* DROP EXTENSION; perhaps it was created again */
} leave_reason;

static const char *const reason_words[] = {
	[STAY] = "an error",
	[IDLE] = "nothing is pending",
	[REPLACED] = "another is the worker",
	[TURNED_OFF] = "oauth1.worker is off",
	[TERMINATED] = "it was told to",
	[COPIED] = "the database is copied",
	[TAKEN] = "the database is dropped, renamed or moved",
	[EXTENSION_GONE] = "the extension is gone, or another one",
};

typedef struct life
{
	oauth1_dispatch *dispatch;	/* NULL: not begun */
	Oid			database;
	Oid			extension;		/* whose queue it is */

	leave_reason reason;
	int64		leave_by;		/* with a reason: at the latest then */

	bool		is_look;		/* it was started to look, and found nothing so far */
	bool		was_busy;		/* calls were under way after the last lap */
	int64		idle_since;		/* 0: it is not idle */
	int64		looked_around;	/* when it did so last */
	uint64		news;			/* that the dispatch was told of */
	int			shown_claimed;	/* what pg_stat_activity says; -1: nothing yet */
	bool		shown_pending;
} life;

extern PGDLLEXPORT void oauth1_worker_main(Datum argument);

/* ---------------------------------------------------------------- office */

/* A before_shmem_exit callback: the locks come after it. */
static void
say_absent(int code, Datum unused)
{
	oauth1_worker_absent();
}

/* The extension of this database; InvalidOid: there is none. */
static Oid
present_extension(void)
{
	Oid			extension;

	oauth1_background_transactions.begin();
	extension = get_extension_oid("oauth1", true);
	oauth1_background_transactions.commit();
	return extension;
}

/* Becomes the worker; false: there is nothing to be the worker of, or there is one. */
static bool
take_office(life *life)
{
	oauth1_background_transactions.begin();
	(void) oauth1_shared_is_shared();
	oauth1_background_transactions.commit();
	life->extension = present_extension();
	/* In this order: see wakeup.c. */
	oauth1_worker_heard();
	if (!oauth1_worker || life->extension == InvalidOid || !oauth1_claim_become_worker())
		return false;
	oauth1_worker_present();
	return true;
}

/* Is anything pending, now or later?  Asks the tables. */
static bool
is_anything_pending(void)
{
	oauth1_queue_position first = {0};
	TimestampTz next;
	int64		id;
	int			lanes;
	int			follow_ups;

	oauth1_background_transactions.begin();
	(void) oauth1_queue_lanes(NULL, 0, &lanes);
	oauth1_background_transactions.commit();
	follow_ups = oauth1_follow_up_due(&oauth1_background_transactions, &first, &id, 1, &next);
	return lanes > 0 || follow_ups > 0 || next != PG_INT64_MAX;
}

/* Leaves office, unless there is work after all; true: it is no longer the worker. */
static bool
leave_office(void)
{
	oauth1_worker_absent();
	oauth1_claim_resign_worker();
	/* Where another has become the worker meanwhile, it has seen the work. */
	if (!is_anything_pending() || !oauth1_claim_become_worker())
		return true;
	ereport(DEBUG1,
			(errmsg_internal("oauth1 worker stays: a call has come")));
	oauth1_worker_present();
	return false;
}

/* ---------------------------------------------------------------- reasons to leave */

/* It leaves at the earliest time that a reason asks for, and begins nothing more. */
static void
leave_for(life *life, leave_reason reason, int64 grace_us)
{
	int64		by = oauth1_monotonic_us() + grace_us;

	oauth1_on_done_stop();
	if (life->reason == STAY || by < life->leave_by)
		life->leave_by = by;
	life->reason = Max(life->reason, reason);
}

/* The commit of an on_done can fail, and with it go the session's locks. */
static void
check_office(life *life)
{
	if (!oauth1_claim_is_worker() && !oauth1_claim_become_worker())
		leave_for(life, REPLACED, GRACE_US);
}

static void
look_around(life *life)
{
	int64		now = oauth1_monotonic_us();

	/* DROP DATABASE ... WITH (FORCE) sends SIGTERM, too. */
	if (!oauth1_asked_to_leave && now - life->looked_around < LOOK_AROUND_US)
		return;
	life->looked_around = now;
	switch (oauth1_look_for_neighbour(life->database))
	{
		case OAUTH1_NEIGHBOUR_TAKES:
			leave_for(life, TAKEN, 0);
			break;
		case OAUTH1_NEIGHBOUR_COPIES:
			leave_for(life, COPIED, GRACE_FOR_COPY_US);
			break;
		case OAUTH1_NEIGHBOUR_NONE:
			break;
	}
	if (present_extension() != life->extension)
		leave_for(life, EXTENSION_GONE, 0);
}

static void
heed_signals(life *life)
{
	if (oauth1_background_reload())
		oauth1_dispatch_set_concurrency(life->dispatch, oauth1_worker_concurrency);
	if (!oauth1_worker)
		leave_for(life, TURNED_OFF, GRACE_US);
	if (oauth1_asked_to_leave)
		leave_for(life, TERMINATED, GRACE_US);
}

/* Are there calls?  When the last one is done the tables are asked at once. */
static bool
has_calls(life *life)
{
	bool		is_busy = oauth1_dispatch_claimed(life->dispatch) > 0;

	if (life->was_busy && !is_busy)
		oauth1_dispatch_expect(life->dispatch);
	life->was_busy = is_busy;
	return is_busy || oauth1_dispatch_has_pending(life->dispatch);
}

/* Has it been idle for long enough? */
static bool
is_idle(life *life)
{
	int64		now = oauth1_monotonic_us();

	if (has_calls(life))
	{
		life->is_look = false;
		life->idle_since = 0;
		return false;
	}
	if (life->idle_since == 0)
		life->idle_since = now;
	return life->is_look ||
		now - life->idle_since >= oauth1_worker_idle_timeout * INT64CONST(1000);
}

/* Is it to leave now? */
static bool
is_to_leave(life *life)
{
	if (life->reason != STAY)
		return oauth1_dispatch_claimed(life->dispatch) == 0 ||
			oauth1_monotonic_us() >= life->leave_by;
	if (!is_idle(life))
		return false;
	if (leave_office())
	{
		leave_for(life, IDLE, 0);
		return true;
	}
	life->idle_since = 0;
	oauth1_dispatch_expect(life->dispatch);
	return false;
}

/* ---------------------------------------------------------------- between */

/* In pg_stat_activity. */
static void
show(life *life)
{
	int			claimed = oauth1_dispatch_claimed(life->dispatch);
	bool		pending = oauth1_dispatch_has_pending(life->dispatch);
	char		text[64];

	if (claimed == life->shown_claimed && pending == life->shown_pending)
		return;
	life->shown_claimed = claimed;
	life->shown_pending = pending;
	if (claimed > 0)
		snprintf(text, sizeof(text), "sending %d queued calls", claimed);
	else
		snprintf(text, sizeof(text), "%s", pending ? "queued calls are due later" : "no queued calls");
	pgstat_report_activity(claimed > 0 ? STATE_RUNNING : STATE_IDLE, text);
}

/*
 * Before a lap, and again before the wait: what was committed in between may have
 * set a latch that some other wait, for a lock or a standby, has reset.
 */
static void
hear_news(life *life)
{
	uint64		news = oauth1_worker_news();

	if (news != life->news)
		oauth1_dispatch_expect(life->dispatch);
	life->news = news;
}

/* When there is something to do besides the calls. */
static int64
next_time(const life *life)
{
	int64		time = life->looked_around + LOOK_AROUND_US;

	if (life->reason != STAY)
		return Min(time, life->leave_by);
	time = Min(time, oauth1_retention_due());
	if (life->idle_since != 0)
		time = Min(time, life->idle_since + oauth1_worker_idle_timeout * INT64CONST(1000));
	return time;
}

static void
raise_if(ErrorData *error)
{
	if (error != NULL)
		ReThrowError(error);
}

static void
work(life *life)
{
	life->dispatch = oauth1_dispatch_begin(&oauth1_background_transactions,
										   oauth1_worker_concurrency, -1, true);
	for (;;)
	{
		heed_signals(life);
		look_around(life);
		if (life->reason >= TAKEN)
			return;
		hear_news(life);
		raise_if(oauth1_dispatch_lap(life->dispatch, life->reason == STAY));
		check_office(life);
		if (is_to_leave(life))
			return;
		show(life);
		if (life->reason == STAY && !life->is_look)
			oauth1_retention_step();
		hear_news(life);
		raise_if(oauth1_dispatch_wait(life->dispatch, next_time(life)));
	}
}

/* ---------------------------------------------------------------- the end */

/* Orders a process that looks after the calls when time has passed. */
static void
order_successor(const life *life, int delay_s)
{
	BackgroundWorker process;

	oauth1_order_successor(&process, life->database, delay_s);
	if (!oauth1_order_start(&process, life->database, NULL))
		oauth1_order_tell_failure(life->database);
}

/* Does anything remain that nobody else knows of? */
static bool
has_rest(const life *life)
{
	return life->dispatch == NULL || oauth1_dispatch_claimed(life->dispatch) > 0 ||
		oauth1_dispatch_has_pending(life->dispatch);
}

static void
end_dispatch(life *life)
{
	if (life->dispatch == NULL)
		return;
	oauth1_dispatch_abandon(life->dispatch);
	oauth1_dispatch_end(life->dispatch);
	life->dispatch = NULL;
}

static void
leave(life *life)
{
	bool		rest = has_rest(life);

	ereport(DEBUG1,
			(errmsg_internal("oauth1 worker leaves: %s", reason_words[life->reason])));
	end_dispatch(life);
	if (rest && (life->reason == COPIED || life->reason == TAKEN))
		order_successor(life, SUCCESSOR_AFTER_NEIGHBOUR_S);
	/* It was created again, and commits since have told us of its calls. */
	if (life->reason == EXTENSION_GONE && present_extension() != InvalidOid)
		order_successor(life, SUCCESSOR_AFTER_EXTENSION_S);
}

/*
 * After an error, in no transaction.  That the extension went away is none; of any
 * other the log hears when it is raised on.
 */
static void
leave_by_error(life *life)
{
	bool		rest = has_rest(life);

	end_dispatch(life);
	if (present_extension() != life->extension)
	{
		leave_for(life, EXTENSION_GONE, 0);
		leave(life);
		return;
	}
	oauth1_worker_absent();
	oauth1_worker_note_failure(life->database, OAUTH1_START_ERROR);
	if (rest)
		order_successor(life, SUCCESSOR_AFTER_ERROR_S);
}

/* Ends the error and the transaction it was raised in. */
static ErrorData *
take_error(void)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(TopMemoryContext);
	return error;
}

void
oauth1_worker_main(Datum argument)
{
	oauth1_order order = oauth1_order_received();
	life		life = {.database = order.database, .is_look = order.look, .shown_claimed = -1};
	ErrorData  *volatile error = NULL;

	oauth1_background_begin();
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
	oauth1_background_settle("oauth1 worker");
	before_shmem_exit(say_absent, (Datum) 0);
	if (!take_office(&life))
		proc_exit(0);
	ereport(DEBUG1,
			(errmsg_internal("oauth1 worker starts")));
	PG_TRY();
	{
		work(&life);
		leave(&life);
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		error = take_error();
		leave_by_error(&life);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	if (error != NULL && life.reason != EXTENSION_GONE)
		ReThrowError(error);
	proc_exit(0);
}
