/*
 * retry.c
 *	  Whether a call is tried again, and how long it waits before that.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "work/json_path.h"
#include "work/limits.h"
#include "work/retry.h"

/* The longest wait before the second attempt; it doubles with each, up to the last. */
#define FIRST_BACKOFF_US INT64CONST(1000000)
#define LAST_BACKOFF_US INT64CONST(600000000)

bool
oauth1_method_is_safe(oa1_text http_method)
{
	return oauth1_text_is(http_method, "GET") || oauth1_text_is(http_method, "HEAD") ||
		oauth1_text_is(http_method, "OPTIONS") || oauth1_text_is(http_method, "TRACE");
}

bool
oauth1_method_is_idempotent(oa1_text http_method)
{
	return oauth1_method_is_safe(http_method) ||
		oauth1_text_is(http_method, "PUT") || oauth1_text_is(http_method, "DELETE");
}

/* ---------------------------------------------------------------- whether */

/* Does the provider's retry_when know this status, and find what it looks for in the body? */
static bool
provider_knows(const oauth1_provider *provider, const oauth1_response *response)
{
	Jsonb	   *retry_when = provider->options.retry_when;
	char		status[12];
	JsonbValue	buffer;
	JsonbValue *path;
	oa1_text	found;

	if (retry_when == NULL)
		return false;
	snprintf(status, sizeof(status), "%d", response->outcome.status);
	path = getKeyJsonValueFromContainer(&retry_when->root, status, strlen(status), &buffer);
	return path != NULL &&
		oauth1_json_path_find(pnstrdup(path->val.string.val, path->val.string.len),
							  response->body, &found);
}

/* An answer by which the service says that it did nothing, and that it will later. */
static bool
asks_to_come_again(const oauth1_provider *provider, const oauth1_response *response)
{
	int			status = response->outcome.status;

	return status == 429 ||
		(status == 503 && oauth1_retry_after_ms(response) >= 0) ||
		provider_knows(provider, response);
}

static bool
is_worth_another(const oauth1_provider *provider, bool idempotent,
				 const oauth1_response *response)
{
	const oauth1_outcome *outcome = &response->outcome;

	switch (outcome->kind)
	{
		case OAUTH1_ANSWERED:
			return asks_to_come_again(provider, response) ||
				(outcome->status >= 502 && outcome->status <= 504 && idempotent);
		case OAUTH1_NOT_SENT:
			return true;
		case OAUTH1_TIMED_OUT:
			return !outcome->sent || idempotent;
		case OAUTH1_UNANSWERED:
		case OAUTH1_CUT:
			return idempotent;
		default:
			/* The next attempt would end the same way. */
			return false;
	}
}

/* ---------------------------------------------------------------- how long */

/* Anything from nothing to a bound that doubles: "full jitter", so that sessions drift apart. */
int64
oauth1_backoff_us(int attempt)
{
	int64		bound = FIRST_BACKOFF_US;

	for (int i = 1; i < attempt && bound < LAST_BACKOFF_US; i++)
		bound *= 2;
	return (int64) (pg_prng_double(&pg_global_prng_state) * Min(bound, LAST_BACKOFF_US));
}

int64
oauth1_retry_wait_us(const oauth1_provider *provider, bool idempotent,
					 const oauth1_response *response, int attempt)
{
	int64		asked = -1;
	int64		backoff;

	if (!is_worth_another(provider, idempotent, response))
		return -1;
	if (response->outcome.kind == OAUTH1_ANSWERED)
		asked = oauth1_retry_after_ms(response);
	backoff = oauth1_backoff_us(attempt);
	if (asked < 0)
		return backoff;
	/* Not before the time that was asked for, and not all at that time. */
	return asked * 1000 + Min(backoff, FIRST_BACKOFF_US);
}

/* ---------------------------------------------------------------- words */

void
oauth1_retry_describe(const oauth1_outcome *outcome, StringInfo out)
{
	if (outcome->kind == OAUTH1_ANSWERED)
		appendStringInfo(out, "status %d", outcome->status);
	else if (outcome->kind == OAUTH1_TIMED_OUT)
		appendStringInfoString(out, outcome->sent ? "no answer in time" : "no connection in time");
	else if (outcome->kind == OAUTH1_CUT)
		appendStringInfo(out, "status %d and a broken transfer", outcome->status);
	else
		appendStringInfoString(out, outcome->reason[0] ? outcome->reason : "no answer");
}
