/*
 * queue_insert.c
 *	  Calls on their way into the queue's tables.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "stored/queue_insert.h"
#include "stored/queue_news.h"
#include "stored/queue_private.h"

bool		oauth1_queue_has_news = false;

/* The statement's arguments. */
enum
{
	ARGUMENT_CONSUMER,
	ARGUMENT_TOKEN,
	ARGUMENT_HTTP_METHOD,
	ARGUMENT_URL,
	ARGUMENT_HEADERS,
	ARGUMENT_CONTENT_TYPE,
	ARGUMENT_BODY,
	ARGUMENT_TIMEOUT_MS,
	ARGUMENT_MAX_ATTEMPTS,
	ARGUMENT_IDEMPOTENT,
	ARGUMENT_DEDUPE_KEY,
	ARGUMENT_ORDER_KEY,
	ARGUMENT_ON_DONE,
	ARGUMENT_ROLE,
	ARGUMENT_ROLE_NAME,
	ARGUMENT_RUN_AT,
	ARGUMENT_SIZE,
	ARGUMENT_SYSTEM_IDENTIFIER,
	ARGUMENT_DATABASE,
	ARGUMENT_COUNT
};

#define ARGUMENT_TYPES \
	{TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, BYTEAOID, INT4OID, INT4OID, BOOLOID, \
	TEXTOID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TIMESTAMPTZOID, INT4OID, INT8OID, OIDOID}

/* The queue's row first: where it is refused there is no call. */
#define INSERT_CALL(on_conflict) \
	"WITH queued AS (INSERT INTO oauth1.queue " \
	"(id, system_identifier, database, consumer, due, order_key, dedupe_key, size) " \
	"VALUES (pg_catalog.nextval('oauth1.call_id'::pg_catalog.regclass), " \
	"$18, $19, $1, $16, $12, $11, $17) " on_conflict " RETURNING id) " \
	"INSERT INTO oauth1.call (id, consumer, token, http_method, url, headers, content_type, " \
	"body, timeout_ms, max_attempts, idempotent, idempotency_key, dedupe_key, order_key, " \
	"on_done, enqueued_by, enqueued_by_name, created_at, run_at) " \
	"SELECT id, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, pg_catalog.gen_random_uuid(), $11, $12, " \
	"$13, $14, $15::pg_catalog.name, pg_catalog.now(), $16 FROM queued RETURNING id"

static oauth1_statement insert_call = {
	.sql = INSERT_CALL(""),
	.nargs = ARGUMENT_COUNT,
	.types = ARGUMENT_TYPES,
};

/* Looking for a conflict costs, and without a dedupe_key there is none. */
static oauth1_statement insert_deduped_call = {
	.sql = INSERT_CALL("ON CONFLICT (system_identifier, database, consumer, dedupe_key) "
					   "WHERE dedupe_key IS NOT NULL DO NOTHING"),
	.nargs = ARGUMENT_COUNT,
	.types = ARGUMENT_TYPES,
};

static oauth1_statement select_duplicate = {
	.sql = "SELECT id FROM oauth1.queue WHERE system_identifier = $1 AND database = $2 "
	"AND consumer = $3 AND dedupe_key = $4",
	.nargs = 4,
	.types = {INT8OID, OIDOID, TEXTOID, TEXTOID},
};

/* What it takes in memory to be sent, about: by this claims are bounded. */
static int
size_of(const oauth1_new_call *call)
{
	size_t		size = VARSIZE_ANY_EXHDR(call->url);

	if (call->headers != NULL)
		size += VARSIZE_ANY_EXHDR(call->headers);
	if (call->body != NULL)
		size += VARSIZE_ANY_EXHDR(call->body);
	return (int) Min(size, INT_MAX);
}

/* An argument that may be null. */
static void
set_nullable(Datum *values, char *nulls, int n, const void *value)
{
	values[n] = PointerGetDatum(value);
	nulls[n] = value ? ' ' : 'n';
}

static void
set_values(const oauth1_new_call *call, Datum *values, char *nulls)
{
	memset(nulls, ' ', ARGUMENT_COUNT);
	nulls[ARGUMENT_COUNT] = '\0';
	values[ARGUMENT_CONSUMER] = CStringGetTextDatum(call->consumer);
	values[ARGUMENT_TOKEN] = CStringGetTextDatum(call->token);
	values[ARGUMENT_HTTP_METHOD] = PointerGetDatum(call->http_method);
	values[ARGUMENT_URL] = PointerGetDatum(call->url);
	set_nullable(values, nulls, ARGUMENT_HEADERS, call->headers);
	set_nullable(values, nulls, ARGUMENT_CONTENT_TYPE, call->content_type);
	set_nullable(values, nulls, ARGUMENT_BODY, call->body);
	values[ARGUMENT_TIMEOUT_MS] = Int32GetDatum(call->timeout_ms);
	if (call->timeout_ms == 0)
		nulls[ARGUMENT_TIMEOUT_MS] = 'n';
	values[ARGUMENT_MAX_ATTEMPTS] = Int32GetDatum(call->max_attempts);
	values[ARGUMENT_IDEMPOTENT] = BoolGetDatum(call->idempotent);
	set_nullable(values, nulls, ARGUMENT_DEDUPE_KEY, call->dedupe_key);
	set_nullable(values, nulls, ARGUMENT_ORDER_KEY, call->order_key);
	set_nullable(values, nulls, ARGUMENT_ON_DONE,
				 call->on_done ? cstring_to_text(call->on_done) : NULL);
	values[ARGUMENT_ROLE] = ObjectIdGetDatum(call->role);
	values[ARGUMENT_ROLE_NAME] = CStringGetTextDatum(GetUserNameFromId(call->role, false));
	values[ARGUMENT_RUN_AT] = TimestampTzGetDatum(call->run_at);
	values[ARGUMENT_SIZE] = Int32GetDatum(size_of(call));
	values[ARGUMENT_SYSTEM_IDENTIFIER] = oauth1_queue_system_identifier();
	values[ARGUMENT_DATABASE] = oauth1_queue_database();
}

/* The call of that dedupe_key which has not ended; 0: there is none. */
static int64
duplicate_of(const Datum *values)
{
	Datum		arguments[] = {
		values[ARGUMENT_SYSTEM_IDENTIFIER], values[ARGUMENT_DATABASE],
		values[ARGUMENT_CONSUMER], values[ARGUMENT_DEDUPE_KEY]
	};

	if (oauth1_query_read(&select_duplicate, arguments, NULL) == 0)
		return 0;
	return DatumGetInt64(oauth1_queue_value(0, 1));
}

/*
 * Looked for before and not only after a conflict: an INSERT in REPEATABLE READ
 * cannot pass over a row that its snapshot does not see.  What is in the way may
 * end before it is found; then there is room.
 */
static int64
insert_deduped(Datum *values, const char *nulls)
{
	for (;;)
	{
		int64		id = duplicate_of(values);

		if (id != 0)
			return id;
		if (oauth1_query_write(&insert_deduped_call, values, nulls) > 0)
		{
			oauth1_queue_has_news = true;
			return DatumGetInt64(oauth1_queue_value(0, 1));
		}
		CHECK_FOR_INTERRUPTS();
	}
}

int64
oauth1_queue_insert(const oauth1_new_call *call)
{
	Datum		values[ARGUMENT_COUNT];
	char		nulls[ARGUMENT_COUNT + 1];
	oauth1_query query;
	int64		id;

	set_values(call, values, nulls);
	if (call->dedupe_key != NULL)
	{
		oauth1_queue_begin(&query);
		id = insert_deduped(values, nulls);
	}
	else
	{
		oauth1_query_begin(&query);
		(void) oauth1_query_write(&insert_call, values, nulls);
		oauth1_queue_has_news = true;
		id = DatumGetInt64(oauth1_queue_value(0, 1));
	}
	oauth1_query_end(&query);
	return id;
}
