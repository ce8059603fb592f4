/*
 * consumer.c
 *	  create_consumer, alter_consumer, drop_consumer.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/destination.h"
#include "stored/options.h"
#include "stored/pause.h"
#include "stored/placeholder.h"
#include "stored/private_key.h"
#include "stored/query.h"
#include "stored/registry.h"
#include "stored/secret.h"

/* create_consumer's arguments, in its order; alter_consumer has reset after them. */
enum
{
	ARGUMENT_NAME,
	ARGUMENT_PROVIDER,
	ARGUMENT_CONSUMER_KEY,
	ARGUMENT_CONSUMER_SECRET,
	ARGUMENT_VARS,
	ARGUMENT_PRIVATE_KEY,
	ARGUMENT_CALLBACK,
	ARGUMENT_MAX_CONCURRENCY,
	ARGUMENT_RATE_LIMIT,
	ARGUMENT_LIMIT_GROUP,
	ARGUMENT_OPTIONS,
	ARGUMENT_RESET
};

/* The table's columns, in the order of the statements below. */
enum
{
	COLUMN_NAME,
	COLUMN_PROVIDER,
	COLUMN_CONSUMER_KEY,
	COLUMN_VARS,
	COLUMN_CALLBACK,
	COLUMN_MAX_CONCURRENCY,
	COLUMN_RATE_LIMIT,
	COLUMN_LIMIT_GROUP,
	COLUMNS
};

static const int argument_of[COLUMNS] = {
	ARGUMENT_NAME, ARGUMENT_PROVIDER, ARGUMENT_CONSUMER_KEY, ARGUMENT_VARS, ARGUMENT_CALLBACK,
	ARGUMENT_MAX_CONCURRENCY, ARGUMENT_RATE_LIMIT, ARGUMENT_LIMIT_GROUP
};

typedef struct consumer_row
{
	Datum		values[COLUMNS];
	char		nulls[COLUMNS + 1];
} consumer_row;

/* What reset may name: a column, or a kind of secret, which it deletes. */
static const struct
{
	const char *name;
	int			argument;
	int			column;			/* -1: none */
	const char *secret_kind;	/* NULL: none */
}			resettable[] = {
	{"consumer_secret", ARGUMENT_CONSUMER_SECRET, -1, OAUTH1_CONSUMER_SECRET},
	{"vars", ARGUMENT_VARS, COLUMN_VARS, NULL},
	{"private_key", ARGUMENT_PRIVATE_KEY, -1, OAUTH1_PRIVATE_KEY},
	{"callback", ARGUMENT_CALLBACK, COLUMN_CALLBACK, NULL},
	{"max_concurrency", ARGUMENT_MAX_CONCURRENCY, COLUMN_MAX_CONCURRENCY, NULL},
	{"rate_limit", ARGUMENT_RATE_LIMIT, COLUMN_RATE_LIMIT, NULL},
	{"limit_group", ARGUMENT_LIMIT_GROUP, COLUMN_LIMIT_GROUP, NULL},
	{"client_key", ARGUMENT_OPTIONS, -1, OAUTH1_CLIENT_KEY},
	{"options", ARGUMENT_OPTIONS, -1, OAUTH1_CLIENT_KEY},
};

/* ---------------------------------------------------------------- judging arguments */

static void
raise_invalid(const char *what, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s", what),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

/* A var's name can stand between braces, and is none of the placeholders that have a meaning. */
static void
check_var_name(const char *name, size_t length)
{
	static const char *const taken[] = {"consumer_key", "oauth_token", "url"};
	char	   *copy = pnstrdup(name, length);

	if (length == 0 || length >= NAMEDATALEN ||
		strspn(copy, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != length)
		raise_invalid("vars", "A name is made of letters, digits and underscores.", NULL);
	for (int i = 0; i < lengthof(taken); i++)
		if (strcmp(copy, taken[i]) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid vars"),
					 errdetail("The placeholder {%s} has its own meaning.", taken[i])));
}

/* vars is an object of strings, numbers and booleans. */
static void
check_vars(Jsonb *vars)
{
	JsonbIterator *iterator = JsonbIteratorInit(&vars->root);
	JsonbValue	name;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &name, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		check_var_name(name.val.string.val, name.val.string.len);
		if (value.type == jbvBinary)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("var \"%.*s\" is not a string, a number or a boolean",
							name.val.string.len, name.val.string.val)));
	}
}

/* 'oob', or a URI of any scheme: some services call back an application. */
static void
check_callback(const char *callback)
{
	size_t		scheme = strspn(callback, "abcdefghijklmnopqrstuvwxyz"
								"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	if (strcmp(callback, "oob") == 0)
		return;
	for (const char *c = callback; *c; c++)
		if ((unsigned char) *c <= 0x20 || *c == 0x7f)
			raise_invalid("callback", "It has a space or a control character.", NULL);
	if (scheme == 0 || callback[scheme] != ':' || callback[scheme + 1] == '\0')
		raise_invalid("callback", "It is neither a URL nor oob.",
					  "Write oob where the user is shown a PIN.");
}

static void
check_rate_limit(const char *text)
{
	oauth1_rate rate;

	if (!oauth1_rate_from_text(text, &rate))
		raise_invalid("rate_limit", "It reads like 60/min.",
					  "The units are s, sec, second, min, minute, h, hour, d and day.");
}

static void
check_max_concurrency(int places)
{
	if (places < 1 || places > OAUTH1_MAX_CONCURRENCY)
		raise_invalid("max_concurrency",
					  psprintf("It is a number from 1 to %d.", OAUTH1_MAX_CONCURRENCY), NULL);
}

static char *
text_of(const consumer_row *row, int column)
{
	return row->nulls[column] == 'n' ? NULL : TextDatumGetCString(row->values[column]);
}

static void
check_row(const consumer_row *row)
{
	char	   *callback = text_of(row, COLUMN_CALLBACK);
	char	   *rate = text_of(row, COLUMN_RATE_LIMIT);
	char	   *group = text_of(row, COLUMN_LIMIT_GROUP);

	oauth1_check_name(text_of(row, COLUMN_NAME), "name");
	oauth1_check_foreign_name(text_of(row, COLUMN_CONSUMER_KEY), "consumer_key");
	check_vars(DatumGetJsonbP(row->values[COLUMN_VARS]));
	if (callback != NULL)
		check_callback(callback);
	if (row->nulls[COLUMN_MAX_CONCURRENCY] != 'n')
		check_max_concurrency(DatumGetInt32(row->values[COLUMN_MAX_CONCURRENCY]));
	if (rate != NULL)
		check_rate_limit(rate);
	if (group != NULL)
		oauth1_check_name(group, "limit_group");
}

/* ---------------------------------------------------------------- secrets */

/* A secret argument as a text in a buffer that is wiped; data NULL where it is not given. */
static oa1_text
secret_argument(FunctionCallInfo fcinfo, int n)
{
	oa1_buffer *buffer;

	if (PG_ARGISNULL(n))
		return (oa1_text) {NULL, 0};
	buffer = oauth1_secret_buffer(CurrentMemoryContext);
	(void) oa1_buffer_reserve(buffer, 1);	/* so that an empty secret is one */
	oauth1_secret_append_argument(buffer, fcinfo, n);
	return oa1_buffer_text(buffer);
}

/*
 * The secrets among the arguments, in memory of the current context that is
 * wiped with it.  A passphrase is of no use alone.
 */
static oauth1_consumer_secrets
take_secrets(FunctionCallInfo fcinfo)
{
	oauth1_consumer_secrets secrets = {
		.consumer_secret = secret_argument(fcinfo, ARGUMENT_CONSUMER_SECRET),
		.private_key = secret_argument(fcinfo, ARGUMENT_PRIVATE_KEY),
	};

	if (!PG_ARGISNULL(ARGUMENT_OPTIONS))
		oauth1_consumer_options_read(PG_GETARG_JSONB_P(ARGUMENT_OPTIONS), &secrets);
	if (secrets.passphrase.data != NULL && secrets.private_key.data == NULL &&
		secrets.client_key.data == NULL)
		raise_invalid("options", "A passphrase comes with the key that it opens.", NULL);
	return secrets;
}

static void
store_private_key(const char *consumer, const char *destination, oa1_text given,
				  oa1_text passphrase)
{
	oauth1_secret_id id = {consumer, "", OAUTH1_PRIVATE_KEY};
	oa1_buffer *pem = oauth1_secret_buffer(CurrentMemoryContext);

	oauth1_private_key_normalize(given, passphrase, pem);
	oauth1_secret_store(&id, destination, oa1_buffer_text(pem));
	oa1_buffer_free(pem);
}

/* The provider's client_certificate, if there is one, shows which key is meant. */
static void
store_client_key(const char *consumer, const char *destination, oa1_text given,
				 oa1_text passphrase)
{
	oauth1_secret_id id = {consumer, "", OAUTH1_CLIENT_KEY};
	oa1_buffer *pem = oauth1_secret_buffer(CurrentMemoryContext);
	const oauth1_consumer *row = oauth1_consumer_read(consumer, CurrentMemoryContext);
	const oauth1_provider *provider = oauth1_provider_read(row->provider, CurrentMemoryContext);

	oauth1_client_key_normalize(given, passphrase, provider->options.client_certificate, pem);
	oauth1_secret_store(&id, destination, oa1_buffer_text(pem));
	oa1_buffer_free(pem);
}

void
oauth1_consumer_secrets_store(const char *consumer, const oauth1_consumer_secrets *secrets)
{
	oauth1_secret_id id = {consumer, "", OAUTH1_CONSUMER_SECRET};
	char	   *destination = oauth1_destination_of(consumer);

	if (secrets->consumer_secret.data != NULL)
		oauth1_secret_store(&id, destination, secrets->consumer_secret);
	if (secrets->private_key.data != NULL)
		store_private_key(consumer, destination, secrets->private_key, secrets->passphrase);
	if (secrets->client_key.data != NULL)
		store_client_key(consumer, destination, secrets->client_key, secrets->passphrase);
}

/* ---------------------------------------------------------------- the table */

#define ROW_TYPES {TEXTOID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, INT4OID, TEXTOID, TEXTOID}

static oauth1_statement insert_consumer = {
	.sql = "INSERT INTO oauth1.consumer (name, provider, consumer_key, vars, callback, "
	"max_concurrency, rate_limit, limit_group, options) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '{}') ON CONFLICT (name) DO NOTHING",
	.nargs = COLUMNS,
	.types = ROW_TYPES,
};

static oauth1_statement update_consumer = {
	.sql = "UPDATE oauth1.consumer SET provider = $2, consumer_key = $3, vars = $4, "
	"callback = $5, max_concurrency = $6, rate_limit = $7, limit_group = $8 WHERE name = $1",
	.nargs = COLUMNS,
	.types = ROW_TYPES,
};

static oauth1_statement lock_consumer = {
	.sql = "SELECT FROM oauth1.consumer WHERE name = $1 FOR NO KEY UPDATE",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement select_row = {
	.sql = "SELECT name, provider, consumer_key, vars, callback, max_concurrency, rate_limit, "
	"limit_group FROM oauth1.consumer WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement delete_consumer = {
	.sql = "DELETE FROM oauth1.consumer WHERE name = $1",
	.nargs = 1,
	.types = {TEXTOID},
};

static void
raise_no_consumer(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
			 errmsg("consumer \"%s\" does not exist", name)));
}

/* Reads the row and holds it, so that of two who alter at once the second sees the first's. */
static void
read_row(const char *name, consumer_row *row)
{
	Datum		key[] = {CStringGetTextDatum(name)};
	bool		isnull;

	(void) oauth1_query_write(&lock_consumer, key, NULL);
	if (oauth1_query_read(&select_row, key, NULL) == 0)
		raise_no_consumer(name);
	for (int i = 0; i < COLUMNS; i++)
	{
		row->values[i] = oauth1_column_datum(0, i + 1, CurrentMemoryContext, &isnull);
		row->nulls[i] = isnull ? 'n' : ' ';
	}
	row->nulls[COLUMNS] = '\0';
}

static Datum
empty_object(void)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
}

/* Takes the given arguments over the row; vars are merged key by key. */
static void
set_arguments(consumer_row *row, FunctionCallInfo fcinfo)
{
	for (int i = COLUMN_PROVIDER; i < COLUMNS; i++)
	{
		int			n = argument_of[i];

		if (PG_ARGISNULL(n))
			continue;
		row->values[i] = i == COLUMN_VARS
			? oauth1_merge_objects(row->values[i], PG_GETARG_DATUM(n), "vars")
			: PG_GETARG_DATUM(n);
		row->nulls[i] = ' ';
	}
}

/* Is what is to be reset given as well?  The client key is one of the options. */
static bool
is_given(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		return false;
	return strcmp(name, "client_key") != 0 ||
		oauth1_options_have(PG_GETARG_JSONB_P(argument), name);
}

static void
reset_one(consumer_row *row, FunctionCallInfo fcinfo, const char *consumer, const char *name)
{
	for (int i = 0; i < lengthof(resettable); i++)
	{
		int			column = resettable[i].column;
		oauth1_secret_id id = {consumer, "", resettable[i].secret_kind};

		if (strcmp(resettable[i].name, name) != 0)
			continue;
		if (is_given(fcinfo, resettable[i].argument, name))
			oauth1_raise_given_and_reset(name);
		if (id.kind != NULL)
			oauth1_secret_delete(&id);
		if (column >= 0)
		{
			row->values[column] = column == COLUMN_VARS ? empty_object() : (Datum) 0;
			row->nulls[column] = column == COLUMN_VARS ? ' ' : 'n';
		}
		return;
	}
	oauth1_raise_cannot_reset(name,
							  "consumer_secret, vars, private_key, callback, max_concurrency, "
							  "rate_limit, limit_group, client_key and options");
}

static void
reset_arguments(consumer_row *row, FunctionCallInfo fcinfo, const char *consumer)
{
	int			count;
	char	  **names = oauth1_reset_argument(fcinfo, ARGUMENT_RESET, &count);

	for (int i = 0; i < count; i++)
		reset_one(row, fcinfo, consumer, names[i]);
}

void
oauth1_consumer_check_templates(const oauth1_provider *provider, const char *name)
{
	oauth1_consumer *consumer = oauth1_consumer_read(name, CurrentMemoryContext);
	oauth1_values values = {
		.vars = consumer->vars,
		.consumer_key = consumer->consumer_key,
		.url = "https://x/",
	};

	(void) oauth1_destination(provider, consumer);
	if (provider->authorize_url != NULL)
		(void) oauth1_expand(provider->authorize_url, OAUTH1_PLACE_URL, &values, "authorize_url");
	if (provider->realm != NULL)
		(void) oauth1_expand(provider->realm, OAUTH1_PLACE_REALM, &values, "the realm");
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_create_consumer);

/*
 * create_consumer(...): 42704 where there is no such provider, 42710 where there
 * is such a consumer, 22023 or OA003 for arguments that cannot be, OA001 for a
 * private key that cannot sign, or a client key that is not the certificate's.
 */
Datum
oauth1_create_consumer(PG_FUNCTION_ARGS)
{
	consumer_row row;
	oauth1_query query;
	oauth1_provider *provider;
	oauth1_consumer_secrets secrets;
	char	   *name;

	oauth1_prevent_read_only("oauth1.create_consumer()");
	name = oauth1_required_argument(fcinfo, ARGUMENT_NAME, "name");
	(void) oauth1_required_argument(fcinfo, ARGUMENT_CONSUMER_KEY, "consumer_key");
	oauth1_query_begin(&query);
	provider = oauth1_provider_lock(oauth1_required_argument(fcinfo, ARGUMENT_PROVIDER,
															 "provider"));
	memset(row.nulls, 'n', COLUMNS);
	row.nulls[COLUMNS] = '\0';
	row.values[COLUMN_NAME] = CStringGetTextDatum(name);
	row.values[COLUMN_VARS] = empty_object();
	row.nulls[COLUMN_NAME] = row.nulls[COLUMN_VARS] = ' ';
	set_arguments(&row, fcinfo);
	check_row(&row);
	if (oauth1_query_write(&insert_consumer, row.values, row.nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("consumer \"%s\" already exists", name)));
	oauth1_consumer_check_templates(provider, name);
	secrets = take_secrets(fcinfo);
	oauth1_consumer_secrets_store(name, &secrets);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_alter_consumer);

/* alter_consumer(...): OA007 where there is no such consumer, otherwise as create_consumer. */
Datum
oauth1_alter_consumer(PG_FUNCTION_ARGS)
{
	consumer_row row;
	oauth1_query query;
	oauth1_provider *provider;
	oauth1_consumer_secrets secrets;
	char	   *name;

	oauth1_prevent_read_only("oauth1.alter_consumer()");
	name = oauth1_required_argument(fcinfo, ARGUMENT_NAME, "name");
	oauth1_query_begin(&query);
	read_row(name, &row);
	set_arguments(&row, fcinfo);
	reset_arguments(&row, fcinfo, name);
	check_row(&row);
	provider = oauth1_provider_lock(text_of(&row, COLUMN_PROVIDER));
	(void) oauth1_query_write(&update_consumer, row.values, row.nulls);
	oauth1_pause_end(name);
	oauth1_consumer_check_templates(provider, name);
	secrets = take_secrets(fcinfo);
	oauth1_consumer_secrets_store(name, &secrets);
	oauth1_notice_unbound_secrets(provider->name, name);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_drop_consumer);

/* drop_consumer(name): its secrets, tokens and grants go by cascade; OA007 where there is none. */
Datum
oauth1_drop_consumer(PG_FUNCTION_ARGS)
{
	oauth1_query query;
	Datum		key[1];
	char	   *name;

	oauth1_prevent_read_only("oauth1.drop_consumer()");
	name = oauth1_required_argument(fcinfo, ARGUMENT_NAME, "name");
	oauth1_query_begin(&query);
	key[0] = CStringGetTextDatum(name);
	if (oauth1_query_write(&delete_consumer, key, NULL) == 0)
		raise_no_consumer(name);
	oauth1_query_end(&query);
	PG_RETURN_VOID();
}
