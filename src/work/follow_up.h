/*
 * follow_up.h
 *	  What follows when a call has ended: its on_done, and NOTIFY oauth1_call;
 *	  each in a transaction of its own, after the result was committed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_FOLLOW_UP_H
#define OAUTH1_FOLLOW_UP_H

#include "stored/queue.h"
#include "work/dispatch.h"

/* Has the transaction's commit tell that a call has ended; for who has looked at oauth1.notify. */
extern void oauth1_follow_up_tell(int64 id, oauth1_call_state state);

/*
 * Sends a notification for each call, unless oauth1.notify is off.  In a
 * transaction of its own, made by transactions.  A failure is logged, and costs
 * the notifications only.  Cancelled calls too.
 */
extern void oauth1_follow_up_notify(const oauth1_transactions *transactions,
									const int64 *ids, const oauth1_call_state *states, int count);

/*
 * Runs the on_done of the call, as the role that enqueued it, and deletes its row
 * of oauth1.follow_up in the same transaction.  Where it fails, that is shown in
 * the call's error, and the row is due again, up to five times.  Does nothing
 * where somebody else does it, or did, or after oauth1_on_done_stop.  Takes no
 * longer than OAUTH1_ON_DONE_TIMEOUT and what a commit takes.  Raises no error;
 * returns NULL, or the cancel of this session that came meanwhile, in a child of
 * the current memory context.  is_first: it was this process that recorded the
 * end of the call; another may have run it before, and have died of it.
 *
 * *aborted: its commit failed, which what an on_done did can cause.  The whole
 * transaction was aborted, and with it the session locks are gone that say that
 * this process lives and has places; transactions->commit raised the error, and
 * left the process where transactions->begin can follow.
 */
extern ErrorData *oauth1_follow_up_run(const oauth1_transactions *transactions, int64 id,
									   bool is_first, bool *aborted);

/*
 * Up to room ids of oauth1.follow_up that are due, after a position, which is
 * moved on (all zeros: from the first), in a transaction of its own.
 * *next: when the earliest of the others is due; PG_INT64_MAX: there are none.
 */
extern int	oauth1_follow_up_due(const oauth1_transactions *transactions,
								 oauth1_queue_position *after, int64 *ids, int room,
								 TimestampTz *next);

#endif							/* OAUTH1_FOLLOW_UP_H */
