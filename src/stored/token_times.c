/*
 * token_times.c
 *	  When a token was last used and refused: noted in memory that the sessions
 *	  share, shown in the view oauth1.tokens.
 *
 * A view calls its functions as whoever reads it, so PUBLIC may call this one,
 * and it judges for itself: a stranger must not learn that a token exists.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/shared.h"
#include "stored/grants.h"
#include "stored/token_times.h"

/* A token's time is written at most that often by a session. */
#define RHYTHM_US USECS_PER_SEC

/* Tokens whose last note this session remembers; a power of two. */
#define RECENT_COUNT 64

typedef enum token_event
{
	TOKEN_USED,
	TOKEN_REFUSED,
	TOKEN_EVENTS				/* how many there are */
} token_event;

/* An entry's content. */
typedef struct token_times
{
	TimestampTz at[TOKEN_EVENTS];	/* 0: never, as far as is known */
} token_times;

StaticAssertDecl(sizeof(token_times) == OAUTH1_TOKEN_TIMES_SIZE, "size of an entry");

/* What this session noted last, by the digest: most calls end here. */
static struct
{
	oauth1_key	key;
	token_times times;
}			recent[RECENT_COUNT];

static oauth1_key
key_of(const char *consumer, const char *token_name)
{
	oa1_text	words[] = {
		{consumer, strlen(consumer)}, {token_name, strlen(token_name)}
	};

	return oauth1_shared_key(words, lengthof(words));
}

/* Puts in the times of this session's that are later. */
static void
write_times(const oauth1_key *key, const token_times *own)
{
	token_times *times;

	if (!oauth1_shared_is_shared())
		return;
	times = oauth1_shared_lock(OAUTH1_TABLE_TOKEN_TIMES, key, true);
	for (int i = 0; i < TOKEN_EVENTS; i++)
		times->at[i] = Max(times->at[i], own->at[i]);
	oauth1_shared_unlock(OAUTH1_TABLE_TOKEN_TIMES, key);
}

static void
note(const char *consumer, const char *token_name, token_event event)
{
	oauth1_key	key = key_of(consumer, token_name);
	int			place = key.digest[0] % RECENT_COUNT;
	TimestampTz *last = &recent[place].times.at[event];
	TimestampTz now = GetCurrentTimestamp();

	if (memcmp(&recent[place].key, &key, sizeof(key)) != 0)
	{
		recent[place].key = key;
		recent[place].times = (token_times) {{0}};
	}
	/* A clock that was set back counts as time that has passed. */
	if (now >= *last && now - *last < RHYTHM_US)
		return;
	*last = now;
	write_times(&key, &recent[place].times);
}

void
oauth1_token_note_use(const char *consumer, const char *token_name)
{
	note(consumer, token_name, TOKEN_USED);
}

void
oauth1_token_note_refusal(const char *consumer, const char *token_name)
{
	note(consumer, token_name, TOKEN_REFUSED);
}

static token_times
read_times(const char *consumer, const char *token_name)
{
	oauth1_key	key = key_of(consumer, token_name);
	token_times result = {{0}};
	const token_times *times;

	if (!oauth1_shared_is_shared())
		return result;
	times = oauth1_shared_lock(OAUTH1_TABLE_TOKEN_TIMES, &key, false);
	if (times != NULL)
	{
		result = *times;
		oauth1_shared_unlock(OAUTH1_TABLE_TOKEN_TIMES, &key);
	}
	return result;
}

void
oauth1_token_last(const char *consumer, const char *token_name, TimestampTz *last_used,
				  TimestampTz *last_refusal)
{
	token_times times = read_times(consumer, token_name);

	*last_used = times.at[TOKEN_USED];
	*last_refusal = times.at[TOKEN_REFUSED];
}

PG_FUNCTION_INFO_V1(oauth1_token_times);

/* _token_times(consumer, name) → (last_used, last_refusal), NULL where not known. */
Datum
oauth1_token_times(PG_FUNCTION_ARGS)
{
	char	   *consumer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	token_times times = {{0}};
	TupleDesc	row;
	Datum		values[TOKEN_EVENTS];
	bool		nulls[TOKEN_EVENTS];

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function returning record called in context that cannot accept type record")));
	if (oauth1_may_use(GetUserId(), consumer, name))
		times = read_times(consumer, name);
	for (int i = 0; i < TOKEN_EVENTS; i++)
	{
		values[i] = TimestampTzGetDatum(times.at[i]);
		nulls[i] = times.at[i] == 0;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
