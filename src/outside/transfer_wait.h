/*
 * transfer_wait.h
 *	  libcurl's multi interface in a PostgreSQL session: one connection cache,
 *	  waits that see the latch, signals and descriptors accounted for.
 *
 * transfer.c knows what an exchange is; this knows only easy handles in flight.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TRANSFER_WAIT_H
#define OAUTH1_TRANSFER_WAIT_H

#include <curl/curl.h>

/*
 * Makes the session's multi handle where there is none.  Raises an error where
 * that fails, or where the libcurl at hand is too old; the next call tries again.
 */
extern void oauth1_wait_prepare(void);

/*
 * Puts a handle in flight, after kept connections that are no longer fit to be
 * used were retired.  oauth1_wait_prepare must have been called in this session.
 * Never throws; what libcurl says of it is returned.
 */
extern CURLMcode oauth1_wait_add(CURL *easy);

/*
 * Takes a handle out of flight.  Where it was not done its connection is
 * closed; a resolver thread is left to itself.  Never throws, never waits.
 */
extern void oauth1_wait_remove(CURL *easy);

/*
 * Waits, once, until a socket or a timer of libcurl, the latch or the time
 * until (of oauth1_monotonic_us's clock) comes, and lets libcurl work.  True
 * where it was the latch, which was reset.  Raises what CHECK_FOR_INTERRUPTS
 * does, and an error where libcurl's or the kernel's bookkeeping fails; nothing
 * is lost by that.
 */
extern bool oauth1_wait_once(int64 until);

/* True where one more handle may be put in flight within fd.c's budget.  Never throws. */
extern bool oauth1_wait_has_room(void);

/*
 * Closes all kept connections: now, or with the next oauth1_wait_prepare that
 * finds nothing in flight.  Never throws.
 */
extern void oauth1_wait_drop(void);

/* Hands out, one by one, the handles that got done; false: no more. */
extern bool oauth1_wait_next_done(CURL **easy, CURLcode *code);

/* CURLOPT_RESOLVER_START_FUNCTION calls this: a thread is about to be made. */
extern void oauth1_wait_block_signals(void);

#endif							/* OAUTH1_TRANSFER_WAIT_H */
