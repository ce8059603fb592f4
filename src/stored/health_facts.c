/*
 * health_facts.c
 *	  What health() asks the tables.
 *
 * It may be asked every few seconds of tables that hold millions of calls.  So
 * each statement goes by an index, over what is not in order, which is little; of
 * calls that ended only the newest are looked at.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stored/claim.h"
#include "stored/health_facts.h"
#include "stored/queue_private.h"

/* A column of the only row: 0 where it is null. */
static Datum
value(int n)
{
	bool		isnull;
	Datum		value = oauth1_column_datum(0, n, CurrentMemoryContext, &isnull);

	return isnull ? (Datum) 0 : value;
}

/* ---------------------------------------------------------------- the queue */

static oauth1_statement select_claims = {
	.sql = "SELECT claim, count(*), min(claimed_at) FROM oauth1.queue "
	"WHERE claim IS NOT NULL AND system_identifier = $1 AND database = $2 GROUP BY claim",
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

static void
read_claims(oauth1_queue_facts *facts, Datum *ours)
{
	uint64		rows = oauth1_query_read(&select_claims, ours, NULL);

	for (uint64 row = 0; row < rows; row++)
	{
		int64		count = DatumGetInt64(oauth1_queue_value(row, 2));
		TimestampTz claimed_at = DatumGetTimestampTz(oauth1_queue_value(row, 3));

		facts->running += count;
		if (facts->oldest_claim == 0 || claimed_at < facts->oldest_claim)
			facts->oldest_claim = claimed_at;
		if (oauth1_claim_is_dead(DatumGetInt64(oauth1_queue_value(row, 1))))
			facts->orphaned += count;
	}
}

/* Those before ours in the index, those after, and those that were claimed when copied. */
static oauth1_statement count_foreign = {
	.sql = "SELECT (SELECT count(*) FROM oauth1.queue WHERE claim IS NULL "
	"AND (system_identifier, database) < ($1, $2)) "
	"+ (SELECT count(*) FROM oauth1.queue WHERE claim IS NULL "
	"AND (system_identifier, database) > ($1, $2)) "
	"+ (SELECT count(*) FROM oauth1.queue WHERE claim IS NOT NULL "
	"AND (system_identifier, database) <> ($1, $2))",
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

void
oauth1_queue_facts_read(oauth1_queue_facts *facts)
{
	Datum		ours[] = {oauth1_queue_system_identifier(), oauth1_queue_database()};
	oauth1_query query;

	memset(facts, 0, sizeof(*facts));
	oauth1_queue_begin(&query);
	read_claims(facts, ours);
	(void) oauth1_query_read(&count_foreign, ours, NULL);
	facts->foreign = DatumGetInt64(value(1));
	oauth1_query_end(&query);
}

/* ---------------------------------------------------------------- what ended */

static oauth1_statement count_ended = {
	.sql = "SELECT count(*) FILTER (WHERE c.state = 'uncertain'), "
	"count(*) FILTER (WHERE c.on_done_error IS NOT NULL "
	"AND NOT EXISTS (SELECT FROM oauth1.follow_up f WHERE f.id = c.id)) "
	"FROM oauth1.call c WHERE c.id > (SELECT max(id) FROM oauth1.call) - $1 "
	"AND c.finished_at > now() - interval '1 day'",
	.nargs = 1,
	.types = {INT8OID},
};

static oauth1_statement select_follow_ups = {
	.sql = "SELECT count(*) FILTER (WHERE attempts > 0), "
	"min(due) FILTER (WHERE due <= clock_timestamp()) "
	"FROM oauth1.follow_up WHERE system_identifier = $1 AND database = $2",
	.nargs = 2,
	.types = {INT8OID, OIDOID},
};

void
oauth1_ended_facts_read(oauth1_ended_facts *facts)
{
	Datum		newest[] = {Int64GetDatum(OAUTH1_FACTS_NEWEST)};
	Datum		ours[] = {oauth1_queue_system_identifier(), oauth1_queue_database()};
	oauth1_query query;

	oauth1_queue_begin(&query);
	(void) oauth1_query_read(&count_ended, newest, NULL);
	facts->uncertain = DatumGetInt64(value(1));
	facts->given_up = DatumGetInt64(value(2));
	(void) oauth1_query_read(&select_follow_ups, ours, NULL);
	facts->failing = DatumGetInt64(value(1));
	facts->oldest_on_done = DatumGetTimestampTz(value(2));
	oauth1_query_end(&query);
}

/* ---------------------------------------------------------------- pauses */

static oauth1_statement select_paused = {
	.sql = "SELECT string_agg(consumer || ' until ' || until::timestamptz(0), ', ' ORDER BY consumer) "
	"FROM oauth1.consumer_pause WHERE until > clock_timestamp()",
};

char *
oauth1_paused_consumers(void)
{
	oauth1_query query;
	char	   *names;

	oauth1_query_begin(&query);
	(void) oauth1_query_read(&select_paused, NULL, NULL);
	names = oauth1_column_cstring(0, 1, query.caller_memory);
	oauth1_query_end(&query);
	return names;
}

/* ---------------------------------------------------------------- the rest */

static oauth1_statement select_providers = {
	.sql = "SELECT DISTINCT provider FROM oauth1.consumer ORDER BY provider",
};

char **
oauth1_used_providers(int *count)
{
	oauth1_query query;
	char	  **names;

	oauth1_query_begin(&query);
	*count = (int) oauth1_query_read(&select_providers, NULL, NULL);
	names = MemoryContextAlloc(query.caller_memory, Max(*count, 1) * sizeof(*names));
	for (int i = 0; i < *count; i++)
		names[i] = oauth1_column_cstring(i, 1, query.caller_memory);
	oauth1_query_end(&query);
	return names;
}

void
oauth1_queue_tables_check(void)
{
	oauth1_query query;

	oauth1_query_begin(&query);
	oauth1_queue_check_tables();
	oauth1_query_end(&query);
}
