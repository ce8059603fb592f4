/*
 * wakeup.c
 *	  A COMMIT that gave the queue something to do wakes its worker, or has one
 *	  started where none is there.
 *
 * After the commit record nothing may fail any more: an error would be a PANIC of
 * the whole server, since the transaction can no longer be aborted.  So whatever
 * can throw or allocate is done before the commit, and the rest after it, when
 * the rows can be seen by whoever was woken.  Not even a line is written to the
 * log there: that waits until the server clears the message's memory, which it
 * does outside of any transaction and before the client hears of the end.
 *
 * The abort of a subtransaction clears nothing: a worker then looks for nothing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "ground/fault.h"
#include "ground/settings.h"
#include "ground/shared.h"
#include "process/order.h"
#include "process/wakeup.h"
#include "stored/queue_news.h"
#include "work/worker_entry.h"

/* What is asked for after the commit; is_ready: it is filled in. */
static BackgroundWorker worker;
static bool is_ready = false;

/* No slot was free, and the log does not know. */
static bool is_untold = false;

/* Runs tell when the server is done with the present message. */
static MemoryContextCallback callback;
static bool is_arranged = false;

static void
tell(void *unused)
{
	is_arranged = false;
	if (is_untold)
		oauth1_order_tell_failure(MyDatabaseId);
	is_untold = false;
}

/* A background process gets no messages: it tells before its next commit. */
static void
arrange_to_tell(void)
{
	if (MessageContext == NULL)
		tell(NULL);
	else if (!is_arranged)
	{
		callback.func = tell;
		MemoryContextRegisterResetCallback(MessageContext, &callback);
		is_arranged = true;
	}
}

/* Before the commit: what may throw. */
static void
prepare(void)
{
	OAUTH1_FAULT("B");
	(void) oauth1_shared_is_shared();
	arrange_to_tell();
	if (!is_ready)
		oauth1_order_worker(&worker, MyDatabaseId, false);
	is_ready = true;
}

/*
 * After the commit.  A worker first says that it is there and then looks at the
 * queue; we first have our rows seen and then look whether one is there: so one of
 * the two finds the other.  A process that has the number of one that is gone is
 * woken for nothing, which every process can bear.
 */
static void
wake(void)
{
	int			pid;
	PGPROC	   *process;

	OAUTH1_FAULT_AT_COMMIT("C");
	pid = oauth1_worker_note_news(MyDatabaseId);
	process = pid != 0 ? BackendPidGetProc(pid) : NULL;
	if (process != NULL)
		SetLatch(&process->procLatch);
	else if (oauth1_worker_ask(MyDatabaseId, pid) &&
			 !oauth1_order_start(&worker, MyDatabaseId, NULL))
		is_untold = true;
}

static void
refuse_to_prepare(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot PREPARE a transaction that has enqueued calls"),
			 errdetail("COMMIT PREPARED could not tell the worker of them.")));
}

/* For RegisterXactCallback. */
static void
transaction_ends(XactEvent event, void *unused)
{
	if (!oauth1_queue_has_news)
		return;
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
			prepare();
			break;
		case XACT_EVENT_COMMIT:
			oauth1_queue_has_news = false;
			if (is_ready && oauth1_worker)
				wake();
			break;
		case XACT_EVENT_PRE_PREPARE:
			refuse_to_prepare();
			break;
		case XACT_EVENT_ABORT:
			oauth1_queue_has_news = false;
			break;
		default:
			/* A parallel worker enqueues nothing, and nothing was prepared. */
			break;
	}
}

void
oauth1_watch_transactions(void)
{
	RegisterXactCallback(transaction_ends, NULL);
}
