/*
 * shared.c
 *	  What the server's sessions know together, in memory.
 *
 * A small header is taken late, without preloading; it holds the handle of a
 * pinned area (DSA) with a hash table of tokens and when they were used.  Later
 * tables get their handles beside it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/dsa.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/compat.h"
#include "ground/shared.h"

/*
 * The number is that of the layout: sessions that loaded another version of the
 * library, before an update, keep to a segment of their own.
 */
#define SEGMENT_NAME "oauth1 1"

/* At 40 octets each and the table's overhead less than 1 MB. */
#define MAXIMUM_TOKENS 10000

/* A token's time is written at most that often by a session. */
#define RHYTHM_US USECS_PER_SEC

/* Tokens whose last note this session remembers; a power of two. */
#define RECENT_COUNT 64

typedef struct shared_header
{
	LWLock		lock;			/* held while the area is made */
	int			tranche;		/* of all locks here */
	dsa_handle	area;			/* DSM_HANDLE_INVALID until it is made */
	dshash_table_handle tokens;
	pg_atomic_uint32 token_count;
} shared_header;

/* Names stand as digests, so that an entry has one size. */
typedef struct token_key
{
	Oid			database;
	uint8		digest[16];
} token_key;

typedef enum token_event
{
	TOKEN_USED,
	TOKEN_REFUSED,
	TOKEN_EVENTS				/* how many there are */
} token_event;

typedef struct token_entry
{
	token_key	key;
	TimestampTz times[TOKEN_EVENTS];	/* 0: never, as far as is known */
} token_entry;

static shared_header *header = NULL;
static dsa_area *area = NULL;
static dshash_table *tokens = NULL;

/* Set where memory did not suffice; this session does not try again. */
static bool is_unavailable = false;

/* What this session noted last, by the digest: most calls end here. */
static token_entry recent[RECENT_COUNT];

/* ---------------------------------------------------------------- the segment */

static void
initialize_header(void *segment)
{
	shared_header *fresh = segment;

	memset(fresh, 0, sizeof(*fresh));
	fresh->tranche = LWLockNewTrancheId();
	LWLockInitialize(&fresh->lock, fresh->tranche);
	fresh->area = DSM_HANDLE_INVALID;
	pg_atomic_init_u32(&fresh->token_count, 0);
}

static dshash_parameters
table_parameters(void)
{
	return (dshash_parameters) {
		.key_size = sizeof(token_key),
		.entry_size = sizeof(token_entry),
		.compare_function = dshash_memcmp,
		.hash_function = dshash_memhash,
		OAUTH1_DSHASH_COPY
		.tranche_id = header->tranche,
	};
}

/* Pins come last: what fails before them is undone by the abort. */
static void
make_area(void)
{
	dshash_parameters parameters = table_parameters();

	area = dsa_create(header->tranche);
	tokens = dshash_create(area, &parameters, NULL);
	dsa_pin(area);
	dsa_pin_mapping(area);
	header->tokens = dshash_get_hash_table_handle(tokens);
	header->area = dsa_get_handle(area);
}

static void
attach_area(void)
{
	dshash_parameters parameters = table_parameters();

	area = dsa_attach(header->area);
	tokens = dshash_attach(area, &parameters, header->tokens, NULL);
	dsa_pin_mapping(area);
}

static void
attach(void *unused)
{
	header = oauth1_named_segment(SEGMENT_NAME, sizeof(shared_header), initialize_header);
	LWLockRegisterTranche(header->tranche, "oauth1");
	/* For the session: where area and table are described. */
	MemoryContextSwitchTo(TopMemoryContext);
	LWLockAcquire(&header->lock, LW_EXCLUSIVE);
	if (header->area == DSM_HANDLE_INVALID)
		make_area();
	else
		attach_area();
	LWLockRelease(&header->lock);
}

/* Is there a table to work with, in this session and at this moment? */
static bool
is_available(void)
{
	/* PostgreSQL 15 and 16 start no subtransaction in parallel mode. */
	if (is_unavailable || !IsTransactionState() || IsInParallelMode())
		return false;
	if (tokens == NULL && oauth1_catch(attach, NULL) != NULL)
	{
		is_unavailable = true;
		tokens = NULL;
	}
	return tokens != NULL;
}

/* ---------------------------------------------------------------- tokens */

/* 128 bits of two hashes.  A collision, which nobody can plan, would only mix two times up. */
static token_key
make_key(const char *consumer, const char *token_name)
{
	static const uint64 seeds[] = {0, UINT64_C(0x9e3779b97f4a7c15)};
	token_key	key = {.database = MyDatabaseId};

	for (int i = 0; i < lengthof(seeds); i++)
	{
		uint64		hash = hash_bytes_extended((const unsigned char *) consumer,
											   strlen(consumer), seeds[i]);

		hash = hash_bytes_extended((const unsigned char *) token_name, strlen(token_name), hash);
		memcpy(key.digest + i * sizeof(hash), &hash, sizeof(hash));
	}
	return key;
}

static TimestampTz
latest(const token_entry *entry)
{
	return Max(entry->times[TOKEN_USED], entry->times[TOKEN_REFUSED]);
}

static int
compare_times(const void *a, const void *b)
{
	TimestampTz x = *(const TimestampTz *) a;
	TimestampTz y = *(const TimestampTz *) b;

	return (x > y) - (x < y);
}

/* The time that a quarter of the entries are no younger than; 0 where there are none. */
static TimestampTz
oldest_quarter(void)
{
	TimestampTz *times = palloc(MAXIMUM_TOKENS * sizeof(*times));
	TimestampTz limit = 0;
	int			count = 0;
	dshash_seq_status scan;
	token_entry *entry;

	dshash_seq_init(&scan, tokens, false);
	while ((entry = dshash_seq_next(&scan)) != NULL && count < MAXIMUM_TOKENS)
		times[count++] = latest(entry);
	dshash_seq_term(&scan);
	if (count > 0)
	{
		qsort(times, count, sizeof(*times), compare_times);
		limit = times[count / 4];
	}
	pfree(times);
	return limit;
}

/* So that there is one sort in thousands of insertions. */
static void
drop_oldest_quarter(void)
{
	TimestampTz limit = oldest_quarter();
	dshash_seq_status scan;
	token_entry *entry;

	dshash_seq_init(&scan, tokens, true);
	while ((entry = dshash_seq_next(&scan)) != NULL)
	{
		if (latest(entry) > limit)
			continue;
		dshash_delete_current(&scan);
		pg_atomic_fetch_sub_u32(&header->token_count, 1);
	}
	dshash_seq_term(&scan);
}

/* An operation: argument is the entry of the session's own, whose times are put in. */
static void
write_times(void *argument)
{
	const token_entry *note = argument;
	token_entry *entry = dshash_find(tokens, &note->key, true);
	bool		found = entry != NULL;

	if (!found)
	{
		if (pg_atomic_read_u32(&header->token_count) >= MAXIMUM_TOKENS)
			drop_oldest_quarter();
		entry = dshash_find_or_insert(tokens, &note->key, &found);
	}
	if (!found)
	{
		memset(entry->times, 0, sizeof(entry->times));
		pg_atomic_fetch_add_u32(&header->token_count, 1);
	}
	for (int i = 0; i < TOKEN_EVENTS; i++)
		entry->times[i] = Max(entry->times[i], note->times[i]);
	dshash_release_lock(tokens, entry);
}

static void
note(const char *consumer, const char *token_name, token_event event)
{
	token_key	key = make_key(consumer, token_name);
	token_entry *own = &recent[key.digest[0] % RECENT_COUNT];
	TimestampTz now = GetCurrentTimestamp();

	if (memcmp(&own->key, &key, sizeof(key)) != 0)
		*own = (token_entry) {.key = key};
	/* A clock that was set back counts as time that has passed. */
	if (now >= own->times[event] && now - own->times[event] < RHYTHM_US)
		return;
	own->times[event] = now;
	if (is_available())
		(void) oauth1_catch(write_times, own);
}

void
oauth1_shared_note_use(const char *consumer, const char *token_name)
{
	note(consumer, token_name, TOKEN_USED);
}

void
oauth1_shared_note_refusal(const char *consumer, const char *token_name)
{
	note(consumer, token_name, TOKEN_REFUSED);
}

/* An operation: argument is an entry whose times are filled in where its key is known. */
static void
read_times(void *argument)
{
	token_entry *wanted = argument;
	token_entry *entry = dshash_find(tokens, &wanted->key, false);

	if (entry == NULL)
		return;
	memcpy(wanted->times, entry->times, sizeof(wanted->times));
	dshash_release_lock(tokens, entry);
}

void
oauth1_shared_token_times(const char *consumer, const char *token_name,
						  TimestampTz *last_used, TimestampTz *last_refusal)
{
	token_entry wanted = {.key = make_key(consumer, token_name)};

	if (is_available())
		(void) oauth1_catch(read_times, &wanted);
	*last_used = wanted.times[TOKEN_USED];
	*last_refusal = wanted.times[TOKEN_REFUSED];
}
