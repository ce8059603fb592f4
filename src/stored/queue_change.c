/*
 * queue_change.c
 *	  What roles and the owner do to queued calls, beside those who send them.
 *
 * Whoever claims passes over locked rows, but whoever records waits for them.  A
 * DELETE or UPDATE that waited for a claim has the row locked, though it then
 * finds that it may not touch it; so each change is a subtransaction, undone
 * where it changed nothing.  Rows are locked in the order queue, call, as those
 * who record do; and follow_up, call, as those who run on_done.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "ground/catch.h"
#include "stored/queue_change.h"
#include "stored/queue_news.h"
#include "stored/queue_private.h"

/* A snapshot that stays cannot be looked at again. */
static void
look_again(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
	CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------- cancel */

/* coalesce, so that no index fits but that of ids: in a small table another may seem as cheap. */
#define IS_PENDING "coalesce(claim, 0) = 0"

static oauth1_statement delete_pending = {
	.sql = "DELETE FROM oauth1.queue WHERE id = $1 AND " IS_PENDING,
	.nargs = 1,
	.types = {INT8OID},
};

/* 57014 is query_canceled. */
static oauth1_statement end_as_cancelled = {
	.sql = "UPDATE oauth1.call SET state = 'cancelled', finished_at = pg_catalog.clock_timestamp(), "
	"sqlstate = '57014', error = $2, " OAUTH1_NO_RESULT " WHERE id = $1",
	.nargs = 2,
	.types = {INT8OID, TEXTOID},
};

static oauth1_statement select_pending = {
	.sql = "SELECT FROM oauth1.queue WHERE id = $1 AND " IS_PENDING,
	.nargs = 1,
	.types = {INT8OID},
};

typedef struct cancellation
{
	int64		id;
	const char *reason;
} cancellation;

static bool
cancel(void *argument)
{
	const cancellation *call = argument;
	Datum		values[] = {Int64GetDatum(call->id), CStringGetTextDatum(call->reason)};
	oauth1_query query;
	bool		found;

	oauth1_queue_begin_patient(&query);
	found = oauth1_query_write(&delete_pending, values, NULL) > 0;
	if (found)
		(void) oauth1_query_write(&end_as_cancelled, values, NULL);
	oauth1_query_end(&query);
	return found;
}

static bool
is_pending(int64 id)
{
	Datum		values[] = {Int64GetDatum(id)};
	oauth1_query query;
	bool		found;

	oauth1_queue_begin_patient(&query);
	found = oauth1_query_read(&select_pending, values, NULL) > 0;
	oauth1_query_end(&query);
	return found;
}

bool
oauth1_queue_cancel(int64 id, const char *reason)
{
	cancellation call = {id, reason};

	while (!oauth1_keep_if(cancel, &call))
	{
		if (!is_pending(id))
			return false;
		look_again();
	}
	oauth1_queue_has_news = true;
	return true;
}

/* ---------------------------------------------------------------- retry */

static oauth1_statement make_due = {
	.sql = "UPDATE oauth1.queue SET due = least(due, pg_catalog.clock_timestamp()) "
	"WHERE id = $1 AND " IS_PENDING " AND system_identifier = $2 AND database = $3",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

static oauth1_statement lock_ended = {
	.sql = "SELECT FROM oauth1.call WHERE id = $1 "
	"AND state IN ('failed', 'uncertain', 'cancelled') FOR UPDATE",
	.nargs = 1,
	.types = {INT8OID},
};

/* The size is queue_insert.c's, but for headers, which are longer as text. */
static oauth1_statement insert_again = {
	.sql = "INSERT INTO oauth1.queue "
	"(id, system_identifier, database, consumer, due, order_key, dedupe_key, size) "
	"SELECT id, $2, $3, consumer, pg_catalog.clock_timestamp(), order_key, dedupe_key, "
	"least(octet_length(url)::bigint + coalesce(octet_length(headers::text), 0) "
	"+ coalesce(octet_length(body), 0), 2147483647)::integer FROM oauth1.call WHERE id = $1 "
	"ON CONFLICT (system_identifier, database, consumer, dedupe_key) "
	"WHERE dedupe_key IS NOT NULL DO NOTHING",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

static oauth1_statement undo_end = {
	.sql = "UPDATE oauth1.call SET state = NULL, finished_at = NULL, sqlstate = NULL, error = NULL, "
	"on_done_error = NULL, "
	"max_attempts = greatest(max_attempts, pg_catalog.cardinality(attempts) + 1), " OAUTH1_NO_RESULT
	" WHERE id = $1",
	.nargs = 1,
	.types = {INT8OID},
};

/* What was to follow on the end that is undone; waited for where it is under way. */
static oauth1_statement delete_follow_up = {
	.sql = "DELETE FROM oauth1.follow_up WHERE id = $1",
	.nargs = 1,
	.types = {INT8OID},
};

static oauth1_statement select_state = {
	.sql = "SELECT c.state IS NOT DISTINCT FROM 'done', q.claim IS NOT NULL, "
	"coalesce((q.system_identifier, q.database) <> ($2, $3), false) "
	"FROM oauth1.call c LEFT JOIN oauth1.queue q ON q.id = c.id WHERE c.id = $1",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

/* The arguments of the statements above: of those with one it is the first. */
static void
set_retry_values(int64 id, Datum *values)
{
	values[0] = Int64GetDatum(id);
	values[1] = oauth1_queue_system_identifier();
	values[2] = oauth1_queue_database();
}

static bool
hurry(void *argument)
{
	Datum		values[3];
	oauth1_query query;
	bool		found;

	set_retry_values(*(int64 *) argument, values);
	oauth1_queue_begin_patient(&query);
	found = oauth1_query_write(&make_due, values, NULL) > 0;
	oauth1_query_end(&query);
	return found;
}

static void
insert_or_refuse(Datum *values)
{
	if (oauth1_query_write(&insert_again, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("call %lld cannot be sent again now",
						(long long) DatumGetInt64(values[0])),
				 errdetail("Another call of its consumer and dedupe_key has not ended.")));
}

static bool
put_back(void *argument)
{
	Datum		values[3];
	oauth1_query query;
	bool		found;

	set_retry_values(*(int64 *) argument, values);
	oauth1_queue_begin_patient(&query);
	(void) oauth1_query_write(&delete_follow_up, values, NULL);
	found = oauth1_query_write(&lock_ended, values, NULL) > 0;
	if (found)
	{
		insert_or_refuse(values);
		(void) oauth1_query_write(&undo_end, values, NULL);
	}
	oauth1_query_end(&query);
	return found;
}

static void
refuse_foreign(int64 id, bool is_foreign)
{
	if (is_foreign)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("call %lld waits in the database that this one is a copy of",
						(long long) id),
				 errhint("oauth1.adopt_calls() takes over all calls of it.")));
}

/* Is it done, being sent, or was it deleted meanwhile? */
static bool
may_not_be_retried(int64 id)
{
	Datum		values[3];
	oauth1_query query;
	bool		refused = true;
	bool		is_foreign = false;

	set_retry_values(id, values);
	oauth1_queue_begin_patient(&query);
	if (oauth1_query_read(&select_state, values, NULL) > 0)
	{
		refused = DatumGetBool(oauth1_queue_value(0, 1)) || DatumGetBool(oauth1_queue_value(0, 2));
		is_foreign = DatumGetBool(oauth1_queue_value(0, 3));
	}
	oauth1_query_end(&query);
	if (!refused)
		refuse_foreign(id, is_foreign);
	return refused;
}

bool
oauth1_queue_retry(int64 id)
{
	while (!oauth1_keep_if(hurry, &id))
	{
		if (may_not_be_retried(id))
			return false;
		if (oauth1_keep_if(put_back, &id))
			break;
		look_again();
	}
	oauth1_queue_has_news = true;
	return true;
}
