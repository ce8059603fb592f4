/*
 * limits.c
 *	  Places and rates: what a call must have before it starts, and the book of
 *	  what this session's calls have.
 *
 * A call asks for all that it needs at once and keeps nothing while it waits.
 * The book is there for the ends that come without oauth1_limits_release: an
 * abort, and the end of the session.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "work/limits.h"
#include "work/limits_private.h"

/*
 * How often is asked again where nobody wakes.  The first in a line looks for a
 * place whose holder could not wake it; those behind show that they are there.
 */
#define FIRST_LOOKS_US 50000
#define OTHERS_LOOK_US 200000

/*
 * A request arrives when its answer came at the latest, and that long after it
 * began to be sent, for all that the network and a busy service need.
 */
#define ARRIVAL_US 500000

typedef struct book_entry
{
	uint64		serial;			/* 0: free */
	oauth1_key	group;
	oauth1_key	line;			/* of those that are held to the same limits */
	oauth1_key	window;			/* of the rate */
	int			place;			/* number; 0: none */
	oauth1_unit unit;
} book_entry;

/* Grows, and never shrinks: as long as the most calls at a time. */
static book_entry *book = NULL;
static int	book_length = 0;
static uint64 last_serial = 0;

/* ---------------------------------------------------------------- whose limits */

bool
oauth1_limits_has_any(const oauth1_consumer *consumer)
{
	return consumer->max_concurrency > 0 || consumer->rate_limit.count > 0 ||
		consumer->limit_group != NULL;
}

/* A word that cannot be a name tells a group from a consumer of its name. */
oauth1_key
oauth1_limits_group(const oauth1_consumer *consumer)
{
	const char *kind = consumer->limit_group != NULL ? "group" : "consumer";
	const char *name = consumer->limit_group != NULL ? consumer->limit_group : consumer->name;
	oa1_text	words[] = {{kind, strlen(kind)}, {name, strlen(name)}};

	return oauth1_shared_key(words, lengthof(words));
}

/* The group's key with a rate and a number of places: those differ where the limits do. */
static oauth1_key
limits_key(const oauth1_key *group, const oauth1_rate *rate, int places)
{
	int			numbers[] = {rate->count, rate->seconds, places};
	oa1_text	words[] = {
		{(const char *) group->digest, sizeof(group->digest)},
		{(const char *) numbers, sizeof(numbers)},
	};

	return oauth1_shared_key(words, lengthof(words));
}

/* ---------------------------------------------------------------- the book */

/* Gives back what the entry has.  sent_at as oauth1_limits_release's. */
static void
close_entry(book_entry *entry, int64 sent_at)
{
	if (sent_at == 0)
		oauth1_rate_give(&entry->window, &entry->unit);
	else
		oauth1_rate_stamp(&entry->window, &entry->unit,
						  Min(oauth1_monotonic_us(), sent_at + ARRIVAL_US));
	if (entry->place != 0)
		oauth1_place_give(&entry->group, entry->place);
	if (entry->place != 0 || entry->unit.used)
		oauth1_line_wake(&entry->line);
	else
		oauth1_line_leave(&entry->line);
	*entry = (book_entry) {0};
}

/* What is in flight now counts as sent. */
static void
close_book(void)
{
	int64		now = book_length > 0 ? oauth1_monotonic_us() : 0;

	for (int i = 0; i < book_length; i++)
		if (book[i].serial != 0)
			close_entry(&book[i], now);
}

/* The locks would go with the abort alone; who waits for them would not be woken. */
static void
at_transaction_end(XactEvent event, void *unused)
{
	if (event == XACT_EVENT_ABORT)
		close_book();
}

/* A process that ends outside a transaction has to give back its session locks itself. */
static void
at_exit(int code, Datum unused)
{
	close_book();
}

static void
grow_book(void)
{
	int			length = Max(16, book_length * 2);

	if (book == NULL)
	{
		book = MemoryContextAllocZero(TopMemoryContext, length * sizeof(*book));
		RegisterXactCallback(at_transaction_end, NULL);
		before_shmem_exit(at_exit, (Datum) 0);
	}
	else
	{
		book = repalloc(book, length * sizeof(*book));
		memset(book + book_length, 0, (length - book_length) * sizeof(*book));
	}
	book_length = length;
}

/* The entry of a place; NULL where it is in the book no more. */
static book_entry *
find_entry(const oauth1_place *place)
{
	if (place->serial == 0 || place->index >= book_length ||
		book[place->index].serial != place->serial)
		return NULL;
	return &book[place->index];
}

static book_entry *
open_entry(oauth1_place *place)
{
	int			i = 0;

	while (i < book_length && book[i].serial != 0)
		i++;
	if (i == book_length)
		grow_book();
	book[i].serial = ++last_serial;
	*place = (oauth1_place) {.serial = last_serial, .index = i};
	return &book[i];
}

/*
 * The place's entry, made where it has none, with the keys of what the consumer is
 * held to now.  It holds nothing; a consumer that was altered while its call
 * waited leaves the line of others that it stood in.
 */
static book_entry *
entry_to_fill(const oauth1_consumer *consumer, oauth1_place *place)
{
	book_entry *entry = find_entry(place);
	oauth1_key	group = oauth1_limits_group(consumer);
	oauth1_key	line = limits_key(&group, &consumer->rate_limit, consumer->max_concurrency);

	if (entry == NULL)
		entry = open_entry(place);
	else if (memcmp(&entry->line, &line, sizeof(line)) == 0)
		return entry;
	else
		oauth1_line_leave(&entry->line);
	entry->group = group;
	entry->line = line;
	entry->window = limits_key(&group, &consumer->rate_limit, 0);
	return entry;
}

/* ---------------------------------------------------------------- taking and releasing */

/* Takes all that is needed, or nothing and says why, and when to ask again. */
static oauth1_limit
take_all(const oauth1_consumer *consumer, book_entry *entry, int64 now, int64 *wake)
{
	int64		again = 0;

	*wake = now + FIRST_LOOKS_US;
	if (consumer->rate_limit.count > 0)
		again = oauth1_rate_take(&entry->window, &consumer->rate_limit, now, &entry->unit);
	if (again != 0)
	{
		*wake = Min(again, now + OTHERS_LOOK_US);
		return OAUTH1_LIMIT_RATE;
	}
	if (consumer->max_concurrency > 0)
	{
		entry->place = oauth1_place_take(&entry->group, consumer->max_concurrency);
		if (entry->place == 0)
		{
			oauth1_rate_give(&entry->window, &entry->unit);
			return OAUTH1_LIMIT_PLACE;
		}
	}
	return OAUTH1_LIMIT_NONE;
}

/* The same, in turn among those that wait. */
static oauth1_limit
take_in_turn(const oauth1_consumer *consumer, book_entry *entry, int64 now, int64 *wake)
{
	oauth1_limit lacking = consumer->max_concurrency > 0 ? OAUTH1_LIMIT_PLACE : OAUTH1_LIMIT_RATE;

	*wake = now + OTHERS_LOOK_US;
	if (oauth1_line_is_clear(&entry->line, now))
		lacking = take_all(consumer, entry, now, wake);
	if (lacking != OAUTH1_LIMIT_NONE && oauth1_line_stand(&entry->line, now))
		lacking = take_all(consumer, entry, now, wake);
	if (lacking == OAUTH1_LIMIT_NONE)
		oauth1_line_leave(&entry->line);
	return lacking;
}

bool
oauth1_limits_take(const oauth1_consumer *consumer, oa1_text path, oauth1_place *place,
				   int64 *wake)
{
	int64		now;
	book_entry *entry;

	if (!oauth1_limits_has_any(consumer))
	{
		/* It may have had one when the place began to wait. */
		oauth1_limits_release(place, 0);
		return true;
	}
	now = oauth1_monotonic_us();
	entry = entry_to_fill(consumer, place);
	place->until = oauth1_pause_until(&entry->group, path);
	if (place->until > now)
	{
		*wake = place->until;
		place->waits_for = OAUTH1_LIMIT_PAUSE;
	}
	else
		place->waits_for = take_in_turn(consumer, entry, now, wake);
	return place->waits_for == OAUTH1_LIMIT_NONE;
}

void
oauth1_limits_sent(oauth1_place *place, int64 sent_at)
{
	book_entry *entry = find_entry(place);

	if (entry == NULL || !entry->unit.is_open)
		return;
	oauth1_rate_stamp(&entry->window, &entry->unit, sent_at + ARRIVAL_US);
	/* Who is first can tell now until when to wait. */
	oauth1_line_wake(&entry->line);
}

void
oauth1_limits_release(oauth1_place *place, int64 sent_at)
{
	book_entry *entry = find_entry(place);

	if (entry != NULL)
		close_entry(entry, sent_at);
	*place = (oauth1_place) {0};
}

/* ---------------------------------------------------------------- reason */

static char *
pause_reason(int64 until)
{
	TimestampTz at = GetCurrentTimestamp() + (until - oauth1_monotonic_us());

	return psprintf("It waited because the service asked for no calls until %s.",
					timestamptz_to_str(at));
}

char *
oauth1_limits_reason(const oauth1_consumer *consumer, const oauth1_place *place)
{
	char	   *group = consumer->limit_group == NULL ? pstrdup("") :
		psprintf(" in the limit group \"%s\"", consumer->limit_group);

	switch (place->waits_for)
	{
		case OAUTH1_LIMIT_NONE:
			return NULL;
		case OAUTH1_LIMIT_PLACE:
			return psprintf("It waited for one of the places of max_concurrency, which is %d%s.",
							consumer->max_concurrency, group);
		case OAUTH1_LIMIT_RATE:
			return psprintf("It waited for rate_limit, which is %d in %d s%s.",
							consumer->rate_limit.count, consumer->rate_limit.seconds, group);
		case OAUTH1_LIMIT_PAUSE:
			return pause_reason(place->until);
	}
	return NULL;
}
