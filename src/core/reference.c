/*
 * reference.c
 *	  A reference found in an answer, made a URL against the one that was asked
 *	  (RFC 3986, 5.2).
 *
 * Octets are joined and nothing else is judged: whether the result is a URL that
 * may be called is oa1_url_parse's to say, and its caller's.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/* A reference taken apart (RFC 3986, 3 and appendix B); the fragment is left out. */
typedef struct reference_parts
{
	oa1_text	scheme;			/* without ':' */
	oa1_text	authority;		/* without "//" */
	oa1_text	path;
	oa1_text	query;			/* with '?' */
	bool		has_scheme;
	bool		has_authority;
} reference_parts;

/*
 * Cuts off the front of *rest what stands before the first of the octets in ends.
 */
static oa1_text
cut_before(oa1_text *rest, const char *ends)
{
	oa1_text	part = {rest->data, 0};

	while (part.length < rest->length && strchr(ends, rest->data[part.length]) == NULL)
		part.length++;
	rest->data += part.length;
	rest->length -= part.length;
	return part;
}

/*
 * RFC 3986, 3.1.
 */
static bool
is_scheme(oa1_text text)
{
	for (size_t i = 0; i < text.length; i++)
	{
		char		c = text.data[i];
		bool		letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool		other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';

		if (!letter && (i == 0 || !other))
			return false;
	}
	return text.length > 0;
}

/*
 * reference has passed oa1_url_check_octets.
 */
static reference_parts
take_apart(oa1_text reference)
{
	reference_parts parts = {0};
	oa1_text	rest = reference.length > 0 ? reference : OA1_TEXT("");
	oa1_text	scheme = cut_before(&rest, ":/?#");

	parts.has_scheme = rest.length > 0 && rest.data[0] == ':' && is_scheme(scheme);
	if (parts.has_scheme)
	{
		parts.scheme = scheme;
		rest.data++;
		rest.length--;
	}
	else
		rest = reference;
	parts.has_authority = rest.length >= 2 && rest.data[0] == '/' && rest.data[1] == '/';
	if (parts.has_authority)
	{
		rest.data += 2;
		rest.length -= 2;
		parts.authority = cut_before(&rest, "/?#");
	}
	parts.path = cut_before(&rest, "?#");
	parts.query = cut_before(&rest, "#");
	return parts;
}

/*
 * 1 or 2 where the segment is '.' or '..', else 0.
 */
static int
dots_of(const char *segment, size_t length)
{
	if (length == 1 && segment[0] == '.')
		return 1;
	return length == 2 && segment[0] == '.' && segment[1] == '.' ? 2 : 0;
}

/*
 * The length of path without its last segment and the '/' before it.
 */
static size_t
length_above(const char *path, size_t length)
{
	while (length > 0 && path[--length] != '/')
		;
	return length;
}

/*
 * Removes dot segments where they stand (5.2.4) and returns the length that is
 * left.  A segment has the '/' before it; only the first may have none.
 */
static size_t
remove_dot_segments(char *path, size_t length)
{
	size_t		kept = 0;
	size_t		end;

	for (size_t start = 0; start < length; start = end)
	{
		size_t		slash = path[start] == '/' ? 1 : 0;
		size_t		name = start + slash;
		int			dots;

		for (end = name; end < length && path[end] != '/';)
			end++;
		dots = dots_of(path + name, end - name);
		if (dots == 0)
		{
			memmove(path + kept, path + start, end - start);
			kept += end - start;
			continue;
		}
		if (dots == 2)
			kept = length_above(path, kept);
		if (slash == 1 && end == length)
			path[kept++] = '/';
		else if (slash == 0 && end < length)
			end++;				/* "../" and "./" before everything go whole */
	}
	return kept;
}

/*
 * Appends the reference's path: as it is where it begins with '/' or the reference
 * says where, else in place of the base's last segment (5.2.3).
 */
static void
append_path(oa1_buffer *out, const oa1_url *base, const reference_parts *parts)
{
	size_t		start = out->length;

	if (!parts->has_scheme && !parts->has_authority && parts->path.data[0] != '/')
		oa1_buffer_append(out, base->path.data,
						  length_above(base->path.data, base->path.length) + 1);
	oa1_buffer_append_text(out, parts->path);
	if (out->status == OA1_OK)
		out->length = start + remove_dot_segments(out->data + start, out->length - start);
}

/*
 * Appends "//" and the authority, the base's where the reference does not say; a
 * reference with a scheme and no authority has none.
 */
static void
append_authority(oa1_buffer *out, const oa1_url *base, const reference_parts *parts)
{
	size_t		before = base->scheme.length + 1;	/* "https:" */

	if (parts->has_authority)
	{
		oa1_buffer_append(out, "//", 2);
		oa1_buffer_append_text(out, parts->authority);
	}
	else if (!parts->has_scheme)
		oa1_buffer_append(out, base->origin.data + before, base->origin.length - before);
}

/*
 * True where what stands from start on would be read as an authority, which the
 * reference has not: "http:/.//h" (RFC 3986, 3.3).
 */
static bool
looks_like_authority(const oa1_buffer *out, size_t start)
{
	return out->status == OA1_OK && out->length >= start + 2 &&
		memcmp(out->data + start, "//", 2) == 0;
}

/*
 * Appends what the reference means beside base (5.2.2, strictly: "http:g" is not
 * "g"), without its fragment.  out must not be the buffer that holds base.
 *
 * OA1_URL_CONTROL and OA1_URL_BACKSLASH for octets that may stand in no URL, also
 * in the fragment; OA1_URL_NO_HOST where a path without authority would read as
 * one; or out's failure.  Other malformed references are oa1_url_parse's to refuse.
 * On failure out may hold a piece.
 */
oa1_status
oa1_url_resolve(const oa1_url *base, oa1_text reference, oa1_buffer *out)
{
	reference_parts parts;
	oa1_status	status = oa1_url_check_octets(reference);
	bool		same_path;
	size_t		path_start;

	if (status != OA1_OK)
		return status;
	parts = take_apart(reference);
	same_path = !parts.has_scheme && !parts.has_authority && parts.path.length == 0;

	oa1_buffer_append_text(out, parts.has_scheme ? parts.scheme : base->scheme);
	oa1_buffer_append_char(out, ':');
	append_authority(out, base, &parts);
	path_start = out->length;
	if (same_path)
		oa1_buffer_append_text(out, base->path);
	else
		append_path(out, base, &parts);
	if (parts.has_scheme && !parts.has_authority && looks_like_authority(out, path_start))
		return OA1_URL_NO_HOST;

	if (same_path && parts.query.length == 0 && base->has_query)
	{
		oa1_buffer_append_char(out, '?');
		oa1_buffer_append_text(out, base->query);
	}
	else
		oa1_buffer_append_text(out, parts.query);
	return out->status;
}
