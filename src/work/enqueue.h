/*
 * enqueue.h
 *	  A call that is to be sent after COMMIT.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ENQUEUE_H
#define OAUTH1_ENQUEUE_H

#include "stored/queue_insert.h"
#include "work/message.h"

#define OAUTH1_MAX_ATTEMPTS_DEFAULT 5

/*
 * Judges a message as a call is (OA007, OA003, 22023), for the current role, and
 * stores it; what is not the message's stands in call already: consumer, token,
 * and all from timeout_ms on but the role.  Returns the id, as
 * oauth1_queue_insert.  In the current memory context.
 */
extern int64 oauth1_enqueue_message(const oauth1_message *message, oauth1_new_call *call);

#endif							/* OAUTH1_ENQUEUE_H */
