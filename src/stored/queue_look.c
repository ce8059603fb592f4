/*
 * queue_look.c
 *	  A queued call as the role that asks may see it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"

#include "stored/grants.h"
#include "stored/queue_look.h"
#include "stored/queue_private.h"

/* Columns of the look. */
enum
{
	COLUMN_ROLE = 1,
	COLUMN_ROLE_NAME,
	COLUMN_ENDED,
	COLUMN_RUNNING,
	COLUMN_CALL_XMIN,
	COLUMN_QUEUE_XMIN,
	COLUMN_RESPONSE
};

/* What was answered has a status and no SQLSTATE. */
static oauth1_statement look_at = {
	.sql = "SELECT c.enqueued_by, c.enqueued_by_name, c.state IS NOT NULL, q.claim IS NOT NULL, "
	"c.xmin, q.xmin, "
	"CASE WHEN c.state IS NOT NULL AND c.status IS NOT NULL AND c.sqlstate IS NULL THEN "
	"ROW(c.status, c.reply_content_type, c.reply_headers, c.reply_body, c.reply_body_bytes, "
	"c.elapsed_ms)::oauth1.http_response END "
	"FROM oauth1.call c LEFT JOIN oauth1.queue q ON q.id = c.id WHERE c.id = $1",
	.nargs = 1,
	.types = {INT8OID},
};

/* Was this column, an xmin, written by the present transaction? */
static bool
is_ours(int n)
{
	bool		isnull;
	Datum		xmin = oauth1_column_datum(0, n, CurrentMemoryContext, &isnull);

	return !isnull && TransactionIdIsCurrentTransactionId(DatumGetTransactionId(xmin));
}

static void
read_row(oauth1_call_look *look, MemoryContext memory)
{
	bool		isnull;

	look->ended = DatumGetBool(oauth1_queue_value(0, COLUMN_ENDED));
	look->running = DatumGetBool(oauth1_queue_value(0, COLUMN_RUNNING));
	look->is_own_news = !look->ended && (is_ours(COLUMN_CALL_XMIN) || is_ours(COLUMN_QUEUE_XMIN));
	look->response = oauth1_column_datum(0, COLUMN_RESPONSE, memory, &isnull);
	look->has_response = !isnull;
}

void
oauth1_queue_look(int64 id, oauth1_call_look *look)
{
	Datum		values[] = {Int64GetDatum(id)};
	char	   *role_name = NULL;
	Oid			role = InvalidOid;
	oauth1_query query;

	oauth1_queue_begin_patient(&query);
	if (oauth1_query_read(&look_at, values, NULL) > 0)
	{
		role = DatumGetObjectId(oauth1_queue_value(0, COLUMN_ROLE));
		role_name = oauth1_column_cstring(0, COLUMN_ROLE_NAME, query.caller_memory);
		read_row(look, query.caller_memory);
	}
	oauth1_query_end(&query);
	if (role_name == NULL || !oauth1_acts_for(role, role_name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("call %lld does not exist or is another role's", (long long) id),
				 errhint("The view oauth1.calls shows the calls of the current role.")));
}
