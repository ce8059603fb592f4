/*
 * job.c
 *	  A claimed call on its way.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "ground/settings.h"
#include "work/job.h"

oauth1_job *
oauth1_job_create(oauth1_batch *batch, const oauth1_claimed *claimed, oauth1_lane *lane)
{
	MemoryContext memory = AllocSetContextCreate(batch->memory, "oauth1 queued call",
												 ALLOCSET_SMALL_SIZES);
	oauth1_job *job = MemoryContextAllocZero(memory, sizeof(*job));

	batch->jobs++;
	job->batch = batch;
	job->memory = memory;
	job->claimed = claimed;
	job->attempt.claimed = claimed;
	job->attempt.started_at = GetCurrentTimestamp();
	job->attempt.started = oauth1_monotonic_us();
	oauth1_job_enter(job, lane);
	return job;
}

void
oauth1_job_enter(oauth1_job *job, oauth1_lane *lane)
{
	job->lane = lane;
	lane->claimed++;
}

/* ---------------------------------------------------------------- begin */

/* Who enqueued the call is still who that was: a dropped role's oid, or name, can come again. */
static void
check_role(const oauth1_claimed *claimed)
{
	char	   *name = GetUserNameFromId(claimed->role, true);

	if (name == NULL || strcmp(name, claimed->role_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("role \"%s\", which enqueued the call, does not exist any more",
						claimed->role_name)));
}

/*
 * The call's own key, the same with each attempt, where the provider has a field
 * for it and the caller set none.
 */
static void
add_idempotency_key(oauth1_job *job, const oauth1_provider *provider)
{
	const char *field = provider->options.idempotency_header;
	oauth1_pairs *headers = &job->message.headers;
	oa1_text	name;
	char	   *key;

	job->attempt.keyed = field != NULL;
	if (field == NULL)
		return;
	name = (oa1_text) {field, strlen(field)};
	if (oauth1_find_header(headers->data, headers->count, name) != NULL)
		return;
	key = DatumGetCString(DirectFunctionCall1(uuid_out,
											  UUIDPGetDatum(&job->claimed->idempotency_key)));
	oauth1_pairs_add(headers, name, (oa1_text) {key, strlen(key)});
}

static void
begin(oauth1_job *job)
{
	const oauth1_claimed *claimed = job->claimed;
	oa1_text	content_type = {NULL, 0};
	oauth1_credential *credential;

	if (claimed->content_type != NULL)
		content_type = oauth1_utf8_from_cstring(claimed->content_type);
	oauth1_message_from_parts(&job->message, oauth1_utf8_from_cstring(claimed->http_method),
							  oauth1_utf8_from_cstring(claimed->url), claimed->headers,
							  content_type, claimed->body);
	credential = oauth1_credential_find(claimed->consumer, claimed->token);
	add_idempotency_key(job, credential->provider);
	/* If we died now, it would be taken for one that may be sent again. */
	if (claimed->keyed && !job->attempt.keyed)
	{
		job->withdrawn = true;
		return;
	}
	job->attempt.call = oauth1_call_begin_queued(claimed->consumer, claimed->token, &job->message,
												 claimed->timeout_ms > 0 ? claimed->timeout_ms :
												 oauth1_timeout);
}

/* ---------------------------------------------------------------- step */

/* Waiting for the consumer's limits is its lane's matter. */
static void
set_waits(oauth1_job *job, bool waits)
{
	job->lane->waiting += (int) waits - (int) job->waits;
	job->waits = waits;
}

static void
note_waiting(oauth1_job *job)
{
	int64		wakes;

	set_waits(job, oauth1_call_waits_for_place(job->attempt.call, &wakes));
}

bool
oauth1_job_is_due(const oauth1_job *job, int64 clock)
{
	if (oauth1_job_has_ended(job))
		return false;
	return job->attempt.call == NULL || oauth1_call_is_due(job->attempt.call, clock);
}

int64
oauth1_job_wakes(const oauth1_job *job)
{
	if (oauth1_job_has_ended(job) || job->attempt.call == NULL)
		return 0;
	return oauth1_call_wakes(job->attempt.call);
}

/* Grant, URL and secrets are judged for who is the current role. */
void
oauth1_job_step(oauth1_job *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->memory);
	Oid			user;
	int			context;

	check_role(job->claimed);
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(job->claimed->role, context | SECURITY_LOCAL_USERID_CHANGE);
	if (job->attempt.call == NULL)
		begin(job);
	if (job->attempt.call != NULL)
	{
		job->over = oauth1_call_step(job->attempt.call);
		note_waiting(job);
	}
	SetUserIdAndSecContext(user, context);
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------- end */

void
oauth1_job_fail(oauth1_job *job, ErrorData *error)
{
	MemoryContext old = MemoryContextSwitchTo(job->memory);

	if (job->attempt.call != NULL)
		oauth1_call_stop(job->attempt.call);
	set_waits(job, false);
	job->attempt.error = error;
	job->over = true;
	MemoryContextSwitchTo(old);
}

void
oauth1_job_stop(oauth1_job *job)
{
	const oauth1_outcome *outcome = NULL;

	if (oauth1_job_has_ended(job))
		return;
	if (job->attempt.call != NULL)
	{
		oauth1_call_stop(job->attempt.call);
		outcome = oauth1_call_outcome(job->attempt.call);
	}
	set_waits(job, false);
	job->over = outcome != NULL && outcome->sent;
	job->withdrawn = !job->over;
}

/* A call's story for the log: nothing in it that a service or a caller wrote. */
static void
tell_story(const oauth1_job *job)
{
	static const char *const words[] = {
		[OAUTH1_STATE_PENDING] = "is pending again",
		[OAUTH1_STATE_DONE] = "is done",
		[OAUTH1_STATE_FAILED] = "has failed",
		[OAUTH1_STATE_UNCERTAIN] = "is uncertain",
		[OAUTH1_STATE_CANCELLED] = "is cancelled",
	};
	const oauth1_record *record = &job->record;

	if (!record->attempted)
		ereport(DEBUG1,
				(errmsg_internal("call " INT64_FORMAT " is given back untried", record->id)));
	else
		ereport(DEBUG1,
				(errmsg_internal("call " INT64_FORMAT " %s after attempt %d, %.1f ms: status %d, SQLSTATE %s, %s",
								 record->id, words[record->state], record->n,
								 record->elapsed_ms, record->status,
								 record->sqlstate ? record->sqlstate : "00000",
								 record->sent ? "sent" : "not sent")));
}

void
oauth1_job_judge(oauth1_job *job)
{
	MemoryContext old = MemoryContextSwitchTo(job->memory);

	if (job->withdrawn)
		oauth1_verdict_untried(job->claimed, &job->record);
	else
		oauth1_verdict(&job->attempt, &job->record);
	job->judged = true;
	tell_story(job);
	MemoryContextSwitchTo(old);
}

void
oauth1_job_leave(oauth1_job *job)
{
	set_waits(job, false);
	job->lane->claimed--;
	job->lane = NULL;
}

void
oauth1_job_free(oauth1_job *job)
{
	if (job->attempt.call != NULL)
		oauth1_call_end(job->attempt.call);
	MemoryContextDelete(--job->batch->jobs == 0 ? job->batch->memory : job->memory);
}
