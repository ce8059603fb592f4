/*
 * secret.c
 *	  The table of secrets: each sealed under the current data key, bound to its
 *	  row, its kind and its destination.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "outside/keyring.h"
#include "stored/client.h"
#include "stored/data_key.h"
#include "stored/pause.h"
#include "stored/query.h"
#include "stored/secret.h"

/* ---------------------------------------------------------------- bound data */

/*
 * What a secret is bound to: the format, who owns it, which it is, where it may
 * go.  In UTF-8, so that a dump may change the encoding.
 */
static void
associate(oa1_buffer *out, const oauth1_secret_id *id, const char *destination)
{
	oa1_text	fields[] = {
		OA1_TEXT("oauth1 secret 1"),
		oauth1_utf8_from_cstring(id->consumer),
		oauth1_utf8_from_cstring(id->slot),
		oauth1_utf8_from_cstring(id->kind),
		oauth1_utf8_from_cstring(destination),
	};

	oauth1_buffer_init(out, CurrentMemoryContext);
	oauth1_associate(out, fields, lengthof(fields));
}

/* The kind in words, for messages. */
static char *
describe(const oauth1_secret_id *id)
{
	char	   *words = pstrdup(id->kind);

	for (char *c = words; *c != '\0'; c++)
		if (*c == '_')
			*c = ' ';
	if (id->slot[0] == '\0')
		return psprintf("%s of consumer \"%s\"", words, id->consumer);
	/* A request token's slot is the token itself, which belongs in no log. */
	if (strcmp(id->kind, OAUTH1_REQUEST_TOKEN_SECRET) == 0)
		return psprintf("secret of a request token of consumer \"%s\"", id->consumer);
	return psprintf("%s of token \"%s\" of consumer \"%s\"", words, id->slot, id->consumer);
}

/* ---------------------------------------------------------------- store, read, delete */

static oauth1_statement lock_for_store = {
	.sql = "LOCK TABLE oauth1.secret IN ROW EXCLUSIVE MODE",
};

static oauth1_statement upsert = {
	.sql = "INSERT INTO oauth1.secret (consumer, slot, kind, data_key, destination, ciphertext) "
	"VALUES ($1, $2, $3, $4, $5, $6) "
	"ON CONFLICT (consumer, slot, kind) DO UPDATE SET data_key = excluded.data_key, "
	"destination = excluded.destination, ciphertext = excluded.ciphertext",
	.nargs = 6,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID},
};

static oauth1_statement select_row = {
	.sql = "SELECT data_key, destination, ciphertext FROM oauth1.secret "
	"WHERE consumer = $1 AND slot = $2 AND kind = $3",
	.nargs = 3,
	.types = {TEXTOID, TEXTOID, TEXTOID},
};

static oauth1_statement delete_row = {
	.sql = "DELETE FROM oauth1.secret WHERE consumer = $1 AND slot = $2 AND kind = $3",
	.nargs = 3,
	.types = {TEXTOID, TEXTOID, TEXTOID},
};

static void
write_sealed(oauth1_statement *statement, const oauth1_secret_id *id,
			 const oauth1_data_key *key, const char *destination, oa1_text secret)
{
	oa1_buffer	associated;
	oa1_buffer	sealed;
	Datum		values[6] = {
		CStringGetTextDatum(id->consumer), CStringGetTextDatum(id->slot),
		CStringGetTextDatum(id->kind), CStringGetTextDatum(key->id),
		CStringGetTextDatum(destination)
	};

	associate(&associated, id, destination);
	oauth1_buffer_init(&sealed, CurrentMemoryContext);
	oauth1_seal(key->cipher, oa1_buffer_text(&associated), secret, &sealed);
	values[5] = PointerGetDatum(cstring_to_text_with_len(sealed.data, (int) sealed.length));
	oauth1_query_write_row(statement, values);
	oa1_buffer_free(&associated);
	oa1_buffer_free(&sealed);
}

void
oauth1_secret_store(const oauth1_secret_id *id, const char *destination, oa1_text secret)
{
	/* Before asking for the key: a rotation must not drop it in between. */
	(void) oauth1_query_write(&lock_for_store, NULL, NULL);
	write_sealed(&upsert, id, oauth1_data_key_current(), destination, secret);
	oauth1_pause_end(id->consumer);
}

oauth1_sealed *
oauth1_secret_read(const oauth1_secret_id *id, MemoryContext context)
{
	Datum		values[] = {
		CStringGetTextDatum(id->consumer), CStringGetTextDatum(id->slot),
		CStringGetTextDatum(id->kind)
	};
	oauth1_sealed *sealed;
	bool		isnull;

	if (oauth1_query_read(&select_row, values, NULL) == 0)
		return NULL;
	sealed = MemoryContextAlloc(context, sizeof(*sealed));
	sealed->data_key = oauth1_column_cstring(0, 1, context);
	sealed->destination = oauth1_column_cstring(0, 2, context);
	sealed->ciphertext = DatumGetByteaPP(oauth1_column_datum(0, 3, context, &isnull));
	return sealed;
}

void
oauth1_secret_delete(const oauth1_secret_id *id)
{
	Datum		values[] = {
		CStringGetTextDatum(id->consumer), CStringGetTextDatum(id->slot),
		CStringGetTextDatum(id->kind)
	};

	(void) oauth1_query_write(&delete_row, values, NULL);
}

/* ---------------------------------------------------------------- open */

void
oauth1_secret_check_destination(const oauth1_secret_id *id, const char *bound, const char *now)
{
	if (strcmp(bound, now) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg("cannot use the %s", describe(id)),
			 errdetail("It was stored for %s, and would now go to %s.", bound, now),
			 errhint("Set it again, or have a superuser call oauth1.rebind_consumer.")));
}

static void
raise_broken(const oauth1_secret_id *id, const oauth1_sealed *sealed)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_SECRET),
			 errmsg("cannot decrypt the %s", describe(id)),
			 errdetail("It does not open with data key \"%s\": it was altered, or moved here from another row.",
					   sealed->data_key),
			 errhint("Set it again.")));
}

/* Opens what is stored, whatever the destination is now. */
static void
open_as_stored(const oauth1_secret_id *id, const oauth1_sealed *sealed,
			   const oauth1_data_key *key, oa1_buffer *out)
{
	oa1_text	ciphertext = {
		VARDATA_ANY(sealed->ciphertext), VARSIZE_ANY_EXHDR(sealed->ciphertext)
	};
	oa1_buffer	associated;
	bool		fine;

	associate(&associated, id, sealed->destination);
	fine = oauth1_unseal(key->cipher, oa1_buffer_text(&associated), ciphertext, out);
	oa1_buffer_free(&associated);
	if (!fine)
		raise_broken(id, sealed);
}

static void
raise_no_key(const oauth1_secret_id *id, const oauth1_key_problem *problem)
{
	oauth1_key_problem_raise(psprintf("cannot decrypt the %s", describe(id)), problem);
}

/*
 * The row as it is now, where a rotation replaced it, and dropped its data key,
 * since the caller read it; NULL where that is not what happened.
 */
static oauth1_sealed *
read_again(const oauth1_secret_id *id, const oauth1_sealed *sealed)
{
	MemoryContext memory = CurrentMemoryContext;
	oauth1_sealed *fresh;
	oauth1_query query;

	oauth1_query_begin(&query);
	fresh = oauth1_secret_read(id, memory);
	oauth1_query_end(&query);
	if (fresh == NULL || strcmp(fresh->data_key, sealed->data_key) == 0)
		return NULL;
	return fresh;
}

void
oauth1_secret_open(const oauth1_secret_id *id, const oauth1_sealed *sealed,
				   const char *destination, oa1_buffer *out)
{
	oauth1_key_problem problem;
	const oauth1_data_key *key = oauth1_data_key_by_id(sealed->data_key, &problem);
	oauth1_sealed *fresh;

	if (key == NULL && problem.missing && (fresh = read_again(id, sealed)) != NULL)
	{
		sealed = fresh;
		key = oauth1_data_key_by_id(sealed->data_key, &problem);
	}
	if (key == NULL)
		raise_no_key(id, &problem);
	oauth1_secret_check_destination(id, sealed->destination, destination);
	open_as_stored(id, sealed, key, out);
}

/* ---------------------------------------------------------------- seal anew */

static oauth1_statement lock_for_rotation = {
	.sql = "LOCK TABLE oauth1.secret, oauth1.client IN SHARE ROW EXCLUSIVE MODE",
};

static oauth1_statement select_all = {
	.sql = "SELECT consumer, slot, kind, data_key, destination, ciphertext FROM oauth1.secret",
};

static oauth1_statement select_consumer = {
	.sql = "SELECT consumer, slot, kind, data_key, destination, ciphertext FROM oauth1.secret "
	"WHERE consumer = $1 FOR UPDATE",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement update_row = {
	.sql = "UPDATE oauth1.secret SET data_key = $4, destination = $5, ciphertext = $6 "
	"WHERE consumer = $1 AND slot = $2 AND kind = $3",
	.nargs = 6,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, BYTEAOID},
};

/* What one row of select_all or select_consumer holds. */
typedef struct full_row
{
	oauth1_secret_id id;
	oauth1_sealed sealed;
} full_row;

/* Copies the rows of the statement just run; the next one overwrites SPI's. */
static full_row *
copy_rows(uint64 count)
{
	MemoryContext memory = CurrentMemoryContext;
	full_row   *rows = palloc0(Max(count, 1) * sizeof(*rows));
	bool		isnull;

	for (uint64 i = 0; i < count; i++)
	{
		rows[i].id.consumer = oauth1_column_cstring(i, 1, memory);
		rows[i].id.slot = oauth1_column_cstring(i, 2, memory);
		rows[i].id.kind = oauth1_column_cstring(i, 3, memory);
		rows[i].sealed.data_key = oauth1_column_cstring(i, 4, memory);
		rows[i].sealed.destination = oauth1_column_cstring(i, 5, memory);
		rows[i].sealed.ciphertext = DatumGetByteaPP(oauth1_column_datum(i, 6, memory, &isnull));
	}
	return rows;
}

/* destination NULL: the one it is bound to.  to: the id of a data key. */
static void
seal_anew(const full_row *row, const char *to, const char *destination)
{
	oa1_buffer *secret = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_key_problem problem;
	const oauth1_data_key *key = oauth1_data_key_by_id(row->sealed.data_key, &problem);

	if (key == NULL)
		raise_no_key(&row->id, &problem);
	open_as_stored(&row->id, &row->sealed, key, secret);
	key = oauth1_data_key_by_id(to, &problem);
	if (key == NULL)
		raise_no_key(&row->id, &problem);
	write_sealed(&update_row, &row->id, key,
				 destination ? destination : row->sealed.destination, oa1_buffer_text(secret));
	oa1_buffer_free(secret);
}

/* All of the rows; each one's leavings are cleared before the next. */
static void
seal_all_anew(const full_row *rows, uint64 count, const char *to, const char *destination)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 secret",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);

	for (uint64 i = 0; i < count; i++)
	{
		seal_anew(&rows[i], to, destination);
		MemoryContextReset(memory);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(memory);
}

char *
oauth1_secret_rotate(void)
{
	uint64		count;
	char	   *id;

	(void) oauth1_query_write(&lock_for_rotation, NULL, NULL);
	id = oauth1_data_key_replace();
	count = oauth1_query_read(&select_all, NULL, NULL);
	seal_all_anew(copy_rows(count), count, id, NULL);
	oauth1_client_seal_anew(id);
	oauth1_data_key_drop_unneeded();
	return id;
}

int
oauth1_secret_rebind(const char *consumer, const char *destination)
{
	Datum		values[] = {CStringGetTextDatum(consumer)};
	uint64		count;
	full_row   *rows;

	(void) oauth1_query_write(&lock_for_store, NULL, NULL);
	/* FOR UPDATE: what another session stores meanwhile must not be overwritten. */
	count = oauth1_query_write(&select_consumer, values, NULL);
	rows = copy_rows(count);
	if (count > 0)
		seal_all_anew(rows, count, pstrdup(oauth1_data_key_current()->id), destination);
	return (int) count;
}
