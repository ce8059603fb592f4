/*
 * credential.c
 *	  A consumer and one of its tokens made ready to sign, kept for the session.
 *
 * Looking up rows by SPI would cost as much as the rest of a signed call on a
 * kept connection, so what was found is kept, a credential a role, consumer and
 * token's name, until any of the tables or the roles changed (cache.c).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/jsonb_params.h"
#include "stored/cache.h"
#include "stored/credential.h"
#include "stored/destination.h"
#include "stored/grants.h"
#include "stored/placeholder.h"
#include "stored/query.h"

/*
 * Above this many the cache is emptied: an application that serves thousands of
 * users from one session keeps the recent ones.
 */
#define MAX_CREDENTIALS 512

typedef struct credential_key
{
	Oid			role;
	bool		any_token;		/* found by oauth1_credential_find_consumer */
	const char *consumer;
	const char *token_name;
} credential_key;

typedef struct credential_entry
{
	credential_key key;			/* its strings are the credential's */
	oauth1_credential *credential;
} credential_entry;

static HTAB *credentials = NULL;
static uint64 credentials_generation;

/* ---------------------------------------------------------------- the session's table */

static uint32
hash_key(const void *key, Size size)
{
	const credential_key *k = key;
	uint32		hash = hash_bytes((const unsigned char *) k->consumer, strlen(k->consumer));

	hash = hash_combine(hash, hash_bytes((const unsigned char *) k->token_name,
										 strlen(k->token_name)));
	return hash_combine(hash, hash_uint32(k->role) ^ k->any_token);
}

static int
match_key(const void *a, const void *b, Size size)
{
	const credential_key *x = a;
	const credential_key *y = b;

	return !(x->role == y->role && x->any_token == y->any_token &&
			 strcmp(x->consumer, y->consumer) == 0 &&
			 strcmp(x->token_name, y->token_name) == 0);
}

/* It is in the table no more. */
static void
drop(oauth1_credential *credential)
{
	credential->is_dropped = true;
	if (credential->holders == 0)
		MemoryContextDelete(credential->memory);
}

void
oauth1_credential_hold(oauth1_credential *credential)
{
	credential->holders++;
}

void
oauth1_credential_release(oauth1_credential *credential)
{
	credential->holders--;
	if (credential->is_dropped && credential->holders == 0)
		MemoryContextDelete(credential->memory);
}

void
oauth1_credential_forget_all(void)
{
	HASH_SEQ_STATUS scan;
	credential_entry *entry;

	if (credentials == NULL)
		return;
	hash_seq_init(&scan, credentials);
	while ((entry = hash_seq_search(&scan)) != NULL)
		drop(entry->credential);
	hash_destroy(credentials);
	credentials = NULL;
}

static void
create_table(void)
{
	HASHCTL		control = {
		.keysize = sizeof(credential_key),
		.entrysize = sizeof(credential_entry),
		.hash = hash_key,
		.match = match_key,
		.hcxt = TopMemoryContext,
	};

	credentials = hash_create("oauth1 credentials", 16, &control,
							  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

static void
keep(const credential_key *key, oauth1_credential *credential)
{
	credential_key own = *key;
	credential_entry *entry;

	own.consumer = credential->consumer->name;
	own.token_name = credential->token_name;
	if (credentials == NULL)
		create_table();
	entry = hash_search(credentials, &own, HASH_ENTER, NULL);
	entry->credential = credential;
	MemoryContextSetParent(credential->memory, TopMemoryContext);
}

/* ---------------------------------------------------------------- reading the tables */

static void
raise_no_consumer(const char *consumer)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
			 errmsg("consumer \"%s\" does not exist or may not be used", consumer),
			 errhint("The view oauth1.consumers shows what the current role may use.")));
}

static void
raise_no_token(const char *consumer, const char *token_name)
{
	if (token_name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("consumer \"%s\" may not be used without a token", consumer),
				 errdetail("The current role was granted single tokens of it."),
				 errhint("The view oauth1.tokens shows what the current role may use.")));
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
			 errmsg("token \"%s\" of consumer \"%s\" does not exist or may not be used",
					token_name, consumer),
			 errhint("The view oauth1.tokens shows what the current role may use; an empty name signs without a token.")));
}

static oauth1_statement select_token = {
	.sql = "SELECT token, expires_at FROM oauth1.token WHERE consumer = $1 AND name = $2",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

static oa1_text
utf8_copy(const char *value)
{
	oa1_text	utf8 = oauth1_utf8_from_cstring(value);

	return (oa1_text) {pnstrdup(utf8.data, utf8.length), utf8.length};
}

static oauth1_sealed *
read_secret(oauth1_credential *credential, const char *slot, const char *kind)
{
	oauth1_secret_id id = {credential->consumer->name, slot, kind};

	return oauth1_secret_read(&id, credential->memory);
}

static void
read_token(oauth1_credential *credential)
{
	oauth1_credential_token *token = &credential->token;
	const char *consumer = credential->consumer->name;
	Datum		values[] = {
		CStringGetTextDatum(consumer), CStringGetTextDatum(credential->token_name)
	};
	Datum		expires_at;
	bool		isnull;

	if (oauth1_query_read(&select_token, values, NULL) == 0)
		raise_no_token(consumer, credential->token_name);
	token->token = utf8_copy(oauth1_column_cstring(0, 1, CurrentMemoryContext));
	expires_at = oauth1_column_datum(0, 2, CurrentMemoryContext, &isnull);
	if (!isnull)
		credential->token_expires_at = DatumGetTimestampTz(expires_at);
	token->secret_id = (oauth1_secret_id) {consumer, credential->token_name, OAUTH1_TOKEN_SECRET};
	token->secret = oauth1_secret_read(&token->secret_id, credential->memory);
	credential->session_handle = read_secret(credential, credential->token_name,
											 OAUTH1_SESSION_HANDLE);
}

/* Fills in everything that stands in rows; inside an oauth1_query. */
static void
read_rows(oauth1_credential *credential, const credential_key *key)
{
	if (!oauth1_may_use(key->role, key->consumer, NULL))
		raise_no_consumer(key->consumer);
	credential->consumer = oauth1_consumer_read(key->consumer, credential->memory);
	if (credential->consumer == NULL)
		raise_no_consumer(key->consumer);
	/* Without a token too: a role that was given one token may not act as the consumer itself. */
	if (!oauth1_may_use(key->role, key->consumer, key->token_name))
		raise_no_token(key->consumer, key->token_name);
	credential->provider = oauth1_provider_read(credential->consumer->provider,
												credential->memory);
	if (credential->provider == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("provider \"%s\" of consumer \"%s\" does not exist",
						credential->consumer->provider, key->consumer)));
	if (key->token_name[0] != '\0' && !key->any_token)
		read_token(credential);
	credential->consumer_secret = read_secret(credential, "", OAUTH1_CONSUMER_SECRET);
	credential->private_key = read_secret(credential, "", OAUTH1_PRIVATE_KEY);
	if (credential->provider->options.client_certificate != NULL)
		credential->client_key = read_secret(credential, "", OAUTH1_CLIENT_KEY);
}

/* ---------------------------------------------------------------- making it ready */

char *
oauth1_credential_expand(const oauth1_credential *credential, const char *template,
						 const char *token, const char *what)
{
	oauth1_values values = {
		.vars = credential->consumer->vars,
		.consumer_key = credential->consumer->consumer_key,
		.token = token,
	};

	return oauth1_expand(template, OAUTH1_PLACE_URL, &values, what);
}

static char *
expand_field(const oauth1_credential *credential, const char *template, const char *url,
			 const char *what)
{
	oauth1_values values = {
		.vars = credential->consumer->vars,
		.consumer_key = credential->consumer->consumer_key,
		.token = credential->token.token.data,
		.url = url,
	};

	return oauth1_expand(template, OAUTH1_PLACE_HEADER, &values, what);
}

static void
prepare_api_urls(oauth1_credential *credential)
{
	int			count = credential->provider->api_url_count;

	credential->api_urls = palloc0(sizeof(oa1_url) * Max(count, 1));
	for (int i = 0; i < count; i++)
	{
		char	   *expanded = oauth1_credential_expand(credential,
														credential->provider->api_urls[i],
														credential->token.token.data, "api_urls");
		oa1_buffer	octets;

		oauth1_buffer_init(&octets, credential->memory);
		oauth1_check_core(oa1_url_parse((oa1_text) {expanded, strlen(expanded)}, &octets,
										&credential->api_urls[i]), "api_urls");
	}
}

static void
prepare_realm(oauth1_credential *credential)
{
	const char *realm = credential->provider->realm;

	if (realm == NULL)
		return;
	credential->realm_has_url = strstr(realm, "{url}") != NULL;
	if (!credential->realm_has_url)
		realm = expand_field(credential, realm, NULL, "the realm");
	credential->realm = (oa1_text) {realm, strlen(realm)};
}

oa1_text
oauth1_credential_realm(const oauth1_credential *credential, const oa1_url *url)
{
	char	   *expanded;

	if (!credential->realm_has_url)
		return credential->realm;
	expanded = expand_field(credential, credential->provider->realm,
							pnstrdup(url->base_uri.data, url->base_uri.length), "the realm");
	return (oa1_text) {expanded, strlen(expanded)};
}

static void
prepare_headers(oauth1_credential *credential)
{
	Jsonb	   *templates = credential->provider->options.headers;
	oauth1_pairs pairs;

	if (templates == NULL)
		return;
	oauth1_pairs_init(&pairs, 0);
	oauth1_pairs_from_jsonb(&pairs, templates, "headers");
	for (size_t i = 0; i < pairs.count; i++)
	{
		char	   *template = oauth1_cstring_from_utf8(pairs.data[i].value);
		char	   *expanded = expand_field(credential, template, NULL, "a header");

		pairs.data[i].value = (oa1_text) {expanded, strlen(expanded)};
	}
	credential->headers = pairs.data;
	credential->header_count = pairs.count;
}

static void
free_keys(void *argument)
{
	oauth1_credential *credential = argument;

	oauth1_credential_forget_signer(credential);
	EVP_PKEY_free(credential->key);
	credential->key = NULL;
}

static oauth1_credential *
make_struct(const credential_key *key)
{
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "oauth1 credential",
												 ALLOCSET_SMALL_SIZES);
	oauth1_credential *credential = MemoryContextAllocZero(memory, sizeof(*credential));
	MemoryContextCallback *callback = MemoryContextAlloc(memory, sizeof(*callback));

	credential->memory = memory;
	credential->token_name = MemoryContextStrdup(memory, key->token_name);
	callback->func = free_keys;
	callback->arg = credential;
	MemoryContextRegisterResetCallback(memory, callback);
	return credential;
}

static oauth1_credential *
build(const credential_key *key)
{
	oauth1_credential *credential = make_struct(key);
	MemoryContext old;
	oauth1_query query;

	oauth1_query_begin(&query);
	old = MemoryContextSwitchTo(credential->memory);
	read_rows(credential, key);
	credential->destination = oauth1_destination(credential->provider, credential->consumer);
	credential->consumer_key = utf8_copy(credential->consumer->consumer_key);
	prepare_api_urls(credential);
	prepare_realm(credential);
	prepare_headers(credential);
	MemoryContextSwitchTo(old);
	oauth1_query_end(&query);
	return credential;
}

static oauth1_credential *
find(const credential_key *key)
{
	uint64		generation = oauth1_cache_generation();
	credential_entry *entry;
	oauth1_credential *credential;

	if (credentials != NULL &&
		(credentials_generation != generation ||
		 hash_get_num_entries(credentials) >= MAX_CREDENTIALS))
		oauth1_credential_forget_all();
	if (credentials != NULL)
	{
		entry = hash_search(credentials, key, HASH_FIND, NULL);
		if (entry != NULL)
			return entry->credential;
	}
	/* Noted before the rows are read: what changes meanwhile makes it stale at once. */
	credential = build(key);
	credentials_generation = generation;
	keep(key, credential);
	return credential;
}

oauth1_credential *
oauth1_credential_find(const char *consumer, const char *token_name)
{
	credential_key key = {GetUserId(), false, consumer, token_name};

	return find(&key);
}

oauth1_credential *
oauth1_credential_find_consumer(const char *consumer, const char *token_name)
{
	credential_key key = {GetUserId(), true, consumer, token_name};

	return find(&key);
}

oauth1_credential *
oauth1_credential_find_as_owner(const char *consumer, const char *token_name)
{
	credential_key key = {oauth1_owner(), true, consumer, token_name};

	return find(&key);
}

/* ---------------------------------------------------------------- secrets that sign nothing */

bool
oauth1_credential_session_handle(const oauth1_credential *credential, oa1_buffer *out)
{
	oauth1_secret_id id = {credential->consumer->name, credential->token_name,
	OAUTH1_SESSION_HANDLE};

	if (credential->session_handle == NULL)
		return false;
	oauth1_secret_open(&id, credential->session_handle, credential->destination, out);
	return true;
}

bool
oauth1_credential_client_key(const oauth1_credential *credential, oa1_buffer *out)
{
	oauth1_secret_id id = {credential->consumer->name, "", OAUTH1_CLIENT_KEY};

	if (credential->provider->options.client_certificate == NULL)
		return false;
	if (credential->client_key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_KEY),
				 errmsg("consumer \"%s\" has no client key", credential->consumer->name),
				 errdetail("Provider \"%s\" is shown a client certificate, which takes its key.",
						   credential->provider->name),
				 errhint("Set it with COPY oauth1.secrets_in (consumer, client_key), or as client_key in options of oauth1.alter_consumer.")));
	oauth1_secret_open(&id, credential->client_key, credential->destination, out);
	return true;
}
