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
#include "utils/uuid.h"

#include "ground/fault.h"
#include "ground/random.h"
#include "stored/queue_insert.h"
#include "stored/queue_news.h"
#include "stored/queue_private.h"

bool		oauth1_queue_has_news = false;

/* ---------------------------------------------------------------- the queue's row */

/* The arguments of insert_queued. */
enum
{
	QUEUED_SYSTEM_IDENTIFIER,
	QUEUED_DATABASE,
	QUEUED_CONSUMER,
	QUEUED_DUE,
	QUEUED_ORDER_KEY,
	QUEUED_DEDUPE_KEY,
	QUEUED_SIZE,
	QUEUED_COUNT
};

#define INSERT_QUEUED(on_conflict) \
	.sql = "INSERT INTO oauth1.queue " \
	"(id, system_identifier, database, consumer, due, order_key, dedupe_key, size) " \
	"VALUES (pg_catalog.nextval('oauth1.call_id'::pg_catalog.regclass), " \
	"$1, $2, $3, $4, $5, $6, $7) " on_conflict " RETURNING id", \
	.nargs = QUEUED_COUNT, \
	.types = {INT8OID, OIDOID, TEXTOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, INT4OID},

static oauth1_statement insert_queued = {INSERT_QUEUED("")};

/* Looking for a conflict costs, and without a dedupe_key there is none. */
static oauth1_statement insert_deduped = {
	INSERT_QUEUED("ON CONFLICT (system_identifier, database, consumer, dedupe_key) "
				  "WHERE dedupe_key IS NOT NULL DO NOTHING")
};

static oauth1_statement select_duplicate = {
	.sql = "SELECT id FROM oauth1.queue WHERE system_identifier = $1 AND database = $2 "
	"AND consumer = $3 AND dedupe_key = $4",
	.nargs = 4,
	.types = {INT8OID, OIDOID, TEXTOID, TEXTOID},
};

/* An argument that may be null. */
static void
set_nullable(Datum *values, char *nulls, int n, const void *value)
{
	values[n] = PointerGetDatum(value);
	nulls[n] = value ? ' ' : 'n';
}

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

static void
set_queued(const oauth1_new_call *call, Datum *values, char *nulls)
{
	memset(nulls, ' ', QUEUED_COUNT);
	nulls[QUEUED_COUNT] = '\0';
	values[QUEUED_SYSTEM_IDENTIFIER] = oauth1_queue_system_identifier();
	values[QUEUED_DATABASE] = oauth1_queue_database();
	values[QUEUED_CONSUMER] = CStringGetTextDatum(call->consumer);
	values[QUEUED_DUE] = TimestampTzGetDatum(call->run_at);
	set_nullable(values, nulls, QUEUED_ORDER_KEY, call->order_key);
	set_nullable(values, nulls, QUEUED_DEDUPE_KEY, call->dedupe_key);
	values[QUEUED_SIZE] = Int32GetDatum(size_of(call));
}

/* The call of that dedupe_key which has not ended; 0: there is none. */
static int64
duplicate_of(const Datum *queued)
{
	Datum		values[] = {
		queued[QUEUED_SYSTEM_IDENTIFIER], queued[QUEUED_DATABASE],
		queued[QUEUED_CONSUMER], queued[QUEUED_DEDUPE_KEY]
	};

	if (oauth1_query_read(&select_duplicate, values, NULL) == 0)
		return 0;
	return DatumGetInt64(oauth1_queue_value(0, 1));
}

/*
 * The id of the row that was inserted, or of the one that is there already
 * (*duplicate).  Looked for before and not only after a conflict: an INSERT in
 * REPEATABLE READ cannot pass over a row that its snapshot does not see.  What is
 * in the way may end before it is found; then there is room.
 */
static int64
insert_or_find(Datum *values, const char *nulls, bool *duplicate)
{
	for (;;)
	{
		int64		id = duplicate_of(values);

		*duplicate = id != 0;
		if (*duplicate)
			return id;
		if (oauth1_query_write(&insert_deduped, values, nulls) > 0)
			return DatumGetInt64(oauth1_queue_value(0, 1));
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---------------------------------------------------------------- the call's row */

/* The arguments of insert_call. */
enum
{
	CALL_ID,
	CALL_CONSUMER,
	CALL_TOKEN,
	CALL_HTTP_METHOD,
	CALL_URL,
	CALL_HEADERS,
	CALL_CONTENT_TYPE,
	CALL_BODY,
	CALL_TIMEOUT_MS,
	CALL_MAX_ATTEMPTS,
	CALL_IDEMPOTENT,
	CALL_IDEMPOTENCY_KEY,
	CALL_DEDUPE_KEY,
	CALL_ORDER_KEY,
	CALL_ON_DONE,
	CALL_ROLE,
	CALL_ROLE_NAME,
	CALL_RUN_AT,
	CALL_COUNT
};

static oauth1_statement insert_call = {
	.sql = "INSERT INTO oauth1.call (id, consumer, token, http_method, url, headers, content_type, "
	"body, timeout_ms, max_attempts, idempotent, idempotency_key, dedupe_key, order_key, "
	"on_done, enqueued_by, enqueued_by_name, run_at, created_at) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
	"$17::pg_catalog.name, $18, pg_catalog.now())",
	.nargs = CALL_COUNT,
	.types = {INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, BYTEAOID, INT4OID,
	INT4OID, BOOLOID, UUIDOID, TEXTOID, TEXTOID, TEXTOID, OIDOID, TEXTOID, TIMESTAMPTZOID},
};

static void
insert(int64 id, const oauth1_new_call *call)
{
	Datum		values[CALL_COUNT];
	char		nulls[CALL_COUNT + 1];
	pg_uuid_t	key;

	oauth1_draw_uuid(key.data);
	memset(nulls, ' ', CALL_COUNT);
	nulls[CALL_COUNT] = '\0';
	values[CALL_ID] = Int64GetDatum(id);
	values[CALL_CONSUMER] = CStringGetTextDatum(call->consumer);
	values[CALL_TOKEN] = CStringGetTextDatum(call->token);
	values[CALL_HTTP_METHOD] = PointerGetDatum(call->http_method);
	values[CALL_URL] = PointerGetDatum(call->url);
	set_nullable(values, nulls, CALL_HEADERS, call->headers);
	set_nullable(values, nulls, CALL_CONTENT_TYPE, call->content_type);
	set_nullable(values, nulls, CALL_BODY, call->body);
	values[CALL_TIMEOUT_MS] = Int32GetDatum(call->timeout_ms);
	if (call->timeout_ms == 0)
		nulls[CALL_TIMEOUT_MS] = 'n';
	values[CALL_MAX_ATTEMPTS] = Int32GetDatum(call->max_attempts);
	values[CALL_IDEMPOTENT] = BoolGetDatum(call->idempotent);
	values[CALL_IDEMPOTENCY_KEY] = UUIDPGetDatum(&key);
	set_nullable(values, nulls, CALL_DEDUPE_KEY, call->dedupe_key);
	set_nullable(values, nulls, CALL_ORDER_KEY, call->order_key);
	set_nullable(values, nulls, CALL_ON_DONE,
				 call->on_done ? cstring_to_text(call->on_done) : NULL);
	values[CALL_ROLE] = ObjectIdGetDatum(call->role);
	values[CALL_ROLE_NAME] = CStringGetTextDatum(GetUserNameFromId(call->role, false));
	values[CALL_RUN_AT] = TimestampTzGetDatum(call->run_at);
	(void) oauth1_query_write(&insert_call, values, nulls);
}

/* The queue's row first: where it is refused there is no call. */
int64
oauth1_queue_insert(const oauth1_new_call *call)
{
	Datum		values[QUEUED_COUNT];
	char		nulls[QUEUED_COUNT + 1];
	oauth1_query query;
	bool		duplicate = false;
	int64		id;

	set_queued(call, values, nulls);
	if (call->dedupe_key != NULL)
	{
		oauth1_queue_begin_patient(&query);
		id = insert_or_find(values, nulls, &duplicate);
	}
	else
	{
		oauth1_query_begin(&query);
		(void) oauth1_query_write(&insert_queued, values, nulls);
		id = DatumGetInt64(oauth1_queue_value(0, 1));
	}
	if (!duplicate)
	{
		insert(id, call);
		oauth1_queue_has_news = true;
	}
	OAUTH1_FAULT("A");
	oauth1_query_end(&query);
	return id;
}
