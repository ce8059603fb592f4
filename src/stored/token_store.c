/*
 * token_store.c
 *	  Tokens on their way through the flow.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"

#include "ground/errors.h"
#include "stored/query.h"
#include "stored/token_store.h"

static oauth1_statement delete_old_requests = {
	.sql = "WITH old AS (DELETE FROM oauth1.request_token"
	" WHERE created_at < now() - interval '1 day' RETURNING consumer, token)"
	" DELETE FROM oauth1.secret s USING old"
	" WHERE s.consumer = old.consumer AND s.slot = old.token AND s.kind = '" OAUTH1_REQUEST_TOKEN_SECRET "'",
};

/* The same provider may give the same role the same token again: then it is one. */
static oauth1_statement insert_request = {
	.sql = "INSERT INTO oauth1.request_token"
	" (token, consumer, name, requested_by, requested_by_name, expires_at)"
	" VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))"
	" ON CONFLICT (token) DO UPDATE SET name = excluded.name,"
	" created_at = excluded.created_at, expires_at = excluded.expires_at"
	" WHERE request_token.consumer = excluded.consumer"
	" AND request_token.requested_by = excluded.requested_by",
	.nargs = 6,
	.types = {TEXTOID, TEXTOID, TEXTOID, OIDOID, NAMEOID, FLOAT8OID},
};

static oauth1_statement delete_request = {
	.sql = "DELETE FROM oauth1.request_token WHERE token = $1"
	" AND (expires_at IS NULL OR expires_at > now())"
	" RETURNING consumer, name, requested_by, requested_by_name",
	.nargs = 1,
	.types = {TEXTOID},
};

static oauth1_statement upsert_access = {
	.sql = "INSERT INTO oauth1.token (consumer, name, token, requested_by, expires_at)"
	" VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))"
	" ON CONFLICT (consumer, name) DO UPDATE SET token = excluded.token,"
	" requested_by = CASE WHEN $6 THEN token.requested_by ELSE excluded.requested_by END,"
	" created_at = now(), expires_at = excluded.expires_at",
	.nargs = 6,
	.types = {TEXTOID, TEXTOID, TEXTOID, NAMEOID, FLOAT8OID, BOOLOID},
};

static oauth1_statement delete_access = {
	.sql = "DELETE FROM oauth1.token WHERE consumer = $1 AND name = $2",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

/* A later token of the name must not fall to whoever was granted this one. */
static oauth1_statement delete_grants = {
	.sql = "DELETE FROM oauth1.consumer_grant WHERE consumer = $1 AND token = $2",
	.nargs = 2,
	.types = {TEXTOID, TEXTOID},
};

/* The role's name as a datum of type name. */
static Datum
role_name(Oid role)
{
	return DirectFunctionCall1(namein, CStringGetDatum(GetUserNameFromId(role, false)));
}

void
oauth1_request_token_save(const oauth1_new_token *token, const char *destination)
{
	oauth1_secret_id id = {token->consumer, token->token, OAUTH1_REQUEST_TOKEN_SECRET};
	Oid			role = GetUserId();
	Datum		values[] = {
		CStringGetTextDatum(token->token), CStringGetTextDatum(token->consumer),
		CStringGetTextDatum(token->name), ObjectIdGetDatum(role), role_name(role),
		Float8GetDatum((double) token->expires_in)
	};
	const char *nulls = token->expires_in > 0 ? "      " : "     n";
	oauth1_query query;

	oauth1_query_begin(&query);
	oauth1_query_write(&delete_old_requests, NULL, NULL);
	if (oauth1_query_write(&insert_request, values, nulls) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("the provider gave a request token that is in use already"),
				 errdetail("Another role or consumer asked for it and has not exchanged it yet.")));
	oauth1_secret_store(&id, destination, token->secret);
	oauth1_query_end(&query);
}

/*
 * A role that was dropped and made again is another one: oid and name must both
 * be what they were.
 */
static bool
may_finish(Oid role, Oid requested_by, const char *requested_by_name)
{
	char	   *name = GetUserNameFromId(requested_by, true);

	return name != NULL && strcmp(name, requested_by_name) == 0 &&
		has_privs_of_role(role, requested_by);
}

static oauth1_request_token *
copy_request(const char *token, Oid role, MemoryContext memory)
{
	oauth1_request_token *result = MemoryContextAllocZero(memory, sizeof(*result));
	bool		isnull;
	Oid			requested_by;

	requested_by = DatumGetObjectId(oauth1_column_datum(0, 3, memory, &isnull));
	if (!may_finish(role, requested_by, oauth1_column_cstring(0, 4, memory)))
		return NULL;
	result->token = MemoryContextStrdup(memory, token);
	result->consumer = oauth1_column_cstring(0, 1, memory);
	result->name = oauth1_column_cstring(0, 2, memory);
	return result;
}

static oauth1_sealed *
take_secret(const oauth1_request_token *request, MemoryContext memory)
{
	oauth1_secret_id id = {request->consumer, request->token, OAUTH1_REQUEST_TOKEN_SECRET};
	oauth1_sealed *secret = oauth1_secret_read(&id, memory);

	oauth1_secret_delete(&id);
	return secret;
}

oauth1_request_token *
oauth1_request_token_take(const char *token)
{
	Datum		values[] = {CStringGetTextDatum(token)};
	oauth1_request_token *request = NULL;
	oauth1_query query;

	oauth1_query_begin(&query);
	if (oauth1_query_write(&delete_request, values, NULL) > 0)
		request = copy_request(token, query.user, query.caller_memory);
	if (request == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("request token does not exist or may not be used"),
				 errdetail("A request token can be exchanged once, in time, and by the role that asked for it.")));
	request->secret = take_secret(request, query.caller_memory);
	oauth1_query_end(&query);
	return request;
}

static void
replace_session_handle(const oauth1_new_token *token, const char *destination)
{
	oauth1_secret_id id = {token->consumer, token->name, OAUTH1_SESSION_HANDLE};

	if (token->session_handle.data != NULL)
		oauth1_secret_store(&id, destination, token->session_handle);
	else if (!token->is_renewal)
		oauth1_secret_delete(&id);
}

void
oauth1_access_token_save(const oauth1_new_token *token, const char *destination)
{
	oauth1_secret_id id = {token->consumer, token->name, OAUTH1_TOKEN_SECRET};
	Datum		values[] = {
		CStringGetTextDatum(token->consumer), CStringGetTextDatum(token->name),
		CStringGetTextDatum(token->token), role_name(GetUserId()),
		Float8GetDatum((double) token->expires_in), BoolGetDatum(token->is_renewal)
	};
	const char *nulls = token->expires_in > 0 ? "      " : "    n ";
	oauth1_query query;

	oauth1_query_begin(&query);
	oauth1_query_write(&upsert_access, values, nulls);
	oauth1_secret_store(&id, destination, token->secret);
	replace_session_handle(token, destination);
	oauth1_query_end(&query);
}

bool
oauth1_access_token_delete(const char *consumer, const char *name)
{
	oauth1_secret_id secret = {consumer, name, OAUTH1_TOKEN_SECRET};
	oauth1_secret_id handle = {consumer, name, OAUTH1_SESSION_HANDLE};
	Datum		values[] = {CStringGetTextDatum(consumer), CStringGetTextDatum(name)};
	oauth1_query query;
	bool		deleted;

	oauth1_query_begin(&query);
	deleted = oauth1_query_write(&delete_access, values, NULL) > 0;
	(void) oauth1_query_write(&delete_grants, values, NULL);
	oauth1_secret_delete(&secret);
	oauth1_secret_delete(&handle);
	oauth1_query_end(&query);
	return deleted;
}
