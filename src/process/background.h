/*
 * background.h
 *	  What the background processes of ours have in common.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_BACKGROUND_H
#define OAUTH1_BACKGROUND_H

#include <signal.h>

#include "work/dispatch.h"

/* Set by SIGTERM: whoever gets it looks at this, and leaves by itself. */
extern volatile sig_atomic_t oauth1_asked_to_leave;

/* The process's first step: its signal handlers, and signals from now on. */
extern void oauth1_background_begin(void);

/*
 * After it connected: settings that a database may have otherwise, for sessions.
 * name: application_name.
 */
extern void oauth1_background_settle(const char *name);

/* Reads the configuration again where the postmaster said so; true: it did. */
extern bool oauth1_background_reload(void);

/* Waits for the latch, at most so many milliseconds, and resets it. */
extern void oauth1_background_wait(long timeout_ms);

/*
 * Transactions of a process that is in none between them.  begin's caller has its
 * memory context back after commit.
 */
extern const oauth1_transactions oauth1_background_transactions;

#endif							/* OAUTH1_BACKGROUND_H */
