/*
 * data_key_row.c
 *	  Rows of oauth1.data_key, and what is wrapped in them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "stored/data_key_row.h"
#include "stored/query.h"

/* ---------------------------------------------------------------- rows */

static oauth1_statement select_by_id = {
	.sql = "SELECT id, master_key, wrapped, current, created_at, 0::bigint "
	"FROM oauth1.data_key WHERE id = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement select_current = {
	.sql = "SELECT id, master_key, wrapped, current, created_at, 0::bigint "
	"FROM oauth1.data_key ORDER BY current DESC, created_at DESC LIMIT 1",
};

static oauth1_statement select_all = {
	.sql = "SELECT d.id, d.master_key, d.wrapped, d.current, d.created_at, "
	"(SELECT count(*) FROM oauth1.secret s WHERE s.data_key = d.id) "
	"+ (SELECT count(*) FROM oauth1.client c WHERE c.data_key = d.id) "
	"FROM oauth1.data_key d ORDER BY d.created_at, d.id",
};

static void
fill_row(oauth1_data_key_row *row, uint64 n, MemoryContext memory)
{
	bool		isnull;

	row->id = oauth1_column_cstring(n, 1, memory);
	row->master_key = oauth1_column_cstring(n, 2, memory);
	row->wrapped = DatumGetByteaPP(oauth1_column_datum(n, 3, memory, &isnull));
	row->current = DatumGetBool(oauth1_column_datum(n, 4, memory, &isnull));
	row->created_at = DatumGetTimestampTz(oauth1_column_datum(n, 5, memory, &isnull));
	row->needed_by = DatumGetInt64(oauth1_column_datum(n, 6, memory, &isnull));
}

static oauth1_data_key_row *
read_rows(oauth1_statement *statement, Datum *values, int *count)
{
	MemoryContext memory = CurrentMemoryContext;
	oauth1_data_key_row *rows = NULL;
	oauth1_query query;

	oauth1_query_begin(&query);
	*count = (int) oauth1_query_read(statement, values, NULL);
	if (*count > 0)
		rows = MemoryContextAllocZero(memory, *count * sizeof(*rows));
	for (int i = 0; i < *count; i++)
		fill_row(&rows[i], i, memory);
	oauth1_query_end(&query);
	return rows;
}

oauth1_data_key_row *
oauth1_data_key_row_read(const char *id)
{
	Datum		values[] = {CStringGetTextDatum(id)};
	int			count;

	return read_rows(&select_by_id, values, &count);
}

oauth1_data_key_row *
oauth1_data_key_row_current(void)
{
	int			count;

	return read_rows(&select_current, NULL, &count);
}

oauth1_data_key_row *
oauth1_data_key_rows(int *count)
{
	return read_rows(&select_all, NULL, count);
}

/* ---------------------------------------------------------------- wrapped keys */

/* A wrapped key opens only under its own id. */
static void
associate(oa1_buffer *out, const char *id)
{
	oa1_text	fields[] = {OA1_TEXT("oauth1 data key 1"), oauth1_utf8_from_cstring(id)};

	oauth1_buffer_init(out, CurrentMemoryContext);
	oauth1_associate(out, fields, lengthof(fields));
}

/* problem has why the ring is not there, or nothing yet where it is. */
static void
describe_missing(const oauth1_data_key_row *row, const oauth1_keyring *ring,
				 oauth1_key_problem *problem)
{
	const char *reason = ring ? psprintf("%s does not hold it.", oauth1_keyring_source())
		: problem->detail;

	problem->missing = false;
	problem->detail = psprintf("Data key \"%s\" needs master key \"%s\". %s", row->id,
							   row->master_key, reason);
	if (problem->hint == NULL)
		problem->hint = "Copy the master key from where the secrets were stored.";
}

static void
describe_broken(const oauth1_data_key_row *row, oauth1_key_problem *problem)
{
	problem->detail = psprintf("Data key \"%s\" does not open with the master key \"%s\" that is here: another key has that id, or the row was altered.",
							   row->id, row->master_key);
	problem->hint = "Compare the fingerprint in oauth1.key_status() with that of the server where the secrets were stored.";
}

bool
oauth1_data_key_row_unwrap(const oauth1_data_key_row *row, const oauth1_keyring *ring,
						   oa1_buffer *key, oauth1_key_problem *problem)
{
	const oauth1_master_key *master = ring ? oauth1_keyring_find(ring, row->master_key) : NULL;
	oa1_text	wrapped = {VARDATA_ANY(row->wrapped), VARSIZE_ANY_EXHDR(row->wrapped)};
	MemoryContext memory;
	oa1_buffer	associated;
	bool		fine;

	if (master == NULL)
	{
		describe_missing(row, ring, problem);
		return false;
	}
	memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 unwrap", ALLOCSET_SMALL_SIZES);
	associate(&associated, row->id);
	fine = oauth1_unseal(oauth1_keyring_cipher(ring, master, memory),
						 oa1_buffer_text(&associated), wrapped, key) &&
		key->length == OAUTH1_KEY_LENGTH;
	oa1_buffer_free(&associated);
	MemoryContextDelete(memory);
	if (!fine)
		describe_broken(row, problem);
	return fine;
}

bytea *
oauth1_data_key_wrap(const char *id, const oauth1_keyring *ring, const oauth1_master_key *master,
					 const unsigned char key[OAUTH1_KEY_LENGTH])
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 wrap",
												 ALLOCSET_SMALL_SIZES);
	oa1_buffer	associated;
	oa1_buffer	wrapped;
	bytea	   *value;

	associate(&associated, id);
	oauth1_buffer_init(&wrapped, memory);
	oauth1_seal(oauth1_keyring_cipher(ring, master, memory), oa1_buffer_text(&associated),
				(oa1_text) {(const char *) key, OAUTH1_KEY_LENGTH}, &wrapped);
	value = (bytea *) cstring_to_text_with_len(wrapped.data, (int) wrapped.length);
	oa1_buffer_free(&associated);
	MemoryContextDelete(memory);
	return value;
}
