/*
 * token_flow.h
 *	  The three-legged flow, for those who take its steps by themselves.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TOKEN_FLOW_H
#define OAUTH1_TOKEN_FLOW_H

#include "core/core.h"

/*
 * Asks for a request token without oauth_callback and exchanges it with a
 * verifier that the service had pushed before (Magento); stores the access token
 * under that name, for the current role, which needs no grant.  OA002 where the
 * provider refuses, and the errors of calls.
 */
extern void oauth1_token_flow_exchange_pushed(const char *consumer, const char *name,
											  oa1_text verifier);

#endif							/* OAUTH1_TOKEN_FLOW_H */
