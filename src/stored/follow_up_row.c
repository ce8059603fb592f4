/*
 * follow_up_row.c
 *	  oauth1.follow_up: calls that have ended and whose on_done is still to run.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stored/follow_up_row.h"
#include "stored/queue_private.h"

/* $2, $3: whose rows are ours. */
#define IS_OURS "f.system_identifier = $2 AND f.database = $3"

/* The only column of the only row of the last statement. */
static int
returned_attempts(void)
{
	bool		isnull;

	return DatumGetInt32(oauth1_column_datum(0, 1, CurrentMemoryContext, &isnull));
}

/* ---------------------------------------------------------------- count */

static oauth1_statement count_run = {
	.sql = "UPDATE oauth1.follow_up SET attempts = attempts + 1 "
	"WHERE id = (SELECT f.id FROM oauth1.follow_up f WHERE f.id = $1 AND " IS_OURS
	" AND f.due <= clock_timestamp() FOR UPDATE SKIP LOCKED) RETURNING attempts",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

int
oauth1_follow_up_count(int64 id)
{
	Datum		values[] = {
		Int64GetDatum(id), oauth1_queue_system_identifier(), oauth1_queue_database()
	};
	oauth1_query query;
	int			count = 0;

	oauth1_queue_begin(&query);
	if (oauth1_query_write(&count_run, values, NULL) > 0)
		count = returned_attempts();
	oauth1_query_end(&query);
	return count;
}

static oauth1_statement uncount_run = {
	.sql = "UPDATE oauth1.follow_up SET attempts = attempts - 1 WHERE id = $1 AND attempts > 0",
	.nargs = 1,
	.types = {INT8OID},
};

void
oauth1_follow_up_uncount(int64 id)
{
	Datum		values[] = {Int64GetDatum(id)};
	oauth1_query query;

	oauth1_queue_begin(&query);
	(void) oauth1_query_write(&uncount_run, values, NULL);
	oauth1_query_end(&query);
}

/* ---------------------------------------------------------------- take */

/*
 * What a session of the role would begin with, as ALTER ROLE and ALTER DATABASE
 * say, in their order; temporary tables last, which in a drain are somebody else's.
 */
#define SEARCH_PATH \
	"coalesce((SELECT substr(o.option, length('search_path=') + 1) " \
	"FROM pg_db_role_setting s, unnest(s.setconfig) AS o(option) " \
	"WHERE s.setdatabase IN (0, $3) AND s.setrole IN (0, c.enqueued_by) " \
	"AND starts_with(o.option, 'search_path=') " \
	"ORDER BY s.setrole <> 0 DESC, s.setdatabase <> 0 DESC LIMIT 1), " \
	"'\"$user\", public') || ', pg_temp'"

/* A call that was answered has a status and no SQLSTATE. */
static oauth1_statement take = {
	.sql = "SELECT c.on_done_error IS NOT NULL, CASE WHEN c.state <> 'cancelled' THEN c.on_done END, "
	"c.enqueued_by, c.enqueued_by_name, " SEARCH_PATH ", "
	"CASE WHEN c.status IS NOT NULL AND c.sqlstate IS NULL THEN "
	"ROW(c.status, c.reply_content_type, c.reply_headers, c.reply_body, c.reply_body_bytes, "
	"c.elapsed_ms)::oauth1.http_response END "
	"FROM oauth1.follow_up f LEFT JOIN oauth1.call c ON c.id = f.id "
	"WHERE f.id = $1 AND " IS_OURS " AND f.due <= clock_timestamp() "
	"FOR UPDATE OF f SKIP LOCKED",
	.nargs = 3,
	.types = {INT8OID, INT8OID, OIDOID},
};

bool
oauth1_follow_up_take(int64 id, oauth1_follow_up *follow_up)
{
	Datum		values[] = {
		Int64GetDatum(id), oauth1_queue_system_identifier(), oauth1_queue_database()
	};
	MemoryContext memory = CurrentMemoryContext;
	oauth1_query query;
	bool		found;
	bool		isnull;

	oauth1_queue_begin(&query);
	found = oauth1_query_write(&take, values, NULL) > 0;
	if (found)
	{
		follow_up->id = id;
		follow_up->has_error = DatumGetBool(oauth1_column_datum(0, 1, memory, &isnull));
		follow_up->on_done = oauth1_column_cstring(0, 2, memory);
		follow_up->role = DatumGetObjectId(oauth1_column_datum(0, 3, memory, &isnull));
		follow_up->role_name = oauth1_column_cstring(0, 4, memory);
		follow_up->search_path = oauth1_column_cstring(0, 5, memory);
		follow_up->response = oauth1_column_datum(0, 6, memory, &isnull);
		follow_up->has_response = !isnull;
	}
	oauth1_query_end(&query);
	return found;
}

/* ---------------------------------------------------------------- done, failed */

static oauth1_statement delete_row = {
	.sql = "DELETE FROM oauth1.follow_up WHERE id = $1",
	.nargs = 1,
	.types = {INT8OID},
};

static oauth1_statement clear_error = {
	.sql = "UPDATE oauth1.call SET on_done_error = NULL "
	"WHERE id = $1",
	.nargs = 1,
	.types = {INT8OID},
};

void
oauth1_follow_up_done(const oauth1_follow_up *follow_up)
{
	Datum		values[] = {Int64GetDatum(follow_up->id)};
	oauth1_query query;

	oauth1_queue_begin(&query);
	(void) oauth1_query_write(&delete_row, values, NULL);
	if (follow_up->has_error)
		(void) oauth1_query_write(&clear_error, values, NULL);
	oauth1_query_end(&query);
}

/* Half of a second that doubles, and up to as much again, so that many do not come at once. */
static oauth1_statement put_off = {
	.sql = "UPDATE oauth1.follow_up f SET attempts = f.attempts + $4, due = clock_timestamp() "
	"+ interval '0.5 s' * (1 + random()) * 2 ^ (f.attempts + $4 - 1) "
	"WHERE f.id = $1 AND " IS_OURS " RETURNING f.attempts",
	.nargs = 4,
	.types = {INT8OID, INT8OID, OIDOID, INT4OID},
};

static oauth1_statement set_error = {
	.sql = "UPDATE oauth1.call SET on_done_error = $2 WHERE id = $1",
	.nargs = 2,
	.types = {INT8OID, TEXTOID},
};

static void
write_error(int64 id, const char *error)
{
	Datum		values[] = {Int64GetDatum(id), CStringGetTextDatum(error)};

	(void) oauth1_query_write(&set_error, values, NULL);
}

bool
oauth1_follow_up_failed(int64 id, bool was_counted, const char *error)
{
	Datum		values[] = {
		Int64GetDatum(id), oauth1_queue_system_identifier(), oauth1_queue_database(),
		Int32GetDatum(was_counted ? 0 : 1)
	};
	oauth1_query query;
	bool		given_up = false;

	oauth1_queue_begin(&query);
	if (oauth1_query_write(&put_off, values, NULL) > 0)
	{
		given_up = returned_attempts() >= OAUTH1_FOLLOW_UP_ATTEMPTS;
		if (given_up)
		{
			(void) oauth1_query_write(&delete_row, values, NULL);
			error = psprintf("%s; given up after %d attempts", error, OAUTH1_FOLLOW_UP_ATTEMPTS);
		}
		write_error(id, error);
	}
	oauth1_query_end(&query);
	return given_up;
}

/* ---------------------------------------------------------------- list */

/* One more than there is room for: it tells when to look again. */
static oauth1_statement list = {
	.sql = "SELECT f.id, f.due FROM oauth1.follow_up f WHERE " IS_OURS
	" AND (f.due, f.id) > ($4, $1) ORDER BY f.due, f.id LIMIT $5 + 1",
	.nargs = 5,
	.types = {INT8OID, INT8OID, OIDOID, TIMESTAMPTZOID, INT4OID},
};

int
oauth1_follow_up_list(oauth1_queue_position *after, int64 *ids, int room, TimestampTz *next)
{
	bool		from_first = after->due == 0 && after->id == 0;
	Datum		values[] = {
		Int64GetDatum(after->id), oauth1_queue_system_identifier(), oauth1_queue_database(),
		TimestampTzGetDatum(from_first ? DT_NOBEGIN : after->due), Int32GetDatum(room)
	};
	TimestampTz now = GetCurrentTimestamp();
	oauth1_query query;
	uint64		rows;
	int			count = 0;

	*next = PG_INT64_MAX;
	oauth1_queue_begin(&query);
	rows = oauth1_query_read(&list, values, NULL);
	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		int64		id = DatumGetInt64(oauth1_column_datum(row, 1, query.caller_memory, &isnull));
		TimestampTz due = DatumGetTimestampTz(oauth1_column_datum(row, 2, query.caller_memory,
																  &isnull));

		if (count == room || due > now)
		{
			*next = due;
			break;
		}
		ids[count++] = id;
		after->due = due;
		after->id = id;
	}
	oauth1_query_end(&query);
	return count;
}
