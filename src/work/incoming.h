/*
 * incoming.h
 *	  A request that somebody sent us, as its signature has it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_INCOMING_H
#define OAUTH1_INCOMING_H

#include "ground/jsonb_params.h"

/* What arrived; texts in UTF-8, data NULL: not given. */
typedef struct oauth1_arrived
{
	oa1_text	http_method;
	oa1_text	url;			/* absolute, as the client sees it */
	oa1_text	authorization;	/* the header's value */
	Jsonb	   *params;			/* of a body that is a form; NULL: none */
} oauth1_arrived;

/* What it says of itself (RFC 5849, 3.1), and what its signature is over. */
typedef struct oauth1_incoming
{
	oa1_text	consumer_key;
	oa1_text	token;			/* data NULL: none was sent */
	oa1_text	signature;
	oa1_text	nonce;
	oa1_text	body_hash;		/* data NULL: none was sent */
	oa1_method	method;			/* not PLAINTEXT */
	int64		timestamp;
	oa1_buffer	base_string;
} oauth1_incoming;

/*
 * Takes the request apart and judges what can be judged without knowing who sent
 * it: NULL where all is well, else why it is refused, in words that hold nothing
 * of the request.  now: seconds since 1970.  *incoming lies in the current
 * context, and points into *arrived.  Raises 22023 where the caller is at fault:
 * a URL that is not absolute, params that are no parameters.
 */
extern const char *oauth1_incoming_read(const oauth1_arrived *arrived, int64 now,
										oauth1_incoming *incoming);

#endif							/* OAUTH1_INCOMING_H */
