/*
 * lane.c
 *	  The consumers that have work, one lane each, and how much of it may be
 *	  claimed now.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "work/lane.h"

/* Going back to a lane's head may take a tenth of the time. */
#define HEAD_SHARE 10

/* Where that found nothing, it waits that long for the next time, unless there is news. */
#define QUIET_US INT64CONST(1000000)

typedef struct lane_entry
{
	const char *consumer;		/* the lane's */
	oauth1_lane *lane;
} lane_entry;

static uint32
hash_name(const void *key, Size size)
{
	const char *name = *(const char *const *) key;

	return hash_bytes((const unsigned char *) name, strlen(name));
}

static int
match_name(const void *a, const void *b, Size size)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

void
oauth1_lanes_init(oauth1_lanes *lanes, int concurrency)
{
	HASHCTL		control = {
		.keysize = sizeof(const char *),
		.entrysize = sizeof(lane_entry),
		.hash = hash_name,
		.match = match_name,
		.hcxt = CurrentMemoryContext,
	};

	memset(lanes, 0, sizeof(*lanes));
	lanes->memory = CurrentMemoryContext;
	lanes->concurrency = concurrency;
	lanes->room = 8;
	lanes->lanes = palloc(lanes->room * sizeof(oauth1_lane *));
	lanes->by_consumer = hash_create("oauth1 lanes", 64, &control,
									 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static oauth1_lane *
add_lane(oauth1_lanes *lanes, const char *consumer)
{
	MemoryContext old = MemoryContextSwitchTo(lanes->memory);
	oauth1_lane *lane = palloc0(sizeof(*lane));
	lane_entry *entry;

	lane->consumer = pstrdup(consumer);
	lane->window = lanes->concurrency;
	if (lanes->count == lanes->room)
	{
		lanes->room *= 2;
		lanes->lanes = repalloc(lanes->lanes, lanes->room * sizeof(oauth1_lane *));
	}
	entry = hash_search(lanes->by_consumer, &lane->consumer, HASH_ENTER, NULL);
	entry->lane = lane;
	lanes->lanes[lanes->count++] = lane;
	MemoryContextSwitchTo(old);
	return lane;
}

oauth1_lane *
oauth1_lane_of(oauth1_lanes *lanes, const char *consumer)
{
	lane_entry *entry = hash_search(lanes->by_consumer, &consumer, HASH_FIND, NULL);

	return entry != NULL ? entry->lane : add_lane(lanes, consumer);
}

/* ---------------------------------------------------------------- what there is */

/* Nothing is pending in it, and nothing claimed. */
static bool
is_empty(const oauth1_lane *lane)
{
	return !lane->is_known && lane->claimed == 0;
}

static void
forget_empty(oauth1_lanes *lanes)
{
	int			kept = 0;

	for (int i = 0; i < lanes->count; i++)
	{
		oauth1_lane *lane = lanes->lanes[i];

		if (!is_empty(lane))
			lanes->lanes[kept++] = lane;
		else
		{
			(void) hash_search(lanes->by_consumer, &lane->consumer, HASH_REMOVE, NULL);
			pfree(lane->consumer);
			pfree(lane);
		}
	}
	lanes->count = kept;
}

/* Not before may the lane be looked at from its head. */
static int64
head_at(const oauth1_lane *lane)
{
	return Max(lane->head_at, lane->quiet_until);
}

int
oauth1_lanes_known(const oauth1_lanes *lanes, int64 clock, oauth1_queue_wish *known)
{
	int			count = 0;

	for (int i = 0; i < lanes->count; i++)
		if (clock < head_at(lanes->lanes[i]))
			known[count++] = (oauth1_queue_wish) {
				.consumer = lanes->lanes[i]->consumer,
				.after = lanes->lanes[i]->after,
			};
	return count;
}

/* What is at the cursor or before it was passed over, or became due, or was committed, later. */
static void
take_in(oauth1_lane *lane, const oauth1_queue_lane *found, TimestampTz now)
{
	lane->is_known = true;
	lane->due = found->due;
	lane->keyed = found->has_idempotency_header;
	lane->paused_until = found->paused_until;
	if (lane->due > now)
		return;
	if (lane->due <= lane->after.due)
		lane->after = (oauth1_queue_position) {0};
	lane->has_more = true;
}

int64
oauth1_lanes_update(oauth1_lanes *lanes, const oauth1_queue_lane *found, int count,
					TimestampTz now, int64 clock)
{
	int64		again = PG_INT64_MAX;

	/* Before the cursor of those that were known there may still be something. */
	for (int i = 0; i < lanes->count; i++)
		if (clock < head_at(lanes->lanes[i]))
			again = Min(again, head_at(lanes->lanes[i]));
		else
			lanes->lanes[i]->is_known = false;
	for (int i = 0; i < count; i++)
		take_in(oauth1_lane_of(lanes, found[i].consumer), &found[i], now);
	forget_empty(lanes);
	return again;
}

void
oauth1_lanes_expect(oauth1_lanes *lanes)
{
	for (int i = 0; i < lanes->count; i++)
	{
		lanes->lanes[i]->has_more = true;
		lanes->lanes[i]->quiet_until = 0;
	}
}

/* ---------------------------------------------------------------- how much */

bool
oauth1_lane_is_held(const oauth1_lane *lane, TimestampTz now, int64 clock)
{
	return lane->paused_until > now || lane->held_until > clock || lane->waiting > 0;
}

/* How many more calls the lane may have, of free places, by the rules of lane.h. */
static int
allowance(const oauth1_lanes *lanes, const oauth1_lane *lane, int free)
{
	int			most = Min(lanes->concurrency, lane->window);
	int			n = 0;

	/* A consumer that was paused is tried with one call. */
	if (lane->paused_until != 0)
		most = 1;
	while (lane->claimed + n < most && lane->claimed + n < free - n)
		n++;
	return n;
}

int
oauth1_lanes_wishes(oauth1_lanes *lanes, int64 most, TimestampTz now, int64 clock,
					oauth1_queue_wish *wishes)
{
	int			free = 2 * lanes->concurrency - lanes->claimed;
	int			count = 0;

	for (int i = 0; i < lanes->count && free > 0 && most > 0; i++)
	{
		oauth1_lane *lane = lanes->lanes[(lanes->first + i) % lanes->count];
		int			n;

		if (!lane->has_more || oauth1_lane_is_held(lane, now, clock))
			continue;
		n = (int) Min(allowance(lanes, lane, free), most);
		if (n == 0)
			continue;
		wishes[count++] = (oauth1_queue_wish) {
			.consumer = lane->consumer,
			.count = n,
			.after = lane->after,
			.keyed = lane->keyed,
		};
		free -= n;
		most -= n;
	}
	if (lanes->count > 0)
		lanes->first = (lanes->first + 1) % lanes->count;
	return count;
}

void
oauth1_lane_took(oauth1_lane *lane, const oauth1_queue_wish *wish, int64 cost, int64 clock)
{
	bool		from_head = wish->after.due == 0 && wish->after.id == 0;

	/* A hundred thousand calls may wait there for one of their order_key. */
	if (from_head)
		lane->head_cost = 0;
	lane->is_from_head = from_head || (lane->is_from_head && wish->chosen == 0);
	if (lane->is_from_head)
	{
		lane->head_cost += cost;
		lane->head_at = clock + lane->head_cost * HEAD_SHARE;
	}
	/* All that is due must be passed over. */
	if (lane->is_from_head && !wish->more)
		lane->quiet_until = clock + QUIET_US;
	lane->after = wish->reached;
	lane->has_more = wish->more;
}

/* In the order in which calls are taken. */
static bool
is_before(const oauth1_queue_position *a, const oauth1_queue_position *b)
{
	return a->due < b->due || (a->due == b->due && a->id < b->id);
}

void
oauth1_lanes_widen(oauth1_lanes *lanes)
{
	for (int i = 0; i < lanes->count; i++)
	{
		oauth1_lane *lane = lanes->lanes[i];

		if (lane->waiting == 0 && lane->claimed >= lane->window &&
			lane->window < lanes->concurrency)
			lane->window++;
	}
}

void
oauth1_lane_give_back(oauth1_lane *lane, const oauth1_queue_position *position)
{
	oauth1_queue_position before = {position->due, position->id - 1};

	if (is_before(&before, &lane->after))
		lane->after = before;
	lane->is_known = true;
	lane->has_more = true;
}

bool
oauth1_lanes_have_more(const oauth1_lanes *lanes, TimestampTz now, int64 clock)
{
	int			free = 2 * lanes->concurrency - lanes->claimed;

	for (int i = 0; i < lanes->count; i++)
		if (lanes->lanes[i]->has_more && !oauth1_lane_is_held(lanes->lanes[i], now, clock) &&
			allowance(lanes, lanes->lanes[i], free) > 0)
			return true;
	return false;
}

TimestampTz
oauth1_lanes_next_due(const oauth1_lanes *lanes, TimestampTz now)
{
	TimestampTz next = DT_NOEND;

	for (int i = 0; i < lanes->count; i++)
	{
		const oauth1_lane *lane = lanes->lanes[i];
		TimestampTz due = Max(lane->due, lane->paused_until);

		if (lane->is_known && due > now)
			next = Min(next, due);
	}
	return next;
}
