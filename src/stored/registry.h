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

/* OA007 where there is no such consumer; inside an oauth1_query. */
extern void oauth1_require_consumer(const char *name);

/*
 * Appends text of the server encoding as UTF-8 and wipes the copy that a
 * conversion makes.
 */
extern void oauth1_secret_append(oa1_buffer *out, const char *data, size_t length);

/* The same of a text argument; its detoasted copy is wiped as well. */
extern void oauth1_secret_append_argument(oa1_buffer *out, FunctionCallInfo fcinfo, int n);

/* Merges change over kept as jsonb's || does; a null in change removes its key. */
extern Datum oauth1_merge_objects(Datum kept, Datum change, const char *what);

/*
 * Tells in a NOTICE how many secrets of the consumers are not bound to where
 * they would go now; consumer NULL: of all the provider's.  Inside an
 * oauth1_query.
 */
extern void oauth1_notice_unbound_secrets(const char *provider, const char *consumer);

#endif							/* OAUTH1_REGISTRY_H */
