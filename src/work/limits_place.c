/*
 * limits_place.c
 *	  The places of max_concurrency: locks of the server's lock manager, so that
 *	  those of a session that ends come free at once and to the exact number.
 *
 * They are session locks: with them a place can be held from one transaction to
 * the next, and an abort gives it back.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/session_lock.h"
#include "work/limits_private.h"

static LOCKTAG
tag_of(const oauth1_key *group, int number)
{
	uint32		digest[2];

	memcpy(digest, group->digest, sizeof(digest));
	return oauth1_session_lock_tag((uint16) number, digest[0], digest[1]);
}

int
oauth1_place_take(const oauth1_key *group, int places)
{
	for (int number = 1; number <= places; number++)
	{
		LOCKTAG		tag = tag_of(group, number);

		if (oauth1_session_lock_take(&tag))
			return number;
	}
	return 0;
}

void
oauth1_place_give(const oauth1_key *group, int number)
{
	LOCKTAG		tag = tag_of(group, number);

	oauth1_session_lock_give(&tag);
}
