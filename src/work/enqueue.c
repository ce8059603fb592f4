/*
 * enqueue.c
 *	  A call that is to be sent after COMMIT.
 *
 * Whatever of a call can be refused before it is sent is refused here, where the
 * one who made the mistake sees it; and judged again when it is sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/compat.h"
#include "ground/errors.h"
#include "stored/access.h"
#include "stored/registry.h"
#include "work/call.h"
#include "work/compose.h"
#include "work/enqueue.h"
#include "work/retry.h"

/* Crashes count as attempts, so there is no call that is tried for ever. */
#define MAX_ATTEMPTS 100

/* Keys stand in an index, whose rows have at most a third of a page. */
#define MAX_KEY_OCTETS 1000

/* Arguments of enqueue. */
enum
{
	ARGUMENT_CONSUMER,
	ARGUMENT_HTTP_METHOD,
	ARGUMENT_URL,				/* from here to headers: the message's */
	ARGUMENT_TOKEN = 11,
	ARGUMENT_RUN_AT,
	ARGUMENT_MAX_ATTEMPTS,
	ARGUMENT_TIMEOUT_MS,
	ARGUMENT_IDEMPOTENT,
	ARGUMENT_DEDUPE_KEY,
	ARGUMENT_ORDER_KEY,
	ARGUMENT_ON_DONE
};

/* ---------------------------------------------------------------- judging and storing */

/* Raises what the call would raise before it is sent, but for secrets, which are not opened. */
static void
judge(const oauth1_message *message, const oauth1_new_call *call)
{
	oauth1_credential *credential = oauth1_credential_find(call->consumer, call->token);
	oauth1_composition composition = {
		.credential = credential,
		.transmission = credential->provider->transmission,
	};
	oa1_buffer	octets;
	oa1_url		url;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(credential, message->url, &octets, &url);
	oauth1_compose_check(&composition, message, &url);
}

int64
oauth1_enqueue_message(const oauth1_message *message, oauth1_new_call *call)
{
	judge(message, call);
	call->http_method = oauth1_text_from_utf8(message->http_method);
	call->url = oauth1_text_from_utf8(message->url);
	call->headers = NULL;
	if (message->headers.count > 0)
		call->headers = oauth1_pairs_to_jsonb(&message->headers);
	call->content_type = NULL;
	if (message->content_type.data != NULL)
		call->content_type = oauth1_text_from_utf8(message->content_type);
	call->body = oauth1_message_body_bytes(message);
	call->role = GetUserId();
	return oauth1_queue_insert(call);
}

/* ---------------------------------------------------------------- on_done */

/* Raises 22023 where the function cannot be given what a call's end gives it. */
static void
check_signature(Form_pg_proc function)
{
	Oid			response = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
										   CStringGetDatum("http_response"),
										   ObjectIdGetDatum(get_namespace_oid("oauth1", false)));

	if (function->prokind != PROKIND_FUNCTION || function->pronargs != 2 ||
		function->proargtypes.values[0] != INT8OID ||
		function->proargtypes.values[1] != response)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_done must be a function of (bigint, oauth1.http_response)")));
	if (isAnyTempNamespace(function->pronamespace))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("on_done cannot be a temporary function"),
				 errdetail("It runs in another session.")));
}

/* The function's name as it is stored, qualified and with argument types. */
static char *
on_done_name(Oid oid)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function with OID %u does not exist", oid)));
	check_signature((Form_pg_proc) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
	if (!oauth1_may_execute(oid, GetUserId()))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_FUNCTION, get_func_name(oid));
	return format_procedure_qualified(oid);
}

/* ---------------------------------------------------------------- arguments */

static TimestampTz
run_at_argument(FunctionCallInfo fcinfo)
{
	TimestampTz run_at = GetCurrentTransactionStartTimestamp();

	if (!PG_ARGISNULL(ARGUMENT_RUN_AT))
		run_at = PG_GETARG_TIMESTAMPTZ(ARGUMENT_RUN_AT);
	if (TIMESTAMP_NOT_FINITE(run_at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run_at must be finite")));
	return run_at;
}

static int
max_attempts_argument(FunctionCallInfo fcinfo)
{
	int			max_attempts;

	oauth1_require_argument(fcinfo, ARGUMENT_MAX_ATTEMPTS, "max_attempts");
	max_attempts = PG_GETARG_INT32(ARGUMENT_MAX_ATTEMPTS);
	if (max_attempts < 1 || max_attempts > MAX_ATTEMPTS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_attempts must be from 1 to %d", MAX_ATTEMPTS)));
	return max_attempts;
}

/* 0 where it is not given: what oauth1.timeout is for the one who sends the call counts. */
static int
timeout_argument(FunctionCallInfo fcinfo)
{
	return PG_ARGISNULL(ARGUMENT_TIMEOUT_MS) ? 0
		: oauth1_timeout_argument(fcinfo, ARGUMENT_TIMEOUT_MS);
}

/*
 * A dedupe_key or an order_key; NULL where none is given.  An empty one is refused: it is
 * a slip, and would merge calls, or line them up, that have nothing to do with each other.
 */
static text *
key_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	text	   *key;

	if (PG_ARGISNULL(n))
		return NULL;
	key = PG_GETARG_TEXT_PP(n);
	if (VARSIZE_ANY_EXHDR(key) == 0 || VARSIZE_ANY_EXHDR(key) > MAX_KEY_OCTETS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must have from 1 to %d octets", name, MAX_KEY_OCTETS)));
	return key;
}

/* ---------------------------------------------------------------- SQL function */

PG_FUNCTION_INFO_V1(oauth1_enqueue);

/*
 * enqueue(consumer, http_method, url, body_json, ..., headers, token, run_at, max_attempts,
 * timeout_ms, idempotent, dedupe_key, order_key, on_done) → id
 */
Datum
oauth1_enqueue(PG_FUNCTION_ARGS)
{
	oauth1_message message;
	oauth1_new_call call = {.token = ""};
	oa1_text	method;

	oauth1_prevent_read_only("oauth1.enqueue()");
	call.consumer = oauth1_required_argument(fcinfo, ARGUMENT_CONSUMER, "consumer");
	method = oauth1_required_text(fcinfo, ARGUMENT_HTTP_METHOD, "http_method");
	oauth1_message_from_arguments(&message, pnstrdup(method.data, method.length), fcinfo,
								  ARGUMENT_URL);
	if (!PG_ARGISNULL(ARGUMENT_TOKEN))
		call.token = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_TOKEN));
	call.run_at = run_at_argument(fcinfo);
	call.max_attempts = max_attempts_argument(fcinfo);
	call.timeout_ms = timeout_argument(fcinfo);
	call.idempotent = PG_ARGISNULL(ARGUMENT_IDEMPOTENT)
		? oauth1_method_is_idempotent(message.http_method)
		: PG_GETARG_BOOL(ARGUMENT_IDEMPOTENT);
	call.dedupe_key = key_argument(fcinfo, ARGUMENT_DEDUPE_KEY, "dedupe_key");
	call.order_key = key_argument(fcinfo, ARGUMENT_ORDER_KEY, "order_key");
	if (!PG_ARGISNULL(ARGUMENT_ON_DONE))
		call.on_done = on_done_name(PG_GETARG_OID(ARGUMENT_ON_DONE));
	PG_RETURN_INT64(oauth1_enqueue_message(&message, &call));
}
