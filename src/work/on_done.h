/*
 * on_done.h
 *	  One run of an on_done: somebody's function, in a process that goes on for
 *	  others.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ON_DONE_H
#define OAUTH1_ON_DONE_H

#include "stored/follow_up_row.h"
#include "utils/elog.h"

/* So long may it take, in milliseconds. */
#define OAUTH1_ON_DONE_TIMEOUT 4000

/*
 * Runs it as the role that enqueued the call.  In a subtransaction that is rolled
 * back where this raises an error: its own; 42704, 42501, 42883 where role, right
 * or function are gone; OA006 where it took too long.
 */
extern void oauth1_on_done_run(const oauth1_follow_up *follow_up);

/*
 * Was the error that oauth1_on_done_run raised not about it, but a cancel or the
 * statement_timeout of this session, or oauth1_on_done_stop?
 */
extern bool oauth1_on_done_was_cancelled(const ErrorData *error);

/*
 * From now on none is run in this process, and the one that runs is rolled back
 * as if it had not been tried.  For a signal handler of a worker that is to leave.
 */
extern void oauth1_on_done_stop(void);
extern bool oauth1_on_done_is_stopped(void);

#endif							/* OAUTH1_ON_DONE_H */
