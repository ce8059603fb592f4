/*
 * definition.h
 *	  Providers and consumers as they stand in the tables, read into structs.
 *
 * URLs, realm and headers are templates here: placeholders are filled in by
 * placeholder.c when a consumer's credential is made ready.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DEFINITION_H
#define OAUTH1_DEFINITION_H

#include "utils/jsonb.h"

#include "core/core.h"

typedef enum oauth1_transmission
{
	OAUTH1_HEADER,
	OAUTH1_QUERY,
	OAUTH1_BODY
} oauth1_transmission;

typedef enum oauth1_body_hash
{
	OAUTH1_BODY_HASH_OFF,
	OAUTH1_BODY_HASH_AUTO,		/* bodies that are no form */
	OAUTH1_BODY_HASH_ALWAYS		/* also where there is no body */
} oauth1_body_hash;

typedef enum oauth1_callback_mode
{
	OAUTH1_CALLBACK_REQUEST,	/* oauth_callback goes with the request token (RFC 5849) */
	OAUTH1_CALLBACK_AUTHORIZE_URL,	/* with the authorize URL (OAuth Core 1.0) */
	OAUTH1_CALLBACK_NONE
} oauth1_callback_mode;

/* create_provider's options, checked and typed; a key that is not given is its zero. */
typedef struct oauth1_provider_options
{
	bool		has_body_hash_method;
	oa1_method	body_hash_method;	/* the hash of this HMAC method: "SHA1" ... in SQL */
	bool		empty_token;	/* two-legged calls send oauth_token="" */
	Jsonb	   *authorize_params;	/* added to the authorize URL */
	Jsonb	   *headers;		/* added to each request; values are templates */
	char	   *user_agent;
	char	   *idempotency_header;
	Jsonb	   *retry_when;
	char	   *test_url;
	char	   *proxy;
	char	   *ca;				/* PEM */
	char	   *client_certificate; /* PEM */
} oauth1_provider_options;

typedef struct oauth1_provider
{
	char	   *name;
	bool		builtin;		/* a preset that no row of the user's stands before */
	int			api_url_count;
	char	  **api_urls;
	char	   *request_token_url;	/* these, NULL where there is none */
	char	   *authorize_url;
	char	   *access_token_url;
	char	   *renew_url;
	char	   *revoke_url;
	oa1_method	signature_method;
	char	   *realm;			/* NULL: none sent */
	oauth1_transmission transmission;
	oauth1_transmission token_transmission;
	char	   *token_method;
	oauth1_body_hash body_hash;
	oauth1_callback_mode callback_mode;
	bool		callback_confirmed;
	bool		allow_http;
	oauth1_provider_options options;
} oauth1_provider;

/* So many calls in any time of that length. */
typedef struct oauth1_rate
{
	int			count;			/* 0: no limit */
	int			seconds;
} oauth1_rate;

typedef struct oauth1_consumer
{
	char	   *name;
	char	   *provider;
	char	   *consumer_key;
	Jsonb	   *vars;
	char	   *callback;
	int			max_concurrency;	/* 0: no limit */
	oauth1_rate rate_limit;
	char	   *limit_group;	/* NULL: the consumer is alone */
} oauth1_consumer;

/* Places are lock tags, and a caller may look at each. */
#define OAUTH1_MAX_CONCURRENCY 1000

/*
 * Both read with the latest snapshot, inside an oauth1_query, into the given
 * context.  Return NULL where there is no such row.
 */
extern oauth1_provider *oauth1_provider_read(const char *name, MemoryContext context);
extern oauth1_consumer *oauth1_consumer_read(const char *name, MemoryContext context);

/* The words of create_provider's arguments; false where the word is none of them. */
extern bool oauth1_transmission_from_name(const char *name, oauth1_transmission *transmission);
extern bool oauth1_body_hash_from_name(const char *name, oauth1_body_hash *body_hash);
extern bool oauth1_callback_mode_from_name(const char *name, oauth1_callback_mode *mode);

/* A positive whole number, a slash, a unit of time: 60/min.  False where it reads otherwise. */
extern bool oauth1_rate_from_text(const char *text, oauth1_rate *rate);

#endif							/* OAUTH1_DEFINITION_H */
