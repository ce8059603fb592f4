/*
 * verdict.c
 *	  What an attempt means for its call.
 *
 * The edge is the prerequest hook: before it nothing was sent, and any call is
 * tried again.  From there to the status line nobody knows what the other side
 * did: only what may be done twice is tried again, the rest is uncertain.  After
 * it there is an answer.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/errors.h"
#include "work/response.h"
#include "work/retry.h"
#include "work/verdict.h"

static bool
may_be_repeated(const oauth1_attempt *attempt)
{
	return attempt->claimed->idempotent || attempt->keyed;
}

static bool
is_success(const oauth1_outcome *outcome)
{
	return outcome->kind == OAUTH1_ANSWERED && outcome->status >= 200 && outcome->status < 300;
}

/* It may have been received, and no status says what became of it. */
static bool
is_unknown(const oauth1_outcome *outcome)
{
	return outcome != NULL && outcome->sent && outcome->status == 0;
}

/* ---------------------------------------------------------------- another attempt */

/* Errors that time can mend: a key that is not there yet, a disk or memory that is full. */
static bool
may_pass(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
			return true;
		default:
			return error->sqlerrcode == ERRCODE_OAUTH1_SECRET;
	}
}

/* The server ran out of something in the middle of it: another time there is more. */
static bool
lacked_memory(const oauth1_outcome *outcome)
{
	return outcome->kind == OAUTH1_NO_MEMORY || outcome->all_too_large;
}

/* How long to wait for the next attempt, in microseconds; -1: this one was final. */
static int64
wait_us(const oauth1_attempt *attempt, const oauth1_outcome *outcome, int n)
{
	if (n >= attempt->claimed->max_attempts)
		return -1;
	if (attempt->error != NULL)
	{
		if (may_pass(attempt->error) && (!is_unknown(outcome) || may_be_repeated(attempt)))
			return oauth1_backoff_us(n);
		return -1;
	}
	if (lacked_memory(outcome))
		return !outcome->sent || may_be_repeated(attempt) ? oauth1_backoff_us(n) : -1;
	return oauth1_call_retry_wait_us(attempt->call, may_be_repeated(attempt), n);
}

/* The state of a call that is not tried again. */
static oauth1_call_state
end_state(const oauth1_attempt *attempt, const oauth1_outcome *outcome)
{
	if (is_unknown(outcome) && !may_be_repeated(attempt))
		return OAUTH1_STATE_UNCERTAIN;
	if (attempt->error == NULL)
		return is_success(outcome) ? OAUTH1_STATE_DONE : OAUTH1_STATE_FAILED;
	/* Consumer, token or grant are gone: who may not send does not want to. */
	if (attempt->error->sqlerrcode == ERRCODE_OAUTH1_NO_CONSUMER)
		return OAUTH1_STATE_CANCELLED;
	return OAUTH1_STATE_FAILED;
}

/* ---------------------------------------------------------------- words and values */

/* An operation: raises the error of a call that got no answer. */
static void
raise_outcome(void *argument)
{
	(void) oauth1_call_response(argument);
}

static void
describe(const oauth1_attempt *attempt, const oauth1_outcome *outcome, oauth1_record *record)
{
	const ErrorData *error = attempt->error;

	if (error == NULL && outcome->kind != OAUTH1_ANSWERED)
		error = oauth1_catch(raise_outcome, attempt->call);
	if (error == NULL)
		return;
	record->sqlstate = pstrdup(unpack_sql_state(error->sqlerrcode));
	record->error = oauth1_error_line(error);
}

static void
take_response(const oauth1_attempt *attempt, oauth1_record *record)
{
	StaticAssertStmt(OAUTH1_RECORD_COLUMNS == OAUTH1_RESPONSE_COLUMNS,
					 "a record has room for a response");
	record->has_response = true;
	oauth1_response_values(oauth1_call_response(attempt->call), record->response,
						   record->response_null);
}

void
oauth1_verdict_untried(const oauth1_claimed *claimed, oauth1_record *record)
{
	memset(record, 0, sizeof(*record));
	record->id = claimed->id;
	record->state = OAUTH1_STATE_PENDING;
	record->due = claimed->position.due;
}

void
oauth1_verdict(const oauth1_attempt *attempt, oauth1_record *record)
{
	const oauth1_outcome *outcome = attempt->call ? oauth1_call_outcome(attempt->call) : NULL;
	int64		wait;

	oauth1_verdict_untried(attempt->claimed, record);
	record->attempted = true;
	record->n = attempt->claimed->attempts + 1;
	record->started_at = attempt->started_at;
	record->elapsed_ms = (oauth1_monotonic_us() - attempt->started) / 1000.0;
	if (outcome != NULL)
	{
		record->sent = outcome->sent;
		record->status = outcome->status;
	}
	describe(attempt, outcome, record);
	wait = wait_us(attempt, outcome, record->n);
	if (wait >= 0)
		record->due = GetCurrentTimestamp() + wait;
	else
	{
		record->state = end_state(attempt, outcome);
		if (attempt->error == NULL && outcome->kind == OAUTH1_ANSWERED)
			take_response(attempt, record);
	}
}
