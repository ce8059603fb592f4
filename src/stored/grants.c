/*
 * grants.c
 *	  Who may use a consumer and its tokens.
 *
 * A grant holds its role's oid and name and counts while both are still one
 * role's.  An oid alone would, after a restore into another cluster, be whoever
 * has that number there; a name alone would pass to whoever is given the name
 * of a role that was dropped.  A role that is renamed loses its grants until
 * they are given again.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "ground/errors.h"
#include "stored/grants.h"
#include "stored/query.h"
#include "stored/registry.h"

/* Does a role of that oid exist, and is that its name? */
static bool
counts(Oid role, const char *name)
{
	char	   *present = GetUserNameFromId(role, true);

	return present != NULL && strcmp(present, name) == 0;
}

/* ---------------------------------------------------------------- the rule */

static oauth1_statement select_grants = {
	.sql = "SELECT role_oid, role_name FROM oauth1.consumer_grant "
	"WHERE consumer = $1 AND ($2 IS NULL OR token = '' OR token = $2)",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

static bool
has_grant(Oid role, const char *consumer, const char *token)
{
	Datum		values[] = {
		CStringGetTextDatum(consumer),
		token ? CStringGetTextDatum(token) : (Datum) 0
	};
	uint64		rows = oauth1_query_read(&select_grants, values, token ? NULL : " n");

	for (uint64 row = 0; row < rows; row++)
	{
		bool		isnull;
		Oid			granted = DatumGetObjectId(oauth1_column_datum(row, 1, CurrentMemoryContext,
																   &isnull));
		char	   *name = oauth1_column_cstring(row, 2, CurrentMemoryContext);

		if (counts(granted, name) && has_privs_of_role(role, granted))
			return true;
	}
	return false;
}

bool
oauth1_may_use(Oid role, const char *consumer, const char *token)
{
	oauth1_query query;
	bool		may;

	if (oauth1_is_owner(role))
		return true;
	oauth1_query_begin(&query);
	may = has_grant(role, consumer, token);
	oauth1_query_end(&query);
	return may;
}

bool
oauth1_acts_for(Oid role, const char *name)
{
	if (oauth1_is_owner(GetUserId()))
		return true;
	return counts(role, name) && has_privs_of_role(GetUserId(), role);
}

/* ---------------------------------------------------------------- writing grants */

static oauth1_statement upsert_grant = {
	.sql = "INSERT INTO oauth1.consumer_grant (consumer, token, role_oid, role_name) "
	"VALUES ($1, $2, $3, $4::pg_catalog.name) ON CONFLICT (consumer, token, role_name) "
	"DO UPDATE SET role_oid = excluded.role_oid, granted_at = excluded.granted_at "
	"WHERE consumer_grant.role_oid <> excluded.role_oid",
	.nargs = 4,
	.types = {TEXTOID, TEXTOID, OIDOID, TEXTOID},
};

/*
 * $2: a token, or null for all that the role has of the consumer.  A grant under
 * an earlier name of the role goes too, unless another role has that name now.
 */
static oauth1_statement delete_grant = {
	.sql = "DELETE FROM oauth1.consumer_grant WHERE consumer = $1 "
	"AND ($2 IS NULL OR token = $2) AND (role_name = $4::pg_catalog.name "
	"OR role_oid = $3 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name))",
	.nargs = 4,
	.types = {TEXTOID, TEXTOID, OIDOID, TEXTOID},
};

static oauth1_statement select_token = {
	.sql = "SELECT FROM oauth1.token WHERE consumer = $1 AND name = $2",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

static oauth1_statement adopt = {
	.sql = "UPDATE oauth1.consumer_grant SET role_oid = roles.oid "
	"FROM pg_catalog.pg_roles roles "
	"WHERE roles.rolname = role_name AND roles.oid <> role_oid",
	.nargs = 0,
};

/* The role's name; 42704 for an oid that is no role's, which a regrole can be. */
static char *
role_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *name;

	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("role must not be null")));
	name = GetUserNameFromId(PG_GETARG_OID(n), true);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", PG_GETARG_OID(n))));
	return name;
}

static void
require_token(const char *consumer, const char *token)
{
	Datum		values[] = {CStringGetTextDatum(consumer), CStringGetTextDatum(token)};

	if (oauth1_query_read(&select_token, values, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("token \"%s\" of consumer \"%s\" does not exist", token, consumer)));
}

/* Writes a grant; token "": of the whole consumer. */
static void
write_grant(const char *consumer, const char *token, Oid role, const char *role_name)
{
	Datum		values[] = {
		CStringGetTextDatum(consumer), CStringGetTextDatum(token),
		ObjectIdGetDatum(role), CStringGetTextDatum(role_name)
	};
	oauth1_query query;

	oauth1_query_begin(&query);
	oauth1_require_consumer(consumer);
	if (token[0] != '\0')
		require_token(consumer, token);
	(void) oauth1_query_write(&upsert_grant, values, NULL);
	oauth1_query_end(&query);
}

/*
 * Deletes grants; token NULL: all that the role has of the consumer, as REVOKE
 * on a table takes what was granted on its columns.  Warns, as REVOKE of a
 * membership does, where there was none.
 */
static void
remove_grants(const char *consumer, const char *token, Oid role, const char *role_name)
{
	Datum		values[] = {
		CStringGetTextDatum(consumer), token ? CStringGetTextDatum(token) : (Datum) 0,
		ObjectIdGetDatum(role), CStringGetTextDatum(role_name)
	};
	oauth1_query query;

	oauth1_query_begin(&query);
	oauth1_require_consumer(consumer);
	if (oauth1_query_write(&delete_grant, values, token ? NULL : " n  ") == 0)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING_PRIVILEGE_NOT_REVOKED),
				 errmsg("role \"%s\" has no such grant of consumer \"%s\"",
						role_name, consumer)));
	oauth1_query_end(&query);
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_grant_consumer);

/* grant_consumer(consumer, role): OA007 where there is no such consumer. */
Datum
oauth1_grant_consumer(PG_FUNCTION_ARGS)
{
	char	   *consumer;

	oauth1_prevent_read_only("oauth1.grant_consumer()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	write_grant(consumer, "", PG_GETARG_OID(1), role_argument(fcinfo, 1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_revoke_consumer);

/* revoke_consumer(consumer, role): with the grants of single tokens. */
Datum
oauth1_revoke_consumer(PG_FUNCTION_ARGS)
{
	char	   *consumer;

	oauth1_prevent_read_only("oauth1.revoke_consumer()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	remove_grants(consumer, NULL, PG_GETARG_OID(1), role_argument(fcinfo, 1));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_grant_token);

/* grant_token(consumer, name, role): OA007 where there is no such token. */
Datum
oauth1_grant_token(PG_FUNCTION_ARGS)
{
	char	   *consumer;
	char	   *name;

	oauth1_prevent_read_only("oauth1.grant_token()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	name = oauth1_required_argument(fcinfo, 1, "name");
	oauth1_check_name(name, "name");	/* '' would be every token */
	write_grant(consumer, name, PG_GETARG_OID(2), role_argument(fcinfo, 2));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_revoke_token_grant);

/* revoke_token_grant(consumer, name, role): a grant of the whole consumer stays. */
Datum
oauth1_revoke_token_grant(PG_FUNCTION_ARGS)
{
	char	   *consumer;
	char	   *name;

	oauth1_prevent_read_only("oauth1.revoke_token_grant()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	name = oauth1_required_argument(fcinfo, 1, "name");
	oauth1_check_name(name, "name");
	remove_grants(consumer, name, PG_GETARG_OID(2), role_argument(fcinfo, 2));
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_adopt_grants);

/* adopt_grants() -> how many grants count again, for the roles that have their names now. */
Datum
oauth1_adopt_grants(PG_FUNCTION_ARGS)
{
	oauth1_query query;
	uint64		adopted;

	oauth1_prevent_read_only("oauth1.adopt_grants()");
	oauth1_query_begin(&query);
	adopted = oauth1_query_write(&adopt, NULL, NULL);
	oauth1_query_end(&query);
	PG_RETURN_INT32((int32) adopted);
}

/* ---------------------------------------------------------------- for the views */

PG_FUNCTION_INFO_V1(oauth1_may_use_sql);

/* _may_use(consumer, token): oauth1_may_use for the current role. */
Datum
oauth1_may_use_sql(PG_FUNCTION_ARGS)
{
	char	   *token = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(oauth1_may_use(GetUserId(), text_to_cstring(PG_GETARG_TEXT_PP(0)), token));
}

PG_FUNCTION_INFO_V1(oauth1_grant_is_valid);

/* _grant_is_valid(role_oid, role_name): whether a grant counts. */
Datum
oauth1_grant_is_valid(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(counts(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1))));
}

PG_FUNCTION_INFO_V1(oauth1_acts_for_sql);

/* _acts_for(role_oid, role_name): oauth1_acts_for. */
Datum
oauth1_acts_for_sql(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(oauth1_acts_for(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1))));
}
