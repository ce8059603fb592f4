/*
 * shared.c
 *	  What the server's sessions know together, in memory: the segment and its
 *	  tables, whatever they are for.
 *
 * A small header is taken late, without preloading; it holds the handle of a
 * pinned segment of dynamic shared memory that is made once, whole.  So nothing
 * is allocated later, and nothing can fail later.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/dsm.h"

#include "ground/catch.h"
#include "ground/compat.h"
#include "ground/shared.h"

/*
 * The number is that of the layout: sessions that loaded another version of the
 * library, before an update, keep to a segment of their own.
 */
#define SEGMENT_NAME "oauth1 4"

/* Entries that one key may be in; the least recently used of them makes room. */
#define WAYS 8

/* Locks of a table, each for its part of the sets; a power of two. */
#define PARTS 8

typedef struct shared_header
{
	LWLock		lock;			/* held while the segment is made */
	int			tranche;		/* of all locks here */
	dsm_handle	segment;		/* DSM_HANDLE_INVALID until it is made */
} shared_header;

/* On a cache line of its own. */
typedef union part
{
	struct
	{
		LWLock		lock;
		uint64		clock;		/* of uses, to tell which is the oldest */
	};
	char		line[PG_CACHE_LINE_SIZE];
} part;

/* The table's content follows. */
typedef struct entry
{
	oauth1_key	key;
	uint64		used;			/* by the part's clock; 0: empty */
} entry;

/* Sets are a power of two.  1.6 MB in all. */
static const struct
{
	size_t		size;			/* of an entry's content */
	int			sets;
}			layout[OAUTH1_TABLES] = {
	[OAUTH1_TABLE_TOKEN_TIMES] = {OAUTH1_TOKEN_TIMES_SIZE, 2048},
	[OAUTH1_TABLE_CLOCKS] = {OAUTH1_CLOCKS_SIZE, 256},
	[OAUTH1_TABLE_PAUSES] = {OAUTH1_PAUSES_SIZE, 128},
	[OAUTH1_TABLE_LINES] = {OAUTH1_LINES_SIZE, 32},
	[OAUTH1_TABLE_WINDOWS] = {OAUTH1_WINDOWS_SIZE, 32},
	[OAUTH1_TABLE_WORKERS] = {OAUTH1_WORKERS_SIZE, 32},
};

/* Where the tables are in this session: shared, or its own, or not yet anywhere. */
static char *tables = NULL;
static bool is_shared = false;

/* Set where memory did not suffice; this session does not try again. */
static bool is_unavailable = false;

/* ---------------------------------------------------------------- where things are */

static size_t
entry_size(oauth1_table table)
{
	return sizeof(entry) + layout[table].size;
}

static size_t
table_size(oauth1_table table)
{
	return PARTS * sizeof(part) + entry_size(table) * WAYS * layout[table].sets;
}

static size_t
all_tables_size(void)
{
	size_t		size = 0;

	for (int table = 0; table < OAUTH1_TABLES; table++)
		size += CACHELINEALIGN(table_size(table));
	return size;
}

/* A table's parts, and then its entries, set by set. */
static char *
table_at(char *base, oauth1_table wanted)
{
	for (int table = 0; table < (int) wanted; table++)
		base += CACHELINEALIGN(table_size(table));
	return base;
}

static uint32
set_of(oauth1_table table, const oauth1_key *key)
{
	uint32		hash;

	memcpy(&hash, key->digest, sizeof(hash));
	return hash & (layout[table].sets - 1);
}

static part *
part_of(oauth1_table table, const oauth1_key *key)
{
	return (part *) table_at(tables, table) + (set_of(table, key) & (PARTS - 1));
}

static entry *
entry_at(oauth1_table table, uint32 set, int way)
{
	return (entry *) (table_at(tables, table) + PARTS * sizeof(part) +
					  entry_size(table) * (WAYS * set + way));
}

/* ---------------------------------------------------------------- the segment */

static void
initialize_header(void *segment)
{
	shared_header *fresh = segment;

	memset(fresh, 0, sizeof(*fresh));
	fresh->tranche = LWLockNewTrancheId();
	LWLockInitialize(&fresh->lock, fresh->tranche);
	fresh->segment = DSM_HANDLE_INVALID;
}

/* The handle comes last: what fails before is undone by the abort. */
static char *
make_tables(shared_header *header)
{
	dsm_segment *segment = dsm_create(all_tables_size(), 0);
	char	   *made = dsm_segment_address(segment);

	memset(made, 0, all_tables_size());
	for (int table = 0; table < OAUTH1_TABLES; table++)
		for (int i = 0; i < PARTS; i++)
			LWLockInitialize(&((part *) table_at(made, table))[i].lock, header->tranche);
	dsm_pin_segment(segment);
	dsm_pin_mapping(segment);
	header->segment = dsm_segment_handle(segment);
	return made;
}

static char *
attach_tables(const shared_header *header)
{
	dsm_segment *segment = dsm_attach(header->segment);

	if (segment == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not map dynamic shared memory segment")));
	dsm_pin_mapping(segment);
	return dsm_segment_address(segment);
}

/* An operation: argument is where the tables' address goes. */
static void
attach(void *argument)
{
	char	  **address = argument;
	shared_header *header = oauth1_named_segment(SEGMENT_NAME, sizeof(shared_header),
												 initialize_header);

	LWLockRegisterTranche(header->tranche, "oauth1");
	LWLockAcquire(&header->lock, LW_EXCLUSIVE);
	*address = header->segment == DSM_HANDLE_INVALID ? make_tables(header) :
		attach_tables(header);
	LWLockRelease(&header->lock);
}

/* Takes the shared tables, where that can be done in this session and at this moment. */
static void
take_shared(void)
{
	char	   *address = NULL;

	/* PostgreSQL 15 and 16 start no subtransaction in parallel mode. */
	if (is_unavailable || !IsTransactionState() || IsInParallelMode())
		return;
	if (oauth1_catch(attach, &address) != NULL)
	{
		is_unavailable = true;
		return;
	}
	/* What this session knew by itself is of no use to the others. */
	free(tables);
	tables = address;
	is_shared = true;
}

/* Are there tables to work with?  Zeros are empty ones. */
static bool
prepare(void)
{
	if (!is_shared)
		take_shared();
	if (tables == NULL)
		tables = calloc(1, all_tables_size());
	return tables != NULL;
}

bool
oauth1_shared_is_shared(void)
{
	if (!is_shared)
		take_shared();
	return is_shared;
}

/* ---------------------------------------------------------------- entries */

/* 128 bits of two hashes.  A collision, which nobody can plan, would only mix two things up. */
oauth1_key
oauth1_shared_key(const oa1_text *words, int count)
{
	static const uint64 seeds[] = {0, UINT64_C(0x9e3779b97f4a7c15)};
	oauth1_key	key;

	StaticAssertStmt(sizeof(seeds) == sizeof(key), "a digest is as long as its hashes");
	for (int i = 0; i < lengthof(seeds); i++)
	{
		uint64		hash = seeds[i] + MyDatabaseId;

		/* A word's length goes before it, so that "ab", "c" is not "a", "bc". */
		for (int n = 0; n < count; n++)
			hash = hash_bytes_extended((const unsigned char *) words[n].data, words[n].length,
									   hash + words[n].length);
		memcpy(key.digest + i * sizeof(hash), &hash, sizeof(hash));
	}
	return key;
}

/* The key's entry, or the one that it may take; the part is held. */
static entry *
find_or_oldest(oauth1_table table, const oauth1_key *key)
{
	uint32		set = set_of(table, key);
	entry	   *oldest = entry_at(table, set, 0);

	for (int way = 0; way < WAYS; way++)
	{
		entry	   *candidate = entry_at(table, set, way);

		if (candidate->used != 0 && memcmp(&candidate->key, key, sizeof(*key)) == 0)
			return candidate;
		if (candidate->used < oldest->used)
			oldest = candidate;
	}
	return oldest;
}

void *
oauth1_shared_lock(oauth1_table table, const oauth1_key *key, bool make)
{
	part	   *held;
	entry	   *found;

	if (!prepare())
		return NULL;
	held = part_of(table, key);
	if (is_shared)
		LWLockAcquire(&held->lock, LW_EXCLUSIVE);
	found = find_or_oldest(table, key);
	if (found->used == 0 || memcmp(&found->key, key, sizeof(*key)) != 0)
	{
		if (!make)
		{
			oauth1_shared_unlock(table, key);
			return NULL;
		}
		memset(found, 0, entry_size(table));
		found->key = *key;
	}
	found->used = ++held->clock;
	return found + 1;
}

void
oauth1_shared_unlock(oauth1_table table, const oauth1_key *key)
{
	if (is_shared)
		LWLockRelease(&part_of(table, key)->lock);
}
