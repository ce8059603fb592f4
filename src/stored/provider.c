/*
 * provider.c
 *	  create_provider, alter_provider, drop_provider.
 *
 * Altering reads the row that stands (the user's, else the preset), changes what
 * is asked for, judges the whole as if it were new and writes it as the user's
 * row: so a preset is never changed, and no order of alterations reaches what
 * create_provider would refuse.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "stored/options.h"
#include "stored/pause.h"
#include "stored/placeholder.h"
#include "stored/query.h"
#include "stored/registry.h"

/* The columns: what SQL calls them, their types, and what they are by default. */
typedef struct column
{
	const char *name;
	Oid			type;
	const char *standard;		/* NULL: null */
	bool		required;		/* has no default */
} column;

static const column columns[OAUTH1_PROVIDER_COLUMNS] = {
	[OAUTH1_PROVIDER_NAME] = {"name", TEXTOID, NULL, true},
	[OAUTH1_PROVIDER_API_URLS] = {"api_urls", TEXTARRAYOID, NULL, true},
	[OAUTH1_PROVIDER_REQUEST_TOKEN_URL] = {"request_token_url", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_AUTHORIZE_URL] = {"authorize_url", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_ACCESS_TOKEN_URL] = {"access_token_url", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_SIGNATURE_METHOD] = {"signature_method", TEXTOID, "HMAC-SHA256", false},
	[OAUTH1_PROVIDER_REALM] = {"realm", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_TRANSMISSION] = {"transmission", TEXTOID, "header", false},
	[OAUTH1_PROVIDER_TOKEN_TRANSMISSION] = {"token_transmission", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_TOKEN_METHOD] = {"token_method", TEXTOID, "POST", false},
	[OAUTH1_PROVIDER_BODY_HASH] = {"body_hash", TEXTOID, "off", false},
	[OAUTH1_PROVIDER_CALLBACK_MODE] = {"callback_mode", TEXTOID, "request", false},
	[OAUTH1_PROVIDER_CALLBACK_CONFIRMED] = {"callback_confirmed", BOOLOID, "true", false},
	[OAUTH1_PROVIDER_RENEW_URL] = {"renew_url", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_REVOKE_URL] = {"revoke_url", TEXTOID, NULL, false},
	[OAUTH1_PROVIDER_ALLOW_HTTP] = {"allow_http", BOOLOID, "false", false},
	[OAUTH1_PROVIDER_OPTIONS] = {"options", JSONBOID, "{}", false},
};

#define ARGUMENT_RESET OAUTH1_PROVIDER_COLUMNS

/* ---------------------------------------------------------------- from arguments to a row */

static void
set_standard(oauth1_provider_row *row, int n)
{
	const column *column = &columns[n];

	row->nulls[n] = column->standard == NULL ? 'n' : ' ';
	if (column->standard == NULL)
		row->values[n] = (Datum) 0;
	else if (column->type == BOOLOID)
		row->values[n] = BoolGetDatum(column->standard[0] == 't');
	else if (column->type == JSONBOID)
		row->values[n] = DirectFunctionCall1(jsonb_in, CStringGetDatum(column->standard));
	else
		row->values[n] = CStringGetTextDatum(column->standard);
}

/* Takes a given argument over the column; options are merged key by key. */
static void
set_argument(oauth1_provider_row *row, int n, Datum argument)
{
	if (n == OAUTH1_PROVIDER_SIGNATURE_METHOD)
		argument = CStringGetTextDatum(DatumGetCString(DirectFunctionCall1(enum_out, argument)));
	else if (n == OAUTH1_PROVIDER_OPTIONS)
		argument = oauth1_merge_objects(row->values[n], argument, "options");
	row->values[n] = argument;
	row->nulls[n] = ' ';
}

static void
set_arguments(oauth1_provider_row *row, FunctionCallInfo fcinfo)
{
	for (int n = OAUTH1_PROVIDER_NAME + 1; n < OAUTH1_PROVIDER_COLUMNS; n++)
		if (!PG_ARGISNULL(n))
			set_argument(row, n, PG_GETARG_DATUM(n));
}

/* The column a name in reset means; 22023 where there is none, or none with a default. */
static int
column_to_reset(const char *name)
{
	for (int n = 0; n < OAUTH1_PROVIDER_COLUMNS; n++)
		if (!columns[n].required && strcmp(columns[n].name, name) == 0)
			return n;
	oauth1_raise_cannot_reset(name,
							  "request_token_url, authorize_url, access_token_url, "
							  "signature_method, realm, transmission, token_transmission, "
							  "token_method, body_hash, callback_mode, callback_confirmed, "
							  "renew_url, revoke_url, allow_http and options");
	return -1;
}

static void
reset_columns(oauth1_provider_row *row, FunctionCallInfo fcinfo)
{
	int			count;
	char	  **names = oauth1_reset_argument(fcinfo, ARGUMENT_RESET, &count);

	for (int i = 0; i < count; i++)
	{
		int			n = column_to_reset(names[i]);

		if (!PG_ARGISNULL(n))
			oauth1_raise_given_and_reset(names[i]);
		set_standard(row, n);
	}
}

/* ---------------------------------------------------------------- judging a provider */

static void
raise_invalid(const char *what, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s", what),
			 errdetail("%s", detail)));
}

/*
 * A URL of the provider's: parsed with sample values, and https unless http is
 * allowed; never http for PLAINTEXT, which sends the secrets as they are
 * (RFC 5849, 3.4.4).
 */
static void
check_url(const oauth1_provider *provider, const char *url, const char *what)
{
	if (url == NULL)
		return;
	oauth1_template_check(url, OAUTH1_PLACE_URL, what);
	if (strchr(url, '#') != NULL)
		raise_invalid(what, "It has a fragment, which is never sent.");
	if (pg_strncasecmp(url, "https:", strlen("https:")) == 0)
		return;
	if (provider->signature_method == OA1_PLAINTEXT)
		raise_invalid(what, "PLAINTEXT needs https: it sends the secrets themselves.");
	if (!provider->allow_http)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s", what),
				 errdetail("It is not https."),
				 errhint("Set allow_http where the service has no https.")));
}

static void
check_urls(const oauth1_provider *provider)
{
	if (provider->api_url_count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("api_urls must not be empty"),
				 errhint("They are the URLs under which calls may be made.")));
	for (int i = 0; i < provider->api_url_count; i++)
	{
		check_url(provider, provider->api_urls[i], "api_urls");
		if (strchr(provider->api_urls[i], '?') != NULL)
			raise_invalid("api_urls", "A URL that others lie under has no query.");
	}
	check_url(provider, provider->request_token_url, "request_token_url");
	check_url(provider, provider->authorize_url, "authorize_url");
	check_url(provider, provider->access_token_url, "access_token_url");
	check_url(provider, provider->renew_url, "renew_url");
	check_url(provider, provider->revoke_url, "revoke_url");
	if (provider->options.test_url != NULL && provider->options.test_url[0] != '/')
		check_url(provider, provider->options.test_url, "option \"test_url\"");
}

static void
check_provider(const oauth1_provider *provider)
{
	oauth1_check_name(provider->name, "name");
	check_urls(provider);
	if (provider->realm != NULL)
		oauth1_template_check(provider->realm, OAUTH1_PLACE_REALM, "realm");
	if (strcmp(provider->token_method, "GET") != 0 && strcmp(provider->token_method, "POST") != 0)
		raise_invalid("token_method", "It is GET or POST.");
	if (strcmp(provider->token_method, "GET") == 0 &&
		provider->token_transmission == OAUTH1_BODY)
		raise_invalid("token_method", "A GET has no body for the parameters.");
	if (provider->signature_method == OA1_PLAINTEXT &&
		provider->body_hash != OAUTH1_BODY_HASH_OFF)
		raise_invalid("body_hash", "PLAINTEXT has no hash, so there is no oauth_body_hash with it.");
	oauth1_provider_options_check(&provider->options);
}

/* ---------------------------------------------------------------- the tables */

#define PROVIDER_TYPES \
	{TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, \
	 TEXTOID, TEXTOID, TEXTOID, BOOLOID, TEXTOID, TEXTOID, BOOLOID, JSONBOID}

#define INSERT_PROVIDER \
	"INSERT INTO oauth1.provider VALUES ($1, $2, $3, $4, $5, $6::oauth1.signature_method, $7, " \
	"$8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT (name) DO "

static oauth1_statement insert_provider = {
	.sql = INSERT_PROVIDER "NOTHING",
	.nargs = OAUTH1_PROVIDER_COLUMNS,
	.types = PROVIDER_TYPES,
};

static oauth1_statement upsert_provider = {
	.sql = INSERT_PROVIDER "UPDATE SET api_urls = excluded.api_urls, "
	"request_token_url = excluded.request_token_url, authorize_url = excluded.authorize_url, "
	"access_token_url = excluded.access_token_url, signature_method = excluded.signature_method, "
	"realm = excluded.realm, transmission = excluded.transmission, "
	"token_transmission = excluded.token_transmission, token_method = excluded.token_method, "
	"body_hash = excluded.body_hash, callback_mode = excluded.callback_mode, "
	"callback_confirmed = excluded.callback_confirmed, renew_url = excluded.renew_url, "
	"revoke_url = excluded.revoke_url, allow_http = excluded.allow_http, "
	"options = excluded.options",
	.nargs = OAUTH1_PROVIDER_COLUMNS,
	.types = PROVIDER_TYPES,
};

/* So that of two who alter at once the second sees what the first did. */
static oauth1_statement lock_to_alter = {
	.sql = "SELECT FROM oauth1.provider WHERE name = $1 FOR UPDATE",
	.nargs = 1,
	.types = {TEXTOID},
};

/* So that a provider cannot be dropped while a consumer of it is being written. */
static oauth1_statement lock_to_use = {
	.sql = "SELECT FROM oauth1.provider WHERE name = $1 FOR KEY SHARE",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement delete_provider = {
	.sql = "DELETE FROM oauth1.provider WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement count_consumers = {
	.sql = "SELECT pg_catalog.count(*) FROM oauth1.consumer WHERE provider = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static void
raise_no_provider(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("provider \"%s\" does not exist", name),
			 errhint("The view oauth1.providers lists them.")));
}

oauth1_provider *
oauth1_provider_lock(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};
	oauth1_provider *provider;

	(void) oauth1_query_write(&lock_to_use, values, NULL);
	provider = oauth1_provider_read(name, CurrentMemoryContext);
	if (provider == NULL)
		raise_no_provider(name);
	return provider;
}

/* Nobody can use the name any more: refuses while consumers do. */
static void
refuse_while_used(const char *name)
{
	Datum		values[] = {CStringGetTextDatum(name)};
	bool		isnull;
	int64		count;

	(void) oauth1_query_read(&count_consumers, values, NULL);
	count = DatumGetInt64(oauth1_column_datum(0, 1, CurrentMemoryContext, &isnull));
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop provider \"%s\" because consumers use it", name),
				 errdetail_plural("%lld consumer is registered with it.",
								  "%lld consumers are registered with it.",
								  (unsigned long) count, (long long) count),
				 errhint("Drop them first, or give them another provider.")));
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_create_provider);

/* create_provider(...): 42710 where the user has one of that name, 22023 for a bad argument. */
Datum
oauth1_create_provider(PG_FUNCTION_ARGS)
{
	oauth1_provider_row row = {.builtin = false};
	oauth1_query query;
	char	   *name;

	oauth1_prevent_read_only("oauth1.create_provider()");
	name = oauth1_required_argument(fcinfo, OAUTH1_PROVIDER_NAME, "name");
	if (PG_ARGISNULL(OAUTH1_PROVIDER_API_URLS))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("api_urls must not be null")));
	oauth1_query_begin(&query);
	for (int n = 0; n < OAUTH1_PROVIDER_COLUMNS; n++)
		set_standard(&row, n);
	set_argument(&row, OAUTH1_PROVIDER_NAME, CStringGetTextDatum(name));
	set_arguments(&row, fcinfo);
	check_provider(oauth1_provider_from_row(&row, CurrentMemoryContext));
	if (oauth1_query_write(&insert_provider, row.values, row.nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("provider \"%s\" already exists", name)));
	oauth1_notice_unbound_secrets(name, NULL);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_alter_provider);

/* alter_provider(...): 42704 where there is none of that name. */
Datum
oauth1_alter_provider(PG_FUNCTION_ARGS)
{
	oauth1_provider_row row;
	oauth1_query query;
	Datum		key[1];
	char	   *name;

	oauth1_prevent_read_only("oauth1.alter_provider()");
	name = oauth1_required_argument(fcinfo, OAUTH1_PROVIDER_NAME, "name");
	oauth1_query_begin(&query);
	key[0] = CStringGetTextDatum(name);
	(void) oauth1_query_write(&lock_to_alter, key, NULL);
	if (!oauth1_provider_row_read(name, CurrentMemoryContext, &row))
		raise_no_provider(name);
	set_arguments(&row, fcinfo);
	reset_columns(&row, fcinfo);
	check_provider(oauth1_provider_from_row(&row, CurrentMemoryContext));
	(void) oauth1_query_write(&upsert_provider, row.values, row.nulls);
	oauth1_pause_end_of_provider(name);
	oauth1_notice_unbound_secrets(name, NULL);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_drop_provider);

/*
 * drop_provider(name): 42704 where there is none, 2BP01 where consumers use it
 * or where it is a preset.  A preset that the row stood before shows again.
 */
Datum
oauth1_drop_provider(PG_FUNCTION_ARGS)
{
	oauth1_query query;
	Datum		key[1];
	char	   *name;
	bool		deleted;
	oauth1_provider *preset;

	oauth1_prevent_read_only("oauth1.drop_provider()");
	name = oauth1_required_argument(fcinfo, OAUTH1_PROVIDER_NAME, "name");
	oauth1_query_begin(&query);
	key[0] = CStringGetTextDatum(name);
	deleted = oauth1_query_write(&delete_provider, key, NULL) > 0;
	preset = oauth1_provider_read(name, CurrentMemoryContext);
	if (!deleted && preset == NULL)
		raise_no_provider(name);
	if (!deleted)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("cannot drop provider \"%s\" because the extension needs it", name),
				 errdetail("It is a preset.")));
	if (preset == NULL)
		refuse_while_used(name);
	else
	{
		ereport(NOTICE,
				(errmsg("provider \"%s\" is the preset again", name)));
		oauth1_notice_unbound_secrets(name, NULL);
	}
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}
