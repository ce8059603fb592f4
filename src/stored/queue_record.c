/*
 * queue_record.c
 *	  Writing down what became of calls.
 *
 * The queue first: it says which of them this claim number still has.  Recording
 * touches no index of oauth1.call, so its rows stay on their pages (HOT).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stored/queue_private.h"

/* So much of responses goes into one statement, or a single larger one. */
#define SLICE_OCTETS (4 * 1024 * 1024)

static const char *const state_names[] = {
	[OAUTH1_STATE_PENDING] = "pending",
	[OAUTH1_STATE_DONE] = "done",
	[OAUTH1_STATE_FAILED] = "failed",
	[OAUTH1_STATE_UNCERTAIN] = "uncertain",
	[OAUTH1_STATE_CANCELLED] = "cancelled",
};

const char *
oauth1_call_state_name(oauth1_call_state state)
{
	return state_names[state];
}

/* Places in a record's response. */
enum
{
	RESPONSE_CONTENT_TYPE = 1,
	RESPONSE_HEADERS,
	RESPONSE_BODY,
	RESPONSE_BODY_BYTES
};

/* ---------------------------------------------------------------- the queue */

/* IS NOT DISTINCT: no index has that, so it is the ids that are looked for. */
static oauth1_statement delete_ended = {
	.sql = "DELETE FROM oauth1.queue WHERE id = ANY ($2) AND claim IS NOT DISTINCT FROM $1 "
	"RETURNING id",
	.nargs = 2,
	.types = {INT8OID, INT8ARRAYOID},
};

static oauth1_statement put_back = {
	.sql = "UPDATE oauth1.queue SET claim = NULL, claimed_at = NULL, keyed = NULL, "
	"due = $3[array_position($2, id)] "
	"WHERE id = ANY ($2) AND claim IS NOT DISTINCT FROM $1 "
	"RETURNING id",
	.nargs = 3,
	.types = {INT8OID, INT8ARRAYOID, TIMESTAMPTZARRAYOID},
};

/* Runs one of the two on the records that are (not) pending, and marks those it found. */
static void
release(int64 claim_number, const oauth1_record *const *records, int count, bool pending,
		bool *found)
{
	Datum	   *ids = palloc(sizeof(Datum) * count);
	Datum	   *dues = palloc(sizeof(Datum) * count);
	int		   *numbers = palloc(sizeof(int) * count);
	int			chosen = 0;
	uint64		rows;

	for (int i = 0; i < count; i++)
		if ((records[i]->state == OAUTH1_STATE_PENDING) == pending)
		{
			ids[chosen] = Int64GetDatum(records[i]->id);
			dues[chosen] = TimestampTzGetDatum(records[i]->due);
			numbers[chosen++] = i;
		}
	if (chosen == 0)
		return;
	rows = oauth1_query_write(pending ? &put_back : &delete_ended, (Datum[]) {
		Int64GetDatum(claim_number),
		oauth1_queue_array(INT8OID, ids, NULL, chosen),
		oauth1_queue_array(TIMESTAMPTZOID, dues, NULL, chosen)
	}, NULL);
	for (uint64 row = 0; row < rows; row++)
		found[numbers[oauth1_queue_place(row, ids, chosen)]] = true;
}

/* ---------------------------------------------------------------- the calls */

static oauth1_statement update_calls = {
	.sql = "UPDATE oauth1.call SET (state, finished_at, attempts, status, reply_content_type, "
	"reply_headers, reply_body, reply_body_bytes, elapsed_ms, sqlstate, error) = "
	"(SELECT $3[i], CASE WHEN $3[i] IS NOT NULL THEN $1 END, "
	"CASE WHEN $4[i] THEN attempts || ROW($5[i], $6[i], $7[i], $8[i], $9[i], $10[i], $11[i])"
	"::oauth1.call_attempt ELSE attempts END, "
	"$8[i], $12[i], $13[i], $14[i], $15[i], $7[i], $9[i], $10[i] "
	"FROM (SELECT array_position($2, id) AS i OFFSET 0) r) "
	"WHERE id = ANY ($2) "
	"RETURNING id, on_done IS NOT NULL AND state <> 'cancelled'",
	.nargs = 15,
	.types = {TIMESTAMPTZOID, INT8ARRAYOID, TEXTARRAYOID, BOOLARRAYOID, INT4ARRAYOID,
		TIMESTAMPTZARRAYOID, FLOAT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
	BOOLARRAYOID, TEXTARRAYOID, JSONBARRAYOID, TEXTARRAYOID, BYTEAARRAYOID},
};

/* The arrays of update_calls, and what they hold. */
enum
{
	CALL_ID,
	CALL_STATE,
	CALL_ATTEMPTED,
	CALL_N,
	CALL_STARTED_AT,
	CALL_ELAPSED_MS,
	CALL_STATUS,
	CALL_SQLSTATE,
	CALL_ERROR,
	CALL_SENT,
	CALL_CONTENT_TYPE,
	CALL_HEADERS,
	CALL_BODY,
	CALL_BODY_BYTES,
	CALL_ARRAYS
};

static const Oid call_types[CALL_ARRAYS] = {
	[CALL_ID] = INT8OID,
	[CALL_STATE] = TEXTOID,
	[CALL_ATTEMPTED] = BOOLOID,
	[CALL_N] = INT4OID,
	[CALL_STARTED_AT] = TIMESTAMPTZOID,
	[CALL_ELAPSED_MS] = FLOAT8OID,
	[CALL_STATUS] = INT4OID,
	[CALL_SQLSTATE] = TEXTOID,
	[CALL_ERROR] = TEXTOID,
	[CALL_SENT] = BOOLOID,
	[CALL_CONTENT_TYPE] = TEXTOID,
	[CALL_HEADERS] = JSONBOID,
	[CALL_BODY] = TEXTOID,
	[CALL_BODY_BYTES] = BYTEAOID,
};

typedef struct call_arrays
{
	int			count;
	Datum	   *values[CALL_ARRAYS];
	bool	   *nulls[CALL_ARRAYS];
} call_arrays;

static void
put(call_arrays *arrays, int array, bool isnull, Datum value)
{
	arrays->values[array][arrays->count] = value;
	arrays->nulls[array][arrays->count] = isnull;
}

static void
put_text(call_arrays *arrays, int array, const char *text)
{
	put(arrays, array, text == NULL, text ? CStringGetTextDatum(text) : (Datum) 0);
}

static const char *
error_of(const oauth1_record *record, bool without_bodies)
{
	static const char *const lost = "its headers and its body could not be stored";

	if (!without_bodies || !record->has_response)
		return record->error;
	return record->error ? psprintf("%s; %s", record->error, lost) : lost;
}

static void
put_response(call_arrays *arrays, const oauth1_record *record, bool without_bodies)
{
	static const struct
	{
		int			array;
		int			column;
		bool		bulk;
	}			columns[] = {
		{CALL_CONTENT_TYPE, RESPONSE_CONTENT_TYPE, false},
		{CALL_HEADERS, RESPONSE_HEADERS, true},
		{CALL_BODY, RESPONSE_BODY, true},
		{CALL_BODY_BYTES, RESPONSE_BODY_BYTES, true},
	};

	for (int i = 0; i < lengthof(columns); i++)
		put(arrays, columns[i].array,
			!record->has_response || record->response_null[columns[i].column] ||
			(without_bodies && columns[i].bulk),
			record->response[columns[i].column]);
}

static void
put_record(call_arrays *arrays, const oauth1_record *record, bool without_bodies)
{
	put(arrays, CALL_ID, false, Int64GetDatum(record->id));
	put_text(arrays, CALL_STATE,
			 record->state == OAUTH1_STATE_PENDING ? NULL : state_names[record->state]);
	put(arrays, CALL_ATTEMPTED, false, BoolGetDatum(record->attempted));
	put(arrays, CALL_N, false, Int32GetDatum(record->n));
	put(arrays, CALL_STARTED_AT, false, TimestampTzGetDatum(record->started_at));
	put(arrays, CALL_ELAPSED_MS, !record->attempted || record->elapsed_ms < 0,
		Float8GetDatum(record->elapsed_ms));
	put(arrays, CALL_STATUS, record->status == 0, Int32GetDatum(record->status));
	put_text(arrays, CALL_SQLSTATE, record->sqlstate);
	put_text(arrays, CALL_ERROR, error_of(record, without_bodies));
	put(arrays, CALL_SENT, false, BoolGetDatum(record->sent));
	put_response(arrays, record, without_bodies);
	arrays->count++;
}

static size_t
response_octets(const oauth1_record *record)
{
	static const int columns[] = {RESPONSE_HEADERS, RESPONSE_BODY, RESPONSE_BODY_BYTES};
	size_t		octets = 0;

	for (int i = 0; record->has_response && i < lengthof(columns); i++)
		if (!record->response_null[columns[i]])
			octets += VARSIZE_ANY(DatumGetPointer(record->response[columns[i]]));
	return octets;
}

/* Writes one slice; adds to follow_ups the ids of those whose on_done is to run. */
static void
update_slice(const call_arrays *arrays, Datum *follow_ups, int *follow_up_count)
{
	Datum		values[CALL_ARRAYS + 1] = {TimestampTzGetDatum(GetCurrentTimestamp())};
	uint64		rows;

	for (int i = 0; i < CALL_ARRAYS; i++)
		values[i + 1] = oauth1_queue_array(call_types[i], arrays->values[i], arrays->nulls[i],
										   arrays->count);
	rows = oauth1_query_write(&update_calls, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Datum		follows = oauth1_column_datum(row, 2, CurrentMemoryContext, &isnull);

		/* Null: it is pending. */
		if (!isnull && DatumGetBool(follows))
			follow_ups[(*follow_up_count)++] = oauth1_queue_value(row, 1);
	}
}

/* Writes those of the records that were found; returns how many ids are in follow_ups. */
static int
update_found(const oauth1_record *const *records, int count, const bool *found,
			 bool without_bodies, Datum *follow_ups)
{
	call_arrays arrays = {0};
	size_t		octets = 0;
	int			follow_up_count = 0;

	for (int i = 0; i < CALL_ARRAYS; i++)
	{
		arrays.values[i] = palloc(sizeof(Datum) * count);
		arrays.nulls[i] = palloc(sizeof(bool) * count);
	}
	for (int i = 0; i < count; i++)
	{
		const oauth1_record *record = records[i];

		/* Given back: nothing happened to it. */
		if (!found[i] || (record->state == OAUTH1_STATE_PENDING && !record->attempted))
			continue;
		if (arrays.count > 0 && octets + response_octets(record) > SLICE_OCTETS)
		{
			update_slice(&arrays, follow_ups, &follow_up_count);
			arrays.count = 0;
			octets = 0;
		}
		put_record(&arrays, record, without_bodies);
		octets += response_octets(record);
	}
	if (arrays.count > 0)
		update_slice(&arrays, follow_ups, &follow_up_count);
	return follow_up_count;
}

/* ---------------------------------------------------------------- what follows */

/* One that is there already is of an earlier end of a call that was sent again. */
static oauth1_statement insert_follow_ups = {
	.sql = "INSERT INTO oauth1.follow_up (id, system_identifier, database, due) "
	"SELECT id, $1, $2, $3 FROM unnest($4) AS id "
	"ON CONFLICT (id) DO UPDATE SET due = excluded.due, attempts = 0",
	.nargs = 4,
	.types = {INT8OID, OIDOID, TIMESTAMPTZOID, INT8ARRAYOID},
};

static void
add_follow_ups(Datum *ids, int count)
{
	if (count > 0)
		(void) oauth1_query_write(&insert_follow_ups, (Datum[]) {
			oauth1_queue_system_identifier(), oauth1_queue_database(),
			TimestampTzGetDatum(GetCurrentTimestamp()),
			oauth1_queue_array(INT8OID, ids, NULL, count)
		}, NULL);
}

int
oauth1_queue_record(int64 claim_number, const oauth1_record *const *records, int count,
					bool without_bodies)
{
	oauth1_query query;
	bool	   *found;
	Datum	   *follow_ups;
	int			recorded = 0;

	if (count == 0)
		return 0;
	oauth1_queue_begin(&query);
	found = palloc0(sizeof(bool) * count);
	follow_ups = palloc(sizeof(Datum) * count);
	release(claim_number, records, count, false, found);
	release(claim_number, records, count, true, found);
	add_follow_ups(follow_ups, update_found(records, count, found, without_bodies, follow_ups));
	for (int i = 0; i < count; i++)
		recorded += found[i];
	oauth1_query_end(&query);
	return recorded;
}
