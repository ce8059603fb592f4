/*
 * client_nonce.c
 *	  Requests that were accepted: a unique index decides which of two is first.
 *
 * A row is a timestamp and a hash, so that no sender decides how large it is; its
 * one index serves both questions, whether it is there and which are the oldest.
 * It has no reference to the client: one that is dropped and created again must
 * not have its last requests accepted anew.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/session_lock.h"
#include "outside/seal.h"
#include "stored/client_nonce.h"
#include "stored/query.h"

/* Beside those of claim.c. */
#define PRUNING_KIND 0x6f04

/*
 * The first request of a session and each of so many deletes up to so many rows:
 * more than come in, also where each session has one request.
 */
#define REQUESTS_BETWEEN 50
#define SLICE 200

/* Twice the window: who judged a timestamp by a clock that was set back meanwhile finds its row. */
#define KEPT_SECONDS (2 * OAUTH1_TIMESTAMP_WINDOW)

/* ---------------------------------------------------------------- the oldest go */

static oauth1_statement delete_slice = {
	.sql = "DELETE FROM oauth1.client_nonce WHERE ctid = ANY (ARRAY("
	"SELECT ctid FROM oauth1.client_nonce WHERE signed_at < $1 "
	"ORDER BY signed_at, digest LIMIT $2))",
	.nargs = 2,
	.types = {TIMESTAMPTZOID, INT8OID},
};

/*
 * One at a time, to the end of its transaction, else two would wait for each
 * other's rows; and what the one before deleted the next does not see, in any
 * isolation level.
 */
static void
prune(void)
{
	LOCKTAG		tag = oauth1_session_lock_tag(PRUNING_KIND, 0, 0);
	TimestampTz before = GetCurrentTimestamp() - KEPT_SECONDS * USECS_PER_SEC;

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return;
	(void) oauth1_query_write_latest(&delete_slice, (Datum[]) {
		TimestampTzGetDatum(before), Int64GetDatum(SLICE)
	});
}

/* ---------------------------------------------------------------- the new one */

static oauth1_statement insert_nonce = {
	.sql = "INSERT INTO oauth1.client_nonce (signed_at, digest) "
	"VALUES ($1, pg_catalog.sha256($2)) ON CONFLICT DO NOTHING",
	.nargs = 2,
	.types = {TIMESTAMPTZOID, BYTEAOID},
};

/* What is hashed: each text with its length before it. */
static Datum
fields_of(const oauth1_client_nonce *nonce)
{
	oa1_text	fields[] = {nonce->consumer_key, nonce->token, nonce->nonce};
	oa1_buffer	octets;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_associate(&octets, fields, lengthof(fields));
	return PointerGetDatum(cstring_to_text_with_len(octets.data, (int) octets.length));
}

bool
oauth1_client_nonce_use(const oauth1_client_nonce *nonce)
{
	static int	requests = 0;
	Datum		values[] = {
		TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) nonce->timestamp)),
		fields_of(nonce)
	};
	oauth1_query query;
	bool		is_new;

	oauth1_query_begin(&query);
	if (requests++ % REQUESTS_BETWEEN == 0)
		prune();
	is_new = oauth1_query_write_latest(&insert_nonce, values) > 0;
	oauth1_query_end(&query);
	return is_new;
}
