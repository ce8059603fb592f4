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
	int64		timestamp;		/* seconds since 1970, to sign with (3.3) */
} oauth1_composition;

/* Where a parameter that is signed comes from. */
typedef enum oauth1_source
{
	OAUTH1_SOURCE_QUERY,		/* the URL's query */
	OAUTH1_SOURCE_FORM,			/* the form in the body */
	OAUTH1_SOURCE_PROTOCOL,		/* the oauth_ parameters of the request */
	OAUTH1_SOURCE_OPTION		/* an option of the provider: empty_token */
} oauth1_source;

typedef struct oauth1_signed_parameter
{
	oa1_pair	pair;			/* decoded */
	oauth1_source source;
} oauth1_signed_parameter;

/* How a request was made, for those who want to look at it; no secret is in it. */
typedef struct oauth1_composition_details
{
	oauth1_signed_parameter *parameters;	/* in the order of query, form, protocol */
	size_t		parameter_count;
	oa1_text	normalized;		/* 3.4.1.3.2 */
	oa1_text	base_string;	/* 3.4.1.1 */
	oa1_text	nonce;
	oa1_text	realm;			/* sent with the header; data NULL: none */
	oa1_text	body_hash;		/* data NULL: none */
	oauth1_transmission transmission;	/* where the oauth_ parameters stand */
	oauth1_request shown;		/* the request, but for its oauth_signature, which is masked */
} oauth1_composition_details;

/* Stands for the signature in details.shown. */
#define OAUTH1_MASK "***"

/*
 * Signs with a fresh nonce, and fills in what of a request follows from that:
 * method, URL, headers and body, in the current memory context.  url is the
 * message's, parsed and found allowed.  details, in the same context, tell how;
 * NULL where nobody wants to know, as in calls.
 *
 * Where the oauth_ parameters go (RFC 5849, 3.5): into the Authorization header,
 * into the query, or into the form body; a request that has no form body cannot
 * carry them there, and has them in its query.
 */
extern void oauth1_compose(const oauth1_composition *composition, const oauth1_message *message,
						   const oa1_url *url, oauth1_request *request,
						   oauth1_composition_details *details);

/* Raises what oauth1_compose would raise of the message, and opens no secret for that. */
extern void oauth1_compose_check(const oauth1_composition *composition,
								 const oauth1_message *message, const oa1_url *url);

#endif							/* OAUTH1_COMPOSE_H */
