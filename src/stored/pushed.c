/*
 * pushed.c
 *	  Credentials that a service sends us by itself become a consumer.
 *
 * Whoever knows the address that such a service is told can send something
 * there, so what is pushed is not believed to be from where it says.  It
 * decides where a consumer's requests go only for one that it makes; those of
 * one that is there go where they went.  What it says of itself is found out by
 * the exchange that follows, at the shop it names, or by the first call.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/jsonb_params.h"
#include "stored/destination.h"
#include "stored/placeholder.h"
#include "stored/pushed.h"
#include "stored/query.h"
#include "stored/registry.h"

/* One statement, so that of two who are pushed at once the second waits, and renews. */
static oauth1_statement upsert_consumer = {
	.sql = "INSERT INTO oauth1.consumer (name, provider, consumer_key, vars, options)"
	" VALUES ($1, $2, $3, $4, '{}')"
	" ON CONFLICT (name) DO UPDATE SET consumer_key = excluded.consumer_key"
	" WHERE consumer.provider = excluded.provider",
	.nargs = 4,
	.types = {TEXTOID, TEXTOID, TEXTOID, JSONBOID},
};

/* ---------------------------------------------------------------- the provider's kind */

/* Two-legged or three-legged: what was pushed and the provider must be of one kind. */
static void
check_kind(const oauth1_provider *provider, const oauth1_pushed *pushed)
{
	bool		has_endpoints = provider->request_token_url != NULL &&
		provider->access_token_url != NULL;

	if (pushed->verifier.data != NULL && !has_endpoints)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("provider \"%s\" has no request_token_url or no access_token_url",
						provider->name),
				 errdetail("The form's oauth_verifier is to be exchanged for a token there.")));
	if (pushed->verifier.data == NULL && provider->access_token_url != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("JSON credentials are not for provider \"%s\"", provider->name),
				 errdetail("It gives tokens, and what was pushed has no verifier to get one with.")));
}

/* ---------------------------------------------------------------- where the shop is */

/* Adds a var unless there is one of that name. */
static void
add_var(oauth1_pairs *vars, const char *name, oa1_text value)
{
	for (size_t i = 0; i < vars->count; i++)
		if (vars->data[i].name.length == strlen(name) &&
			memcmp(vars->data[i].name.data, name, strlen(name)) == 0)
			return;
	oauth1_pairs_add(vars, (oa1_text) {pstrdup(name), strlen(name)}, value);
}

/* host or host:port of a URL. */
static oa1_text
authority_of(const oa1_url *url)
{
	size_t		skipped = url->scheme.length + strlen("://");

	return (oa1_text) {url->origin.data + skipped, url->origin.length - skipped};
}

/* The folder of a URL as a var has it, decoded; "/" is none. */
static oa1_text
folder_of(const oa1_url *url)
{
	oa1_text	path = url->path;
	oa1_buffer	decoded;

	while (path.length > 0 && path.data[path.length - 1] == '/')
		path.length--;
	oauth1_buffer_init(&decoded, CurrentMemoryContext);
	oauth1_check_core(oa1_percent_decode(&decoded, path), "store_base_url");
	return decoded.data ? oa1_buffer_text(&decoded) : OA1_TEXT("");
}

/* What the placeholders of the api_urls are for a shop at that URL (NULL: not known). */
static Jsonb *
vars_for(const oauth1_provider *provider, const oa1_url *base)
{
	oauth1_pairs vars;
	char		name[NAMEDATALEN];

	oauth1_pairs_init(&vars, 2);
	for (int i = 0; base != NULL && i < provider->api_url_count; i++)
	{
		const char *template = provider->api_urls[i];
		oa1_text	folder = folder_of(base);

		if (oauth1_template_authority(template, name, "api_urls"))
			add_var(&vars, name, authority_of(base));
		if (strstr(template, "{base_path}") != NULL && folder.length > 0)
			add_var(&vars, "base_path", folder);
	}
	return oauth1_pairs_to_jsonb(&vars);
}

/* A base URL that could be more than an address is none (RFC 3986, 3.2.1 and 3.4). */
static void
read_base_url(oa1_text text, oa1_buffer *octets, oa1_url *base)
{
	oauth1_check_core(oa1_url_parse(text, octets, base), "store_base_url");
	if (base->has_userinfo || base->has_dot_segments || base->has_query)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid store_base_url"),
				 errdetail("It has a user name, a query, or a path segment \".\" or \"..\".")));
}

/*
 * A new consumer whose shop nobody named: the error of the missing var would not
 * say why it is missing.
 */
static void
check_shop_is_known(const oauth1_provider *provider, const char *name)
{
	char		var[NAMEDATALEN];

	for (int i = 0; i < provider->api_url_count; i++)
		if (oauth1_template_authority(provider->api_urls[i], var, "api_urls"))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("it is not known which shop consumer \"%s\" is for", name),
					 errdetail("What was pushed does not say it, and provider \"%s\" has a placeholder \"%s\" for it.",
							   provider->name, var),
					 errhint("Create the consumer first, with that var and any consumer_key; what is pushed then takes its place.")));
}

/* What would let the shop in: of a consumer that there was, nothing that is pushed. */
static const char *
hint_for(const oa1_url *base, bool existed)
{
	if (existed)
		return "What is pushed does not move a consumer. Where the shop has moved, change vars with oauth1.alter_consumer first.";
	if (base->scheme.length == strlen("http"))
		return "Plain http takes a provider whose URLs are http, its allow_http, and the setting oauth1.allow_http.";
	return "The host of all the provider's URLs must be one placeholder, or this one.";
}

/* Everything that the consumer signs has to go to the shop that says it is the one. */
static void
check_shop(const oauth1_provider *provider, const oauth1_consumer *consumer, const oa1_url *base,
		   bool existed)
{
	char	   *elsewhere = oauth1_destination_elsewhere(provider, consumer, base->origin);

	if (elsewhere == NULL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
			 errmsg("store_base_url is not where requests of consumer \"%s\" go", consumer->name),
			 errdetail("It is at %.*s, and they go to %s. Nothing was sent.",
					   (int) base->origin.length, base->origin.data, elsewhere),
			 errhint("%s", hint_for(base, existed))));
}

/* ---------------------------------------------------------------- storing it */

/* Returns whether there was a consumer of that name and provider. */
static bool
write_consumer(const char *name, const oauth1_provider *provider, const oauth1_pushed *pushed,
			   const oa1_url *base)
{
	bool		existed = oauth1_consumer_read(name, CurrentMemoryContext) != NULL;
	Datum		values[] = {
		CStringGetTextDatum(name), CStringGetTextDatum(provider->name),
		PointerGetDatum(oauth1_text_from_utf8(pushed->consumer_key)), (Datum) 0
	};

	if (!existed && base == NULL)
		check_shop_is_known(provider, name);
	values[3] = JsonbPGetDatum(vars_for(provider, base));
	if (oauth1_query_write(&upsert_consumer, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("consumer \"%s\" belongs to another provider than \"%s\"",
						name, provider->name)));
	return existed;
}

void
oauth1_pushed_store(const char *name, const char *provider_name, const oauth1_pushed *pushed)
{
	oauth1_consumer_secrets secrets = {.consumer_secret = pushed->consumer_secret};
	oauth1_provider *provider;
	oauth1_consumer *consumer;
	oauth1_query query;
	oa1_buffer	octets;
	oa1_url		base;
	bool		existed;

	oauth1_query_begin(&query);
	provider = oauth1_provider_lock(provider_name);
	check_kind(provider, pushed);
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	if (pushed->base_url.data != NULL)
		read_base_url(pushed->base_url, &octets, &base);
	existed = write_consumer(name, provider, pushed, pushed->base_url.data ? &base : NULL);
	consumer = oauth1_consumer_read(name, CurrentMemoryContext);
	oauth1_consumer_check_templates(provider, name);
	if (pushed->base_url.data != NULL)
		check_shop(provider, consumer, &base, existed);
	oauth1_consumer_secrets_store(name, &secrets);
	oauth1_query_end(&query);
}
