/*
 * pause.c
 *	  Consumers whose credential was refused again and again.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "ground/errors.h"
#include "stored/pause.h"
#include "stored/queue_news.h"
#include "stored/queue_private.h"

/*
 * refusals counts from that number on, one for each pause in a row.  Nothing
 * while a pause lasts (many calls may have been under way when it began), nor of
 * a consumer that was dropped meanwhile.
 */
static oauth1_statement begin = {
	.sql = "INSERT INTO oauth1.consumer_pause AS pause (consumer, refusals, until, reason) "
	"SELECT name, $2, clock_timestamp() + interval '1 minute', $3 "
	"FROM oauth1.consumer WHERE name = $1 "
	"ON CONFLICT (consumer) DO UPDATE SET refusals = pause.refusals + 1, "
	"until = clock_timestamp() + least(interval '1 hour', "
	"interval '1 minute' * 2 ^ least(pause.refusals + 1 - $2, 6)), reason = excluded.reason "
	"WHERE pause.until <= clock_timestamp()",
	.nargs = 3,
	.types = {TEXTOID, INT4OID, TEXTOID},
};

static oauth1_statement end = {
	.sql = "DELETE FROM oauth1.consumer_pause WHERE consumer = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement end_of_provider = {
	.sql = "DELETE FROM oauth1.consumer_pause pause USING oauth1.consumer c "
	"WHERE c.name = pause.consumer AND c.provider = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static const char reason[] =
	"The service refuses the credential: calls were answered 401, one after the other. "
	"Set the secret or the token again, and the calls go on at once; "
	"oauth1.check_consumer() looks for the cause.";

static void
begin_pause(const char *consumer)
{
	Datum		values[] = {
		CStringGetTextDatum(consumer), Int32GetDatum(OAUTH1_PAUSE_REFUSALS),
		CStringGetTextDatum(reason)
	};

	if (oauth1_query_write(&begin, values, NULL) > 0)
		ereport(LOG,
				(errcode(ERRCODE_OAUTH1_REFUSED),
				 errmsg("queued calls of consumer \"%s\" are paused", consumer),
				 errdetail("%s", reason)));
}

void
oauth1_pause_note(const char *consumer, bool refused)
{
	oauth1_query query;

	oauth1_queue_begin(&query);
	if (refused)
		begin_pause(consumer);
	else
		oauth1_pause_end(consumer);
	oauth1_query_end(&query);
}

void
oauth1_pause_end(const char *consumer)
{
	Datum		values[] = {CStringGetTextDatum(consumer)};

	if (oauth1_query_write(&end, values, NULL) > 0)
		oauth1_queue_has_news = true;
}

void
oauth1_pause_end_of_provider(const char *provider)
{
	Datum		values[] = {CStringGetTextDatum(provider)};

	if (oauth1_query_write(&end_of_provider, values, NULL) > 0)
		oauth1_queue_has_news = true;
}
