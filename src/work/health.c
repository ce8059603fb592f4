/*
 * health.c
 *	  health(): whether the queue is served, and what is wrong where it is not.
 *
 * Each question is asked for itself; an error is the answer to it, and a row, so
 * that one call tells all.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "ground/arena.h"
#include "ground/catch.h"
#include "ground/settings.h"
#include "ground/shared.h"
#include "stored/data_key_row.h"
#include "stored/health_facts.h"
#include "stored/queue.h"
#include "work/clock.h"
#include "work/worker_entry.h"

/* A call that is due waits no longer than that where all is well, in seconds. */
#define PATIENCE_S 60

/* Seconds between two clocks that no service minds. */
#define CLOCK_TOLERANCE 60

typedef struct checkup
{
	ReturnSetInfo *result;
	TimestampTz now;
	oauth1_queue_lane *lanes;	/* consumers that have pending calls */
	int			lane_count;
	const char *item;			/* what is asked for now */
} checkup;

/* ---------------------------------------------------------------- rows */

static void
put(checkup *checkup, bool ok, const char *detail)
{
	Datum		values[] = {
		CStringGetTextDatum(checkup->item), BoolGetDatum(ok), CStringGetTextDatum(detail)
	};
	bool		nulls[] = {false, false, false};

	tuplestore_putvalues(checkup->result->setResult, checkup->result->setDesc, values, nulls);
}

/* Seconds since then, or 0. */
static int64
age(const checkup *checkup, TimestampTz since)
{
	return Max((checkup->now - since) / USECS_PER_SEC, 0);
}

/* ---------------------------------------------------------------- the worker */

static bool
has_due_lane(const checkup *checkup)
{
	for (int i = 0; i < checkup->lane_count; i++)
		if (checkup->lanes[i].due <= checkup->now &&
			checkup->lanes[i].paused_until <= checkup->now)
			return true;
	return false;
}

static void
check_worker(checkup *checkup)
{
	oauth1_worker_entry entry = oauth1_worker_entry_read(MyDatabaseId);
	bool		waits = has_due_lane(checkup);

	if (RecoveryInProgress())
		put(checkup, true, "This server is a standby, which sends nothing until it is promoted.");
	else if (entry.pid != 0)
		put(checkup, true, psprintf("Process %d serves this database since %s.", entry.pid,
									timestamptz_to_str(entry.started_at)));
	else if (!oauth1_worker)
		put(checkup, !waits,
			"The setting oauth1.worker is off: calls wait for CALL oauth1.drain().");
	else if (!waits)
		put(checkup, true, "None runs, for no call is due.");
	else
		put(checkup, false, oauth1_is_preloaded ?
			"None runs, and calls are due. The launcher starts one as soon as the server has a place for it." :
			"None runs, and calls are due. The next call that is enqueued starts one, or CALL oauth1.drain() sends them.");
}

static const char *
failure_reason(int32 failure)
{
	switch (failure)
	{
		case OAUTH1_START_NO_SLOT:
			return "All places of max_worker_processes were taken. Raise that setting, which needs a restart, or let CALL oauth1.drain() send the calls.";
		case OAUTH1_START_UNHEARD:
			return "The server took the order, and no worker came. The server's log may tell why.";
		default:
			return "It ended by an error, which is in the server's log.";
	}
}

static void
check_start(checkup *checkup)
{
	oauth1_worker_entry entry = oauth1_worker_entry_read(MyDatabaseId);

	if (entry.failed_at == 0)
		put(checkup, true, "No failure to start a worker is known since the server started.");
	else
		put(checkup, entry.started_at > entry.failed_at,
			psprintf("The last failure was at %s. %s", timestamptz_to_str(entry.failed_at),
					 failure_reason(entry.failure)));
}

static void
check_restart(checkup *checkup)
{
	put(checkup, true, oauth1_is_preloaded ?
		"After a restart of the server the launcher starts a worker for pending calls." :
		"After a restart of the server pending calls wait for the next enqueue or drain, since shared_preload_libraries has no oauth1.");
}

static void
check_shared(checkup *checkup)
{
	bool		shared = oauth1_shared_is_shared();

	put(checkup, shared, shared ? "The sessions of the server know of each other." :
		"There was not enough shared memory: limits, clocks and workers are known to each session alone. Raise max_connections or min_dynamic_shared_memory a little.");
}

/* ---------------------------------------------------------------- the queue */

static void
check_pending(checkup *checkup)
{
	const oauth1_queue_lane *oldest = NULL;

	for (int i = 0; i < checkup->lane_count; i++)
	{
		const oauth1_queue_lane *lane = &checkup->lanes[i];

		if (lane->paused_until <= checkup->now && (oldest == NULL || lane->due < oldest->due))
			oldest = lane;
	}
	if (oldest == NULL)
		put(checkup, true, "No call is pending, but for paused consumers.");
	else if (oldest->due > checkup->now)
		put(checkup, true, psprintf("No call is due before %s.", timestamptz_to_str(oldest->due)));
	else
		put(checkup, age(checkup, oldest->due) <= PATIENCE_S,
			psprintf("A call of consumer \"%s\" has been due for " INT64_FORMAT " s.",
					 oldest->consumer, age(checkup, oldest->due)));
}

static void
check_running(checkup *checkup)
{
	oauth1_queue_facts facts;

	oauth1_queue_facts_read(&facts);
	if (facts.orphaned > 0)
		put(checkup, false,
			psprintf(INT64_FORMAT " of " INT64_FORMAT " were being sent by processes that are gone; the next worker or drain gives them a true state.",
					 facts.orphaned, facts.running));
	else if (facts.running > 0)
		put(checkup, true, psprintf(INT64_FORMAT ", the longest for " INT64_FORMAT " s.",
									facts.running, age(checkup, facts.oldest_claim)));
	else
		put(checkup, true, "No call is being sent.");
	checkup->item = "copied calls";
	if (facts.foreign > 0)
		put(checkup, false,
			psprintf(INT64_FORMAT " were enqueued on another server, or in another database, and are not sent here. oauth1.adopt_calls() takes them over, if that one will not send them.",
					 facts.foreign));
	else
		put(checkup, true, "No call comes from another server or database.");
}

static void
check_paused(checkup *checkup)
{
	char	   *names = oauth1_paused_consumers();

	put(checkup, names == NULL, names ? psprintf("Their credentials are refused: %s.", names) :
		"No consumer is paused.");
}

static void
check_ended(checkup *checkup)
{
	oauth1_ended_facts facts;
	int64		waits;

	oauth1_ended_facts_read(&facts);
	put(checkup, facts.uncertain == 0, facts.uncertain == 0 ?
		"None of those that ended in the last 24 hours." :
		psprintf(INT64_FORMAT " in the last 24 hours: whether they arrived is to be asked of the service; oauth1.retry_call() sends one again.",
				 facts.uncertain));
	checkup->item = "on_done";
	waits = facts.oldest_on_done ? age(checkup, facts.oldest_on_done) : 0;
	put(checkup, facts.failing == 0 && facts.given_up == 0 && waits <= PATIENCE_S,
		facts.failing == 0 && facts.given_up == 0 && waits == 0 ? "None waits or has failed." :
		psprintf(INT64_FORMAT " failed and are run again, " INT64_FORMAT " were given up in the last 24 hours; the longest wait is " INT64_FORMAT " s.",
				 facts.failing, facts.given_up, waits));
}

/* ---------------------------------------------------------------- keys, clocks, tables */

static void
check_data_keys(checkup *checkup, MemoryContext memory)
{
	int			count;
	oauth1_data_key_row *rows = oauth1_data_key_rows(&count);
	oauth1_key_problem problem = {.detail = ""};
	oauth1_keyring *ring;

	if (count == 0)
	{
		put(checkup, true, "None is needed yet: no secret is stored.");
		return;
	}
	ring = oauth1_keyring_read(memory, &problem);
	for (int i = 0; i < count; i++)
	{
		oa1_buffer *key = oauth1_secret_buffer(memory);
		bool		opens = oauth1_data_key_row_unwrap(&rows[i], ring, key, &problem);

		oa1_buffer_free(key);
		if (!opens)
		{
			put(checkup, false, psprintf("Data key \"%s\" does not open. %s", rows[i].id,
										 problem.detail));
			return;
		}
	}
	put(checkup, true, psprintf("All data keys open (%d).", count));
}

static void
check_keys(checkup *checkup)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
												 ALLOCSET_SMALL_SIZES);

	check_data_keys(checkup, memory);
	MemoryContextDelete(memory);
}

/* A clock that many services contradict is to be set right; what was learned bridges it. */
static void
check_clocks(checkup *checkup)
{
	StringInfoData detail;
	bool		fine = true;
	int			count;
	char	  **providers = oauth1_used_providers(&count);

	initStringInfo(&detail);
	for (int i = 0; i < count; i++)
	{
		int64		offset = oauth1_clock_offset(providers[i]);

		if (offset == 0)
			continue;
		appendStringInfo(&detail, "%s\"%s\" " INT64_FORMAT " s", detail.len > 0 ? ", " : "",
						 providers[i], offset);
		fine = fine && Abs(offset) <= CLOCK_TOLERANCE;
	}
	put(checkup, fine, detail.len == 0 ? "No service has contradicted the server's clock." :
		psprintf("What services' clocks are ahead of this server's: %s.", detail.data));
}

static void
check_tables(checkup *checkup)
{
	oauth1_queue_tables_check();
	put(checkup, true, "The queue's tables have no trigger or rule that is not the extension's.");
}

/* ---------------------------------------------------------------- all of it */

typedef struct question
{
	const char *item;
	void		(*ask) (checkup *);
	checkup    *checkup;
} question;

/* An operation. */
static void
ask(void *argument)
{
	question   *question = argument;

	question->checkup->item = question->item;
	question->ask(question->checkup);
}

static void
put_error(checkup *checkup, const ErrorData *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "%s: %s.", unpack_sql_state(error->sqlerrcode), error->message);
	if (error->detail != NULL)
		appendStringInfo(&detail, " %s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&detail, " %s", error->hint);
	put(checkup, false, detail.data);
}

PG_FUNCTION_INFO_V1(oauth1_system_identifier);
PG_FUNCTION_INFO_V1(oauth1_worker_pid);
PG_FUNCTION_INFO_V1(oauth1_health);

/* _system_identifier() */
Datum
oauth1_system_identifier(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) GetSystemIdentifier());
}

/* _worker_pid() */
Datum
oauth1_worker_pid(PG_FUNCTION_ARGS)
{
	int			pid = oauth1_worker_entry_read(MyDatabaseId).pid;

	if (pid == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}

/* health() → (item, ok, detail) */
Datum
oauth1_health(PG_FUNCTION_ARGS)
{
	checkup		checkup = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	question	questions[] = {
		{"worker", check_worker}, {"worker start", check_start}, {"restart", check_restart},
		{"shared memory", check_shared}, {"pending calls", check_pending},
		{"running calls", check_running}, {"paused consumers", check_paused},
		{"uncertain calls", check_ended}, {"keys", check_keys}, {"clocks", check_clocks},
		{"tables", check_tables},
	};

	InitMaterializedSRF(fcinfo, 0);
	checkup.now = GetCurrentTimestamp();
	checkup.lanes = oauth1_queue_lanes(NULL, 0, &checkup.lane_count);
	for (int i = 0; i < lengthof(questions); i++)
	{
		ErrorData  *error;

		questions[i].checkup = &checkup;
		error = oauth1_catch(ask, &questions[i]);
		if (error != NULL)
			put_error(&checkup, error);
	}
	return (Datum) 0;
}
