/*
 * registry.c
 *	  What the functions that create, alter and drop share.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/destination.h"
#include "stored/query.h"
#include "stored/registry.h"

/* ---------------------------------------------------------------- arguments */

/* On a standby every transaction is read-only: the other message says why. */
void
oauth1_prevent_read_only(const char *function)
{
	PreventCommandDuringRecovery(function);
	PreventCommandIfReadOnly(function);
}

char *
oauth1_required_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	return text_to_cstring(PG_GETARG_TEXT_PP(n));
}

void
oauth1_check_foreign_name(const char *name, const char *what)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be empty", what)));
	for (const char *c = name; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s has a control character", what)));
}

void
oauth1_check_name(const char *name, const char *what)
{
	oauth1_check_foreign_name(name, what);
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is too long", what),
				 errdetail("A name has %d bytes at most.", NAMEDATALEN - 1)));
}

char **
oauth1_reset_argument(FunctionCallInfo fcinfo, int n, int *count)
{
	Datum	   *elements;
	bool	   *nulls;
	char	  **names;

	*count = 0;
	if (PG_ARGISNULL(n))
		return NULL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, count);
	names = palloc(sizeof(char *) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("reset must not contain nulls")));
		names[i] = TextDatumGetCString(elements[i]);
	}
	return names;
}

void
oauth1_raise_cannot_reset(const char *name, const char *known)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("cannot reset \"%s\"", name),
			 errhint("What can be reset is %s.", known)));
}

void
oauth1_raise_given_and_reset(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("\"%s\" is given and reset at once", name)));
}

/* ---------------------------------------------------------------- secrets */

void
oauth1_secret_append_argument(oa1_buffer *out, FunctionCallInfo fcinfo, int n)
{
	struct varlena *given = (struct varlena *) DatumGetPointer(PG_GETARG_DATUM(n));
	text	   *plain = (text *) pg_detoast_datum_packed(given);

	oauth1_secret_append(out, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	if ((struct varlena *) plain != given)
		OPENSSL_cleanse(plain, VARSIZE_ANY(plain));
}

/* ---------------------------------------------------------------- rows */

void
oauth1_require_consumer(const char *name)
{
	if (oauth1_consumer_read(name, CurrentMemoryContext) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("consumer \"%s\" does not exist", name)));
}

static oauth1_statement merge = {
	.sql = "SELECT pg_catalog.jsonb_strip_nulls($1 || $2)",
	.nargs = 2,
	.types = {JSONBOID, JSONBOID},
};

Datum
oauth1_merge_objects(Datum kept, Datum change, const char *what)
{
	Datum		values[] = {kept, change};
	bool		isnull;

	if (!JB_ROOT_IS_OBJECT(DatumGetJsonbP(change)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", what)));
	(void) oauth1_query_read(&merge, values, NULL);
	return oauth1_column_datum(0, 1, CurrentMemoryContext, &isnull);
}

/* ---------------------------------------------------------------- destinations that changed */

static oauth1_statement select_consumers = {
	.sql = "SELECT name FROM oauth1.consumer WHERE provider = $1 AND ($2 IS NULL OR name = $2) "
	"ORDER BY name",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

static oauth1_statement count_unbound = {
	.sql = "SELECT pg_catalog.count(*) FROM oauth1.secret "
	"WHERE consumer = $1 AND destination <> $2",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

/* Says whose vars an error is about. */
static void
name_consumer(void *name)
{
	errcontext("destination of consumer \"%s\"", (const char *) name);
}

static int64
unbound_secrets(char *consumer)
{
	ErrorContextCallback context = {error_context_stack, name_consumer, consumer};
	Datum		values[2];
	bool		isnull;

	error_context_stack = &context;
	values[0] = CStringGetTextDatum(consumer);
	values[1] = CStringGetTextDatum(oauth1_destination_of(consumer));
	error_context_stack = context.previous;
	(void) oauth1_query_read(&count_unbound, values, NULL);
	return DatumGetInt64(oauth1_column_datum(0, 1, CurrentMemoryContext, &isnull));
}

/* The names, copied: the rows go with the next statement. */
static List *
consumers_of(const char *provider, const char *consumer)
{
	Datum		values[] = {
		CStringGetTextDatum(provider),
		consumer ? CStringGetTextDatum(consumer) : (Datum) 0
	};
	uint64		rows = oauth1_query_read(&select_consumers, values, consumer ? NULL : " n");
	List	   *names = NIL;

	for (uint64 row = 0; row < rows; row++)
		names = lappend(names, oauth1_column_cstring(row, 1, CurrentMemoryContext));
	return names;
}

/*
 * What is counted is what is bound elsewhere now, not what this change unbound:
 * also a secret that an earlier change left behind has to be set again.
 */
void
oauth1_notice_unbound_secrets(const char *provider, const char *consumer)
{
	int64		count = 0;
	ListCell   *cell;

	foreach(cell, consumers_of(provider, consumer))
		count += unbound_secrets(lfirst(cell));
	if (count > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld secret is bound to another destination and cannot be used",
							   "%lld secrets are bound to another destination and cannot be used",
							   (unsigned long) count, (long long) count),
				 errdetail("A secret signs only for the servers that it was stored for."),
				 errhint("Set it again, or let a superuser call oauth1.rebind_consumer.")));
}
