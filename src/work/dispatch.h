/*
 * dispatch.h
 *	  Claim, send, record: the loop that the worker and every drain run.
 *
 *		dispatch = oauth1_dispatch_begin(&transactions, concurrency, -1, true);
 *		for (;;)
 *		{
 *			error = oauth1_dispatch_lap(dispatch, true);
 *			... is it time to leave? ...
 *			error = oauth1_dispatch_wait(dispatch, until);
 *		}
 *		oauth1_dispatch_abandon(dispatch);
 *		oauth1_dispatch_end(dispatch);
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DISPATCH_H
#define OAUTH1_DISPATCH_H

#include "datatype/timestamp.h"
#include "utils/elog.h"

/*
 * How its process makes transactions.  Between commit and begin nothing is held
 * but session locks: no snapshot, no transaction id.  begin leaves an active
 * snapshot, commit takes it away; synchronous_commit is on in each.
 */
typedef struct oauth1_transactions
{
	void		(*begin) (void);
	void		(*commit) (void);
} oauth1_transactions;

typedef struct oauth1_dispatch oauth1_dispatch;

/*
 * In a memory context of its own, under the current one, outside a transaction of
 * transactions.  concurrency: how many calls of one consumer are under way at
 * once, and half of how many are claimed.  max_calls: how many it may claim in
 * all; -1: no bound.  Where claims fail, they are tried again and again; who is not
 * patient gives up after the fifth in a row, with nothing under way.
 */
extern oauth1_dispatch *oauth1_dispatch_begin(const oauth1_transactions *transactions,
											  int concurrency, int64 max_calls, bool patient);

/* concurrency is another from now on; what is under way is not touched. */
extern void oauth1_dispatch_set_concurrency(oauth1_dispatch *dispatch, int concurrency);

/*
 * Does everything that can be done now without waiting for the network: sends,
 * records what got done, runs what follows from it, looks for the dead, claims
 * (not where may_claim is false).  A failure of one call is that call's.
 * Returns NULL, or the error that ends it: no work is possible (the extension is
 * gone: 42704, 42P01, 3F000; foreign triggers: 55000; or not now), or a cancel.  The caller
 * then abandons, and raises it on.
 */
extern ErrorData *oauth1_dispatch_lap(oauth1_dispatch *dispatch, bool may_claim);

/*
 * Waits until something got done, the latch was set, or the time has come: that
 * one or the dispatch's own, whichever is first (oauth1_monotonic_us's clock).
 * Returns NULL, or an error as above; outside a transaction it raises it.
 */
extern ErrorData *oauth1_dispatch_wait(oauth1_dispatch *dispatch, int64 until);

/* There may be new calls: the next lap looks. */
extern void oauth1_dispatch_expect(oauth1_dispatch *dispatch);

/* Calls that are claimed and not yet recorded. */
extern int	oauth1_dispatch_claimed(const oauth1_dispatch *dispatch);

/* Is there anything else left to do here, now or at a later time? */
extern bool oauth1_dispatch_has_pending(const oauth1_dispatch *dispatch);

/* Could anything be done now?  For a drain, which does not wait for what is due later. */
extern bool oauth1_dispatch_has_due(const oauth1_dispatch *dispatch);

/*
 * Drops what is under way, at once, and records of each call what is true of it:
 * pending again where nothing was sent or it may be repeated, else uncertain.
 * Holds off interrupts.  Does not throw; what cannot be recorded is left to those
 * who find the claim dead.
 */
extern void oauth1_dispatch_abandon(oauth1_dispatch *dispatch);

/* Gives back claim number and memory. */
extern void oauth1_dispatch_end(oauth1_dispatch *dispatch);

#endif							/* OAUTH1_DISPATCH_H */
