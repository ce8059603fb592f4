/*
 * key_admin.c
 *	  The keys as their administrator sees them: rotate, add, show.
 *
 * These functions are revoked from PUBLIC; whoever is granted one acts as the
 * extension's owner.  Only rebind_consumer asks for more: it sends what was
 * entrusted for one place to another.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "outside/keyring.h"
#include "stored/data_key_row.h"
#include "stored/destination.h"
#include "stored/query.h"
#include "stored/secret.h"

/* ---------------------------------------------------------------- wrap anew */

static oauth1_statement lock_keys = {
	.sql = "LOCK TABLE oauth1.data_key IN SHARE ROW EXCLUSIVE MODE",
};

static oauth1_statement update_wrapped = {
	.sql = "UPDATE oauth1.data_key SET master_key = $2, wrapped = $3 WHERE id = $1",
	.nargs = 3,
	.types = {TEXTOID, TEXTOID, BYTEAOID},
};

static void
wrap_anew(const oauth1_data_key_row *row, const oauth1_keyring *ring,
		  const oauth1_master_key *master)
{
	oa1_buffer *key = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_key_problem problem = {0};
	Datum		values[3];

	if (!oauth1_data_key_row_unwrap(row, ring, key, &problem))
		oauth1_key_problem_raise("cannot rotate the master key", &problem);
	values[0] = CStringGetTextDatum(row->id);
	values[1] = CStringGetTextDatum(master->id);
	values[2] = PointerGetDatum(oauth1_data_key_wrap(row->id, ring, master,
													 (const unsigned char *) key->data));
	oauth1_query_write_row(&update_wrapped, values);
	oa1_buffer_free(key);
}

static void
raise_no_master(const char *id)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg("master key \"%s\" is not here", id),
			 errdetail("%s does not hold it.", oauth1_keyring_source()),
			 errhint("The function oauth1.key_status() shows those that are; oauth1.create_master_key() makes one.")));
}

/*
 * All data keys, since any may be needed by a secret.  What is wrapped by that
 * master key already stays as it is.
 */
static void
rotate_master_key(const char *id)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
												 ALLOCSET_SMALL_SIZES);
	oauth1_key_problem problem;
	oauth1_keyring *ring;
	const oauth1_master_key *master;
	oauth1_data_key_row *rows;
	int			count;

	(void) oauth1_query_write(&lock_keys, NULL, NULL);
	ring = oauth1_keyring_read(memory, &problem);
	if (ring == NULL)
		oauth1_key_problem_raise("cannot rotate the master key", &problem);
	master = oauth1_keyring_find(ring, id);
	if (master == NULL)
		raise_no_master(id);
	rows = oauth1_data_key_rows(&count);
	for (int i = 0; i < count; i++)
		if (strcmp(rows[i].master_key, id) != 0)
			wrap_anew(&rows[i], ring, master);
	MemoryContextDelete(memory);
}

/* ---------------------------------------------------------------- status */

/* A row of key_status(); NULL strings and a zero time are nulls. */
typedef struct status_row
{
	const char *kind;
	const char *id;
	bool		current;
	bool		present;
	int64		needed_by;
	const char *fingerprint;
	TimestampTz created_at;
} status_row;

static void
put_row(ReturnSetInfo *result, const status_row *row)
{
	Datum		values[7] = {
		CStringGetTextDatum(row->kind), CStringGetTextDatum(row->id),
		BoolGetDatum(row->current), BoolGetDatum(row->present),
		Int64GetDatum(row->needed_by),
		row->fingerprint ? CStringGetTextDatum(row->fingerprint) : (Datum) 0,
		TimestampTzGetDatum(row->created_at)
	};
	bool		nulls[7] = {
		[5] = row->fingerprint == NULL, [6] = row->created_at == 0
	};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* The data keys that a master key wraps; *current where the current one is among them. */
static int64
count_wrapped(const oauth1_data_key_row *rows, int count, const char *master, bool *current)
{
	int64		wrapped = 0;

	*current = false;
	for (int i = 0; i < count; i++)
	{
		if (strcmp(rows[i].master_key, master) != 0)
			continue;
		wrapped++;
		*current |= rows[i].current;
	}
	return wrapped;
}

static void
put_master(ReturnSetInfo *result, const oauth1_data_key_row *rows, int count, const char *id,
		   const oauth1_master_key *master)
{
	status_row	row = {.kind = "master", .id = id, .present = master != NULL};

	row.needed_by = count_wrapped(rows, count, id, &row.current);
	if (master != NULL)
	{
		row.fingerprint = master->fingerprint;
		row.created_at = master->created_at;
	}
	put_row(result, &row);
}

/* Did an earlier row need the same master key? */
static bool
was_seen(const oauth1_data_key_row *rows, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(rows[i].master_key, rows[n].master_key) == 0)
			return true;
	return false;
}

/* Those in the ring, then those that are needed and not there. */
static void
put_masters(ReturnSetInfo *result, const oauth1_keyring *ring, const oauth1_data_key_row *rows,
			int count)
{
	for (int i = 0; ring != NULL && i < ring->count; i++)
		put_master(result, rows, count, ring->keys[i].id, &ring->keys[i]);
	for (int i = 0; i < count; i++)
		if ((ring == NULL || oauth1_keyring_find(ring, rows[i].master_key) == NULL) &&
			!was_seen(rows, i))
			put_master(result, rows, count, rows[i].master_key, NULL);
}

static void
put_data_key(ReturnSetInfo *result, const oauth1_keyring *ring, const oauth1_data_key_row *data_key)
{
	char		fingerprint[OAUTH1_FINGERPRINT_LENGTH + 1];
	oa1_buffer *key = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_key_problem problem = {.detail = ""};
	status_row	row = {
		.kind = "data",
		.id = data_key->id,
		.current = data_key->current,
		.needed_by = data_key->needed_by,
		.created_at = data_key->created_at
	};

	row.present = oauth1_data_key_row_unwrap(data_key, ring, key, &problem);
	if (row.present)
	{
		oauth1_key_fingerprint("oauth1 data key", (const unsigned char *) key->data, fingerprint);
		row.fingerprint = fingerprint;
	}
	oa1_buffer_free(key);
	put_row(result, &row);
}

/* Keys that are needed and cannot be read are rows like any other; this says why. */
static void
warn_of_problem(const oauth1_key_problem *problem)
{
	ereport(WARNING,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg("cannot read the master keys"),
			 errdetail_internal("%s", problem->detail),
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/* ---------------------------------------------------------------- SQL */

PG_FUNCTION_INFO_V1(oauth1_rotate_key);
PG_FUNCTION_INFO_V1(oauth1_create_master_key);
PG_FUNCTION_INFO_V1(oauth1_rotate_master_key);
PG_FUNCTION_INFO_V1(oauth1_key_status);
PG_FUNCTION_INFO_V1(oauth1_rebind_consumer);

/* rotate_key() → the new data key's id */
Datum
oauth1_rotate_key(PG_FUNCTION_ARGS)
{
	oauth1_query query;
	char	   *id;

	PreventCommandIfReadOnly("rotate_key()");
	oauth1_query_begin(&query);
	id = MemoryContextStrdup(query.caller_memory, oauth1_secret_rotate());
	oauth1_query_end(&query);
	PG_RETURN_TEXT_P(cstring_to_text(id));
}

/*
 * create_master_key() → its id.  A file is made only in a database that needs
 * none yet: else the one it needs is missing, and a second one would be lost
 * when that comes back.
 */
Datum
oauth1_create_master_key(PG_FUNCTION_ARGS)
{
	MemoryContext memory;
	oauth1_keyring *ring;
	text	   *id;

	PreventCommandIfReadOnly("create_master_key()");
	memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
								   ALLOCSET_SMALL_SIZES);
	ring = oauth1_keyring_add(memory, oauth1_data_key_row_current() == NULL);
	id = cstring_to_text(ring->keys[ring->count - 1].id);
	MemoryContextDelete(memory);
	PG_RETURN_TEXT_P(id);
}

/* rotate_master_key(id) */
Datum
oauth1_rotate_master_key(PG_FUNCTION_ARGS)
{
	char	   *id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	oauth1_query query;

	PreventCommandIfReadOnly("rotate_master_key()");
	oauth1_query_begin(&query);
	rotate_master_key(id);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}

/* key_status(): writes nothing, so that a standby can be asked as well. */
Datum
oauth1_key_status(PG_FUNCTION_ARGS)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
												 ALLOCSET_SMALL_SIZES);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	oauth1_key_problem problem;
	oauth1_keyring *ring;
	oauth1_data_key_row *rows;
	int			count;

	InitMaterializedSRF(fcinfo, 0);
	rows = oauth1_data_key_rows(&count);
	ring = oauth1_keyring_read(memory, &problem);
	if (ring == NULL && (count > 0 || !problem.missing))
		warn_of_problem(&problem);
	put_masters(result, ring, rows, count);
	for (int i = 0; i < count; i++)
		put_data_key(result, ring, &rows[i]);
	MemoryContextDelete(memory);
	return (Datum) 0;
}

/* rebind_consumer(name) → how many secrets */
Datum
oauth1_rebind_consumer(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	oauth1_query query;
	int			count;

	PreventCommandIfReadOnly("rebind_consumer()");
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to rebind consumer \"%s\"", name),
				 errdetail("Only a superuser may send secrets to another place than they were stored for.")));
	oauth1_query_begin(&query);
	count = oauth1_secret_rebind(name, oauth1_destination_of(name));
	oauth1_query_end(&query);
	PG_RETURN_INT32(count);
}
