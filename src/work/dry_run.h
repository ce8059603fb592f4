/*
 * dry_run.h
 *	  A call made ready as it would be sent, and not sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DRY_RUN_H
#define OAUTH1_DRY_RUN_H

#include "fmgr.h"

#include "work/compose.h"

typedef struct oauth1_dry_run
{
	oa1_text	given_url;		/* as the caller wrote it, with its fragment */
	oauth1_message message;
	oauth1_credential *credential;	/* the session's */
	oa1_url		url;
	oauth1_composition composition;
	oauth1_request request;		/* signed; with PLAINTEXT it holds the secrets */
	oauth1_composition_details details;
} oauth1_dry_run;

/*
 * From the arguments consumer, request and token of a SQL function, which are its
 * first three; in the current memory context.  Raises what the call would raise
 * before it is sent: OA007, OA003, 22023, OA001, OA005.
 */
extern void oauth1_dry_run_make(FunctionCallInfo fcinfo, oauth1_dry_run *run);

/*
 * UTF-8 text in the server encoding, palloc'd; percent-encoded, and said so, where
 * it is none there.
 */
extern char *oauth1_shown(oa1_text value);

#endif							/* OAUTH1_DRY_RUN_H */
