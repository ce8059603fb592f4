/*
 * session_lock.c
 *	  Session locks of the server's lock manager.
 *
 * An advisory tag with the lock method that tables and rows have:
 * pg_advisory_unlock_all() and DISCARD ALL give back what was taken with the
 * users' method.  Standbys allow any mode of such a tag.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"

#include "ground/compat.h"
#include "ground/session_lock.h"

LOCKTAG
oauth1_session_lock_tag(uint16 kind, uint32 high, uint32 low)
{
	LOCKTAG		tag = {
		.locktag_field1 = MyDatabaseId,
		.locktag_field2 = high,
		.locktag_field3 = low,
		.locktag_field4 = kind,
		.locktag_type = LOCKTAG_ADVISORY,
		.locktag_lockmethodid = DEFAULT_LOCKMETHOD,
	};

	return tag;
}

/*
 * The server releases the users' method when a process ends, and this one only
 * with a transaction: between two, such a lock would outlive its process and be
 * held until the server restarts.  By now the transaction, if any, was aborted.
 */
static void
release_at_exit(int code, Datum argument)
{
	LockReleaseAll(DEFAULT_LOCKMETHOD, true);
}

bool
oauth1_session_lock_take(const LOCKTAG *tag)
{
	static bool registered = false;

	if (!registered)
	{
		on_shmem_exit(release_at_exit, (Datum) 0);
		registered = true;
	}
	/* The lock manager would let one session have it twice. */
	return !oauth1_lock_held_by_me(tag, ExclusiveLock) &&
		LockAcquire(tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK;
}

void
oauth1_session_lock_give(const LOCKTAG *tag)
{
	if (oauth1_lock_held_by_me(tag, ExclusiveLock))
		LockRelease(tag, ExclusiveLock, true);
}
