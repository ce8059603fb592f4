/*
 * clock.c
 *	  Which time a request is signed with: what clock_rule.c decides, on this
 *	  server's clocks and with what the sessions know together.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "ground/jsonb_params.h"
#include "ground/shared.h"
#include "work/clock.h"
#include "work/clock_rule.h"
#include "work/http_date.h"
#include "work/problem.h"

/* An entry's content: a provider's, or a consumer's. */
typedef union clock_entry
{
	oauth1_clock_known known;
	oauth1_clock_floor floor;
} clock_entry;

StaticAssertDecl(sizeof(clock_entry) == OAUTH1_CLOCKS_SIZE, "size of an entry");

static oauth1_key
key_of(const char *kind, const char *name)
{
	oa1_text	words[] = {{kind, strlen(kind)}, {name, strlen(name)}};

	return oauth1_shared_key(words, lengthof(words));
}

static int64
wall_clock(void)
{
	return (int64) time(NULL);
}

static oauth1_clock_known
known_of(const char *provider)
{
	oauth1_key	key = key_of("provider", provider);
	const clock_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_CLOCKS, &key, false);
	oauth1_clock_known known = {0};

	if (entry != NULL)
	{
		known = entry->known;
		oauth1_shared_unlock(OAUTH1_TABLE_CLOCKS, &key);
	}
	return known;
}

int64
oauth1_clock_offset(const char *provider)
{
	return known_of(provider).offset;
}

int64
oauth1_clock_timestamp(const oauth1_credential *credential)
{
	oauth1_key	key = key_of("consumer", credential->consumer->name);
	oauth1_clock_known known = known_of(credential->provider->name);
	clock_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_CLOCKS, &key, true);
	int64		timestamp;

	if (entry == NULL)
		return wall_clock() + known.offset;
	/* Read while the entry is held, so that no later time is noted before this one. */
	timestamp = oauth1_clock_next(&entry->floor, &known, wall_clock(), oauth1_monotonic_us());
	oauth1_shared_unlock(OAUTH1_TABLE_CLOCKS, &key);
	return timestamp;
}

static void
learn(const char *provider, int64 offset)
{
	oauth1_key	key = key_of("provider", provider);
	clock_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_CLOCKS, &key, true);

	if (entry == NULL)
		return;
	entry->known.offset = offset;
	entry->known.times_learned++;
	oauth1_shared_unlock(OAUTH1_TABLE_CLOCKS, &key);
}

static oauth1_clock_evidence
evidence_of(const oauth1_response *response, int64 signed_timestamp)
{
	oauth1_problem problem = oauth1_problem_find(oauth1_transfer_header(response,
																		"www-authenticate"),
												 response->body);
	oauth1_clock_evidence evidence = {
		.status = response->outcome.status,
		.timestamp_refused = problem.problem.data != NULL &&
		oauth1_text_is(problem.problem, "timestamp_refused"),
		.acceptable = problem.acceptable_timestamps,
		.signed_timestamp = signed_timestamp,
		.elapsed = (int64) (response->elapsed_ms / 1000.0) + 1,
		.wall = wall_clock(),
	};

	evidence.has_date = oauth1_http_date_read(oauth1_transfer_header(response, "date"),
											  evidence.wall, &evidence.date);
	return evidence;
}

bool
oauth1_clock_learn(const oauth1_credential *credential, const oauth1_response *response,
				   int64 signed_timestamp)
{
	oauth1_clock_evidence evidence;
	int64		offset;

	/* These alone can tell; the reports of all others need not be read. */
	if (response->outcome.status != 400 && response->outcome.status != 401 &&
		response->outcome.status != 403)
		return false;
	evidence = evidence_of(response, signed_timestamp);
	switch (oauth1_clock_judge(&evidence, &offset))
	{
		case OAUTH1_CLOCK_OTHER:
			return false;
		case OAUTH1_CLOCK_OVERTAKEN:
			return true;
		case OAUTH1_CLOCK_WRONG:
			learn(credential->provider->name, offset);
			return true;
	}
	return false;
}
