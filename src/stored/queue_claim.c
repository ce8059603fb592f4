/*
 * queue_claim.c
 *	  Choosing calls that are due.
 *
 * A claim is three or four statements, whatever the number of calls: one looks for
 * the rows of oauth1.queue that come next; one, for the first of each order_key
 * that is among them; what is chosen is marked, as far as nobody else has it, and
 * read (queue_take.c).  Where nothing is chosen nothing was written.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "stored/claim.h"
#include "stored/queue_private.h"

/* A row that could be claimed. */
typedef struct candidate
{
	int64		id;				/* 0: none */
	int			wish;			/* which one it is for */
	int			size;
	oauth1_queue_position position;
	int			chain;			/* which one it belongs to; -1: none */
} candidate;

/* Calls of one consumer and order_key. */
typedef struct chain
{
	const char *consumer;
	const char *order_key;
	bool		keyed;
	candidate	first;			/* to be claimed */
	bool		done;			/* chosen, or not to be had */
} chain;

/* What became of a wish. */
typedef struct progress
{
	int			found;			/* candidates */
	bool		stuck;			/* one of them is to be looked at again */
} progress;

/* A lap: what it was asked for, what it found, what it chose. */
typedef struct lap
{
	oauth1_queue_wish *wishes;
	progress   *progress;		/* of each */
	int			wish_count;
	Datum		now;			/* what is due by then is due */
	candidate  *candidates;		/* by wish, then by position */
	int			candidate_count;
	chain	   *chains;			/* those asked for, then those of candidates */
	int			asked_chains;
	int			chain_count;
	bool		ordered;		/* nobody else claims calls with an order_key */
	oauth1_queue_choice chosen;
	size_t		octets;			/* of what is chosen */
	size_t		max_octets;
	bool		full;
} lap;

/* ---------------------------------------------------------------- what comes next */

static oauth1_statement select_next = {
	.sql = "SELECT w.n::integer - 1, q.id, q.due, q.size, q.order_key "
	"FROM unnest($4, $5, $6, $7) WITH ORDINALITY AS w(consumer, count, due, id, n), "
	"LATERAL (SELECT q.id, q.due, q.size, q.order_key FROM oauth1.queue q "
	"WHERE q.system_identifier = $1 AND q.database = $2 AND q.claim IS NULL "
	"AND q.consumer = w.consumer AND q.due <= $3 AND (q.due, q.id) > (w.due, w.id) "
	"ORDER BY q.due, q.id LIMIT w.count) q",
	.nargs = 7,
	.types = {INT8OID, OIDOID, TIMESTAMPTZOID, TEXTARRAYOID, INT4ARRAYOID, TIMESTAMPTZARRAYOID,
	INT8ARRAYOID},
};

static void
put_wishes(Datum *values, const oauth1_queue_wish *wishes, int count)
{
	Datum	   *consumers = palloc(sizeof(Datum) * count);
	Datum	   *counts = palloc(sizeof(Datum) * count);
	Datum	   *dues = palloc(sizeof(Datum) * count);
	Datum	   *ids = palloc(sizeof(Datum) * count);

	for (int i = 0; i < count; i++)
	{
		consumers[i] = CStringGetTextDatum(wishes[i].consumer);
		counts[i] = Int32GetDatum(wishes[i].count);
		dues[i] = TimestampTzGetDatum(wishes[i].after.due);
		ids[i] = Int64GetDatum(wishes[i].after.id);
	}
	values[0] = oauth1_queue_array(TEXTOID, consumers, NULL, count);
	values[1] = oauth1_queue_array(INT4OID, counts, NULL, count);
	values[2] = oauth1_queue_array(TIMESTAMPTZOID, dues, NULL, count);
	values[3] = oauth1_queue_array(INT8OID, ids, NULL, count);
}

/* The number of the chain; -1: it is none of the lap's. */
static int
find_chain(const lap *lap, const char *consumer, const char *order_key)
{
	for (int i = 0; i < lap->chain_count; i++)
		if (strcmp(lap->chains[i].order_key, order_key) == 0 &&
			strcmp(lap->chains[i].consumer, consumer) == 0)
			return i;
	return -1;
}

/* The same, added where it is new; there is room. */
static int
add_chain(lap *lap, const char *consumer, const char *order_key, bool keyed)
{
	int			found = find_chain(lap, consumer, order_key);

	if (found >= 0)
		return found;
	lap->chains[lap->chain_count] = (chain) {
		.consumer = consumer, .order_key = order_key, .keyed = keyed
	};
	return lap->chain_count++;
}

static void
read_candidate(lap *lap, candidate *next, uint64 row)
{
	const oauth1_queue_wish *wish;
	char	   *order_key = oauth1_column_cstring(row, 5, CurrentMemoryContext);

	next->wish = DatumGetInt32(oauth1_queue_value(row, 1));
	next->id = DatumGetInt64(oauth1_queue_value(row, 2));
	next->position.id = next->id;
	next->position.due = DatumGetTimestampTz(oauth1_queue_value(row, 3));
	next->size = DatumGetInt32(oauth1_queue_value(row, 4));
	wish = &lap->wishes[next->wish];
	next->chain = order_key ? add_chain(lap, wish->consumer, order_key, wish->keyed) : -1;
}

static int
by_wish_and_position(const void *left, const void *right)
{
	const candidate *a = left;
	const candidate *b = right;

	if (a->wish != b->wish)
		return a->wish < b->wish ? -1 : 1;
	if (a->position.due != b->position.due)
		return a->position.due < b->position.due ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

static void
find_candidates(lap *lap)
{
	Datum		values[7];

	if (lap->wish_count > 0)
	{
		values[0] = oauth1_queue_system_identifier();
		values[1] = oauth1_queue_database();
		values[2] = lap->now;
		put_wishes(values + 3, lap->wishes, lap->wish_count);
		lap->candidate_count = (int) oauth1_query_read(&select_next, values, NULL);
	}
	lap->candidates = palloc(sizeof(candidate) * Max(lap->candidate_count, 1));
	lap->chains = repalloc(lap->chains,
						   sizeof(chain) * Max(lap->chain_count + lap->candidate_count, 1));
	for (int i = 0; i < lap->candidate_count; i++)
		read_candidate(lap, &lap->candidates[i], i);
	/* They come so, in all likelihood; a plan owes it to nobody. */
	qsort(lap->candidates, lap->candidate_count, sizeof(candidate), by_wish_and_position);
}

/* ---------------------------------------------------------------- order */

/*
 * The first of each key, in the order of queue_order: the running one, else the
 * earliest; where that can be claimed now.
 */
static oauth1_statement select_first = {
	.sql = "SELECT c.n::integer - 1, q.id, q.due, q.size "
	"FROM unnest($4, $5) WITH ORDINALITY AS c(consumer, order_key, n), "
	"LATERAL (SELECT q.id, q.due, q.size, q.claim FROM oauth1.queue q "
	"WHERE q.system_identifier = $1 AND q.database = $2 AND q.consumer = c.consumer "
	"AND q.order_key = c.order_key ORDER BY (q.claim IS NULL), q.id LIMIT 1) q "
	"WHERE q.claim IS NULL AND q.due <= $3",
	.nargs = 5,
	.types = {INT8OID, OIDOID, TIMESTAMPTZOID, TEXTARRAYOID, TEXTARRAYOID},
};

static void
read_firsts(lap *lap, uint64 rows)
{
	for (uint64 row = 0; row < rows; row++)
	{
		chain	   *chain = &lap->chains[DatumGetInt32(oauth1_queue_value(row, 1))];

		chain->first.id = DatumGetInt64(oauth1_queue_value(row, 2));
		chain->first.position.id = chain->first.id;
		chain->first.position.due = DatumGetTimestampTz(oauth1_queue_value(row, 3));
		chain->first.size = DatumGetInt32(oauth1_queue_value(row, 4));
		chain->first.chain = -1;
	}
}

/*
 * A call that is enqueued early and committed late can come before one that is
 * running.  Two processes, one of which does not see yet what the other claims,
 * would then each find a first one.  So one at a time looks, from before its
 * snapshot until its claim is committed.
 */
static void
find_firsts(lap *lap)
{
	Datum	   *consumers;
	Datum	   *order_keys;

	if (lap->chain_count == 0 || !oauth1_claim_lock_ordered())
		return;
	lap->ordered = true;
	consumers = palloc(sizeof(Datum) * lap->chain_count);
	order_keys = palloc(sizeof(Datum) * lap->chain_count);
	for (int i = 0; i < lap->chain_count; i++)
	{
		consumers[i] = CStringGetTextDatum(lap->chains[i].consumer);
		order_keys[i] = CStringGetTextDatum(lap->chains[i].order_key);
	}
	read_firsts(lap, oauth1_query_read(&select_first, (Datum[]) {
		oauth1_queue_system_identifier(), oauth1_queue_database(), lap->now,
		oauth1_queue_array(TEXTOID, consumers, NULL, lap->chain_count),
		oauth1_queue_array(TEXTOID, order_keys, NULL, lap->chain_count)
	}, NULL));
}

/* ---------------------------------------------------------------- choosing */

/* Takes it; false where there is no room for it. */
static bool
choose(lap *lap, const candidate *candidate, bool keyed)
{
	oauth1_queue_choice *chosen = &lap->chosen;

	if (lap->full || (chosen->count > 0 && candidate->size > lap->max_octets - lap->octets))
	{
		lap->full = true;
		return false;
	}
	lap->octets += Min((size_t) candidate->size, lap->max_octets - lap->octets);
	chosen->ids[chosen->count] = Int64GetDatum(candidate->id);
	chosen->keyed[chosen->count] = keyed;
	chosen->positions[chosen->count] = candidate->position;
	chosen->count++;
	return true;
}

/* The first of a chain, once; false where it is to be looked for again. */
static bool
choose_first(lap *lap, chain *chain)
{
	if (!lap->ordered)
		return false;
	if (!chain->done && chain->first.id != 0 && !choose(lap, &chain->first, chain->keyed))
		return false;
	chain->done = true;
	return true;
}

/* A candidate, or the first of its chain. */
static void
choose_candidate(lap *lap, const candidate *next, bool *ordered)
{
	oauth1_queue_wish *wish = &lap->wishes[next->wish];
	progress   *progress = &lap->progress[next->wish];
	int			before = lap->chosen.count;
	bool		passed = next->chain < 0
		? choose(lap, next, wish->keyed)
		: choose_first(lap, &lap->chains[next->chain]);

	progress->found++;
	wish->chosen += lap->chosen.count - before;
	if (!passed && next->chain >= 0 && !lap->full)
		*ordered = false;
	progress->stuck = progress->stuck || !passed;
	if (!progress->stuck)
		wish->reached = next->position;
}

static void
choose_all(lap *lap, bool *ordered)
{
	*ordered = true;
	for (int i = 0; i < lap->asked_chains; i++)
		*ordered = choose_first(lap, &lap->chains[i]) && *ordered;

	for (int i = 0; i < lap->wish_count; i++)
	{
		lap->wishes[i].reached = lap->wishes[i].after;
		lap->wishes[i].chosen = 0;
	}
	for (int i = 0; i < lap->candidate_count; i++)
		choose_candidate(lap, &lap->candidates[i], ordered);
	for (int i = 0; i < lap->wish_count; i++)
		lap->wishes[i].more = lap->progress[i].stuck ||
			lap->progress[i].found == lap->wishes[i].count;
}

/* ---------------------------------------------------------------- those that wait */

/* So many calls that wait for others are passed in a lap. */
#define WALK_ROWS 10000

static oauth1_statement look_further = {
	.sql = "SELECT id, due, order_key FROM oauth1.queue "
	"WHERE system_identifier = $1 AND database = $2 AND claim IS NULL "
	"AND consumer = $3 AND due <= $4 AND (due, id) > ($5, $6) "
	"ORDER BY due, id LIMIT $7",
	.nargs = 7,
	.types = {INT8OID, OIDOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID},
};

/* Moves the wish past calls of chains whose first one was just looked at. */
static void
walk(const lap *lap, oauth1_queue_wish *wish)
{
	uint64		rows = oauth1_query_read(&look_further, (Datum[]) {
		oauth1_queue_system_identifier(), oauth1_queue_database(),
		CStringGetTextDatum(wish->consumer), lap->now,
		TimestampTzGetDatum(wish->reached.due), Int64GetDatum(wish->reached.id),
		Int64GetDatum(WALK_ROWS)
	}, NULL);

	for (uint64 row = 0; row < rows; row++)
	{
		char	   *order_key = oauth1_column_cstring(row, 3, CurrentMemoryContext);

		if (order_key == NULL || find_chain(lap, wish->consumer, order_key) < 0)
			return;
		wish->reached.id = DatumGetInt64(oauth1_queue_value(row, 1));
		wish->reached.due = DatumGetTimestampTz(oauth1_queue_value(row, 2));
	}
	wish->more = rows == WALK_ROWS;
}

/*
 * A hundred thousand calls can wait behind one of their order_key.  They are passed
 * faster than they were wished for.
 */
static void
pass_waiting(const lap *lap)
{
	for (int i = 0; i < lap->wish_count; i++)
	{
		const progress *progress = &lap->progress[i];

		if (!progress->stuck && progress->found == lap->wishes[i].count &&
			lap->wishes[i].chosen < progress->found)
			walk(lap, &lap->wishes[i]);
	}
}

/* ---------------------------------------------------------------- the lap */

static void
init_lap(lap *lap, oauth1_queue_wish *wishes, int wish_count,
		 const oauth1_queue_chain *chains, int chain_count, size_t max_octets)
{
	*lap = (struct lap) {
		.wishes = wishes,
		.wish_count = wish_count,
		.now = TimestampTzGetDatum(GetCurrentTimestamp()),
		.progress = palloc0(sizeof(progress) * Max(wish_count, 1)),
		.chains = palloc(sizeof(chain) * Max(chain_count, 1)),
		.max_octets = max_octets,
	};
	for (int i = 0; i < chain_count; i++)
		(void) add_chain(lap, chains[i].consumer, chains[i].order_key, chains[i].keyed);
	lap->asked_chains = lap->chain_count;
}

/* Room for whatever could be chosen. */
static void
make_room(lap *lap)
{
	int			most = Max(lap->candidate_count + lap->chain_count, 1);

	lap->chosen.ids = palloc(sizeof(Datum) * most);
	lap->chosen.keyed = palloc(sizeof(bool) * most);
	lap->chosen.positions = palloc(sizeof(oauth1_queue_position) * most);
}

oauth1_claimed *
oauth1_queue_claim(int64 claim_number, oauth1_queue_wish *wishes, int wish_count,
				   const oauth1_queue_chain *chains, int chain_count, size_t max_octets,
				   MemoryContext memory, int *count, bool *ordered)
{
	oauth1_query query;
	oauth1_claimed *calls;
	lap			lap;

	oauth1_queue_begin(&query);
	oauth1_queue_check_tables();
	init_lap(&lap, wishes, wish_count, chains, chain_count, max_octets);
	find_candidates(&lap);
	find_firsts(&lap);
	make_room(&lap);
	choose_all(&lap, ordered);
	pass_waiting(&lap);
	calls = oauth1_queue_take(claim_number, lap.now, &lap.chosen, memory, count);
	oauth1_query_end(&query);
	return calls;
}
