/*
 * wakeup.h
 *	  A COMMIT that gave the queue something to do wakes its worker.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_WAKEUP_H
#define OAUTH1_WAKEUP_H

/* Sees to it; once, at the library's load.  Harmless in the postmaster. */
extern void oauth1_watch_transactions(void);

#endif							/* OAUTH1_WAKEUP_H */
