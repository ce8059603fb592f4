/*
 * claim.c
 *	  Who sends queued calls, and whether they still live: locks of the server's
 *	  lock manager, which go the moment their process does.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/compat.h"
#include "ground/session_lock.h"
#include "stored/claim.h"
#include "stored/query.h"

/* Kinds of our locks; below them are the places of limits_place.c. */
#define CLAIM_KIND		0x6f01
#define ORDERED_KIND	0x6f02
#define WORKER_KIND		0x6f03

static oauth1_statement next_number = {
	.sql = "SELECT nextval('oauth1.claim_number')",
};

static LOCKTAG
tag_of(int64 number)
{
	return oauth1_session_lock_tag(CLAIM_KIND, (uint32) ((uint64) number >> 32), (uint32) number);
}

int64
oauth1_claim_begin(void)
{
	oauth1_query query;
	int64		number;
	bool		isnull;
	LOCKTAG		tag;

	oauth1_query_begin(&query);
	(void) oauth1_query_write(&next_number, NULL, NULL);
	number = DatumGetInt64(oauth1_column_datum(0, 1, query.caller_memory, &isnull));
	oauth1_query_end(&query);

	tag = tag_of(number);
	if (!oauth1_session_lock_take(&tag))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("claim number " INT64_FORMAT " is in use", number),
				 errhint("Set the sequence oauth1.claim_number above every claim in oauth1.queue.")));
	return number;
}

void
oauth1_claim_end(int64 number)
{
	LOCKTAG		tag = tag_of(number);

	oauth1_session_lock_give(&tag);
}

/* Who looks whether its owner is dead has it for a moment: that is waited for. */
void
oauth1_claim_restore(int64 number)
{
	LOCKTAG		tag = tag_of(number);

	if (!oauth1_lock_held_by_me(&tag, ExclusiveLock))
		(void) LockAcquire(&tag, ExclusiveLock, true, false);
}

bool
oauth1_claim_is_dead(int64 number)
{
	LOCKTAG		tag = tag_of(number);

	if (!oauth1_session_lock_take(&tag))
		return false;
	oauth1_session_lock_give(&tag);
	return true;
}

bool
oauth1_claim_lock_ordered(void)
{
	LOCKTAG		tag = oauth1_session_lock_tag(ORDERED_KIND, 0, 0);

	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

bool
oauth1_claim_become_worker(void)
{
	LOCKTAG		tag = oauth1_session_lock_tag(WORKER_KIND, 0, 0);

	return oauth1_session_lock_take(&tag);
}

void
oauth1_claim_resign_worker(void)
{
	LOCKTAG		tag = oauth1_session_lock_tag(WORKER_KIND, 0, 0);

	oauth1_session_lock_give(&tag);
}

bool
oauth1_claim_is_worker(void)
{
	LOCKTAG		tag = oauth1_session_lock_tag(WORKER_KIND, 0, 0);

	return oauth1_lock_held_by_me(&tag, ExclusiveLock);
}
