/*
 * definition.c
 *	  Rows of providers and consumers as structs.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "stored/definition.h"
#include "stored/options.h"
#include "stored/query.h"
#include "stored/registry.h"

/* ---------------------------------------------------------------- words */

static const char *const transmissions[] = {
	[OAUTH1_HEADER] = "header",
	[OAUTH1_QUERY] = "query",
	[OAUTH1_BODY] = "body",
};

static const char *const body_hashes[] = {
	[OAUTH1_BODY_HASH_OFF] = "off",
	[OAUTH1_BODY_HASH_AUTO] = "auto",
	[OAUTH1_BODY_HASH_ALWAYS] = "always",
};

static const char *const callback_modes[] = {
	[OAUTH1_CALLBACK_REQUEST] = "request",
	[OAUTH1_CALLBACK_AUTHORIZE_URL] = "authorize_url",
	[OAUTH1_CALLBACK_NONE] = "none",
};

/* The place of a word among the words, -1 where it is none of them. */
static int
find_word(const char *word, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return -1;
}

bool
oauth1_transmission_from_name(const char *name, oauth1_transmission *transmission)
{
	int			found = find_word(name, transmissions, lengthof(transmissions));

	if (found >= 0)
		*transmission = (oauth1_transmission) found;
	return found >= 0;
}

bool
oauth1_body_hash_from_name(const char *name, oauth1_body_hash *body_hash)
{
	int			found = find_word(name, body_hashes, lengthof(body_hashes));

	if (found >= 0)
		*body_hash = (oauth1_body_hash) found;
	return found >= 0;
}

bool
oauth1_callback_mode_from_name(const char *name, oauth1_callback_mode *mode)
{
	int			found = find_word(name, callback_modes, lengthof(callback_modes));

	if (found >= 0)
		*mode = (oauth1_callback_mode) found;
	return found >= 0;
}

bool
oauth1_rate_from_text(const char *text, oauth1_rate *rate)
{
	static const struct
	{
		const char *name;
		int			seconds;
	}			units[] = {
		{"s", 1}, {"sec", 1}, {"second", 1}, {"min", SECS_PER_MINUTE}, {"minute", SECS_PER_MINUTE},
		{"h", SECS_PER_HOUR}, {"hour", SECS_PER_HOUR}, {"d", SECS_PER_DAY}, {"day", SECS_PER_DAY},
	};
	size_t		digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 9 || text[digits] != '/' || strspn(text, "0") >= digits)
		return false;
	for (int i = 0; i < lengthof(units); i++)
		if (strcmp(text + digits + 1, units[i].name) == 0)
		{
			*rate = (oauth1_rate) {atoi(text), units[i].seconds};
			return true;
		}
	return false;
}

static void
raise_unknown_word(const char *column, const char *word, const char *known)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s \"%s\"", column, word),
			 errhint("It is one of %s.", known)));
}

/* ---------------------------------------------------------------- a provider */

/* The text in a column as a C string in the current context; NULL where it is null. */
static char *
text_of(const oauth1_provider_row *row, oauth1_provider_column column)
{
	if (row->nulls[column] == 'n')
		return NULL;
	return TextDatumGetCString(row->values[column]);
}

static void
read_api_urls(const oauth1_provider_row *row, oauth1_provider *provider)
{
	ArrayType  *array = DatumGetArrayTypeP(row->values[OAUTH1_PROVIDER_API_URLS]);
	Datum	   *urls;
	bool	   *nulls;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &urls, &nulls,
					  &provider->api_url_count);
	provider->api_urls = palloc0(sizeof(char *) * Max(provider->api_url_count, 1));
	for (int i = 0; i < provider->api_url_count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("api_urls must not contain nulls")));
		provider->api_urls[i] = TextDatumGetCString(urls[i]);
	}
}

static void
read_signature_method(const oauth1_provider_row *row, oauth1_provider *provider)
{
	char	   *name = text_of(row, OAUTH1_PROVIDER_SIGNATURE_METHOD);

	if (!oa1_method_from_name((oa1_text) {name, strlen(name)}, &provider->signature_method))
		raise_unknown_word("signature_method", name, "the values of oauth1.signature_method");
}

static oauth1_transmission
read_transmission(const char *word, const char *column)
{
	oauth1_transmission transmission;

	if (!oauth1_transmission_from_name(word, &transmission))
		raise_unknown_word(column, word, "header, query and body");
	return transmission;
}

/* The columns that hold one of a few words. */
static void
read_words(const oauth1_provider_row *row, oauth1_provider *provider)
{
	char	   *body_hash = text_of(row, OAUTH1_PROVIDER_BODY_HASH);
	char	   *mode = text_of(row, OAUTH1_PROVIDER_CALLBACK_MODE);
	char	   *token_transmission = text_of(row, OAUTH1_PROVIDER_TOKEN_TRANSMISSION);

	provider->transmission = read_transmission(text_of(row, OAUTH1_PROVIDER_TRANSMISSION),
											   "transmission");
	provider->token_transmission = token_transmission == NULL ? provider->transmission :
		read_transmission(token_transmission, "token_transmission");
	if (!oauth1_body_hash_from_name(body_hash, &provider->body_hash))
		raise_unknown_word("body_hash", body_hash, "off, auto and always");
	if (!oauth1_callback_mode_from_name(mode, &provider->callback_mode))
		raise_unknown_word("callback_mode", mode, "request, authorize_url and none");
}

oauth1_provider *
oauth1_provider_from_row(const oauth1_provider_row *row, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	oauth1_provider *provider = palloc0(sizeof(*provider));

	provider->name = text_of(row, OAUTH1_PROVIDER_NAME);
	provider->builtin = row->builtin;
	read_api_urls(row, provider);
	provider->request_token_url = text_of(row, OAUTH1_PROVIDER_REQUEST_TOKEN_URL);
	provider->authorize_url = text_of(row, OAUTH1_PROVIDER_AUTHORIZE_URL);
	provider->access_token_url = text_of(row, OAUTH1_PROVIDER_ACCESS_TOKEN_URL);
	provider->renew_url = text_of(row, OAUTH1_PROVIDER_RENEW_URL);
	provider->revoke_url = text_of(row, OAUTH1_PROVIDER_REVOKE_URL);
	read_signature_method(row, provider);
	provider->realm = text_of(row, OAUTH1_PROVIDER_REALM);
	provider->token_method = text_of(row, OAUTH1_PROVIDER_TOKEN_METHOD);
	read_words(row, provider);
	provider->callback_confirmed = DatumGetBool(row->values[OAUTH1_PROVIDER_CALLBACK_CONFIRMED]);
	provider->allow_http = DatumGetBool(row->values[OAUTH1_PROVIDER_ALLOW_HTTP]);
	oauth1_provider_options_read(DatumGetJsonbP(row->values[OAUTH1_PROVIDER_OPTIONS]),
								 &provider->options);
	MemoryContextSwitchTo(old);
	return provider;
}

#define PROVIDER_COLUMNS \
	"name, api_urls, request_token_url, authorize_url, access_token_url, " \
	"signature_method::text, realm, transmission, token_transmission, token_method, " \
	"body_hash, callback_mode, callback_confirmed, renew_url, revoke_url, allow_http, options"

static oauth1_statement select_provider = {
	.sql = "SELECT " PROVIDER_COLUMNS ", false FROM oauth1.provider WHERE name = $1 "
	"UNION ALL "
	"SELECT " PROVIDER_COLUMNS ", true FROM oauth1.preset WHERE name = $1 "
	"AND NOT EXISTS (SELECT FROM oauth1.provider WHERE name = $1)",
	.nargs = 1,
	.types = {TEXTOID},
};

bool
oauth1_provider_row_read(const char *name, MemoryContext context, oauth1_provider_row *row)
{
	Datum		values[] = {CStringGetTextDatum(name)};
	bool		isnull;

	if (oauth1_query_read(&select_provider, values, NULL) == 0)
		return false;
	for (int i = 0; i < OAUTH1_PROVIDER_COLUMNS; i++)
	{
		row->values[i] = oauth1_column_datum(0, i + 1, context, &isnull);
		row->nulls[i] = isnull ? 'n' : ' ';
	}
	row->nulls[OAUTH1_PROVIDER_COLUMNS] = '\0';
	row->builtin = DatumGetBool(oauth1_column_datum(0, OAUTH1_PROVIDER_COLUMNS + 1, context,
													&isnull));
	return true;
}

oauth1_provider *
oauth1_provider_read(const char *name, MemoryContext context)
{
	oauth1_provider_row row;

	if (!oauth1_provider_row_read(name, context, &row))
		return NULL;
	return oauth1_provider_from_row(&row, context);
}

/* ---------------------------------------------------------------- a consumer */

static oauth1_statement select_consumer = {
	.sql = "SELECT name, provider, consumer_key, vars, callback, max_concurrency, limit_group, "
	"rate_limit FROM oauth1.consumer WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

oauth1_consumer *
oauth1_consumer_read(const char *name, MemoryContext context)
{
	Datum		values[] = {CStringGetTextDatum(name)};
	oauth1_consumer *consumer;
	char	   *rate;
	bool		isnull;

	if (oauth1_query_read(&select_consumer, values, NULL) == 0)
		return NULL;
	consumer = MemoryContextAllocZero(context, sizeof(*consumer));
	consumer->name = oauth1_column_cstring(0, 1, context);
	consumer->provider = oauth1_column_cstring(0, 2, context);
	consumer->consumer_key = oauth1_column_cstring(0, 3, context);
	consumer->vars = DatumGetJsonbP(oauth1_column_datum(0, 4, context, &isnull));
	consumer->callback = oauth1_column_cstring(0, 5, context);
	/* The zero that a null is read as. */
	consumer->max_concurrency = DatumGetInt32(oauth1_column_datum(0, 6, context, &isnull));
	consumer->limit_group = oauth1_column_cstring(0, 7, context);
	rate = oauth1_column_cstring(0, 8, context);
	if (rate != NULL)
		(void) oauth1_rate_from_text(rate, &consumer->rate_limit);
	return consumer;
}
