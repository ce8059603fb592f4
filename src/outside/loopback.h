/*
 * loopback.h
 *	  The loopback end of one redirect (RFC 8252, 7.3): a URL on 127.0.0.1 that
 *	  nobody can guess, a wait until a browser is sent there, and a page for it.
 *
 * What the redirect is about is the caller's business.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LOOPBACK_H
#define OAUTH1_LOOPBACK_H

#include "core/core.h"

typedef struct oauth1_loopback oauth1_loopback;

/*
 * Listens on 127.0.0.1 alone; port 0: one that is free.  Belongs to the current
 * memory context and is closed with it at the latest.  55006 where the port is
 * taken, 53000 where fd.c grants no descriptors.
 */
extern oauth1_loopback *oauth1_loopback_open(int port);

/* Where the browser is to be sent; ASCII, NUL-terminated, good as long as the loopback is. */
extern const char *oauth1_loopback_url(const oauth1_loopback *loopback);
extern int	oauth1_loopback_port(const oauth1_loopback *loopback);

/*
 * Waits until a browser asks for that URL, at most until the time (of
 * oauth1_monotonic_us's clock).  Returns the URL as it was asked for, with its
 * query, palloc'd; data NULL: nobody did.  Then nothing is listening any more, and
 * the browser waits for oauth1_loopback_answer.  Whatever else is asked for
 * meanwhile gets a page that says no, one connection at a time, each with two
 * seconds for its request.  Raises what CHECK_FOR_INTERRUPTS does.
 */
extern oa1_text oauth1_loopback_wait(oauth1_loopback *loopback, int64 until);

/*
 * Answers the browser that waits, if there is one, with a plain page: both texts in
 * UTF-8, escaped here.  Never throws, never waits.
 */
extern void oauth1_loopback_answer(oauth1_loopback *loopback, bool fine, const char *title,
								   const char *text);

/* Closes whatever is open.  Never throws. */
extern void oauth1_loopback_close(oauth1_loopback *loopback);

#endif							/* OAUTH1_LOOPBACK_H */
