/*
 * queue_look.h
 *	  A queued call as the role that asks may see it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_LOOK_H
#define OAUTH1_QUEUE_LOOK_H

typedef struct oauth1_call_look
{
	bool		ended;
	bool		running;		/* claimed: somebody is sending it */
	bool		is_own_news;	/* put into the queue by the present transaction */
	bool		has_response;	/* it has ended, and was answered */
	Datum		response;		/* oauth1.http_response */
} oauth1_call_look;

/*
 * How a call stands now, whatever the transaction's snapshot; the response in the
 * current memory context.  42704 where there is no such call, or it is not the
 * current role's to see: the two are not told apart.  Works on a standby.
 */
extern void oauth1_queue_look(int64 id, oauth1_call_look *look);

#endif							/* OAUTH1_QUEUE_LOOK_H */
