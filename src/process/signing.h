/*
 * signing.h
 *	  What a call of a signing function leaves for the next one of the same
 *	  statement: a key made ready, and buffers that have their size.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SIGNING_H
#define OAUTH1_SIGNING_H

#include "fmgr.h"

#include "ground/jsonb_params.h"

/* What a key serves; it decides which PEM block an RSA key is read from. */
typedef enum oauth1_key_use
{
	OAUTH1_TO_SIGN,
	OAUTH1_TO_VERIFY
} oauth1_key_use;

/*
 * Lives as long as the expression that calls, in a memory context of its own
 * whose reset wipes and frees everything in it.
 */
typedef struct oauth1_signing
{
	MemoryContext context;
	MemoryContextCallback callback;

	Oid			method_oid;		/* the enum value that method was looked up for */
	oa1_method	method;

	/* The signer, and what it was made of: the two secrets, one after the other. */
	bool		keyed;
	oa1_signer	signer;
	oa1_method	signer_method;
	oa1_buffer	secrets;
	size_t		consumer_secret_length;

	/* Scratch, good until the next call. */
	oa1_buffer	url_octets;
	oa1_buffer	base_string;
	oa1_buffer	signature;
	oa1_parameters parameters;
} oauth1_signing;

/* The calling expression's own; made at its first call. */
extern oauth1_signing *oauth1_signing_of(FunctionCallInfo fcinfo);

/* The method an enum value stands for, looked up once. */
extern oa1_method oauth1_signing_method(oauth1_signing *signing, Oid method_oid);

/*
 * Makes the signer ready, unless it is for these very arguments.  RSA has no use
 * for token_secret (RFC 5849, 3.4.3).  Raises OA001 for an unusable key.
 */
extern void oauth1_signing_set_key(oauth1_signing *signing, oauth1_key_use use, oa1_method method,
								   oa1_text consumer_secret, oa1_text token_secret);

/* Parses url into scratch.  Raises 22023 or 22P02. */
extern void oauth1_signing_parse_url(oauth1_signing *signing, oa1_text url, oa1_url *parsed);

/*
 * Collects the parameters to be signed: the URL's query, then each list; realm
 * is left out of the lists (3.4.1.3.1).  Raises 22P02 for a malformed escape.
 */
extern void oauth1_signing_collect(oauth1_signing *signing, const oa1_url *url,
								   const oauth1_pairs *const *lists, int count);

/* The base string (3.4.1.1) over what was collected, in scratch. */
extern oa1_text oauth1_signing_base_string(oauth1_signing *signing, oa1_text http_method,
										   const oa1_url *url);

/* The signature, in scratch. */
extern oa1_text oauth1_signing_sign(oauth1_signing *signing, oa1_text base_string);

/* The method an enum value stands for. */
extern oa1_method oauth1_method_from_oid(Oid method_oid);

#endif							/* OAUTH1_SIGNING_H */
