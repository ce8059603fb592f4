/*
 * fault.h
 *	  Death at a named point, for the torture of the queue: only in a build with
 *	  -DOAUTH1_FAULTS.  In any other a point is nothing at all.
 *
 * The points are the letters of docs/queue.md.  What happens at one of them is
 * ordered from outside: test/torture writes the file oauth1.fault into the data
 * directory,
 *
 *		POINT ACTION SKIP [ANYTHING]
 *
 * and the first process that comes by that point, after SKIP times on which it
 * did not, renames it to oauth1.fault.struck and does it, once.  Actions:
 *
 *		kill		SIGKILL to this process
 *		terminate	SIGTERM to it
 *		postmaster	SIGKILL to the postmaster, then to this process
 *		orphan		SIGKILL to the postmaster; this process finds out by itself
 *		immediate	an immediate shutdown of the server, and no step further
 *		error		an error; where none may be raised, a cancel, which is one
 *					as soon as interrupts are looked for
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_FAULT_H
#define OAUTH1_FAULT_H

#ifdef OAUTH1_FAULTS

/* What may be done at a point, besides dying. */
typedef enum oauth1_fault_manner
{
	OAUTH1_FAULT_RAISES,		/* raise an error */
	OAUTH1_FAULT_CANCELS,		/* called from libcurl: cancel the session */
	OAUTH1_FAULT_DIES			/* after a commit: nothing */
} oauth1_fault_manner;

/*
 * Does what was ordered for this point, if anything was; true where the session
 * was cancelled or told to end, which it will see when it looks for interrupts.
 * Allocates nothing.
 */
extern bool oauth1_fault(const char *point, oauth1_fault_manner manner);

#define OAUTH1_FAULT(point) ((void) oauth1_fault(point, OAUTH1_FAULT_RAISES))
#define OAUTH1_FAULT_IN_CALLBACK(point) ((void) oauth1_fault(point, OAUTH1_FAULT_CANCELS))
#define OAUTH1_FAULT_AT_COMMIT(point) ((void) oauth1_fault(point, OAUTH1_FAULT_DIES))

/* For a callback that can refuse to go on, and does where this is true. */
#define OAUTH1_FAULT_REFUSES(point) oauth1_fault(point, OAUTH1_FAULT_CANCELS)

#else

#define OAUTH1_FAULT(point) ((void) 0)
#define OAUTH1_FAULT_IN_CALLBACK(point) ((void) 0)
#define OAUTH1_FAULT_AT_COMMIT(point) ((void) 0)
#define OAUTH1_FAULT_REFUSES(point) false

#endif							/* OAUTH1_FAULTS */

#endif							/* OAUTH1_FAULT_H */
