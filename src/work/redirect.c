/*
 * redirect.c
 *	  Where an answer sends a call instead.
 *
 * Whoever answers could send a signature anywhere, so a target is judged like the
 * URL of a call, and signed anew.  Other methods than GET and HEAD are not
 * followed: a service that redirects them leaves open whether it acted.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/header.h"
#include "ground/jsonb_params.h"
#include "stored/access.h"
#include "work/redirect.h"
#include "work/url_query.h"

static bool
is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The Location; data NULL where there is none, or more than one that differ. */
static oa1_text
location(const oauth1_response *response)
{
	oa1_text	found = {NULL, 0};

	for (size_t i = 0; i < response->header_count; i++)
	{
		oa1_text	value = response->headers[i].value;

		if (!oauth1_same_name(response->headers[i].name, OA1_TEXT("location")))
			continue;
		if (found.data != NULL &&
			(found.length != value.length || memcmp(found.data, value.data, value.length) != 0))
			return (oa1_text) {NULL, 0};
		found = value;
	}
	return found;
}

bool
oauth1_redirect_find(const oauth1_credential *credential, oa1_text http_method,
					 const oa1_url *from, const oauth1_response *response, oa1_url *target)
{
	oa1_buffer	resolved;
	oa1_buffer	octets;
	oa1_text	reference;

	if (response->outcome.kind != OAUTH1_ANSWERED || !is_redirect(response->outcome.status) ||
		!(oauth1_text_is(http_method, "GET") || oauth1_text_is(http_method, "HEAD")))
		return false;
	reference = location(response);
	oauth1_buffer_init(&resolved, CurrentMemoryContext);
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	return reference.data != NULL &&
		oa1_url_resolve(from, reference, &resolved) == OA1_OK &&
		oauth1_access_allows(credential, oauth1_url_without_protocol(oa1_buffer_text(&resolved)),
							 &octets, target);
}
