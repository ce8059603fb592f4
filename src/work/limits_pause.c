/*
 * limits_pause.c
 *	  What a service announced about its rate, and the pauses that follow from it
 *	  for all sessions.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "work/limits.h"
#include "work/limits_private.h"
#include "work/rate_fields.h"

/* An entry's content: of a group, or of a path in it. */
typedef struct pause
{
	int64		until;
} pause;

StaticAssertDecl(sizeof(pause) == OAUTH1_PAUSES_SIZE, "size of an entry");

static oauth1_key
path_key(const oauth1_key *group, oa1_text path)
{
	oa1_text	words[] = {{(const char *) group->digest, sizeof(group->digest)}, path};

	return oauth1_shared_key(words, lengthof(words));
}

static int64
read_until(const oauth1_key *key)
{
	const pause *entry = oauth1_shared_lock(OAUTH1_TABLE_PAUSES, key, false);
	int64		until;

	if (entry == NULL)
		return 0;
	until = entry->until;
	oauth1_shared_unlock(OAUTH1_TABLE_PAUSES, key);
	return until;
}

int64
oauth1_pause_until(const oauth1_key *group, oa1_text path)
{
	oauth1_key	key = path_key(group, path);

	return Max(read_until(group), read_until(&key));
}

/* Answers overtake each other: the longest pause of them holds. */
static void
pause_for(const oauth1_key *key, int64 milliseconds)
{
	int64		until = oauth1_monotonic_us() + milliseconds * 1000;
	pause	   *entry;

	if (milliseconds <= 0)
		return;
	entry = oauth1_shared_lock(OAUTH1_TABLE_PAUSES, key, true);
	if (entry == NULL)
		return;
	entry->until = Max(entry->until, until);
	oauth1_shared_unlock(OAUTH1_TABLE_PAUSES, key);
}

/* The value of the first of two names that is there. */
static oa1_text
either(const oauth1_response *response, const char *name, const char *other)
{
	oa1_text	value = oauth1_transfer_header(response, name);

	return value.data != NULL ? value : oauth1_transfer_header(response, other);
}

static oauth1_rate_fields
fields_of(const oauth1_response *response)
{
	return (oauth1_rate_fields) {
		.status = response->outcome.status,
		.date = oauth1_transfer_header(response, "date"),
		.retry_after = oauth1_transfer_header(response, "retry-after"),
		.x_remaining = either(response, "x-rate-limit-remaining", "x-ratelimit-remaining"),
		.x_reset = either(response, "x-rate-limit-reset", "x-ratelimit-reset"),
		.remaining = oauth1_transfer_header(response, "ratelimit-remaining"),
		.reset = oauth1_transfer_header(response, "ratelimit-reset"),
		.discogs_remaining = oauth1_transfer_header(response, "x-discogs-ratelimit-remaining"),
	};
}

int64
oauth1_retry_after_ms(const oauth1_response *response)
{
	oauth1_rate_fields fields = fields_of(response);

	return oauth1_rate_fields_retry_after(&fields, time(NULL));
}

void
oauth1_limits_heed(const oauth1_consumer *consumer, oa1_text path,
				   const oauth1_response *response)
{
	int64		now = time(NULL);
	oauth1_rate_fields fields;
	oauth1_key	group;
	oauth1_key	path_of_group;

	if (!oauth1_limits_has_any(consumer) || response->outcome.status == 0)
		return;
	fields = fields_of(response);
	group = oauth1_limits_group(consumer);
	path_of_group = path_key(&group, path);
	if (fields.status == 429 || fields.status == 503)
		pause_for(&group, oauth1_rate_fields_retry_after_alone(&fields, now));
	pause_for(&path_of_group, oauth1_rate_fields_used_up(&fields, now));
}
