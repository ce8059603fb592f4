/*
 * on_done_guard.h
 *	  What an on_done is refused beyond what a security-restricted operation is.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ON_DONE_GUARD_H
#define OAUTH1_ON_DONE_GUARD_H

/* From begin to end, also where that is in an error's way. */
extern void oauth1_on_done_guard_begin(void);
extern void oauth1_on_done_guard_end(void);

#endif							/* OAUTH1_ON_DONE_GUARD_H */
