/*
 * queue_change.h
 *	  What roles and the owner do to queued calls, beside those who send them.
 *
 * All run in the caller's transaction, and none holds up who sends: a row that
 * turns out to be another's business is not left locked.  None looks at rights.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_CHANGE_H
#define OAUTH1_QUEUE_CHANGE_H

/*
 * Ends a call that is pending, as cancelled, with a reason; false where it is not
 * pending.  Raises 40001 where a REPEATABLE READ transaction's snapshot is older
 * than what the call is now.
 */
extern bool oauth1_queue_cancel(int64 id, const char *reason);

/*
 * Has a call sent again that failed, is uncertain or was cancelled, its attempts
 * kept; or one that waits sent now.  False where it is being sent, or done.
 * Raises 23505 where another call of its dedupe_key has not ended, 55000 where it
 * waits in a copy of its database, and 40001 as above.
 */
extern bool oauth1_queue_retry(int64 id);

/*
 * Makes calls, and what is to follow on calls, of the server or database that this
 * one is a copy of this database's own.  Of two pending calls with one dedupe_key
 * the later is cancelled.  Returns how many it took over.
 */
extern int64 oauth1_queue_adopt(void);

#endif							/* OAUTH1_QUEUE_CHANGE_H */
