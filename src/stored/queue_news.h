/*
 * queue_news.h
 *	  Whether the present transaction gave the queue something to do.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUEUE_NEWS_H
#define OAUTH1_QUEUE_NEWS_H

/*
 * Set by what makes calls due: enqueue, retry_call, adopt_calls, and cancel_call,
 * which may let the next of an order_key go.  Whoever wakes the worker reads it
 * before COMMIT and clears it when the top transaction ends; the abort of a
 * subtransaction leaves it, so at worst the worker looks for nothing.
 */
extern bool oauth1_queue_has_news;

#endif							/* OAUTH1_QUEUE_NEWS_H */
