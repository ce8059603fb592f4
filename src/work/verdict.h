/*
 * verdict.h
 *	  What an attempt means for its call: whether it has ended, how, and when it is
 *	  tried again.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_VERDICT_H
#define OAUTH1_VERDICT_H

#include "stored/queue.h"
#include "utils/elog.h"
#include "work/call.h"

/* An attempt that is over. */
typedef struct oauth1_attempt
{
	const oauth1_claimed *claimed;
	oauth1_call *call;			/* NULL: it did not come to one */
	const ErrorData *error;		/* what was raised; NULL: nothing was */
	TimestampTz started_at;
	int64		started;		/* on oauth1_monotonic_us's clock */
	bool		keyed;			/* an idempotency key went out with it */
} oauth1_attempt;

/*
 * Fills in the record.  Its texts and values are in the current memory context,
 * or the call's.  In a transaction: an outcome becomes words in a subtransaction.
 */
extern void oauth1_verdict(const oauth1_attempt *attempt, oauth1_record *record);

/* The record of a call that was claimed and not tried. */
extern void oauth1_verdict_untried(const oauth1_claimed *claimed, oauth1_record *record);

#endif							/* OAUTH1_VERDICT_H */
