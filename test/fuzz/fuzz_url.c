/*
 * fuzz_url.c
 *	  A URL that was taken is taken again as it is; it is printable ASCII without
 *	  userinfo and fragment; its parts make it up.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

static void
check_parts(const oa1_url *url)
{
	const char *end = url->text.data + url->text.length;

	for (const char *c = url->text.data; c < end; c++)
		MUST(*c > ' ' && *c < 0x7f && *c != '\\' && *c != '#');
	MUST(url->base_uri.data == url->text.data && url->origin.data == url->text.data);
	MUST(url->scheme.data == url->text.data);
	MUST(url->scheme.length == 4 || url->scheme.length == 5);
	MUST(url->host.data == url->scheme.data + url->scheme.length + 3 && url->host.length > 0);
	MUST(memchr(url->origin.data, '@', url->origin.length) == NULL);
	MUST(url->path.data == url->origin.data + url->origin.length);
	MUST(url->path.length > 0 && url->path.data[0] == '/');
	MUST(memchr(url->path.data, '?', url->path.length) == NULL);
	MUST(url->base_uri.length == url->origin.length + url->path.length);
	MUST(url->query.data + url->query.length == end);
	MUST(url->has_query || url->query.length == 0);
	MUST(url->base_uri.length + (url->has_query ? 1 : 0) + url->query.length == url->text.length);
	MUST(url->port > 0 && url->port <= 65535);
	for (size_t i = 0; i < url->host.length; i++)
		MUST(url->host.data[i] < 'A' || url->host.data[i] > 'Z');
	MUST(oa1_url_is_under(url, url) && oa1_url_same_origin(url, url));
}

static void
check_again(const oa1_url *url)
{
	oa1_buffer	out = fuzz_buffer();
	oa1_url		again;

	MUST(oa1_url_parse(url->text, &out, &again) == OA1_OK);
	MUST(fuzz_same(again.text, url->text) && fuzz_same(again.base_uri, url->base_uri));
	MUST(again.port == url->port && again.has_dot_segments == url->has_dot_segments);
	MUST(again.has_query == url->has_query && !again.has_userinfo);
	MUST(oa1_url_is_under(&again, url) && oa1_url_is_under(url, &again));
	oa1_buffer_free(&out);
}

/*
 * The plainest dot segments are seen.
 */
static void
check_dots(const oa1_url *url)
{
	const char *end = url->path.data + url->path.length;

	for (const char *c = url->path.data; c + 1 < end; c++)
		if (c[0] == '/' && c[1] == '.' && (c + 2 == end || c[2] == '/'))
			MUST(url->has_dot_segments);
		else if (c[0] == '/' && c[1] == '.' && c + 2 < end && c[2] == '.' &&
				 (c + 3 == end || c[3] == '/'))
			MUST(url->has_dot_segments);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oa1_buffer	out = fuzz_buffer();
	oa1_url		url;

	if (oa1_url_parse(input, &out, &url) == OA1_OK)
	{
		check_parts(&url);
		check_again(&url);
		check_dots(&url);
	}
	oa1_buffer_free(&out);
	return 0;
}
