/*
 * queue_lanes.c
 *	  Which consumers have calls that wait.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stored/queue_private.h"

/*
 * Jumps through queue_due from consumer to consumer.  Under an old snapshot the
 * entries of a million claimed calls stand in that index, and each is visited by
 * a scan that passes it.  So a known consumer's part of the index is entered at
 * its position only, and the others are looked for in the gaps between the known.
 */
static oauth1_statement select_lanes = {
	.sql = "WITH RECURSIVE known AS ("
	"SELECT k.consumer, k.due, k.id, lead(k.consumer) OVER (ORDER BY k.consumer) AS next "
	"FROM unnest($3, $4, $5) AS k(consumer, due, id)), "
	"fresh(consumer, due, high) AS ("
	"SELECT '', NULL::timestamptz, min(consumer) FROM known "
	"UNION ALL "
	"SELECT consumer, NULL, next FROM known "
	"UNION ALL "
	"SELECT n.consumer, n.due, f.high FROM fresh f, LATERAL ("
	"(SELECT q.consumer, q.due FROM oauth1.queue q "
	"WHERE q.system_identifier = $1 AND q.database = $2 AND q.claim IS NULL "
	"AND q.consumer > f.consumer AND q.consumer < f.high "
	"ORDER BY q.consumer, q.due, q.id LIMIT 1) "
	"UNION ALL "
	"(SELECT q.consumer, q.due FROM oauth1.queue q "
	"WHERE f.high IS NULL "
	"AND q.system_identifier = $1 AND q.database = $2 AND q.claim IS NULL "
	"AND q.consumer > f.consumer "
	"ORDER BY q.consumer, q.due, q.id LIMIT 1)) n), "
	"lane AS ("
	"SELECT consumer, due FROM fresh WHERE due IS NOT NULL "
	"UNION ALL "
	"SELECT k.consumer, n.due FROM known k, LATERAL ("
	"SELECT q.due FROM oauth1.queue q "
	"WHERE q.system_identifier = $1 AND q.database = $2 AND q.claim IS NULL "
	"AND q.consumer = k.consumer AND (q.due, q.id) > (k.due, k.id) "
	"ORDER BY q.due, q.id LIMIT 1) n) "
	"SELECT l.consumer, l.due, "
	"coalesce((SELECT coalesce("
	"(SELECT p.options FROM oauth1.provider p WHERE p.name = c.provider), "
	"(SELECT p.options FROM oauth1.preset p WHERE p.name = c.provider)) "
	"->> 'idempotency_header' IS NOT NULL "
	"FROM oauth1.consumer c WHERE c.name = l.consumer), false), "
	"(SELECT s.until FROM oauth1.consumer_pause s WHERE s.consumer = l.consumer) "
	"FROM lane l",
	.nargs = 5,
	.types = {INT8OID, OIDOID, TEXTARRAYOID, TIMESTAMPTZARRAYOID, INT8ARRAYOID},
};

static void
put_known(Datum *values, const oauth1_queue_wish *known, int count)
{
	Datum	   *consumers = palloc(sizeof(Datum) * Max(count, 1));
	Datum	   *dues = palloc(sizeof(Datum) * Max(count, 1));
	Datum	   *ids = palloc(sizeof(Datum) * Max(count, 1));

	for (int i = 0; i < count; i++)
	{
		consumers[i] = CStringGetTextDatum(known[i].consumer);
		dues[i] = TimestampTzGetDatum(known[i].after.due);
		ids[i] = Int64GetDatum(known[i].after.id);
	}
	values[0] = oauth1_queue_array(TEXTOID, consumers, NULL, count);
	values[1] = oauth1_queue_array(TIMESTAMPTZOID, dues, NULL, count);
	values[2] = oauth1_queue_array(INT8OID, ids, NULL, count);
}

static void
fill_lane(oauth1_queue_lane *lane, uint64 row, MemoryContext memory)
{
	bool		isnull;
	Datum		until;

	lane->consumer = oauth1_column_cstring(row, 1, memory);
	lane->due = DatumGetTimestampTz(oauth1_queue_value(row, 2));
	lane->has_idempotency_header = DatumGetBool(oauth1_queue_value(row, 3));
	until = oauth1_column_datum(row, 4, memory, &isnull);
	lane->paused_until = isnull ? 0 : DatumGetTimestampTz(until);
}

oauth1_queue_lane *
oauth1_queue_lanes(const oauth1_queue_wish *known, int known_count, int *count)
{
	oauth1_query query;
	oauth1_queue_lane *lanes;
	Datum		values[5];

	oauth1_queue_begin(&query);
	values[0] = oauth1_queue_system_identifier();
	values[1] = oauth1_queue_database();
	put_known(values + 2, known, known_count);
	*count = (int) oauth1_query_read(&select_lanes, values, NULL);
	lanes = MemoryContextAlloc(query.caller_memory, sizeof(*lanes) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		fill_lane(&lanes[i], i, query.caller_memory);
	oauth1_query_end(&query);
	return lanes;
}
