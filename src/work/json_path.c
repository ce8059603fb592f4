/*
 * json_path.c
 *	  One value out of a JSON text that a service sent.
 *
 * PostgreSQL's jsonb and jsonpath do the work.  They raise errors for what a
 * service may send, and the errors quote it: both stay in here.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/catch.h"
#include "work/json_path.h"

/* What goes in and comes out of an operation that may raise an error. */
typedef struct json_work
{
	char	   *json;			/* in the server encoding */
	const char *path;
	Jsonb	   *document;
	Jsonb	   *item;			/* NULL: not found */
} json_work;

/*
 * Runs the operation; NULL, or why it did not end.  A lack of memory is not the
 * text's fault: the next step would fail as well.
 */
static const char *
attempt(void (*operation) (void *), json_work *work)
{
	ErrorData  *error = oauth1_catch(operation, work);
	char	   *message;

	if (error == NULL)
		return NULL;
	if (error->sqlerrcode == ERRCODE_OUT_OF_MEMORY)
		ReThrowError(error);
	message = error->message != NULL ? pstrdup(error->message) : "";
	FreeErrorData(error);
	return message;
}

static void
read_document(void *argument)
{
	json_work  *work = argument;

	work->document = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(work->json)));
}

static Datum
read_path(const char *path)
{
	return DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
}

static void
check_path(void *argument)
{
	json_work  *work = argument;

	pfree(DatumGetPointer(read_path(work->path)));
}

/* jsonb_path_query_first(document, path, '{}', silent => true), which may return NULL. */
static void
find_item(void *argument)
{
	LOCAL_FCINFO(fcinfo, 4);
	json_work  *work = argument;
	Datum		none = DirectFunctionCall1(jsonb_in, CStringGetDatum("{}"));
	Datum		item;

	InitFunctionCallInfoData(*fcinfo, NULL, 4, InvalidOid, NULL, NULL);
	fcinfo->args[0] = (NullableDatum) {JsonbPGetDatum(work->document), false};
	fcinfo->args[1] = (NullableDatum) {read_path(work->path), false};
	fcinfo->args[2] = (NullableDatum) {none, false};
	fcinfo->args[3] = (NullableDatum) {BoolGetDatum(true), false};
	item = jsonb_path_query_first(fcinfo);
	work->item = fcinfo->isnull ? NULL : DatumGetJsonbP(item);
}

Jsonb *
oauth1_json_read(oa1_text json)
{
	json_work	work = {0};
	size_t		length;

	if (json.length == 0)
		return NULL;
	work.json = oauth1_try_server(json, PG_UTF8, &length);
	if (work.json == NULL)
		return NULL;
	attempt(read_document, &work);
	pfree(work.json);
	return work.document;
}

Jsonb *
oauth1_jsonb_path_first(const char *path, Jsonb *json)
{
	json_work	work = {.path = path, .document = json};

	attempt(find_item, &work);
	return work.item;
}

bool
oauth1_jsonb_text(Jsonb *item, oa1_text *found)
{
	JsonbValue	scalar;
	char	   *text;

	if (JsonbExtractScalar(&item->root, &scalar) && scalar.type == jbvNull)
		return false;
	if (JB_ROOT_IS_SCALAR(item) && scalar.type == jbvString)
		text = pnstrdup(scalar.val.string.val, scalar.val.string.len);
	else
		text = JsonbToCString(NULL, &item->root, VARSIZE(item));
	*found = oauth1_utf8_from_cstring(text);
	return true;
}

bool
oauth1_json_path_find(const char *path, oa1_text json, oa1_text *found)
{
	Jsonb	   *document = oauth1_json_read(json);
	Jsonb	   *item = document != NULL ? oauth1_jsonb_path_first(path, document) : NULL;

	return item != NULL && oauth1_jsonb_text(item, found);
}

const char *
oauth1_json_path_refusal(const char *path)
{
	json_work	work = {.path = path};

	return attempt(check_path, &work);
}
