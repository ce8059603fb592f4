/*
 * client_nonce.h
 *	  Requests that were accepted, so that none is accepted twice.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CLIENT_NONCE_H
#define OAUTH1_CLIENT_NONCE_H

#include "core/core.h"

/* How far a timestamp may be from our clock, before or behind, in seconds. */
#define OAUTH1_TIMESTAMP_WINDOW 300

/* What makes a request the same as another one (RFC 5849, 3.3). */
typedef struct oauth1_client_nonce
{
	oa1_text	consumer_key;
	oa1_text	token;			/* empty where there is none */
	oa1_text	nonce;
	int64		timestamp;		/* within the window, in seconds since 1970 */
} oauth1_client_nonce;

/*
 * Notes the request, in the caller's transaction; false where it was noted before.
 * Where another transaction has noted it and has not ended, waits for that end:
 * after a commit it is false, after a rollback true.  40001 where that was under
 * way and the caller's transaction is REPEATABLE READ or SERIALIZABLE.
 *
 * Now and then deletes some of those whose timestamp would be refused.
 */
extern bool oauth1_client_nonce_use(const oauth1_client_nonce *nonce);

#endif							/* OAUTH1_CLIENT_NONCE_H */
