/*
 * catch.h
 *	  An error of one operation kept from ending the statement.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CATCH_H
#define OAUTH1_CATCH_H

#include "utils/elog.h"

/*
 * Runs the operation and returns NULL, or the error it raised, in the current
 * memory context.  It runs in a subtransaction, whose abort gives back what an
 * error in the middle leaves behind (locks, pins, a role that was switched); so
 * not where none can be started (outside a transaction, in parallel mode).
 * What says that the whole statement must end is raised on: a cancel, a
 * statement_timeout, a conflict with recovery.
 */
extern ErrorData *oauth1_catch(void (*operation) (void *), void *argument);

/*
 * The same for an operation whose end, of whatever kind, must first be written
 * down: what oauth1_catch raises on is returned as well.  Whoever calls this
 * raises it on when that is done.
 */
extern ErrorData *oauth1_catch_all(void (*operation) (void *), void *argument);

/* Is it about the whole statement: a cancel, a shutdown, a conflict with recovery? */
extern bool oauth1_error_ends_statement(const ErrorData *error);

/*
 * Is it a cancel of this session, or its statement_timeout?  Errors of that
 * SQLSTATE come from elsewhere, too: RAISE, a remote server.
 */
extern bool oauth1_error_is_cancel(const ErrorData *error);

/*
 * For an error that was caught where none can be raised on or returned: a cancel
 * comes again, as soon as interrupts are looked for.  error NULL: nothing.
 */
extern void oauth1_cancel_again(const ErrorData *error);

/* What an error says, in one line; palloc'd, or the error's own text. */
extern char *oauth1_error_line(const ErrorData *error);

/*
 * Runs the operation in a subtransaction that is kept where it returns true, and
 * else undone: its locks with it.  Returns the same.  Errors are raised on.
 */
extern bool oauth1_keep_if(bool (*operation) (void *), void *argument);

#endif							/* OAUTH1_CATCH_H */
