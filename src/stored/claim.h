/*
 * claim.h
 *	  Who sends queued calls, and whether they still live.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CLAIM_H
#define OAUTH1_CLAIM_H

/*
 * A new claim number, never used before in this database, with the session lock
 * that says its owner lives.  The lock goes with the process, with
 * oauth1_claim_end, or with an abort of the top transaction, and by no SQL.
 */
extern int64 oauth1_claim_begin(void);
extern void oauth1_claim_end(int64 number);

/* Takes the lock again after such an abort; nothing where it is held. */
extern void oauth1_claim_restore(int64 number);

/* Could this session have its lock now: is its owner dead?  Leaves nothing locked. */
extern bool oauth1_claim_is_dead(int64 number);

/*
 * Locks, until the transaction ends, against others that claim calls with an
 * order_key; false where somebody else does so now.
 */
extern bool oauth1_claim_lock_ordered(void);

/* Becomes this database's one worker, as a session lock; false: there is one. */
extern bool oauth1_claim_become_worker(void);
extern void oauth1_claim_resign_worker(void);

/* Is this session the worker?  The abort of a top transaction ends that. */
extern bool oauth1_claim_is_worker(void);

#endif							/* OAUTH1_CLAIM_H */
