/*
 * limits_place.c
 *	  The places of max_concurrency: locks of the server's lock manager, so that
 *	  those of a session that ends come free at once and to the exact number.
 *
 * A place is an advisory lock tag with the lock method that tables and rows
 * have.  pg_advisory_unlock_all() and DISCARD ALL give back what was taken with
 * the users' method, and no function of SQL reaches these.  Standbys allow any
 * mode of such a tag.  They are session locks: with them a place can be held
 * from one transaction to the next, and an abort gives it back.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/lock.h"

#include "ground/compat.h"
#include "work/limits_private.h"

static LOCKTAG
tag_of(const oauth1_key *group, int number)
{
	LOCKTAG		tag = {
		.locktag_field1 = MyDatabaseId,
		.locktag_field4 = (uint16) number,
		.locktag_type = LOCKTAG_ADVISORY,
		.locktag_lockmethodid = DEFAULT_LOCKMETHOD,
	};

	memcpy(&tag.locktag_field2, group->digest, sizeof(tag.locktag_field2));
	memcpy(&tag.locktag_field3, group->digest + sizeof(tag.locktag_field2),
		   sizeof(tag.locktag_field3));
	return tag;
}

int
oauth1_place_take(const oauth1_key *group, int places)
{
	for (int number = 1; number <= places; number++)
	{
		LOCKTAG		tag = tag_of(group, number);

		/* The lock manager would let one session have a place twice. */
		if (!oauth1_lock_held_by_me(&tag, ExclusiveLock) &&
			LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_OK)
			return number;
	}
	return 0;
}

void
oauth1_place_give(const oauth1_key *group, int number)
{
	LOCKTAG		tag = tag_of(group, number);

	if (oauth1_lock_held_by_me(&tag, ExclusiveLock))
		LockRelease(&tag, ExclusiveLock, true);
}
