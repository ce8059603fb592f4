/*
 * token_times.h
 *	  When a token was last used and refused.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TOKEN_TIMES_H
#define OAUTH1_TOKEN_TIMES_H

#include "datatype/timestamp.h"

/*
 * Notes that a token of this database was used, or refused by its service, now.
 * Exact to a second; at that rhythm a microsecond, else a few hundred
 * nanoseconds at most.  Never fails: without shared memory nothing is noted.
 */
extern void oauth1_token_note_use(const char *consumer, const char *token_name);
extern void oauth1_token_note_refusal(const char *consumer, const char *token_name);

/* When that was last; 0 where it is not known.  Of a token of that name, this one or an earlier. */
extern void oauth1_token_last(const char *consumer, const char *token_name,
							  TimestampTz *last_used, TimestampTz *last_refusal);

#endif							/* OAUTH1_TOKEN_TIMES_H */
