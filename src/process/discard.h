/*
 * discard.h
 *	  What DISCARD ALL means for what a session keeps of us.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DISCARD_H
#define OAUTH1_DISCARD_H

/* Sees to it; once, at the library's load.  Harmless in the postmaster. */
extern void oauth1_watch_discard(void);

#endif							/* OAUTH1_DISCARD_H */
