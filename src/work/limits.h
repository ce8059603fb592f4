/*
 * limits.h
 *	  Places and rates: max_concurrency and rate_limit, held by all sessions of
 *	  the server together, within a limit_group; and the service's own wishes.
 *
 *		while (!oauth1_limits_take(consumer, path, &place, &wake))
 *			oauth1_transfer_wait(Min(wake, deadline));	... and give up at the deadline
 *		... one exchange ...
 *		oauth1_limits_heed(consumer, path, response);
 *		oauth1_limits_release(&place, response->sent_at);
 *
 * For each attempt anew, so that no place is held while a call backs off.
 * Nothing of it writes, so a standby does it too, and counts by itself.
 *
 * Consumers of one group state the same limits.  Of two max_concurrency the
 * greater holds for both together, and the smaller's calls may have the first
 * places only; of two rates each counts its own calls.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LIMITS_H
#define OAUTH1_LIMITS_H

#include "outside/transfer.h"
#include "stored/definition.h"

typedef enum oauth1_limit
{
	OAUTH1_LIMIT_NONE,
	OAUTH1_LIMIT_PLACE,			/* max_concurrency */
	OAUTH1_LIMIT_RATE,			/* rate_limit */
	OAUTH1_LIMIT_PAUSE			/* what the service announced */
} oauth1_limit;

/* What a call holds, or waits for; all zeros: nothing.  To be embedded, and not to be copied. */
typedef struct oauth1_place
{
	uint64		serial;			/* in the session's book; 0: not in it */
	int			index;
	oauth1_limit waits_for;		/* why the last oauth1_limits_take said no */
	int64		until;			/* of a pause, on oauth1_monotonic_us's clock */
} oauth1_place;

/*
 * True: an exchange may start now; place holds what was taken until it is
 * released, or until the top transaction aborts.  False: not yet; *wake (on
 * oauth1_monotonic_us's clock) is when to ask again at the latest, earlier where
 * the session's latch is set.  Asking again soon keeps the session's turn among
 * those that wait.  path is the URL's, without its query.
 *
 * Raises an error only where memory or the server's table of locks is full; what
 * place has by then is still to be released.
 */
extern bool oauth1_limits_take(const oauth1_consumer *consumer, oa1_text path,
							   oauth1_place *place, int64 *wake);

/*
 * The exchange began to be sent at that time, and goes on: from now on its unit
 * of the rate ages, however long the answer takes.  Without it that begins with
 * the release.  Never throws or allocates.
 */
extern void oauth1_limits_sent(oauth1_place *place, int64 sent_at);

/*
 * Gives back what place has, or ends its waiting; sent_at 0: nothing was sent,
 * which counts for no rate.  Where it is not known, now is what to say.  Never
 * throws, may run in an abort, and twice.
 */
extern void oauth1_limits_release(oauth1_place *place, int64 sent_at);

/*
 * Takes notice of what the service announced.  Retry-After of a 429 or 503
 * pauses the whole group; a rate that is used up, or a 429 that says until when,
 * the group's calls of that path; a day at most.  A consumer without any limit is
 * not held: to it the 429 is data.
 */
extern void oauth1_limits_heed(const oauth1_consumer *consumer, oa1_text path,
							   const oauth1_response *response);

/*
 * What the call waited for when it was told no, as a sentence for an error's
 * detail, palloc'd; NULL where it did not wait for a limit.
 */
extern char *oauth1_limits_reason(const oauth1_consumer *consumer, const oauth1_place *place);

/*
 * How long the service asks to wait, in milliseconds, a day at most: Retry-After
 * (RFC 9110, 10.2.3), seconds or a date, the latter against the response's own
 * Date; else, for a 429, when the rate is said to begin anew.  -1: it does not
 * say.
 */
extern int64 oauth1_retry_after_ms(const oauth1_response *response);

#endif							/* OAUTH1_LIMITS_H */
