/*
 * call_trigger.c
 *	  A trigger that enqueues a call for each row.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/registry.h"
#include "work/enqueue.h"
#include "work/retry.h"

/* Arguments of the trigger. */
enum
{
	ARGUMENT_CONSUMER,
	ARGUMENT_HTTP_METHOD,
	ARGUMENT_URL,
	ARGUMENT_TOKEN,				/* need not be given */
	ARGUMENT_COUNT
};

/* ---------------------------------------------------------------- how it was called */

/* Raises 39P01 where there is no row that a call could be made of. */
static void
check_event(FunctionCallInfo fcinfo)
{
	TriggerEvent event;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("oauth1.call_trigger() must be called as a trigger")));
	event = ((TriggerData *) fcinfo->context)->tg_event;
	if (!TRIGGER_FIRED_FOR_ROW(event) || TRIGGER_FIRED_INSTEAD(event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("oauth1.call_trigger() must be called AFTER or BEFORE, FOR EACH ROW")));
}

static void
check_arguments(const Trigger *trigger)
{
	if (trigger->tgnargs < ARGUMENT_TOKEN || trigger->tgnargs > ARGUMENT_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("wrong number of arguments of trigger \"%s\"", trigger->tgname),
				 errhint("Give oauth1.call_trigger a consumer, an HTTP method, a URL, and a token if it is another than the default.")));
}

/* The row as it will be: the old one where it is deleted. */
static HeapTuple
row_of(const TriggerData *trigger)
{
	return TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple
		: trigger->tg_trigtuple;
}

/* ---------------------------------------------------------------- the URL */

/* The number of a column; raises 42703 where there is none of that name. */
static int
column_number(Relation relation, const char *name)
{
	TupleDesc	descriptor = RelationGetDescr(relation);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped && namestrcmp(&attribute->attname, name) == 0)
			return attribute->attnum;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist",
					name, RelationGetRelationName(relation)),
			 errdetail("It stands in the URL of a call_trigger.")));
}

/* A column of the row as text, in UTF-8. */
static oa1_text
column_text(Relation relation, HeapTuple row, const char *name)
{
	int			n = column_number(relation, name);
	TupleDesc	descriptor = RelationGetDescr(relation);
	Oid			output;
	bool		is_varlena;
	bool		isnull;
	Datum		value = heap_getattr(row, n, descriptor, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("column \"%s\" must not be null", name),
				 errdetail("It stands in the URL of a call_trigger.")));
	getTypeOutputInfo(TupleDescAttr(descriptor, n - 1)->atttypid, &output, &is_varlena);
	return oauth1_utf8_from_cstring(OidOutputFunctionCall(output, value));
}

/*
 * Appends a column as one segment, whatever is in it.  An empty segment would be
 * another resource: DELETE /orders/ is not what DELETE /orders/{id} means.
 */
static void
append_column(oa1_buffer *url, Relation relation, HeapTuple row, oa1_text name)
{
	char	   *column = oauth1_cstring_from_utf8(name);
	oa1_text	value = column_text(relation, row, column);
	bool		in_query = url->length > 0 && memchr(url->data, '?', url->length) != NULL;

	if (value.length == 0 && !in_query)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" must not be empty", column),
				 errdetail("It stands in the path of a call_trigger's URL.")));
	oa1_percent_encode(url, value);
}

/* The URL with each {column} in it as the row has it. */
static oa1_text
url_of_row(oa1_text template, Relation relation, HeapTuple row)
{
	const char *at = template.data;
	const char *end = template.data + template.length;
	oa1_buffer	url;

	oauth1_buffer_init(&url, CurrentMemoryContext);
	for (;;)
	{
		const char *open = memchr(at, '{', end - at);
		const char *close = open ? memchr(open, '}', end - open) : NULL;

		if (open != NULL && close == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a brace of the trigger's URL is not closed")));
		oa1_buffer_append(&url, at, (open ? open : end) - at);
		if (open == NULL)
			break;
		append_column(&url, relation, row, (oa1_text) {open + 1, close - open - 1});
		at = close + 1;
	}
	oauth1_check_core(url.status, "URL");
	return oa1_buffer_text(&url);
}

/* ---------------------------------------------------------------- the body */

static bool
has_body(oa1_text http_method)
{
	return oauth1_text_is(http_method, "POST") || oauth1_text_is(http_method, "PUT") ||
		oauth1_text_is(http_method, "PATCH");
}

/* The row as row_to_json writes it. */
static oa1_text
json_of_row(Relation relation, HeapTuple row)
{
	Datum		datum = heap_copy_tuple_as_datum(row, RelationGetDescr(relation));

	return oauth1_utf8_from_text(DatumGetTextPP(DirectFunctionCall1(row_to_json, datum)));
}

/* ---------------------------------------------------------------- SQL function */

static void
enqueue_row(const TriggerData *trigger)
{
	char	  **arguments = trigger->tg_trigger->tgargs;
	Relation	relation = trigger->tg_relation;
	HeapTuple	row = row_of(trigger);
	oauth1_message message;
	oauth1_new_call call = {
		.consumer = arguments[ARGUMENT_CONSUMER],
		.token = trigger->tg_trigger->tgnargs > ARGUMENT_TOKEN
		? arguments[ARGUMENT_TOKEN] : oauth1_token,
		.max_attempts = OAUTH1_MAX_ATTEMPTS_DEFAULT,
		.run_at = GetCurrentTransactionStartTimestamp(),
	};

	oauth1_message_init(&message, oauth1_utf8_from_cstring(arguments[ARGUMENT_HTTP_METHOD]),
						url_of_row(oauth1_utf8_from_cstring(arguments[ARGUMENT_URL]),
								   relation, row));
	if (has_body(message.http_method))
		oauth1_message_set_body(&message, json_of_row(relation, row), "application/json");
	call.idempotent = oauth1_method_is_idempotent(message.http_method);
	(void) oauth1_enqueue_message(&message, &call);
}

PG_FUNCTION_INFO_V1(oauth1_call_trigger);

/* call_trigger: consumer, http_method, url, and a token where it is not the default */
Datum
oauth1_call_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	check_event(fcinfo);
	check_arguments(trigger->tg_trigger);
	oauth1_prevent_read_only("oauth1.call_trigger()");
	enqueue_row(trigger);
	return PointerGetDatum(TRIGGER_FIRED_BEFORE(trigger->tg_event) ? row_of(trigger) : NULL);
}
