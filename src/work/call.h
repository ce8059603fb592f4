/*
 * call.h
 *	  One signed call from a message to its response.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CALL_H
#define OAUTH1_CALL_H

#include "work/compose.h"

/* The time a call may take: timeout_ms where it is given, else oauth1.timeout.  22023 below 1. */
extern int	oauth1_timeout_argument(FunctionCallInfo fcinfo, int n);

/*
 * Signs, sends and waits.  Returns the exchange, done and with an answer: any
 * other end is raised as its error.  The caller copies what it wants and ends
 * it; an error ends it too.
 */
extern oauth1_exchange *oauth1_send(const oauth1_composition *composition,
									const oauth1_message *message, const oa1_url *url,
									int timeout_ms);

#endif							/* OAUTH1_CALL_H */
