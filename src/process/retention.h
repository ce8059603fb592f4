/*
 * retention.h
 *	  Calls that ended are deleted when oauth1.call_retention has passed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_RETENTION_H
#define OAUTH1_RETENTION_H

/*
 * Deletes a slice, in a transaction of its own, if it is time for one.  A failure
 * is logged, and the next slice is for later.  Outside a transaction.
 */
extern void oauth1_retention_step(void);

/* When it is time for the next (oauth1_monotonic_us's clock); PG_INT64_MAX: never. */
extern int64 oauth1_retention_due(void);

#endif							/* OAUTH1_RETENTION_H */
