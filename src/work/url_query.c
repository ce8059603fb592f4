/*
 * url_query.c
 *	  Parameters in the query of a URL, and in a form body: the core's functions, in
 *	  memory contexts.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/url_query.h"

/* What was written, or the error that kept it from being. */
static oa1_text
written(const oa1_buffer *out, const char *what)
{
	oauth1_check_core(out->status, what);
	return oa1_buffer_text(out);
}

/* What a value stands for; false where an escape is malformed. */
static bool
decode(oa1_text encoded, oa1_text *value)
{
	oa1_buffer	out;
	oa1_status	status;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	status = oa1_form_decode(&out, encoded);
	if (status == OA1_BAD_ESCAPE)
		return false;
	*value = written(&out, "query of the URL");
	return true;
}

oa1_text
oauth1_url_without_protocol(oa1_text url)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_url_drop_protocol(&out, url);
	return written(&out, "URL");
}

bool
oauth1_url_parameter(oa1_text url, oa1_text name, oa1_text *value)
{
	oa1_text	encoded;

	return oa1_url_find_parameter(url, name, &encoded) && decode(encoded, value);
}

bool
oauth1_form_parameter(oa1_text form, oa1_text name, oa1_text *value)
{
	oa1_text	encoded;

	return oa1_query_find(form, name, &encoded) && decode(encoded, value);
}

oa1_text
oauth1_url_with_parameter(oa1_text url, oa1_text name, oa1_text value)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_url_set_parameter(&out, url, name, value);
	return written(&out, "URL");
}

oa1_text
oauth1_form_with_parameter(oa1_text form, oa1_text name, oa1_text value)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_query_set(&out, form, name, value);
	return written(&out, "form");
}
