/*
 * queue_adopt.c
 *	  Taking over the calls of the server or database that this one is a copy of.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "stored/queue_change.h"
#include "stored/queue_news.h"
#include "stored/queue_private.h"

/* $1, $2: what rows of our own have. */
#define IS_FOREIGN(row) "(" row ".system_identifier, " row ".database) <> ($1, $2)"

/* Its dedupe_key is that of one of ours, or of an earlier foreign one. */
#define IS_DUPLICATE \
	"q.dedupe_key IS NOT NULL AND EXISTS (SELECT FROM oauth1.queue o " \
	"WHERE o.consumer = q.consumer AND o.dedupe_key = q.dedupe_key AND o.id <> q.id " \
	"AND (NOT (" IS_FOREIGN("o") ") OR o.id < q.id))"

static oauth1_statement cancel_duplicates = {
	.sql = "WITH gone AS (DELETE FROM oauth1.queue q WHERE q.claim IS NULL AND " IS_FOREIGN("q")
	" AND " IS_DUPLICATE " RETURNING q.id) "
	"UPDATE oauth1.call c SET state = 'cancelled', finished_at = pg_catalog.clock_timestamp(), "
	"sqlstate = '57014', error = 'another call of its dedupe_key has not ended', "
	OAUTH1_NO_RESULT " FROM gone WHERE c.id = gone.id",
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

/* What was being sent keeps its claim: recovery finds it dead, and knows what that means. */
static oauth1_statement adopt_calls = {
	.sql = "UPDATE oauth1.queue q SET system_identifier = $1, database = $2, "
	"dedupe_key = CASE WHEN NOT (" IS_DUPLICATE ") THEN q.dedupe_key END WHERE " IS_FOREIGN("q"),
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

static oauth1_statement adopt_follow_ups = {
	.sql = "UPDATE oauth1.follow_up f SET system_identifier = $1, database = $2 "
	"WHERE " IS_FOREIGN("f"),
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

int64
oauth1_queue_adopt(void)
{
	Datum		values[] = {oauth1_queue_system_identifier(), oauth1_queue_database()};
	oauth1_query query;
	uint64		adopted;

	oauth1_query_begin(&query);
	(void) oauth1_query_write(&cancel_duplicates, values, NULL);
	adopted = oauth1_query_write(&adopt_calls, values, NULL);
	adopted += oauth1_query_write(&adopt_follow_ups, values, NULL);
	oauth1_query_end(&query);
	if (adopted > 0)
		oauth1_queue_has_news = true;
	return (int64) adopted;
}
