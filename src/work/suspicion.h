/*
 * suspicion.h
 *	  What is known to make services refuse a signature that is right.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SUSPICION_H
#define OAUTH1_SUSPICION_H

#include "work/dry_run.h"

/* Is told each suspicion, a sentence or two in the server encoding. */
typedef void (*oauth1_tell) (void *context, const char *words);

/*
 * Looks at a request that was made ready, and tells what in it has made services
 * refuse others.  Raises what opening the secrets raises.
 */
extern void oauth1_suspicions(const oauth1_dry_run *run, oauth1_tell tell, void *context);

/*
 * The realm as NetSuite spells an account, in upper case with '_' for '-', where
 * this one is spelled otherwise and comes out of the consumer's vars; else NULL.
 */
extern char *oauth1_realm_respelled(const oauth1_credential *credential, oa1_text realm);

#endif							/* OAUTH1_SUSPICION_H */
