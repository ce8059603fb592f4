/*
 * queue_private.h
 *	  What the files of the queue's tables share.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_PRIVATE_H
#define OAUTH1_QUEUE_PRIVATE_H

#include "stored/query.h"
#include "stored/queue.h"

/*
 * oauth1_query_begin for statements on the queue's tables.  Their plans are made
 * once, perhaps while these are empty, and must still be right with a million
 * rows.  So they are generic and go by indexes; and since no setting says in which
 * order tables are joined, no statement joins: it looks for ids = ANY, or in a
 * subquery that depends on the row at hand and cannot be merged (LIMIT, OFFSET 0).
 * No lock is waited for longer than a second (55P03).
 */
extern void oauth1_queue_begin(oauth1_query *query);

/* The same for those who send nothing: they wait as the session's lock_timeout lets them. */
extern void oauth1_queue_begin_patient(oauth1_query *query);

/*
 * Raises 55000 where one of the tables has a trigger or a rule, which would make
 * the worker run somebody's code as the owner, and holds off new ones until the
 * end of the transaction.
 */
extern void oauth1_queue_check_tables(void);

/* Assignments to columns of oauth1.call: it has no result (any more). */
#define OAUTH1_NO_RESULT \
	"status = NULL, reply_content_type = NULL, reply_headers = NULL, reply_body = NULL, " \
	"reply_body_bytes = NULL, elapsed_ms = NULL"

/* Values as an array of that type, in the current context; nulls NULL: there are none. */
extern Datum oauth1_queue_array(Oid type, const Datum *values, const bool *nulls, int count);

/* A column of the current result that is not null and passed by value. */
extern Datum oauth1_queue_value(uint64 row, int n);

/* Where the first column, an id, stands among ids, of which it is one. */
extern int	oauth1_queue_place(uint64 row, const Datum *ids, int count);

/* Calls to be claimed: parallel arrays. */
typedef struct oauth1_queue_choice
{
	int			count;
	Datum	   *ids;
	bool	   *keyed;
	oauth1_queue_position *positions;
} oauth1_queue_choice;

/*
 * Marks them as claimed by that number, now, but for those that others have
 * locked, claimed or put off since they were chosen: these are taken out.  Returns
 * the rest in memory's context, in their order, *count of them.  Inside an
 * oauth1_query.
 */
extern oauth1_claimed *oauth1_queue_take(int64 claim_number, Datum now,
										 oauth1_queue_choice *chosen,
										 MemoryContext memory, int *count);

/* Which rows are ours: their columns system_identifier and database. */
extern Datum oauth1_queue_system_identifier(void);
extern Datum oauth1_queue_database(void);

#endif							/* OAUTH1_QUEUE_PRIVATE_H */
