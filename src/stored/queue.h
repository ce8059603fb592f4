/*
 * queue.h
 *	  The tables of the queue: what is to be sent, who is sending it, what came
 *	  of it.  docs/queue.md has the protocol.
 *
 * oauth1.call has a row for each call that was ever enqueued; oauth1.queue one
 * for each that has not ended: pending while claim is null, else running.  A
 * claim is the number of a process, which holds a lock under it as long as it
 * lives (claim.h).
 *
 * Every function runs in the caller's transaction, as the extension's owner, and
 * leaves committing to the caller.  That transaction is READ COMMITTED: under a
 * snapshot of its own it would fail where others have claimed or recorded since.
 * No lock is waited for longer than a second (55P03).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_H
#define OAUTH1_QUEUE_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

/* A place in the order in which a consumer's calls are taken. */
typedef struct oauth1_queue_position
{
	TimestampTz due;
	int64		id;
} oauth1_queue_position;

/* ---------------------------------------------------------------- what there is */

/* A consumer that has pending calls. */
typedef struct oauth1_queue_lane
{
	char	   *consumer;
	TimestampTz due;			/* of its first call */
	bool		has_idempotency_header; /* its provider's option, now */
	TimestampTz paused_until;	/* it may have passed; 0: oauth1.consumer_pause has no row */
} oauth1_queue_lane;

/* ---------------------------------------------------------------- claiming */

/* Up to count calls of a consumer, of those that come after a position (all zeros: all). */
typedef struct oauth1_queue_wish
{
	const char *consumer;
	int			count;
	oauth1_queue_position after;
	bool		keyed;			/* an idempotency key will go out with them */

	/* Set by oauth1_queue_claim. */
	oauth1_queue_position reached;	/* nothing up to here is left for the next wish */
	bool		more;			/* there may be due calls after it */
	int			chosen;			/* calls it was not in vain for, unless others were first */
} oauth1_queue_wish;

/*
 * The consumers that have pending calls of this very database (not of the one it
 * was copied from), due or not, in the current memory context.  Of those known,
 * only calls after their position are looked at: what was claimed before it stays
 * in the index until it is vacuumed.  Costs by the number of consumers, not of
 * calls.
 */
extern oauth1_queue_lane *oauth1_queue_lanes(const oauth1_queue_wish *known, int known_count,
											 int *count);

/* A call with its order_key, the next of which may be due. */
typedef struct oauth1_queue_chain
{
	const char *consumer;
	const char *order_key;
	bool		keyed;
} oauth1_queue_chain;

/* A call that was claimed: everything that is needed to send it. */
typedef struct oauth1_claimed
{
	int64		id;
	char	   *consumer;
	char	   *token;			/* '': two-legged */
	char	   *http_method;
	char	   *url;
	Jsonb	   *headers;		/* NULL: none */
	char	   *content_type;	/* NULL: none */
	bytea	   *body;			/* NULL: none */
	int			timeout_ms;		/* 0: oauth1.timeout */
	int			attempts;		/* before this one */
	int			max_attempts;
	bool		idempotent;
	bool		keyed;			/* as the wish said */
	pg_uuid_t	idempotency_key;
	char	   *order_key;		/* NULL: none */
	bool		has_on_done;
	Oid			role;			/* who enqueued it; counts while name and oid agree */
	char	   *role_name;
	oauth1_queue_position position; /* where it stood */
} oauth1_claimed;

/*
 * Claims calls that are due, for a claim number: the first of each chain, then
 * those wished for, in the order of due and id.  A call with an order_key is
 * passed over while an earlier one of the same consumer and key has not ended, or
 * any is running; who ends that one names the chain.  So it is where somebody else
 * is claiming such calls at this moment, or where a chain's call has no room in
 * max_octets: *ordered is then false, and the same chains are to be asked for
 * again.  What others have locked is passed over; whether they let it go pending
 * is seen by who looks from the beginning again.  Stops before the sizes of the
 * whole would exceed max_octets, but takes one call in any case.  Returns them in
 * memory's context, *count of them, the chains' first, then in the wishes' order,
 * each consumer's by position.
 *
 * Costs by the calls claimed and passed over, not by those that wait.  55000 where
 * a table of the queue has a trigger or a rule that is not ours.
 */
extern oauth1_claimed *oauth1_queue_claim(int64 claim_number, oauth1_queue_wish *wishes,
										  int wish_count, const oauth1_queue_chain *chains,
										  int chain_count, size_t max_octets,
										  MemoryContext memory, int *count, bool *ordered);

/* ---------------------------------------------------------------- recording */

typedef enum oauth1_call_state
{
	OAUTH1_STATE_PENDING,		/* to be sent again, when it is due */
	OAUTH1_STATE_DONE,
	OAUTH1_STATE_FAILED,
	OAUTH1_STATE_UNCERTAIN,
	OAUTH1_STATE_CANCELLED
} oauth1_call_state;

/* The state's name, as the view calls shows it. */
extern const char *oauth1_call_state_name(oauth1_call_state state);

/* Columns of a response, in the order of oauth1.http_response. */
#define OAUTH1_RECORD_COLUMNS 6

/* What became of a call that was claimed. */
typedef struct oauth1_record
{
	int64		id;
	oauth1_call_state state;
	TimestampTz due;			/* of PENDING: when */

	bool		attempted;		/* else no attempt is kept; PENDING: as if never claimed */
	int			n;				/* of the attempt, from 1 */
	TimestampTz started_at;
	double		elapsed_ms;		/* negative: not known */
	int			status;			/* 0: none came */
	const char *sqlstate;		/* NULL: it was answered */
	const char *error;			/* NULL: none */
	bool		sent;

	/* What call_result gives: the row's columns of a response are this, or null. */
	bool		has_response;
	Datum		response[OAUTH1_RECORD_COLUMNS];
	bool		response_null[OAUTH1_RECORD_COLUMNS];
} oauth1_record;

/*
 * Writes what became of calls, and what is to follow (on_done).  Of a call that
 * this claim number has no more (an orphan that was recovered, a database that
 * was dropped around it) nothing is written.  Returns how many were written; the
 * caller keeps the records until its transaction committed.  without_bodies: the
 * last resort where a result cannot be stored; it is noted in error.
 */
extern int	oauth1_queue_record(int64 claim_number, const oauth1_record *const *records, int count,
								bool without_bodies);

/* ---------------------------------------------------------------- the dead */

/* Calls that were claimed by the dead and have ended by that. */
typedef struct oauth1_queue_ended
{
	int			count;
	int64	   *ids;
	oauth1_call_state *states;
} oauth1_queue_ended;

/*
 * Gives a true state to what a process had claimed that lives no more: pending
 * again where the call may be repeated and has attempts left, failed where it may
 * be and has none, else uncertain.  The attempt is kept, with how it ended.  Looks
 * at every claim number but own (0: none) whose lock can be had.  Returns how many
 * calls it was; *ended has those that are not pending, in the current memory
 * context.
 */
extern int	oauth1_queue_recover(int64 own_claim_number, oauth1_queue_ended *ended);

/* ---------------------------------------------------------------- retention */

/*
 * Looks at up to count calls with an id above *after, oldest first, and deletes
 * those that ended before that time and whose on_done has run.  *after is moved
 * on, and set to 0 where the end was reached: the last call, or one that was
 * created no earlier than that time.  Returns how many it deleted.
 */
extern int	oauth1_queue_purge(TimestampTz before, int count, int64 *after);

/*
 * The same of what a role may see and handle (oauth1_acts_for): its own, or as the owner all.
 * It waits for locks as its session's lock_timeout lets it, in any transaction.
 */
extern int	oauth1_queue_purge_of(Oid role, TimestampTz before, int count, int64 *after);

#endif							/* OAUTH1_QUEUE_H */
