/*
 * follow_up_row.h
 *	  oauth1.follow_up: calls that have ended and whose on_done is still to run.
 *
 * Each function runs in the caller's transaction, as the extension's owner, and
 * leaves committing to the caller.  Rows of another server or database, of which
 * this one is a copy, are as if they were not there.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_FOLLOW_UP_ROW_H
#define OAUTH1_FOLLOW_UP_ROW_H

#include "stored/queue.h"

/*
 * So often is an on_done run that fails.  Where its process dies nobody is left to
 * count, and it might be what killed it: so a run that is not the first is counted
 * before it begins.
 */
#define OAUTH1_FOLLOW_UP_ATTEMPTS 5

/* What is to be run. */
typedef struct oauth1_follow_up
{
	int64		id;
	char	   *on_done;		/* as a regprocedure is written; NULL: nothing is to be run */
	Oid			role;			/* who enqueued the call; counts while name and oid agree */
	char	   *role_name;
	char	   *search_path;	/* for the run */
	Datum		response;		/* oauth1.http_response */
	bool		has_response;
	bool		has_error;		/* an on_done of the call failed before */
} oauth1_follow_up;

/*
 * Counts a run that is to begin, and returns which one it is; 0 where the row is
 * not due, done, or somebody else has it.
 */
extern int	oauth1_follow_up_count(int64 id);

/* It did not come to that, through no fault of its own. */
extern void oauth1_follow_up_uncount(int64 id);

/*
 * Reads what follows a call, and locks its row until the transaction ends, in the
 * current memory context.  False where it is not due, done, or somebody else has
 * it.  on_done is NULL where nothing is to be run any more: the call was deleted,
 * cancelled, or is to be sent again.
 */
extern bool oauth1_follow_up_take(int64 id, oauth1_follow_up *follow_up);

/* Deletes the row that was taken: nothing is to follow any more. */
extern void oauth1_follow_up_done(const oauth1_follow_up *follow_up);

/*
 * Notes with the call why its on_done failed, in a run that was counted or is to
 * be.  It is due again, after a wait that doubles, or given up: then true.
 * Nothing, and false, where it was not there.
 */
extern bool oauth1_follow_up_failed(int64 id, bool was_counted, const char *error);

/*
 * Up to room ids that are due, in the order of due and id, after a position, which
 * is moved to the last of them.  *next: when the first that was left is due;
 * PG_INT64_MAX: none was.
 */
extern int	oauth1_follow_up_list(oauth1_queue_position *after, int64 *ids, int room,
								  TimestampTz *next);

#endif							/* OAUTH1_FOLLOW_UP_ROW_H */
