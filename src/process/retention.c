/*
 * retention.c
 *	  Calls that ended are deleted when oauth1.call_retention has passed.
 *
 * In slices, so that no transaction of it is long, and with time between them, so
 * that it never takes the worker from its calls.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/settings.h"
#include "outside/transfer.h"
#include "process/background.h"
#include "process/retention.h"
#include "stored/queue.h"

/* Calls that a slice deletes, and the time between two of a round. */
#define SLICE 1000
#define BETWEEN_SLICES_US (USECS_PER_SEC / 5)

/* Between two rounds: a share of the retention, within bounds. */
#define SHARE 10
#define SHORTEST_US USECS_PER_SEC
#define LONGEST_US (10 * USECS_PER_MINUTE)

/* Where the round is, 0: at its begin; and when the last slice was done, 0: none was. */
static int64 after = 0;
static int64 last_slice = 0;

/* An operation. */
static void
purge_slice(void *unused)
{
	TimestampTz before = GetCurrentTimestamp() - oauth1_call_retention * USECS_PER_SEC;

	(void) oauth1_queue_purge(before, SLICE, &after);
}

static int64
between_rounds(void)
{
	int64		share = oauth1_call_retention * USECS_PER_SEC / SHARE;

	return Min(Max(share, SHORTEST_US), LONGEST_US);
}

static void
log_failure(ErrorData *error)
{
	error->elevel = LOG;
	ThrowErrorData(error);
	FreeErrorData(error);
}

void
oauth1_retention_step(void)
{
	ErrorData  *error;

	if (oauth1_monotonic_us() < oauth1_retention_due())
		return;
	oauth1_background_transactions.begin();
	error = oauth1_catch_all(purge_slice, NULL);
	if (error != NULL)
	{
		log_failure(error);
		after = 0;
	}
	oauth1_background_transactions.commit();
	last_slice = oauth1_monotonic_us();
}

int64
oauth1_retention_due(void)
{
	if (oauth1_call_retention < 0)
		return PG_INT64_MAX;
	if (last_slice == 0)
		return 0;
	return last_slice + (after != 0 ? BETWEEN_SLICES_US : between_rounds());
}
