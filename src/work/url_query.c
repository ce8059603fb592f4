/*
 * url_query.c
 *	  Parameters in the query of a URL, and in a form body.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/jsonb_params.h"
#include "work/url_query.h"

/* A URL cut at its query. */
typedef struct url_parts
{
	oa1_text	before;			/* up to '?' */
	oa1_text	query;			/* without '?' */
	oa1_text	fragment;		/* with '#' */
	bool		has_query;
} url_parts;

static size_t
length_before(oa1_text text, char c)
{
	const char *found = text.length > 0 ? memchr(text.data, c, text.length) : NULL;

	return found != NULL ? found - text.data : text.length;
}

static url_parts
cut_url(oa1_text url)
{
	url_parts	parts = {0};
	size_t		end = length_before(url, '#');
	size_t		mark = length_before((oa1_text) {url.data, end}, '?');

	parts.before = (oa1_text) {url.data, mark};
	parts.has_query = mark < end;
	parts.query = (oa1_text) {url.data + mark, 0};
	if (parts.has_query)
		parts.query = (oa1_text) {url.data + mark + 1, end - mark - 1};
	parts.fragment = (oa1_text) {url.data + end, url.length - end};
	return parts;
}

/* Another query in the place of the old one; '?' goes with the last parameter. */
static oa1_text
join_url(const url_parts *parts, oa1_text query)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_buffer_append_text(&out, parts->before);
	if (query.length > 0)
	{
		oa1_buffer_append_char(&out, '?');
		oa1_buffer_append_text(&out, query);
	}
	oa1_buffer_append_text(&out, parts->fragment);
	oauth1_check_core(out.status, "URL");
	return oa1_buffer_text(&out);
}

/* ---------------------------------------------------------------- pieces of a form */

/*
 * Cuts the next piece, which may be empty, off the front of *rest; false at the
 * end.  (oa1_form_next passes empty pieces over; here they have to stay.)
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

/* What octets of a form stand for; false where an escape is malformed. */
static bool
decode(oa1_text encoded, oa1_text *decoded)
{
	oa1_buffer	out;
	oa1_status	status;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	status = oa1_form_decode(&out, encoded);
	if (status == OA1_BAD_ESCAPE)
		return false;
	oauth1_check_core(status, "query of the URL");
	*decoded = oa1_buffer_text(&out);
	return true;
}

/* The name of a piece, encoded: what stands before '='. */
static oa1_text
encoded_name(oa1_text piece)
{
	return (oa1_text) {piece.data, length_before(piece, '=')};
}

static bool
same_text(oa1_text a, oa1_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static bool
has_name(oa1_text piece, oa1_text name)
{
	oa1_text	encoded = encoded_name(piece);
	oa1_text	decoded;
	bool		same;

	if (encoded.length < name.length || piece.length == 0)
		return false;
	if (length_before(encoded, '%') == encoded.length &&
		length_before(encoded, '+') == encoded.length)
		return same_text(encoded, name);
	if (!decode(encoded, &decoded))
		return false;
	same = same_text(decoded, name);
	if (decoded.length > 0)
		pfree(unconstify(char *, decoded.data));
	return same;
}

static bool
is_protocol(oa1_text piece)
{
	static const char *const names[] = {
		"oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_timestamp",
		"oauth_nonce", "oauth_version", "oauth_body_hash", "oauth_signature"
	};

	for (int i = 0; i < lengthof(names); i++)
		if (has_name(piece, (oa1_text) {names[i], strlen(names[i])}))
			return true;
	return false;
}

/* Appends a piece with the '&' before it, but for the first. */
static void
append_piece(oa1_buffer *out, bool *first, oa1_text piece)
{
	if (!*first)
		oa1_buffer_append_char(out, '&');
	*first = false;
	oa1_buffer_append_text(out, piece);
}

/* ---------------------------------------------------------------- what the header promises */

oa1_text
oauth1_url_without_protocol(oa1_text url)
{
	url_parts	parts = cut_url(url);
	oa1_text	rest = parts.query;
	oa1_text	piece;
	oa1_buffer	kept;
	bool		more = true;
	bool		first = true;
	bool		dropped = false;

	oauth1_buffer_init(&kept, CurrentMemoryContext);
	while (next_piece(&rest, &more, &piece))
	{
		if (is_protocol(piece))
			dropped = true;
		else
			append_piece(&kept, &first, piece);
	}
	oauth1_check_core(kept.status, "URL");
	return dropped ? join_url(&parts, oa1_buffer_text(&kept)) : url;
}

bool
oauth1_form_parameter(oa1_text form, oa1_text name, oa1_text *value)
{
	oa1_text	piece;
	bool		more = true;

	while (next_piece(&form, &more, &piece))
	{
		size_t		used;

		if (!has_name(piece, name))
			continue;
		used = encoded_name(piece).length;
		if (used < piece.length)
			used++;
		return decode((oa1_text) {piece.data + used, piece.length - used}, value);
	}
	return false;
}

bool
oauth1_url_parameter(oa1_text url, oa1_text name, oa1_text *value)
{
	return oauth1_form_parameter(cut_url(url).query, name, value);
}

oa1_text
oauth1_form_with_parameter(oa1_text form, oa1_text name, oa1_text value)
{
	oa1_text	rest = form;
	oa1_text	piece;
	oa1_buffer	out;
	bool		more = form.length > 0;
	bool		first = true;
	bool		set = false;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	while (next_piece(&rest, &more, &piece))
	{
		bool		named = has_name(piece, name);

		if (named && set)
			continue;
		append_piece(&out, &first, named ? encoded_name(piece) : piece);
		if (!named)
			continue;
		oa1_buffer_append_char(&out, '=');
		oa1_percent_encode(&out, value);
		set = true;
	}
	if (!set)
	{
		if (out.length > 0 && out.data[out.length - 1] != '&')
			oa1_buffer_append_char(&out, '&');
		oa1_percent_encode(&out, name);
		oa1_buffer_append_char(&out, '=');
		oa1_percent_encode(&out, value);
	}
	oauth1_check_core(out.status, "form");
	return oa1_buffer_text(&out);
}

oa1_text
oauth1_url_with_parameter(oa1_text url, oa1_text name, oa1_text value)
{
	url_parts	parts = cut_url(url);

	return join_url(&parts, oauth1_form_with_parameter(parts.query, name, value));
}
