/*
 * message.c
 *	  What a caller wants to be sent, before it is signed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "work/message.h"
#include "work/multipart.h"

#define FORM_TYPE "application/x-www-form-urlencoded"

/* Attributes of oauth1.http_request, from 1. */
enum
{
	REQUEST_METHOD = 1,
	REQUEST_URL,
	REQUEST_HEADERS,
	REQUEST_CONTENT_TYPE,
	REQUEST_BODY,
	REQUEST_COLUMNS = REQUEST_BODY
};

/* Where an argument stands, counted from url. */
enum
{
	ARGUMENT_URL,
	ARGUMENT_BODY_JSON,
	ARGUMENT_FORM,
	ARGUMENT_BODY,
	ARGUMENT_BODY_BYTES,
	ARGUMENT_CONTENT_TYPE,
	ARGUMENT_FILES,
	ARGUMENT_PARAMS,
	ARGUMENT_HEADERS
};

void
oauth1_require_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
}

oa1_text
oauth1_required_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	oauth1_require_argument(fcinfo, n, name);
	return oauth1_utf8_from_text(PG_GETARG_TEXT_PP(n));
}

/* ---------------------------------------------------------------- header fields */

static void
set_content_type(oauth1_message *message, oa1_text content_type)
{
	oauth1_check_header_value(OA1_TEXT("content-type"), content_type);
	if (message->content_type.data != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("content type is given twice"),
				 errdetail("It stands in content_type or as a header.")));
	message->content_type = content_type;
}

/* A Content-Type among the headers decides what is signed, so it becomes the message's. */
static void
add_headers(oauth1_message *message, Jsonb *headers)
{
	oauth1_pairs given;

	oauth1_pairs_init(&given, 0);
	oauth1_pairs_from_jsonb(&given, headers, "headers");
	for (size_t i = 0; i < given.count; i++)
	{
		const oa1_pair *header = &given.data[i];

		if (oauth1_same_name(header->name, OA1_TEXT("content-type")))
			set_content_type(message, header->value);
		else
		{
			oauth1_check_header_name(header->name);
			oauth1_check_header_value(header->name, header->value);
			oauth1_pairs_add(&message->headers, header->name, header->value);
		}
	}
}

/* ---------------------------------------------------------------- method and URL */

static oa1_text
upper_case(oa1_text method)
{
	char	   *upper = palloc(method.length + 1);

	for (size_t i = 0; i < method.length; i++)
		upper[i] = pg_ascii_toupper(method.data[i]);
	upper[method.length] = '\0';
	return (oa1_text) {upper, method.length};
}

/* A fragment is never sent, and nothing may be appended behind one. */
static oa1_text
without_fragment(oa1_text url)
{
	const char *hash = memchr(url.data, '#', url.length);

	if (hash != NULL)
		url.length = hash - url.data;
	return url;
}

void
oauth1_append_pairs(oa1_buffer *out, const oauth1_pairs *pairs, bool first)
{
	for (size_t i = 0; i < pairs->count; i++)
	{
		if (i > 0 || !first)
			oa1_buffer_append_char(out, '&');
		oa1_percent_encode(out, pairs->data[i].name);
		oa1_buffer_append_char(out, '=');
		oa1_percent_encode(out, pairs->data[i].value);
	}
}

oa1_text
oauth1_url_with_pairs(oa1_text url, const oauth1_pairs *pairs)
{
	oa1_buffer	out;

	if (pairs->count == 0)
		return url;
	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_buffer_append_text(&out, url);
	if (memchr(url.data, '?', url.length) == NULL)
		oa1_buffer_append_char(&out, '?');
	else if (url.data[url.length - 1] != '?' && url.data[url.length - 1] != '&')
		oa1_buffer_append_char(&out, '&');
	oauth1_append_pairs(&out, pairs, true);
	oauth1_check_core(out.status, "params");
	return oa1_buffer_text(&out);
}

static oa1_text
with_params(oa1_text url, Jsonb *params)
{
	oauth1_pairs pairs;

	oauth1_pairs_init(&pairs, 0);
	oauth1_pairs_from_jsonb(&pairs, params, "params");
	return oauth1_url_with_pairs(url, &pairs);
}

void
oauth1_message_init(oauth1_message *message, oa1_text http_method, oa1_text url)
{
	memset(message, 0, sizeof(*message));
	message->http_method = upper_case(http_method);
	message->url = without_fragment(url);
	oauth1_pairs_init(&message->headers, 0);
}

/* url, params and headers, in whatever places; params and headers may be null. */
static void
set_head(oauth1_message *message, const char *http_method, FunctionCallInfo fcinfo,
		 int url, int params, int headers)
{
	oauth1_message_init(message, (oa1_text) {http_method, strlen(http_method)},
						oauth1_required_text(fcinfo, url, "url"));
	if (!PG_ARGISNULL(params))
		message->url = with_params(message->url, PG_GETARG_JSONB_P(params));
	if (!PG_ARGISNULL(headers))
		add_headers(message, PG_GETARG_JSONB_P(headers));
}

/* ---------------------------------------------------------------- body */

void
oauth1_message_set_body(oauth1_message *message, oa1_text body, const char *default_type)
{
	message->body = body;
	message->has_body = true;
	if (message->content_type.data == NULL)
		message->content_type = (oa1_text) {default_type, strlen(default_type)};
}

bool
oauth1_message_is_form(const oauth1_message *message)
{
	return message->has_body && message->content_type.data != NULL &&
		oauth1_same_name(oauth1_media_type(message->content_type), OA1_TEXT(FORM_TYPE));
}

/* libcurl would not send it, so what was signed would not be what is sent. */
static void
check_head_is_alone(const oauth1_message *message)
{
	if (message->has_body && oauth1_text_is(message->http_method, "HEAD"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a HEAD request cannot have a body")));
}

void
oauth1_message_set_form(oauth1_message *message, const oauth1_pairs *form)
{
	oa1_buffer	body;

	oauth1_buffer_init(&body, CurrentMemoryContext);
	oauth1_append_pairs(&body, form, true);
	oauth1_check_core(body.status, "form");
	oauth1_message_set_body(message, oa1_buffer_text(&body), FORM_TYPE);
	if (!oauth1_message_is_form(message))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("content type does not fit a form"),
				 errdetail("A form is sent as %s.", FORM_TYPE)));
}

static void
set_form(oauth1_message *message, Jsonb *form)
{
	oauth1_pairs pairs;

	oauth1_pairs_init(&pairs, 0);
	oauth1_pairs_from_jsonb(&pairs, form, "form");
	oauth1_message_set_form(message, &pairs);
}

static void
set_json(oauth1_message *message, Jsonb *json)
{
	char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));

	oauth1_message_set_body(message, oauth1_utf8_from_cstring(text), "application/json");
}

static oa1_text
bytes_argument(FunctionCallInfo fcinfo, int n)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(n);

	return (oa1_text) {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

/* At most one kind of body may be given; files and a form are one. */
static void
check_one_body(FunctionCallInfo fcinfo, int first)
{
	bool		is_form = !PG_ARGISNULL(first + ARGUMENT_FORM) ||
	!PG_ARGISNULL(first + ARGUMENT_FILES);
	int			given = is_form + !PG_ARGISNULL(first + ARGUMENT_BODY_JSON) +
	!PG_ARGISNULL(first + ARGUMENT_BODY) +
	!PG_ARGISNULL(first + ARGUMENT_BODY_BYTES);

	if (given > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("more than one body is given"),
				 errhint("Give one of body_json, form, body and body_bytes; files go alone or with a form.")));
}

/* Content of a GET has no meaning that servers agree on (RFC 9110, 9.3.1). */
static void
check_takes_files(const oauth1_message *message)
{
	if (oauth1_text_is(message->http_method, "GET") ||
		oauth1_text_is(message->http_method, "HEAD"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a %s request cannot send files",
						oauth1_cstring_from_utf8(message->http_method))));
	if (message->content_type.data != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("content type cannot be given for files"),
				 errdetail("The body is multipart/form-data, with a boundary of its own; each file has its own content_type.")));
}

/* Nothing of such a body is a parameter that is signed (RFC 5849, 3.4.1.3.1). */
static void
set_files(oauth1_message *message, Jsonb *form, Jsonb *files)
{
	oauth1_pairs fields;

	check_takes_files(message);
	oauth1_pairs_init(&fields, 0);
	if (form != NULL)
		oauth1_pairs_from_jsonb(&fields, form, "form");
	message->source = oauth1_multipart(&fields, files, &message->content_type);
	message->has_body = true;
}

void
oauth1_message_from_arguments(oauth1_message *message, const char *http_method,
							  FunctionCallInfo fcinfo, int first)
{
	check_one_body(fcinfo, first);
	set_head(message, http_method, fcinfo,
			 first + ARGUMENT_URL, first + ARGUMENT_PARAMS, first + ARGUMENT_HEADERS);
	if (!PG_ARGISNULL(first + ARGUMENT_CONTENT_TYPE))
		set_content_type(message,
						 oauth1_utf8_from_text(PG_GETARG_TEXT_PP(first + ARGUMENT_CONTENT_TYPE)));
	if (!PG_ARGISNULL(first + ARGUMENT_FILES))
		set_files(message,
				  PG_ARGISNULL(first + ARGUMENT_FORM) ? NULL
				  : PG_GETARG_JSONB_P(first + ARGUMENT_FORM),
				  PG_GETARG_JSONB_P(first + ARGUMENT_FILES));
	else if (!PG_ARGISNULL(first + ARGUMENT_BODY_JSON))
		set_json(message, PG_GETARG_JSONB_P(first + ARGUMENT_BODY_JSON));
	else if (!PG_ARGISNULL(first + ARGUMENT_FORM))
		set_form(message, PG_GETARG_JSONB_P(first + ARGUMENT_FORM));
	else if (!PG_ARGISNULL(first + ARGUMENT_BODY))
		oauth1_message_set_body(message,
								oauth1_utf8_from_text(PG_GETARG_TEXT_PP(first + ARGUMENT_BODY)),
								"text/plain; charset=utf-8");
	else if (!PG_ARGISNULL(first + ARGUMENT_BODY_BYTES))
		oauth1_message_set_body(message, bytes_argument(fcinfo, first + ARGUMENT_BODY_BYTES),
								"application/octet-stream");
	check_head_is_alone(message);
}

void
oauth1_message_without_body(oauth1_message *message, const char *http_method,
							FunctionCallInfo fcinfo, int first)
{
	set_head(message, http_method, fcinfo, first, first + 1, first + 2);
}

/* ---------------------------------------------------------------- oauth1.http_request */

static Datum
required_attribute(HeapTupleHeader request, int n, const char *name)
{
	bool		isnull;
	Datum		value = GetAttributeByNum(request, n, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s of the request must not be null", name)));
	return value;
}

void
oauth1_message_from_parts(oauth1_message *message, oa1_text http_method, oa1_text url,
						  Jsonb *headers, oa1_text content_type, bytea *body)
{
	oauth1_message_init(message, http_method, url);
	if (headers != NULL)
		add_headers(message, headers);
	if (content_type.data != NULL)
		set_content_type(message, content_type);
	if (body != NULL)
		oauth1_message_set_body(message,
								(oa1_text) {VARDATA_ANY(body), VARSIZE_ANY_EXHDR(body)},
								"application/octet-stream");
	check_head_is_alone(message);
}

void
oauth1_message_from_request(oauth1_message *message, HeapTupleHeader request)
{
	oa1_text	http_method = oauth1_utf8_from_text(
		DatumGetTextPP(required_attribute(request, REQUEST_METHOD, "http_method")));
	oa1_text	url = oauth1_utf8_from_text(
		DatumGetTextPP(required_attribute(request, REQUEST_URL, "url")));
	oa1_text	content_type = {NULL, 0};
	Jsonb	   *headers = NULL;
	bytea	   *body = NULL;
	bool		isnull;
	Datum		value;

	value = GetAttributeByNum(request, REQUEST_HEADERS, &isnull);
	if (!isnull)
		headers = DatumGetJsonbP(value);
	value = GetAttributeByNum(request, REQUEST_CONTENT_TYPE, &isnull);
	if (!isnull)
		content_type = oauth1_utf8_from_text(DatumGetTextPP(value));
	value = GetAttributeByNum(request, REQUEST_BODY, &isnull);
	if (!isnull)
		body = DatumGetByteaPP(value);
	oauth1_message_from_parts(message, http_method, url, headers, content_type, body);
}

bytea *
oauth1_message_body_bytes(const oauth1_message *message)
{
	oauth1_body_source *source = message->source;
	bytea	   *bytes;

	if (!message->has_body)
		return NULL;
	if (source == NULL)
		return cstring_to_text_with_len(message->body.data, message->body.length);
	if (source->length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("body is too large for a value of type bytea")));
	bytes = palloc(VARHDRSZ + source->length);
	SET_VARSIZE(bytes, VARHDRSZ + source->length);
	source->rewind(source);
	(void) source->read(source, VARDATA(bytes), source->length);
	return bytes;
}

Datum
oauth1_message_to_request(const oauth1_message *message, FunctionCallInfo fcinfo)
{
	TupleDesc	descriptor;
	Datum		values[REQUEST_COLUMNS] = {0};
	bool		nulls[REQUEST_COLUMNS] = {0};

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return oauth1.http_request")));
	values[REQUEST_METHOD - 1] = PointerGetDatum(oauth1_text_from_utf8(message->http_method));
	values[REQUEST_URL - 1] = PointerGetDatum(oauth1_text_from_utf8(message->url));
	nulls[REQUEST_HEADERS - 1] = message->headers.count == 0;
	if (message->headers.count > 0)
		values[REQUEST_HEADERS - 1] = JsonbPGetDatum(oauth1_pairs_to_jsonb(&message->headers));
	nulls[REQUEST_CONTENT_TYPE - 1] = message->content_type.data == NULL;
	if (message->content_type.data != NULL)
		values[REQUEST_CONTENT_TYPE - 1] =
			PointerGetDatum(oauth1_text_from_utf8(message->content_type));
	nulls[REQUEST_BODY - 1] = !message->has_body;
	if (message->has_body)
		values[REQUEST_BODY - 1] = PointerGetDatum(oauth1_message_body_bytes(message));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}
