/*
 * registry.h
 *	  What the functions that create, alter and drop share.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_REGISTRY_H
#define OAUTH1_REGISTRY_H

#include "fmgr.h"

#include "stored/definition.h"

/* create_provider's arguments, in its order, which is that of the tables' columns. */
typedef enum oauth1_provider_column
{
	OAUTH1_PROVIDER_NAME,
	OAUTH1_PROVIDER_API_URLS,
	OAUTH1_PROVIDER_REQUEST_TOKEN_URL,
	OAUTH1_PROVIDER_AUTHORIZE_URL,
	OAUTH1_PROVIDER_ACCESS_TOKEN_URL,
	OAUTH1_PROVIDER_SIGNATURE_METHOD,
	OAUTH1_PROVIDER_REALM,
	OAUTH1_PROVIDER_TRANSMISSION,
	OAUTH1_PROVIDER_TOKEN_TRANSMISSION,
	OAUTH1_PROVIDER_TOKEN_METHOD,
	OAUTH1_PROVIDER_BODY_HASH,
	OAUTH1_PROVIDER_CALLBACK_MODE,
	OAUTH1_PROVIDER_CALLBACK_CONFIRMED,
	OAUTH1_PROVIDER_RENEW_URL,
	OAUTH1_PROVIDER_REVOKE_URL,
	OAUTH1_PROVIDER_ALLOW_HTTP,
	OAUTH1_PROVIDER_OPTIONS
} oauth1_provider_column;

#define OAUTH1_PROVIDER_COLUMNS (OAUTH1_PROVIDER_OPTIONS + 1)

/* A provider as a row; the signature method as text, so that no type needs a look-up. */
typedef struct oauth1_provider_row
{
	Datum		values[OAUTH1_PROVIDER_COLUMNS];
	char		nulls[OAUTH1_PROVIDER_COLUMNS + 1]; /* 'n' or ' ', as SPI has it */
	bool		builtin;
} oauth1_provider_row;

/* Reads the user's row, else the preset, inside an oauth1_query; false where there is neither. */
extern bool oauth1_provider_row_read(const char *name, MemoryContext context,
									 oauth1_provider_row *row);

/*
 * The struct of a row, in the context; shares nothing with the row.  Raises
 * 22023 where a word or an option is none that is known.
 */
extern oauth1_provider *oauth1_provider_from_row(const oauth1_provider_row *row,
												 MemoryContext context);

/*
 * To be called first by every function that writes, with its name: 25006 in a
 * read-only transaction and on a standby.
 */
extern void oauth1_prevent_read_only(const char *function);

/* The argument, in the current context; 22004 where it is null. */
extern char *oauth1_required_argument(FunctionCallInfo fcinfo, int n, const char *what);

/*
 * Raises 22023 where a name of ours is empty, longer than PostgreSQL's own names
 * (63 bytes) or holds a control character; what is the argument's name.
 */
extern void oauth1_check_name(const char *name, const char *what);

/* The same for what others named (a consumer key, a token): any length. */
extern void oauth1_check_foreign_name(const char *name, const char *what);

/* The names in an argument reset text[], NULL where it is not given; *count is set. */
extern char **oauth1_reset_argument(FunctionCallInfo fcinfo, int n, int *count);

/* The errors of alter's reset, 22023; known lists what can be named in it. */
extern void oauth1_raise_cannot_reset(const char *name, const char *known);
extern void oauth1_raise_given_and_reset(const char *name);

/*
 * The provider, held until the end of the transaction against being dropped;
 * 42704 where there is none.  Inside an oauth1_query that may write.
 */
extern oauth1_provider *oauth1_provider_lock(const char *name);

/* OA007 where there is no such consumer; inside an oauth1_query. */
extern void oauth1_require_consumer(const char *name);

/* oauth1_secret_append of a text argument; its detoasted copy is wiped as well. */
extern void oauth1_secret_append_argument(oa1_buffer *out, FunctionCallInfo fcinfo, int n);

/* A consumer's secrets as they came in, in UTF-8; data NULL: not given. */
typedef struct oauth1_consumer_secrets
{
	oa1_text	consumer_secret;
	oa1_text	private_key;	/* PEM, or a PKCS#12 file in Base64 */
	oa1_text	client_key;		/* PEM: of the provider's client_certificate */
	oa1_text	passphrase;		/* of either key, where it is encrypted */
} oauth1_consumer_secrets;

/*
 * Seals and stores those that are given, for the consumer's present destination;
 * OA001 for a key that cannot be used, or is not the client certificate's.
 * Inside an oauth1_query.
 */
extern void oauth1_consumer_secrets_store(const char *consumer,
										  const oauth1_consumer_secrets *secrets);

/*
 * Raises what a call with the consumer would raise later: a placeholder of its
 * provider's that has no value, or one that does not fit (22023, OA003).  Inside
 * an oauth1_query.
 */
extern void oauth1_consumer_check_templates(const oauth1_provider *provider, const char *name);

/*
 * Stores an access token that the current role was given elsewhere, in place of
 * one of the same name, and seals its secret; OA007 where there is no such
 * consumer.  Not inside an oauth1_query.
 */
extern void oauth1_token_enter(const char *consumer, const char *name, const char *token,
							   oa1_text token_secret);

/* Merges change over kept as jsonb's || does; a null in change removes its key. */
extern Datum oauth1_merge_objects(Datum kept, Datum change, const char *what);

/*
 * Tells in a NOTICE how many secrets of the consumers are not bound to where
 * they would go now; consumer NULL: of all the provider's.  Inside an
 * oauth1_query.
 */
extern void oauth1_notice_unbound_secrets(const char *provider, const char *consumer);

#endif							/* OAUTH1_REGISTRY_H */
