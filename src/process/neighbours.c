/*
 * neighbours.c
 *	  Who wants a database that a process of ours is connected to.
 *
 * DROP DATABASE and CREATE DATABASE ... TEMPLATE wait 5 s for other connections to
 * end, and fail then; of the processes that hold one they signal only
 * autovacuum's.  What they do before they wait is to lock the database, as an
 * object: exclusively, or for the template as a ShareLock.  So whether somebody
 * waits shows in which locks of it can be had; one that is waited for counts as
 * held.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_database.h"
#include "storage/lock.h"

#include "process/neighbours.h"

static bool
could_lock(Oid database, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
	if (LockAcquire(&tag, mode, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	LockRelease(&tag, mode, true);
	return true;
}

oauth1_neighbour
oauth1_look_for_neighbour(Oid database)
{
	if (!could_lock(database, AccessShareLock))
		return OAUTH1_NEIGHBOUR_TAKES;
	if (!could_lock(database, RowExclusiveLock))
		return OAUTH1_NEIGHBOUR_COPIES;
	return OAUTH1_NEIGHBOUR_NONE;
}
