/*
 * query.c
 *	  Parameters of a query or a form body, found and set without touching another
 *	  octet.
 *
 * What a service put into a link is sent back as it wrote it: its own spelling of
 * escapes, its order, its empty pieces.  Names are compared decoded, so that
 * oauth%5Fnonce is oauth_nonce.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/* A URL cut at its query. */
typedef struct url_parts
{
	oa1_text	before;			/* up to '?' */
	oa1_text	query;			/* without '?' */
	oa1_text	fragment;		/* with '#' */
} url_parts;

static size_t
length_before(oa1_text text, char c)
{
	const char *found = text.length > 0 ? memchr(text.data, c, text.length) : NULL;

	return found != NULL ? (size_t) (found - text.data) : text.length;
}

static url_parts
cut_url(oa1_text url)
{
	url_parts	parts;
	size_t		end = length_before(url, '#');
	size_t		mark = length_before((oa1_text) {url.data, end}, '?');
	size_t		query = mark < end ? mark + 1 : end;

	if (url.length == 0)
		return (url_parts) {url, url, url};
	parts.before = (oa1_text) {url.data, mark};
	parts.query = (oa1_text) {url.data + query, end - query};
	parts.fragment = (oa1_text) {url.data + end, url.length - end};
	return parts;
}

/*
 * Cuts the next piece off the front of *rest, without its '&'; *more turns false
 * at the last one.  Pieces may be empty, which oa1_form_next would pass over.
 */
static bool
next_piece(oa1_text *rest, bool *more, oa1_text *piece)
{
	size_t		length = length_before(*rest, '&');

	if (!*more)
		return false;
	*piece = (oa1_text) {rest->data, length};
	*more = length < rest->length;
	if (*more)
		length++;
	rest->data += length;
	rest->length -= length;
	return true;
}

/*
 * The part of a piece that is its name, still encoded.
 */
static oa1_text
name_of(oa1_text piece)
{
	return (oa1_text) {piece.data, length_before(piece, '=')};
}

/*
 * Whether the piece's name, once decoded, is name.  One with a malformed escape
 * is nothing's name.
 */
static bool
is_named(oa1_text piece, oa1_text name)
{
	oa1_text	encoded = name_of(piece);
	size_t		at = 0;

	for (size_t i = 0; i < encoded.length; i++)
	{
		int			octet = (unsigned char) encoded.data[i];

		if (octet == '%')
		{
			octet = oa1_escape_octet(encoded, i);
			i += 2;
		}
		else if (octet == '+')
			octet = ' ';
		if (at == name.length || octet != (unsigned char) name.data[at++])
			return false;
	}
	return at == name.length && at > 0;
}

/*
 * One of the parameters that every signed request has or may have (RFC 5849, 3.1,
 * and the body hash).
 */
static bool
is_protocol(oa1_text piece)
{
	static const oa1_text names[] = {
		{"oauth_consumer_key", 18}, {"oauth_token", 11}, {"oauth_signature_method", 22},
		{"oauth_timestamp", 15}, {"oauth_nonce", 11}, {"oauth_version", 13},
		{"oauth_body_hash", 15}, {"oauth_signature", 15}
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (is_named(piece, names[i]))
			return true;
	return false;
}

/*
 * Finds the first parameter of that raw name; *value is its encoded value, a part
 * of form.
 */
bool
oa1_query_find(oa1_text form, oa1_text name, oa1_text *value)
{
	bool		more = form.length > 0;
	oa1_text	piece;

	while (next_piece(&form, &more, &piece))
	{
		size_t		used = name_of(piece).length;

		if (!is_named(piece, name))
			continue;
		if (used < piece.length)
			used++;
		*value = (oa1_text) {piece.data + used, piece.length - used};
		return true;
	}
	return false;
}

/*
 * Appends form with the parameter: the first of that raw name gets the value,
 * others go, and where there is none it comes last.  Failures stick in out.
 */
void
oa1_query_set(oa1_buffer *out, oa1_text form, oa1_text name, oa1_text value)
{
	size_t		start = out->length;
	bool		more = form.length > 0;
	bool		set = false;
	bool		first = true;
	oa1_text	piece;

	while (next_piece(&form, &more, &piece))
	{
		bool		named = is_named(piece, name);

		if (named && set)
			continue;
		if (!first)
			oa1_buffer_append_char(out, '&');
		first = false;
		oa1_buffer_append_text(out, named ? name_of(piece) : piece);
		if (!named)
			continue;
		oa1_buffer_append_char(out, '=');
		oa1_percent_encode(out, value);
		set = true;
	}
	if (set)
		return;
	if (out->status == OA1_OK && out->length > start && out->data[out->length - 1] != '&')
		oa1_buffer_append_char(out, '&');
	oa1_percent_encode(out, name);
	oa1_buffer_append_char(out, '=');
	oa1_percent_encode(out, value);
}

/*
 * Appends the URL with its query's parameter set, as oa1_query_set does.
 */
void
oa1_url_set_parameter(oa1_buffer *out, oa1_text url, oa1_text name, oa1_text value)
{
	url_parts	parts = cut_url(url);

	oa1_buffer_append_text(out, parts.before);
	oa1_buffer_append_char(out, '?');
	oa1_query_set(out, parts.query, name, value);
	oa1_buffer_append_text(out, parts.fragment);
}

/*
 * As oa1_query_find, in a URL's query.
 */
bool
oa1_url_find_parameter(oa1_text url, oa1_text name, oa1_text *value)
{
	return oa1_query_find(cut_url(url).query, name, value);
}

/*
 * Appends the URL without the parameters that each signed request has of its own;
 * the '?' goes with the last one.
 */
void
oa1_url_drop_protocol(oa1_buffer *out, oa1_text url)
{
	url_parts	parts = cut_url(url);
	oa1_text	rest = parts.query;
	bool		more = rest.length > 0;
	bool		first = true;
	oa1_text	piece;

	oa1_buffer_append_text(out, parts.before);
	if (rest.length == 0 && parts.before.length + parts.fragment.length < url.length)
		oa1_buffer_append_char(out, '?');
	while (next_piece(&rest, &more, &piece))
	{
		if (is_protocol(piece))
			continue;
		oa1_buffer_append_char(out, first ? '?' : '&');
		first = false;
		oa1_buffer_append_text(out, piece);
	}
	oa1_buffer_append_text(out, parts.fragment);
}
