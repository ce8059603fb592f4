/*
 * response.c
 *	  What came back, as a value of type oauth1.http_response.
 *
 * A server may send anything.  By the time this runs the call has been made, so
 * nothing it sent may turn into an error: what is no text is given as bytes, and
 * a header field that is none has its octets read as ISO 8859-1.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/header.h"
#include "work/charset.h"
#include "work/response.h"

/* ---------------------------------------------------------------- text of a server */

/* A header field's value: UTF-8, else ISO 8859-1 (RFC 9110, 5.5), else its ASCII alone. */
static char *
header_text(oa1_text value, size_t *length)
{
	char	   *text = oauth1_try_server(value, PG_UTF8, length);

	if (text == NULL)
		text = oauth1_try_server(value, PG_LATIN1, length);
	if (text == NULL)
	{
		text = palloc(value.length + 1);
		memcpy(text, value.data, value.length);
		text[value.length] = '\0';
		*length = value.length;
		for (size_t i = 0; i < value.length; i++)
			if (value.data[i] == '\0' || IS_HIGHBIT_SET(value.data[i]))
				text[i] = '?';
	}
	return text;
}

/* ---------------------------------------------------------------- headers */

/* Has an earlier field of that name been written, with all later ones? */
static bool
was_seen(const oauth1_response *response, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (oauth1_same_name(response->headers[i].name, response->headers[n].name))
			return true;
	return false;
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, char *data, size_t length)
{
	JsonbValue	value = {.type = jbvString};

	value.val.string.val = data;
	value.val.string.len = length;
	pushJsonbValue(state, token, &value);
}

static char *
lower_case(char *name, size_t length)
{
	for (size_t i = 0; i < length; i++)
		name[i] = pg_ascii_tolower(name[i]);
	return name;
}

/* The next field of the same name; header_count where there is none. */
static size_t
next_of_name(const oauth1_response *response, size_t n)
{
	size_t		next = n + 1;

	while (next < response->header_count &&
		   !oauth1_same_name(response->headers[next].name, response->headers[n].name))
		next++;
	return next;
}

/* All values of a name, joined as RFC 9110, 5.3, allows for every field but Set-Cookie. */
static void
push_joined(JsonbParseState **state, const oauth1_response *response, size_t first)
{
	StringInfoData joined;
	size_t		length;
	char	   *text = header_text(response->headers[first].value, &length);
	size_t		next = next_of_name(response, first);

	if (next == response->header_count)
	{
		push_string(state, WJB_VALUE, text, length);
		return;
	}
	initStringInfo(&joined);
	appendBinaryStringInfo(&joined, text, length);
	for (; next < response->header_count; next = next_of_name(response, next))
	{
		appendStringInfoString(&joined, ", ");
		text = header_text(response->headers[next].value, &length);
		appendBinaryStringInfo(&joined, text, length);
	}
	push_string(state, WJB_VALUE, joined.data, joined.len);
}

static void
push_list(JsonbParseState **state, const oauth1_response *response, size_t first)
{
	size_t		length;
	char	   *text;

	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (size_t i = first; i < response->header_count; i = next_of_name(response, i))
	{
		text = header_text(response->headers[i].value, &length);
		push_string(state, WJB_ELEM, text, length);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static Jsonb *
headers_jsonb(const oauth1_response *response)
{
	JsonbParseState *state = NULL;
	oa1_text	set_cookie = OA1_TEXT("set-cookie");
	size_t		length;
	char	   *name;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (size_t i = 0; i < response->header_count; i++)
	{
		if (was_seen(response, i))
			continue;
		name = header_text(response->headers[i].name, &length);
		push_string(&state, WJB_KEY, lower_case(name, length), length);
		if (oauth1_same_name(response->headers[i].name, set_cookie))
			push_list(&state, response, i);
		else
			push_joined(&state, response, i);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* ---------------------------------------------------------------- body */

static bool
ends_with(oa1_text text, const char *suffix)
{
	size_t		length = strlen(suffix);

	return text.length >= length &&
		pg_strncasecmp(text.data + text.length - length, suffix, length) == 0;
}

static bool
is_text_type(oa1_text content_type)
{
	static const char *const text_types[] = {
		"application/json", "application/xml", "application/javascript",
		"application/x-www-form-urlencoded", "application/x-ndjson", "application/graphql"
	};
	oa1_text	type = oauth1_media_type(content_type);

	if (type.length > 5 && pg_strncasecmp(type.data, "text/", 5) == 0)
		return true;
	if (ends_with(type, "+json") || ends_with(type, "+xml"))
		return true;
	for (int i = 0; i < lengthof(text_types); i++)
		if (oauth1_same_name(type, (oa1_text) {text_types[i], strlen(text_types[i])}))
			return true;
	return false;
}

/* A content without a type is text where it reads as such. */
static char *
body_text(const oauth1_response *response, size_t *length)
{
	if (response->content_type.length > 0 && !is_text_type(response->content_type))
		return NULL;
	return oauth1_charset_text(response->content_type, response->body, length);
}

/* ---------------------------------------------------------------- the value */

TupleDesc
oauth1_response_descriptor(FunctionCallInfo fcinfo)
{
	TupleDesc	descriptor = fcinfo->flinfo->fn_extra;
	MemoryContext old;

	if (descriptor != NULL)
		return descriptor;
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return oauth1.http_response")));
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	descriptor = BlessTupleDesc(CreateTupleDescCopy(descriptor));
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = descriptor;
	return descriptor;
}

void
oauth1_response_values(const oauth1_response *response, Datum *values, bool *nulls)
{
	size_t		length;
	char	   *text;

	memset(values, 0, OAUTH1_RESPONSE_COLUMNS * sizeof(*values));
	memset(nulls, true, OAUTH1_RESPONSE_COLUMNS * sizeof(*nulls));
#define SET(column, datum) \
	(values[(column) - 1] = (datum), nulls[(column) - 1] = false)

	SET(OAUTH1_RESPONSE_STATUS, Int32GetDatum(response->outcome.status));
	SET(OAUTH1_RESPONSE_ELAPSED_MS, Float8GetDatum(response->elapsed_ms));
	SET(OAUTH1_RESPONSE_HEADERS, JsonbPGetDatum(headers_jsonb(response)));
	if (response->content_type.length > 0)
	{
		text = header_text(response->content_type, &length);
		SET(OAUTH1_RESPONSE_CONTENT_TYPE,
			PointerGetDatum(cstring_to_text_with_len(text, length)));
	}
	if (response->body.length > 0)
	{
		text = body_text(response, &length);
		if (text != NULL)
			SET(OAUTH1_RESPONSE_BODY, PointerGetDatum(cstring_to_text_with_len(text, length)));
		else
			SET(OAUTH1_RESPONSE_BODY_BYTES,
				PointerGetDatum(cstring_to_text_with_len(response->body.data,
														 response->body.length)));
	}
#undef SET
}

Datum
oauth1_response_datum(const oauth1_response *response, TupleDesc descriptor)
{
	Datum		values[OAUTH1_RESPONSE_COLUMNS];
	bool		nulls[OAUTH1_RESPONSE_COLUMNS];

	oauth1_response_values(response, values, nulls);
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}
