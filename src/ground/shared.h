/*
 * shared.h
 *	  What the server's sessions know together, in memory: it needs no write, so
 *	  calls on a standby or in a read-only transaction share it too.  It is gone
 *	  when the server restarts.
 *
 * Nothing here ever fails a call: where there is not enough shared memory, notes
 * are not kept and times are not known.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SHARED_H
#define OAUTH1_SHARED_H

#include "datatype/timestamp.h"

/*
 * Notes that a token of this database was used, or refused by its service, now.
 * Exact to a second; at that rhythm a few microseconds, else a few hundred
 * nanoseconds at most.
 */
extern void oauth1_shared_note_use(const char *consumer, const char *token_name);
extern void oauth1_shared_note_refusal(const char *consumer, const char *token_name);

/* When that was last; 0 where it is not known. */
extern void oauth1_shared_token_times(const char *consumer, const char *token_name,
									  TimestampTz *last_used, TimestampTz *last_refusal);

#endif							/* OAUTH1_SHARED_H */
