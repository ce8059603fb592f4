/*
 * fuzz_url.c
 *	  A URL that was taken is taken again as it is; it is printable ASCII without
 *	  userinfo and fragment; its parts make it up.  As a reference it means what
 *	  RFC 3986, 5.2.4, followed to the letter, makes of it.
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

/* ---------------------------------------------------------------- references */

static bool
begins(oa1_text text, const char *with)
{
	return text.length >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static void
move(oa1_text *from, size_t length, oa1_buffer *to)
{
	oa1_buffer_append(to, from->data, length);
	from->data += length;
	from->length -= length;
}

static void
drop(oa1_text *from, size_t length)
{
	from->data += length;
	from->length -= length;
}

static void
remove_last_segment(oa1_buffer *from)
{
	while (from->length > 0 && from->data[--from->length] != '/')
		;
}

/*
 * 5.2.4 as it is written, steps A to E; "/." and "/.." at the end become "/".
 */
static void
by_the_letter(oa1_text in, oa1_buffer *out)
{
	while (in.length > 0)
	{
		if (begins(in, "../"))
			drop(&in, 3);
		else if (begins(in, "./") || begins(in, "/./"))
			drop(&in, 2);
		else if (fuzz_same(in, OA1_TEXT("/.")))
			in = OA1_TEXT("/");
		else if (begins(in, "/../"))
		{
			drop(&in, 3);
			remove_last_segment(out);
		}
		else if (fuzz_same(in, OA1_TEXT("/..")))
		{
			in = OA1_TEXT("/");
			remove_last_segment(out);
		}
		else if (fuzz_same(in, OA1_TEXT(".")) || fuzz_same(in, OA1_TEXT("..")))
			drop(&in, in.length);
		else
		{
			const char *slash = memchr(in.data + 1, '/', in.length - 1);

			move(&in, slash != NULL ? (size_t) (slash - in.data) : in.length, out);
		}
	}
}

/*
 * A path beside "http://h/b/c/d": against the letter of the RFC; it cannot leave
 * the host.
 */
static void
check_path_reference(const oa1_url *base, oa1_text path)
{
	oa1_buffer	merged = fuzz_buffer();
	oa1_buffer	expected = fuzz_buffer();
	oa1_buffer	out = fuzz_buffer();

	if (oa1_url_resolve(base, path, &out) == OA1_OK)
	{
		if (path.data[0] != '/')
			oa1_buffer_append_text(&merged, OA1_TEXT("/b/c/"));
		oa1_buffer_append_text(&merged, path);
		by_the_letter(oa1_buffer_text(&merged), &expected);
		oa1_buffer_reset(&merged);
		oa1_buffer_append_text(&merged, OA1_TEXT("http://h"));
		oa1_buffer_append_text(&merged, oa1_buffer_text(&expected));
		MUST(fuzz_same(oa1_buffer_text(&out), oa1_buffer_text(&merged)));
	}
	oa1_buffer_free(&merged);
	oa1_buffer_free(&expected);
	oa1_buffer_free(&out);
}

/*
 * Resolving what was resolved changes nothing; where it is a URL, no plain dot
 * segment is left.
 */
static void
check_resolved(const oa1_url *base, oa1_text resolved)
{
	oa1_buffer	again = fuzz_buffer();
	oa1_buffer	octets = fuzz_buffer();
	oa1_url		url;

	MUST(oa1_url_resolve(base, resolved, &again) == OA1_OK);
	MUST(fuzz_same(oa1_buffer_text(&again), resolved));
	MUST(memchr(resolved.data, '#', resolved.length) == NULL);
	if (oa1_url_parse(resolved, &octets, &url) == OA1_OK && url.has_dot_segments)
		MUST(memchr(url.path.data, '%', url.path.length) != NULL ||
			 memchr(url.path.data, ';', url.path.length) != NULL);
	oa1_buffer_free(&again);
	oa1_buffer_free(&octets);
}

static void
check_reference(oa1_text reference)
{
	oa1_buffer	octets = fuzz_buffer();
	oa1_buffer	out = fuzz_buffer();
	oa1_url		base;

	MUST(oa1_url_parse(OA1_TEXT("http://h/b/c/d?q"), &octets, &base) == OA1_OK);
	if (oa1_url_resolve(&base, reference, &out) == OA1_OK)
		check_resolved(&base, oa1_buffer_text(&out));
	if (reference.length > 0 && memchr(reference.data, ':', reference.length) == NULL &&
		memchr(reference.data, '?', reference.length) == NULL &&
		memchr(reference.data, '#', reference.length) == NULL && !begins(reference, "//"))
		check_path_reference(&base, reference);
	oa1_buffer_free(&octets);
	oa1_buffer_free(&out);
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
	check_reference(input);
	return 0;
}
