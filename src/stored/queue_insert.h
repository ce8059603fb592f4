/*
 * queue_insert.h
 *	  Calls on their way into the queue's tables.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_INSERT_H
#define OAUTH1_QUEUE_INSERT_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

/* A call as it is stored: found right, in the server encoding, its body in octets. */
typedef struct oauth1_new_call
{
	const char *consumer;
	const char *token;			/* '': two-legged */
	text	   *http_method;
	text	   *url;
	Jsonb	   *headers;		/* NULL: none */
	text	   *content_type;	/* NULL: none */
	bytea	   *body;			/* NULL: none */
	int			timeout_ms;		/* 0: oauth1.timeout, when it is sent */
	int			max_attempts;
	bool		idempotent;
	text	   *dedupe_key;		/* NULL: none */
	text	   *order_key;		/* NULL: none */
	const char *on_done;		/* qualified, with argument types; NULL: none */
	Oid			role;			/* who enqueues it */
	TimestampTz run_at;
} oauth1_new_call;

/*
 * Inserts a call, in the caller's transaction, and returns its id; where a call of
 * the same consumer and dedupe_key has not ended, inserts nothing and returns
 * that one's.  Waits for a transaction that is inserting or ending such a call.
 * Raises 40001 where that got done after the snapshot of a REPEATABLE READ
 * transaction was taken.
 */
extern int64 oauth1_queue_insert(const oauth1_new_call *call);

#endif							/* OAUTH1_QUEUE_INSERT_H */
