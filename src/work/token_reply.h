/*
 * token_reply.h
 *	  What a provider answered to a token request.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TOKEN_REPLY_H
#define OAUTH1_TOKEN_REPLY_H

#include "outside/transfer.h"
#include "work/problem.h"

#include "ground/jsonb_params.h"

/* In UTF-8; the secrets are in secret buffers of the context it was read in. */
typedef struct oauth1_token_reply
{
	oa1_text	token;			/* these, data NULL: not given */
	oa1_text	token_secret;
	oa1_text	callback_confirmed;
	oa1_text	session_handle;
	int64		expires_in;		/* seconds; 0: not said */
	oauth1_pairs others;		/* what else the provider said */
} oauth1_token_reply;

/*
 * Reads a reply that is a form, a form ended by a newline, or JSON.  Raises
 * OA002 where the provider refused (a status that is not 2xx, or an
 * oauth_problem) or where it cannot be read; what ("request token") names what
 * was asked for.  optional: a reply that names no oauth_token is left unread.
 */
extern void oauth1_token_reply_read(const oauth1_response *response, const char *what,
									bool optional, oauth1_token_reply *reply);

/* Raises OA002 where the reply has no token or no secret. */
extern void oauth1_token_reply_require_token(const oauth1_token_reply *reply, const char *what);

#endif							/* OAUTH1_TOKEN_REPLY_H */
