/*
 * call.h
 *	  One signed call, from a message to its response: as many attempts as it
 *	  takes and may take, each signed anew.
 *
 * The simple way:
 *
 *		call = oauth1_call_begin(consumer, token_name, &message, timeout_ms);
 *		response = oauth1_call_run(call);
 *		... copy what is wanted ...
 *		oauth1_call_end(call);
 *
 * Many at once: begin each; step those whose time has come or whose exchange got
 * done; wait with oauth1_transfer_wait until the earliest oauth1_call_wakes.
 *
 * A call belongs to the memory context that was current at its begin, and ends
 * with it at the latest.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CALL_H
#define OAUTH1_CALL_H

#include "work/compose.h"

typedef struct oauth1_call oauth1_call;

/* The time a call may take: timeout_ms where it is given, else oauth1.timeout.  22023 below 1. */
extern int	oauth1_timeout_argument(FunctionCallInfo fcinfo, int n);

/*
 * A call of a consumer with one of its tokens ('' : two-legged), for the current
 * role.  Grant and URL are judged at once: OA007, OA003, 22023.  Nothing is sent
 * before the first step.  The message must live as long as the call.
 */
extern oauth1_call *oauth1_call_begin(const char *consumer, const char *token_name,
									  const oauth1_message *message, int timeout_ms);

/* A request to a token endpoint, composed as given; url is judged already.  Follows no redirect. */
extern oauth1_call *oauth1_call_begin_composed(const oauth1_composition *composition,
											   const oauth1_message *message, const oa1_url *url,
											   int timeout_ms);

/*
 * One attempt of a queued call.  Whether there is another is the queue's to
 * decide, so oauth1.retries does not count; and its time begins when its limits
 * let it start.
 */
extern oauth1_call *oauth1_call_begin_queued(const char *consumer, const char *token_name,
											 const oauth1_message *message, int timeout_ms);

/*
 * Does what there is to do without waiting.  True: the call is over.  Raises an
 * error where the request cannot be composed or may no longer be sent; the call
 * is then to be ended.
 */
extern bool oauth1_call_step(oauth1_call *call);

/* Moves its deadline: time in which nobody could step it is not the call's. */
extern void oauth1_call_extend(oauth1_call *call, int64 us);

/* When it is to be stepped next, by itself: PG_INT64_MAX while its exchange is under way. */
extern int64 oauth1_call_wakes(const oauth1_call *call);

/* True where a step has something to do now. */
extern bool oauth1_call_is_due(const oauth1_call *call, int64 now);

/* True while its exchange is under way, or got done without having been looked at. */
extern bool oauth1_call_is_under_way(const oauth1_call *call);

/* Does it wait for its limits?  *wakes: when it looks again at the latest. */
extern bool oauth1_call_waits_for_place(const oauth1_call *call, int64 *wakes);

/*
 * The call is over with this: an exchange under way is given up, and its outcome
 * is what is known of it by now.  Never throws.
 */
extern void oauth1_call_stop(oauth1_call *call);

/*
 * How far the last exchange came, of a call that is over, raised an error or was
 * stopped.  NULL: there was none, so nothing was sent.
 */
extern const oauth1_outcome *oauth1_call_outcome(const oauth1_call *call);

/* As oauth1_retry_wait_us, of a call that is over; -1 where there was no exchange. */
extern int64 oauth1_call_retry_wait_us(oauth1_call *call, bool idempotent, int attempt);

/*
 * The response of a call that is over, good until its end.  Raises the error of
 * one that got no answer, with what was tried.
 */
extern const oauth1_response *oauth1_call_response(const oauth1_call *call);

/*
 * From begin to over.  Raises what step and response raise, or what
 * CHECK_FOR_INTERRUPTS raises; the call is then ended.
 */
extern const oauth1_response *oauth1_call_run(oauth1_call *call);

/*
 * How an exchange of this credential is to be made, beyond what is composed: time
 * limits, addresses, proxy, CA, client certificate.  What it points to is the
 * credential's, but for the certificate's key, which is put into client_key: a
 * secret buffer, to stay as it is until the exchange is over.  OA001, OA005 where
 * there is no key or it cannot be opened.
 */
extern void oauth1_call_transport(const oauth1_credential *credential, int64 deadline,
								  oa1_buffer *client_key, oauth1_request *request);

/* The URL of the last attempt: after redirects, without oauth_ parameters. */
extern const oa1_url *oauth1_call_url(const oauth1_call *call);

/* Gives back what it holds; an exchange under way is dropped.  Never throws. */
extern void oauth1_call_end(oauth1_call *call);

#endif							/* OAUTH1_CALL_H */
