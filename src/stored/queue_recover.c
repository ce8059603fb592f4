/*
 * queue_recover.c
 *	  Calls of the dead: what can be said of them, and what happens next.
 *
 * After a death only the claim is on disk.  Whether the request was sent, nobody
 * knows; so a call that must not be repeated is uncertain.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "stored/claim.h"
#include "stored/queue_private.h"

/* ---------------------------------------------------------------- whose claims there are */

/*
 * Jumps through queue_claim from number to number.  The limits keep it out of this
 * process's own part, where every call that it sent has left an entry until it is
 * vacuumed.
 */
static oauth1_statement select_next_claim = {
	.sql = "SELECT claim FROM oauth1.queue WHERE claim > $1 AND claim < $2 "
	"AND system_identifier = $3 AND database = $4 ORDER BY claim LIMIT 1",
	.nargs = 4,
	.types = {INT8OID, INT8OID, INT8OID, OIDOID},
};

/* The first number between two, 0 where there is none. */
static int64
next_claim(int64 low, int64 high)
{
	uint64		rows = oauth1_query_read(&select_next_claim, (Datum[]) {
		Int64GetDatum(low), Int64GetDatum(high),
		oauth1_queue_system_identifier(), oauth1_queue_database()
	}, NULL);

	return rows == 0 ? 0 : DatumGetInt64(oauth1_queue_value(0, 1));
}

/* ---------------------------------------------------------------- one of them */

static oauth1_statement lock_calls = {
	.sql = "SELECT q.id, q.claimed_at, c.idempotent OR coalesce(q.keyed, false), "
	"c.attempts + 1, c.max_attempts FROM oauth1.queue q, "
	"LATERAL (SELECT idempotent, cardinality(attempts) AS attempts, max_attempts "
	"FROM oauth1.call WHERE id = q.id OFFSET 0) c "
	"WHERE q.claim = $1 AND q.system_identifier = $2 AND q.database = $3 "
	"FOR UPDATE OF q SKIP LOCKED",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

static oauth1_call_state
state_after_death(bool repeatable, int attempts, int max_attempts)
{
	if (!repeatable)
		return OAUTH1_STATE_UNCERTAIN;
	return attempts < max_attempts ? OAUTH1_STATE_PENDING : OAUTH1_STATE_FAILED;
}

static void
read_record(oauth1_record *record, uint64 row)
{
	*record = (oauth1_record) {
		.id = DatumGetInt64(oauth1_queue_value(row, 1)),
		.due = GetCurrentTimestamp(),
		.attempted = true,
		.n = DatumGetInt32(oauth1_queue_value(row, 4)),
		.started_at = DatumGetTimestampTz(oauth1_queue_value(row, 2)),
		.elapsed_ms = -1,
		.sqlstate = "OA009",
		.error = "the process that was sending it ended; whether it was received is not known",
		.sent = true,
	};
	record->state = state_after_death(DatumGetBool(oauth1_queue_value(row, 3)), record->n,
									  DatumGetInt32(oauth1_queue_value(row, 5)));
}

/* Room for so many more. */
static void
enlarge(oauth1_queue_ended *ended, int count, MemoryContext memory)
{
	oauth1_queue_ended larger = {
		.count = ended->count,
		.ids = MemoryContextAlloc(memory, sizeof(*ended->ids) * (ended->count + count + 1)),
		.states = MemoryContextAlloc(memory, sizeof(*ended->states) * (ended->count + count + 1)),
	};

	if (ended->count > 0)
	{
		memcpy(larger.ids, ended->ids, sizeof(*ended->ids) * ended->count);
		memcpy(larger.states, ended->states, sizeof(*ended->states) * ended->count);
		pfree(ended->ids);
		pfree(ended->states);
	}
	*ended = larger;
}

/* Inside an oauth1_query.  Returns how many calls it was. */
static int
recover_claim(int64 number, oauth1_queue_ended *ended, MemoryContext memory)
{
	int			count = (int) oauth1_query_write(&lock_calls, (Datum[]) {
		Int64GetDatum(number), oauth1_queue_system_identifier(), oauth1_queue_database()
	}, NULL);
	oauth1_record *records = palloc(sizeof(*records) * Max(count, 1));
	const oauth1_record **pointers = palloc(sizeof(*pointers) * Max(count, 1));

	enlarge(ended, count, memory);
	for (int i = 0; i < count; i++)
	{
		pointers[i] = &records[i];
		read_record(&records[i], i);
		if (records[i].state != OAUTH1_STATE_PENDING)
		{
			ended->ids[ended->count] = records[i].id;
			ended->states[ended->count++] = records[i].state;
		}
	}
	return oauth1_queue_record(number, pointers, count, false);
}

int
oauth1_queue_recover(int64 own_claim_number, oauth1_queue_ended *ended)
{
	oauth1_query query;
	int64		low = 0;
	int			recovered = 0;

	*ended = (oauth1_queue_ended) {0};
	oauth1_queue_begin(&query);
	for (;;)
	{
		int64		high = low < own_claim_number ? own_claim_number : PG_INT64_MAX;
		int64		number = next_claim(low, high);

		if (number != 0 && oauth1_claim_is_dead(number))
			recovered += recover_claim(number, ended, query.caller_memory);
		if (number == 0 && high == PG_INT64_MAX)
			break;
		low = number != 0 ? number : own_claim_number;
	}
	oauth1_query_end(&query);
	return recovered;
}
