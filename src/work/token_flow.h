/*
 * token_flow.h
 *	  The three-legged flow, for those who take its steps by themselves.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TOKEN_FLOW_H
#define OAUTH1_TOKEN_FLOW_H

#include "fmgr.h"
#include "utils/jsonb.h"

#include "stored/credential.h"

/*
 * A request token as the provider gave it.  All but the name lies in the memory
 * context it was asked for in; texts are in UTF-8, and the secret is wiped with them.
 */
typedef struct oauth1_asked_token
{
	const char *consumer;
	const char *name;			/* of the access token it will become */
	oa1_text	token;
	oa1_text	secret;
	int64		expires_in;		/* seconds; 0: not said */
	char	   *destination;	/* what the secret is bound to */
	oa1_text	authorize_url;	/* that the user opens (2.2); data NULL: the provider has none */
} oauth1_asked_token;

/*
 * Asks for a request token (RFC 5849, 2.1); nothing is stored.  callback with data
 * NULL: the consumer's own, else out of band; params NULL: none.  OA007 where the
 * role may not use the consumer for that name, 55000 where the provider has no
 * such endpoint, and the errors of a call and of a reply.
 */
extern void oauth1_token_flow_ask(const char *consumer, const char *name, oa1_text callback,
								  Jsonb *params, oauth1_asked_token *asked);

/*
 * Takes the URL that the user was redirected to (2.2), exchanges the token (2.3)
 * and stores the access token; returns the row (consumer, name, params) in
 * fcinfo's result type.  asked: the token it has to be for; NULL: one that was
 * stored.  OA002 where the user or the provider refused, 22023 for a URL that is
 * not such a redirect, OA007 where the token is not there or may not be used (any
 * more), OA005 where its secret would go elsewhere than it came from.
 */
extern Datum oauth1_token_flow_finish(FunctionCallInfo fcinfo, oa1_text redirect_url,
									  const oauth1_asked_token *asked);

/*
 * Asks for a request token without oauth_callback and exchanges it with a
 * verifier that the service had pushed before (Magento); stores the access token
 * under that name, for the current role, which needs no grant.  OA002 where the
 * provider refuses, and the errors of calls.
 */
extern void oauth1_token_flow_exchange_pushed(const char *consumer, const char *name,
											  oa1_text verifier);

#endif							/* OAUTH1_TOKEN_FLOW_H */
