/*
 * data_key.c
 *	  The data keys: unwrap, keep for the session, make, wrap anew.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "storage/ipc.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "outside/keyring.h"
#include "stored/data_key.h"
#include "stored/data_key_row.h"
#include "stored/query.h"

/* ---------------------------------------------------------------- kept for the session */

/*
 * Keys do not change under their id; what makes emptying worthwhile is that a
 * key that was dropped should not stay in memory.
 */
typedef struct kept_key
{
	oauth1_data_key key;
	struct kept_key *next;
} kept_key;

static MemoryContext kept_memory = NULL;
static kept_key *kept_keys = NULL;

/* oauth1.data_key as it was when a key was last read, and whether it changed since. */
static Oid	watched = InvalidOid;
static bool is_stale = false;

static void
relation_changed(Datum argument, Oid relation)
{
	if (relation == InvalidOid || relation == watched)
		is_stale = true;
}

/* Resetting the context wipes the ciphers. */
void
oauth1_data_key_forget_all(void)
{
	kept_keys = NULL;
	is_stale = false;
	if (kept_memory != NULL)
		MemoryContextReset(kept_memory);
}

static void
forget_at_exit(int code, Datum argument)
{
	oauth1_data_key_forget_all();
}

/* Before the rows are read: a change from here on counts. */
static void
watch(void)
{
	if (kept_memory == NULL)
	{
		kept_memory = AllocSetContextCreate(TopMemoryContext, "oauth1 data keys",
											ALLOCSET_SMALL_SIZES);
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		on_proc_exit(forget_at_exit, (Datum) 0);
	}
	watched = get_relname_relid("data_key", get_namespace_oid("oauth1", false));
}

static const oauth1_data_key *
keep(const char *id, oa1_buffer *key)
{
	kept_key   *kept = MemoryContextAlloc(kept_memory, sizeof(*kept));

	kept->key.id = MemoryContextStrdup(kept_memory, id);
	kept->key.cipher = oauth1_cipher_create(kept_memory, (const unsigned char *) key->data);
	kept->next = kept_keys;
	kept_keys = kept;
	return &kept->key;
}

/* ---------------------------------------------------------------- by id */

static const oauth1_data_key *
read_key(const char *id, oauth1_key_problem *problem)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
												 ALLOCSET_SMALL_SIZES);
	const oauth1_data_key *key = NULL;
	oauth1_data_key_row *row;
	oa1_buffer *octets = oauth1_secret_buffer(memory);

	watch();
	row = oauth1_data_key_row_read(id);
	if (row == NULL)
	{
		problem->missing = true;
		problem->detail = psprintf("Data key \"%s\" is not in oauth1.data_key.", id);
		problem->hint = "Restore that table together with oauth1.secret, or set the secret again.";
	}
	else
	{
		oauth1_keyring *ring = oauth1_keyring_read(memory, problem);

		if (oauth1_data_key_row_unwrap(row, ring, octets, problem))
			key = keep(id, octets);
	}
	MemoryContextDelete(memory);
	return key;
}

const oauth1_data_key *
oauth1_data_key_by_id(const char *id, oauth1_key_problem *problem)
{
	if (is_stale)
		oauth1_data_key_forget_all();
	for (kept_key *kept = kept_keys; kept != NULL; kept = kept->next)
		if (strcmp(kept->key.id, id) == 0)
			return &kept->key;
	memset(problem, 0, sizeof(*problem));
	return read_key(id, problem);
}

/* ---------------------------------------------------------------- current, and a new one */

static oauth1_statement lock_keys = {
	.sql = "LOCK TABLE oauth1.data_key IN SHARE ROW EXCLUSIVE MODE",
};

static oauth1_statement insert_current = {
	.sql = "INSERT INTO oauth1.data_key (id, master_key, wrapped, current, created_at) "
	"VALUES ($1, $2, $3, true, clock_timestamp())",
	.nargs = 3,
	.types = {TEXTOID, TEXTOID, BYTEAOID},
};

static oauth1_statement retire = {
	.sql = "UPDATE oauth1.data_key SET current = false WHERE id = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement delete_unneeded = {
	.sql = "DELETE FROM oauth1.data_key d WHERE NOT d.current "
	"AND NOT EXISTS (SELECT FROM oauth1.secret s WHERE s.data_key = d.id) "
	"AND NOT EXISTS (SELECT FROM oauth1.client c WHERE c.data_key = d.id)",
};

static oauth1_statement select_visible = {
	.sql = "SELECT FROM oauth1.data_key WHERE id = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

/* Makes a key, wraps it with a master key of the ring; returns its id, palloc'd. */
static char *
insert_key(const oauth1_keyring *ring, const oauth1_master_key *master, oa1_buffer *octets)
{
	char		id[OAUTH1_KEY_ID_LENGTH + 1];
	unsigned char *key = (unsigned char *) oa1_buffer_reserve(octets, OAUTH1_KEY_LENGTH);
	Datum		values[3];

	oauth1_check_core(octets->status, "data key");
	octets->length += OAUTH1_KEY_LENGTH;
	oauth1_key_draw(key);
	oauth1_key_id_draw('d', id);
	values[0] = CStringGetTextDatum(id);
	values[1] = CStringGetTextDatum(master->id);
	values[2] = PointerGetDatum(oauth1_data_key_wrap(id, ring, master, key));
	(void) oauth1_query_write(&insert_current, values, NULL);
	return pstrdup(id);
}

/*
 * In place of the key in row, or the first of all (row NULL).  A new key is
 * wrapped by the master key that the old one has; the first, by the ring's
 * newest.
 */
static char *
make_key(const oauth1_data_key_row *row)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 master keys",
												 ALLOCSET_SMALL_SIZES);
	oauth1_key_problem problem;
	oauth1_keyring *ring = row ? oauth1_keyring_read(memory, &problem)
		: oauth1_keyring_first(memory);
	oa1_buffer *octets = oauth1_secret_buffer(memory);
	const oauth1_master_key *master;
	char	   *id;

	if (row == NULL)
		master = &ring->keys[ring->count - 1];
	else
	{
		/* Also shows that what is here is that key, before anything is wrapped with it. */
		if (!oauth1_data_key_row_unwrap(row, ring, octets, &problem))
			oauth1_key_problem_raise("cannot make a data key", &problem);
		oa1_buffer_reset(octets);
		master = oauth1_keyring_find(ring, row->master_key);
	}
	id = insert_key(ring, master, octets);
	MemoryContextDelete(memory);
	return id;
}

/*
 * A foreign key is checked with the transaction's own snapshot, so under
 * REPEATABLE READ a key that is newer could not be referred to.
 */
static void
check_visible(const char *id)
{
	Datum		values[] = {CStringGetTextDatum(id)};

	if (IsolationUsesXactSnapshot())
		oauth1_query_write_row(&select_visible, values);
}

const oauth1_data_key *
oauth1_data_key_current(void)
{
	oauth1_data_key_row *row = oauth1_data_key_row_current();
	oauth1_key_problem problem;
	const oauth1_data_key *key;
	char	   *id;

	if (row == NULL)
	{
		/* Whoever makes the first key keeps others waiting until it is there for them. */
		(void) oauth1_query_write(&lock_keys, NULL, NULL);
		row = oauth1_data_key_row_current();
	}
	id = row ? row->id : make_key(NULL);
	check_visible(id);
	key = oauth1_data_key_by_id(id, &problem);
	if (key == NULL)
		oauth1_key_problem_raise("cannot encrypt a secret", &problem);
	return key;
}

char *
oauth1_data_key_replace(void)
{
	oauth1_data_key_row *row;

	(void) oauth1_query_write(&lock_keys, NULL, NULL);
	row = oauth1_data_key_row_current();
	if (row != NULL)
	{
		Datum		values[] = {CStringGetTextDatum(row->id)};

		oauth1_query_write_row(&retire, values);
	}
	return make_key(row);
}

void
oauth1_data_key_drop_unneeded(void)
{
	(void) oauth1_query_write(&delete_unneeded, NULL, NULL);
}
