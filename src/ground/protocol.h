/*
 * protocol.h
 *	  The oauth_ parameters of one request (RFC 5849, 3.1), put together in one
 *	  place for whoever signs.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PROTOCOL_H
#define OAUTH1_PROTOCOL_H

#include "ground/jsonb_params.h"

/* What the signer decided; a text with data NULL is not given. */
typedef struct oauth1_protocol
{
	oa1_text	consumer_key;
	oa1_text	token;			/* not given: no oauth_token; empty: an empty one */
	oa1_method	method;
	int64		timestamp;		/* seconds since 1970 (3.3) */
	oa1_text	nonce;
	oa1_text	body_hash;
} oauth1_protocol;

/* oauth_consumer_key, _token, _signature_method, _timestamp, _nonce, _version, _body_hash */
#define OAUTH1_PROTOCOL_COUNT 7

/*
 * Appends protocol's parameters to *sent, then the other oauth_ ones of params
 * (oauth_callback, oauth_verifier and the like), and what is no oauth_ parameter
 * to *signed_only.  oauth_signature, which is never signed (3.4.1.3.1), is left
 * out.  Texts point into protocol, params and the current context.
 *
 * Raises 22023 where params contradicts protocol, or names an oauth_ parameter
 * twice (3.1: each at most once).
 */
extern void oauth1_protocol_parameters(const oauth1_protocol *protocol,
									   const oauth1_pairs *params,
									   oauth1_pairs *sent, oauth1_pairs *signed_only);

/*
 * Raises 22023 where a pair says another oauth_signature_method than method's
 * name: what is signed would deny how it was signed.
 */
extern void oauth1_check_method(const oauth1_pairs *params, oa1_method method);

#endif							/* OAUTH1_PROTOCOL_H */
