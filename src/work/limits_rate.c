/*
 * limits_rate.c
 *	  rate_limit: never more than so many calls in any time of that length, as
 *	  the service sees them.
 *
 * A window has slots, and each may serve so many calls (mostly one) before it
 * rests for the length of the period.  It rests from when the last of them had
 * arrived for certain; until that is known it serves no other.  So whatever time
 * of that length is looked at, no slot served more than its share in it.  Where
 * the rate allows more calls than there are slots, a share is more than one call
 * and what does not come out even is not used: at most one call in a hundred.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "work/limits_private.h"

#define MAX_SLOTS 128

typedef struct window_slot
{
	int64		latest;			/* arrival of the last call; 0: none yet */
	uint32		calls;			/* served since it rested */
	uint32		open;			/* of these, not known to have arrived */
} window_slot;

/* An entry's content. */
typedef struct rate_window
{
	int64		length;			/* of the period, microseconds; 0: the entry is new */
	int64		born;			/* when it was set up */
	int32		slots;			/* in use */
	int32		current;		/* the slot that serves */
	uint32		share;			/* calls of a slot */
	uint32		unused;
	window_slot slot[MAX_SLOTS];
} rate_window;

StaticAssertDecl(sizeof(rate_window) == OAUTH1_WINDOWS_SIZE, "size of an entry");

static void
set_up(rate_window *window, const oauth1_rate *rate, int64 now)
{
	window->born = now;
	window->length = rate->seconds * INT64CONST(1000000);
	window->share = (rate->count + MAX_SLOTS - 1) / MAX_SLOTS;
	window->slots = rate->count / window->share;
}

/* A slot that has rested is as new. */
static void
refresh(const rate_window *window, window_slot *slot, int64 now)
{
	if (slot->calls > 0 && slot->open == 0 && slot->latest + window->length <= now)
		slot->calls = 0;
}

/* The slot that may serve now: the current one, or the next that has rested; -1: none. */
static int
find_slot(rate_window *window, int64 now)
{
	for (int i = 0; i < window->slots; i++)
	{
		int			n = (window->current + i) % window->slots;
		window_slot *slot = &window->slot[n];

		refresh(window, slot, now);
		if (slot->calls == 0 || (i == 0 && slot->calls < window->share))
			return n;
	}
	return -1;
}

/* When the first slot will have rested; INT64_MAX where all wait for their calls. */
static int64
next_rested(const rate_window *window)
{
	int64		first = PG_INT64_MAX;

	for (int n = 0; n < window->slots; n++)
		if (window->slot[n].open == 0)
			first = Min(first, window->slot[n].latest + window->length);
	return first;
}

int64
oauth1_rate_take(const oauth1_key *key, const oauth1_rate *rate, int64 now, oauth1_unit *unit)
{
	rate_window *window = oauth1_shared_lock(OAUTH1_TABLE_WINDOWS, key, true);
	int64		again = 0;
	int			n;

	*unit = (oauth1_unit) {0};
	if (window == NULL)
		return 0;
	if (window->length == 0)
		set_up(window, rate, now);
	n = find_slot(window, now);
	if (n < 0)
		again = next_rested(window);
	else
	{
		window->current = n;
		window->slot[n].calls++;
		window->slot[n].open++;
		*unit = (oauth1_unit) {
			.used = true, .is_open = true, .slot = n, .window_born = window->born
		};
	}
	oauth1_shared_unlock(OAUTH1_TABLE_WINDOWS, key);
	return again;
}

/* The unit's slot, which is held; NULL, and nothing is held, where its window is gone. */
static window_slot *
lock_slot(const oauth1_key *key, const oauth1_unit *unit, uint32 *share)
{
	rate_window *window;

	if (!unit->used)
		return NULL;
	window = oauth1_shared_lock(OAUTH1_TABLE_WINDOWS, key, false);
	if (window == NULL)
		return NULL;
	if (window->born != unit->window_born)
	{
		oauth1_shared_unlock(OAUTH1_TABLE_WINDOWS, key);
		return NULL;
	}
	*share = window->share;
	return &window->slot[unit->slot];
}

void
oauth1_rate_stamp(const oauth1_key *key, oauth1_unit *unit, int64 at)
{
	uint32		share;
	window_slot *slot = lock_slot(key, unit, &share);

	if (slot == NULL)
		return;
	if (unit->is_open)
		slot->open--;
	/* An earlier guess gives way where the slot has seen no other call since. */
	if (share == 1 && (unit->is_open || slot->latest == unit->stamped))
		slot->latest = at;
	else if (unit->is_open)
		slot->latest = Max(slot->latest, at);
	unit->is_open = false;
	unit->stamped = at;
	oauth1_shared_unlock(OAUTH1_TABLE_WINDOWS, key);
}

void
oauth1_rate_give(const oauth1_key *key, oauth1_unit *unit)
{
	uint32		share;
	window_slot *slot = unit->is_open ? lock_slot(key, unit, &share) : NULL;

	if (slot != NULL)
	{
		slot->open--;
		slot->calls--;
		oauth1_shared_unlock(OAUTH1_TABLE_WINDOWS, key);
	}
	*unit = (oauth1_unit) {0};
}
