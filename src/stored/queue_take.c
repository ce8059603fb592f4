/*
 * queue_take.c
 *	  Marking calls as claimed, and reading what is needed to send them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "stored/queue_private.h"

/*
 * A row that somebody updated since the statement's snapshot is looked at again as
 * it is now, when it is locked.  coalesce, so that no index fits but that of ids.
 */
static oauth1_statement mark_claimed = {
	.sql = "UPDATE oauth1.queue SET claim = $1, claimed_at = $2, "
	"keyed = id = ANY ($4) "
	"WHERE ctid = ANY (ARRAY(SELECT ctid FROM oauth1.queue "
	"WHERE id = ANY ($3) AND coalesce(claim, 0) = 0 AND due <= $2 FOR UPDATE SKIP LOCKED)) "
	"RETURNING id",
	.nargs = 4,
	.types = {INT8OID, TIMESTAMPTZOID, INT8ARRAYOID, INT8ARRAYOID},
};

static oauth1_statement read_calls = {
	.sql = "SELECT id, consumer, token, http_method, url, headers, "
	"content_type, body, timeout_ms, cardinality(attempts), max_attempts, idempotent, "
	"idempotency_key, order_key, enqueued_by, enqueued_by_name, on_done IS NOT NULL "
	"FROM oauth1.call WHERE id = ANY ($1)",
	.nargs = 1,
	.types = {INT8ARRAYOID},
};

enum
{
	CALL_ID = 1,
	CALL_CONSUMER,
	CALL_TOKEN,
	CALL_HTTP_METHOD,
	CALL_URL,
	CALL_HEADERS,
	CALL_CONTENT_TYPE,
	CALL_BODY,
	CALL_TIMEOUT_MS,
	CALL_ATTEMPTS,
	CALL_MAX_ATTEMPTS,
	CALL_IDEMPOTENT,
	CALL_IDEMPOTENCY_KEY,
	CALL_ORDER_KEY,
	CALL_ENQUEUED_BY,
	CALL_ENQUEUED_BY_NAME,
	CALL_HAS_ON_DONE
};

static void
read_request(oauth1_claimed *call, uint64 row, MemoryContext memory)
{
	bool		isnull;

	call->consumer = oauth1_column_cstring(row, CALL_CONSUMER, memory);
	call->token = oauth1_column_cstring(row, CALL_TOKEN, memory);
	call->http_method = oauth1_column_cstring(row, CALL_HTTP_METHOD, memory);
	call->url = oauth1_column_cstring(row, CALL_URL, memory);
	call->headers = (Jsonb *)
		DatumGetPointer(oauth1_column_datum(row, CALL_HEADERS, memory, &isnull));
	call->content_type = oauth1_column_cstring(row, CALL_CONTENT_TYPE, memory);
	call->body = (bytea *)
		DatumGetPointer(oauth1_column_datum(row, CALL_BODY, memory, &isnull));
	/* Null comes as 0. */
	call->timeout_ms = DatumGetInt32(oauth1_queue_value(row, CALL_TIMEOUT_MS));
}

static void
read_claimed(oauth1_claimed *call, uint64 row, MemoryContext memory)
{
	bool		isnull;

	read_request(call, row, memory);
	call->attempts = DatumGetInt32(oauth1_queue_value(row, CALL_ATTEMPTS));
	call->max_attempts = DatumGetInt32(oauth1_queue_value(row, CALL_MAX_ATTEMPTS));
	call->idempotent = DatumGetBool(oauth1_queue_value(row, CALL_IDEMPOTENT));
	call->idempotency_key = *DatumGetUUIDP(oauth1_column_datum(row, CALL_IDEMPOTENCY_KEY,
															   CurrentMemoryContext, &isnull));
	call->order_key = oauth1_column_cstring(row, CALL_ORDER_KEY, memory);
	call->role = DatumGetObjectId(oauth1_queue_value(row, CALL_ENQUEUED_BY));
	call->role_name = oauth1_column_cstring(row, CALL_ENQUEUED_BY_NAME, memory);
	call->has_on_done = DatumGetBool(oauth1_queue_value(row, CALL_HAS_ON_DONE));
}

/* The ids of those that an idempotency key will go out with, as an array. */
static Datum
keyed_ids(const oauth1_queue_choice *chosen)
{
	Datum	   *ids = palloc(sizeof(Datum) * chosen->count);
	int			count = 0;

	for (int i = 0; i < chosen->count; i++)
		if (chosen->keyed[i])
			ids[count++] = chosen->ids[i];
	return oauth1_queue_array(INT8OID, ids, NULL, count);
}

/* Marks them; those that could not be had are taken out. */
static void
mark(int64 claim_number, Datum now, oauth1_queue_choice *chosen)
{
	int			kept = 0;
	bool	   *had = palloc0(sizeof(bool) * chosen->count);
	uint64		rows = oauth1_query_write(&mark_claimed, (Datum[]) {
		Int64GetDatum(claim_number), now,
		oauth1_queue_array(INT8OID, chosen->ids, NULL, chosen->count),
		keyed_ids(chosen)
	}, NULL);

	for (uint64 row = 0; row < rows; row++)
		had[oauth1_queue_place(row, chosen->ids, chosen->count)] = true;
	for (int i = 0; i < chosen->count; i++)
		if (had[i])
		{
			chosen->ids[kept] = chosen->ids[i];
			chosen->keyed[kept] = chosen->keyed[i];
			chosen->positions[kept++] = chosen->positions[i];
		}
	chosen->count = kept;
}

static oauth1_claimed *
read_taken(const oauth1_queue_choice *taken, MemoryContext memory)
{
	oauth1_claimed *calls = MemoryContextAllocZero(memory, sizeof(*calls) * taken->count);
	Datum		ids = oauth1_queue_array(INT8OID, taken->ids, NULL, taken->count);
	uint64		rows = oauth1_query_read(&read_calls, &ids, NULL);

	if (rows != taken->count)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a row of \"oauth1.queue\" has no row in \"oauth1.call\""),
				 errhint("Delete rows of \"oauth1.queue\" whose id is not in \"oauth1.call\".")));
	for (uint64 row = 0; row < rows; row++)
	{
		int			n = oauth1_queue_place(row, taken->ids, taken->count);

		calls[n].id = DatumGetInt64(taken->ids[n]);
		calls[n].keyed = taken->keyed[n];
		calls[n].position = taken->positions[n];
		read_claimed(&calls[n], row, memory);
	}
	return calls;
}

oauth1_claimed *
oauth1_queue_take(int64 claim_number, Datum now, oauth1_queue_choice *chosen,
				  MemoryContext memory, int *count)
{
	if (chosen->count > 0)
		mark(claim_number, now, chosen);
	*count = chosen->count;
	return *count > 0 ? read_taken(chosen, memory) : NULL;
}
