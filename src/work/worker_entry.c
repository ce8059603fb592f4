/*
 * worker_entry.c
 *	  What the sessions know of a database's worker: an entry of shared memory.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "ground/shared.h"
#include "work/worker_entry.h"

/* A worker that was asked for comes within that time, or will not. */
#define START_TIME_US USECS_PER_SEC

/* How often the log is told that starts fail. */
#define TELL_EVERY_US (60 * USECS_PER_SEC)

StaticAssertDecl(sizeof(oauth1_worker_entry) == OAUTH1_WORKERS_SIZE, "size of an entry");

/* Not oauth1_shared_key: the launcher is in no database, and asks for each. */
static oauth1_key
key_of(Oid database)
{
	oauth1_key	key = {{0}};
	uint32		hash = murmurhash32(database);

	memcpy(key.digest, &hash, sizeof(hash));
	memcpy(key.digest + sizeof(hash), &database, sizeof(database));
	return key;
}

/* Has the time passed?  A clock that was set back counts as time that has. */
static bool
has_passed(TimestampTz since, int64 time_us, TimestampTz now)
{
	return now < since || now - since >= time_us;
}

oauth1_worker_entry
oauth1_worker_entry_read(Oid database)
{
	oauth1_key	key = key_of(database);
	oauth1_worker_entry result = {0};
	const oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, false);

	if (entry != NULL)
	{
		result = *entry;
		oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
	}
	return result;
}

static void
set_failure(oauth1_worker_entry *entry, oauth1_start_failure failure, TimestampTz at)
{
	entry->failure = failure;
	entry->failed_at = at;
}

int
oauth1_worker_note_news(Oid database)
{
	oauth1_key	key = key_of(database);
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);
	int			pid;

	if (entry == NULL)
		return 0;
	entry->news++;
	pid = entry->pid;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
	return pid;
}

bool
oauth1_worker_ask(Oid database, int pid)
{
	oauth1_key	key = key_of(database);
	TimestampTz now = GetCurrentTimestamp();
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);
	bool		start;

	if (entry == NULL)
		return true;
	start = entry->pid == pid &&
		(entry->asked_at == 0 || has_passed(entry->asked_at, START_TIME_US, now));
	if (start)
	{
		/* After an error the two are the same. */
		if (entry->asked_at != 0 && entry->asked_at != entry->failed_at)
			set_failure(entry, OAUTH1_START_UNHEARD, entry->asked_at);
		entry->pid = 0;
		entry->asked_at = now;
	}
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
	return start;
}

void
oauth1_worker_note_failure(Oid database, oauth1_start_failure failure)
{
	oauth1_key	key = key_of(database);
	TimestampTz now = GetCurrentTimestamp();
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);

	if (entry == NULL)
		return;
	set_failure(entry, failure, now);
	/* A worker that ends by an error is not to be started with every COMMIT. */
	entry->asked_at = failure == OAUTH1_START_ERROR ? now : 0;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
}

bool
oauth1_worker_is_to_be_told(Oid database)
{
	oauth1_key	key = key_of(database);
	TimestampTz now = GetCurrentTimestamp();
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);
	bool		told;

	if (entry == NULL)
		return true;
	told = entry->told_at != 0 && !has_passed(entry->told_at, TELL_EVERY_US, now);
	if (!told)
		entry->told_at = now;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
	return !told;
}

/* ---------------------------------------------------------------- the worker's own */

void
oauth1_worker_heard(void)
{
	oauth1_key	key = key_of(MyDatabaseId);
	TimestampTz now = GetCurrentTimestamp();
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);

	if (entry == NULL)
		return;
	entry->started_at = now;
	entry->asked_at = 0;
	entry->told_at = 0;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
}

void
oauth1_worker_present(void)
{
	oauth1_key	key = key_of(MyDatabaseId);
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, true);

	if (entry == NULL)
		return;
	entry->pid = MyProcPid;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
}

void
oauth1_worker_absent(void)
{
	oauth1_key	key = key_of(MyDatabaseId);
	oauth1_worker_entry *entry = oauth1_shared_lock(OAUTH1_TABLE_WORKERS, &key, false);

	if (entry == NULL)
		return;
	if (entry->pid == MyProcPid)
		entry->pid = 0;
	oauth1_shared_unlock(OAUTH1_TABLE_WORKERS, &key);
}

uint64
oauth1_worker_news(void)
{
	return oauth1_worker_entry_read(MyDatabaseId).news;
}
