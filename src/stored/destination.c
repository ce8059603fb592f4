/*
 * destination.c
 *	  Where a consumer's secrets may go: the text that is bound to each of them.
 *
 * Whoever may alter a provider, or a consumer's vars, could otherwise point it
 * at a server of their own and receive what the secrets sign, or with PLAINTEXT
 * the secrets themselves.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/destination.h"
#include "stored/placeholder.h"

/* The origin of a URL template for this consumer, palloc'd. */
static char *
origin_of(const char *template, const oauth1_consumer *consumer, const char *what)
{
	/* The token is not known here; a sample will do: it can only stand in a path or a query. */
	oauth1_values values = {
		.vars = consumer->vars,
		.consumer_key = consumer->consumer_key,
		.token = "x",
	};
	char	   *expanded = oauth1_expand(template, OAUTH1_PLACE_URL, &values, what);
	oa1_buffer	octets;
	oa1_url		url;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_check_core(oa1_url_parse((oa1_text) {expanded, strlen(expanded)}, &octets, &url), what);
	return pnstrdup(url.origin.data, url.origin.length);
}

static int
compare_strings(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* The origins, sorted, each once. */
static List *
all_origins(const oauth1_provider *provider, const oauth1_consumer *consumer)
{
	const char *endpoints[] = {
		provider->request_token_url, provider->access_token_url,
		provider->renew_url, provider->revoke_url
	};
	List	   *origins = NIL;

	for (int i = 0; i < provider->api_url_count; i++)
		origins = lappend(origins, origin_of(provider->api_urls[i], consumer, "api_urls"));
	for (int i = 0; i < lengthof(endpoints); i++)
		if (endpoints[i] != NULL)
			origins = lappend(origins, origin_of(endpoints[i], consumer, "a token endpoint"));
	list_sort(origins, compare_strings);
	return origins;
}

/* SHA-256 of a text in hexadecimal, palloc'd. */
static char *
hash_text(const char *value)
{
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char	   *hex = palloc(2 * sizeof(digest) + 1);
	pg_cryptohash_ctx *hash = pg_cryptohash_create(PG_SHA256);

	if (hash == NULL ||
		pg_cryptohash_init(hash) < 0 ||
		pg_cryptohash_update(hash, (const uint8 *) value, strlen(value)) < 0 ||
		pg_cryptohash_final(hash, digest, sizeof(digest)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 hash")));
	pg_cryptohash_free(hash);
	hex_encode((const char *) digest, sizeof(digest), hex);
	hex[2 * sizeof(digest)] = '\0';
	return hex;
}

char *
oauth1_destination(const oauth1_provider *provider, const oauth1_consumer *consumer)
{
	const oauth1_provider_options *options = &provider->options;
	const char *previous = "";
	StringInfoData text;
	ListCell   *cell;

	initStringInfo(&text);
	foreach(cell, all_origins(provider, consumer))
	{
		if (strcmp(previous, lfirst(cell)) != 0)
			appendStringInfo(&text, "%s ", (char *) lfirst(cell));
		previous = lfirst(cell);
	}
	appendStringInfo(&text, "proxy=%s ca=%s plaintext=%s",
					 options->proxy ? options->proxy : "",
					 options->ca ? hash_text(options->ca) : "",
					 provider->signature_method == OA1_PLAINTEXT ? "yes" : "no");
	return text.data;
}

char *
oauth1_destination_elsewhere(const oauth1_provider *provider, const oauth1_consumer *consumer,
							 oa1_text origin)
{
	ListCell   *cell;

	foreach(cell, all_origins(provider, consumer))
	{
		char	   *other = lfirst(cell);

		if (strlen(other) != origin.length || memcmp(other, origin.data, origin.length) != 0)
			return other;
	}
	return NULL;
}

char *
oauth1_destination_of(const char *name)
{
	oauth1_consumer *consumer = oauth1_consumer_read(name, CurrentMemoryContext);
	oauth1_provider *provider = NULL;

	if (consumer != NULL)
		provider = oauth1_provider_read(consumer->provider, CurrentMemoryContext);
	if (provider == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("consumer \"%s\" does not exist", name)));
	return oauth1_destination(provider, consumer);
}
