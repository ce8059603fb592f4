/*
 * compose.h
 *	  One message and one credential made into the request that is sent: one set
 *	  of octets makes the base string and the wire.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_COMPOSE_H
#define OAUTH1_COMPOSE_H

#include "outside/transfer.h"
#include "stored/credential.h"
#include "work/message.h"

/* What is signed besides the message. */
typedef struct oauth1_composition
{
	oauth1_credential *credential;
	const oauth1_credential_token *token;	/* NULL: the credential's own */
	oauth1_transmission transmission;
	const oauth1_pairs *protocol;	/* oauth_callback, oauth_verifier ...; NULL: none */
} oauth1_composition;

/*
 * Signs with a fresh nonce and the present time, and fills in what of a request
 * follows from that: method, URL, headers and body, in the current memory
 * context.  url is the message's, parsed and found allowed.
 *
 * Where the oauth_ parameters go (RFC 5849, 3.5): into the Authorization header,
 * into the query, or into the form body; a request that has no form body cannot
 * carry them there, and has them in its query.
 */
extern void oauth1_compose(const oauth1_composition *composition, const oauth1_message *message,
						   const oa1_url *url, oauth1_request *request);

#endif							/* OAUTH1_COMPOSE_H */
