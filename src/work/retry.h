/*
 * retry.h
 *	  Whether a call is tried again, and how long it waits before that.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_RETRY_H
#define OAUTH1_RETRY_H

#include "outside/transfer.h"
#include "stored/definition.h"
#include "work/message.h"

/* GET, HEAD, OPTIONS, TRACE (RFC 9110, 9.2.1): meant to change nothing. */
extern bool oauth1_method_is_safe(oa1_text http_method);

/* These and PUT, DELETE (RFC 9110, 9.2.2): twice does no more than once. */
extern bool oauth1_method_is_idempotent(oa1_text http_method);

/*
 * How long to wait, in microseconds, before the attempt after this one, which is
 * the attempt-th from 1; -1: what came is final.  Another attempt is right where
 * nothing was sent, where the service asks to come again (429, 503 with
 * Retry-After, what the provider's retry_when finds), and, where twice does no
 * more than once (idempotent), after any failure of the transfer and 502, 503
 * and 504.
 */
extern int64 oauth1_retry_wait_us(const oauth1_provider *provider, bool idempotent,
								  const oauth1_response *response, int attempt);

/* The wait where it is known that there is another attempt: up to a bound that doubles. */
extern int64 oauth1_backoff_us(int attempt);

/* Appends how an attempt ended, in a few words without a secret: "status 503". */
extern void oauth1_retry_describe(const oauth1_outcome *outcome, StringInfo out);

#endif							/* OAUTH1_RETRY_H */
