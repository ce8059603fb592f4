/*
 * authorization.c
 *	  The Authorization header (RFC 5849, 3.5.1), written and read.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

static bool
is_control(char c)
{
	return (unsigned char) c < 0x20 || c == 0x7f;
}

/*
 * Appends realm="...", a quoted-string (RFC 9110, 5.6.4): quotes and backslashes
 * get a backslash, everything else stays.
 */
static oa1_status
write_realm(oa1_buffer *out, oa1_text realm)
{
	oa1_buffer_append_text(out, OA1_TEXT("realm=\""));
	for (size_t i = 0; i < realm.length; i++)
	{
		char		c = realm.data[i];

		if (is_control(c))
			return OA1_REALM;
		if (c == '"' || c == '\\')
			oa1_buffer_append_char(out, '\\');
		oa1_buffer_append_char(out, c);
	}
	oa1_buffer_append_char(out, '"');
	return out->status;
}

/* What stands around a pair: ", " before, '="' within and '"' after it. */
#define AROUND_PAIR 5

/*
 * How much room pairs need at most: a guess where they are short and the guess
 * does not exceed available, else what they have once encoded.
 */
static size_t
room_for(const oa1_pair *pairs, size_t count, size_t available)
{
	size_t		length = 0;

	for (size_t i = 0; i < count; i++)
		length += pairs[i].name.length + pairs[i].value.length;
	if (length <= 4096 && 3 * length + AROUND_PAIR * count <= available)
		return 3 * length + AROUND_PAIR * count;
	length = AROUND_PAIR * count;
	for (size_t i = 0; i < count; i++)
		length += oa1_encoded_length(oa1_encoded_once, pairs[i].name) +
			oa1_encoded_length(oa1_encoded_once, pairs[i].value);
	return length;
}

/*
 * Stores name="value", both encoded; returns where the next octet goes.
 */
static inline char *
put_pair(char *to, const oa1_pair *pair)
{
	to = oa1_put_text(to, oa1_encoded_once, pair->name);
	*to++ = '=';
	*to++ = '"';
	to = oa1_put_text(to, oa1_encoded_once, pair->value);
	*to++ = '"';
	return to;
}

/*
 * Appends the header's value: OAuth realm="...", name="value", ... in the order
 * given.  OA1_REALM, or out's failure; out may then hold a piece.
 */
oa1_status
oa1_authorization_write(oa1_buffer *out, oa1_text realm, const oa1_pair *pairs, size_t count)
{
	char	   *to;

	oa1_buffer_append_text(out, OA1_TEXT("OAuth"));
	if (realm.data != NULL || count > 0)
		oa1_buffer_append_char(out, ' ');
	if (realm.data != NULL)
	{
		oa1_status	status = write_realm(out, realm);

		if (status != OA1_OK)
			return status;
		if (count > 0)
			oa1_buffer_append_text(out, OA1_TEXT(", "));
	}
	to = oa1_room(out, room_for(pairs, count, out->maximum - out->length));
	if (to == NULL)
		return out->status;
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
		{
			*to++ = ',';
			*to++ = ' ';
		}
		to = put_pair(to, &pairs[i]);
	}
	out->length = (size_t) (to - out->data);
	return OA1_OK;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip(oa1_text *rest, size_t length)
{
	rest->data += length;
	rest->length -= length;
}

static void
skip_blanks(oa1_text *rest)
{
	while (rest->length > 0 && is_blank(rest->data[0]))
		skip(rest, 1);
}

/*
 * Passes over blanks and commas; true where there was a comma.  Empty elements
 * are allowed, as in every list of HTTP (RFC 2617 by RFC 2616, 2.1; RFC 9110,
 * 5.6.1.2).
 */
static bool
skip_commas(oa1_text *rest)
{
	bool		found = false;

	for (skip_blanks(rest); rest->length > 0 && rest->data[0] == ','; skip_blanks(rest))
	{
		skip(rest, 1);
		found = true;
	}
	return found;
}

/*
 * Starts on header, the value without "Authorization:"; the scheme's case does
 * not matter (3.5.1).  OA1_HEADER_SCHEME, or out's failure.  Whatever is
 * returned, oa1_authorization_end gives back what was taken.
 */
oa1_status
oa1_authorization_begin(oa1_authorization_reader *reader, oa1_text header, oa1_buffer *out)
{
	static const char scheme[] = "oauth";
	size_t		matched = 0;

	reader->rest = header;
	reader->out = out;
	oa1_buffer_init(&reader->names, out->grow, out->context, out->maximum);

	skip_blanks(&reader->rest);
	while (matched < reader->rest.length && matched < sizeof(scheme) - 1 &&
		   (reader->rest.data[matched] | 0x20) == scheme[matched])
		matched++;
	if (matched < sizeof(scheme) - 1)
		return OA1_HEADER_SCHEME;
	skip(&reader->rest, matched);
	if (reader->rest.length > 0 && !is_blank(reader->rest.data[0]))
		return OA1_HEADER_SCHEME;
	skip_commas(&reader->rest);
	/* decoding never makes a text longer, so later pairs do not move earlier ones */
	oa1_buffer_reserve(out, header.length);
	return out->status;
}

/*
 * Cuts name= off the front of *rest, still encoded.
 */
static oa1_status
read_name(oa1_text *rest, oa1_text *name)
{
	const char *equals = memchr(rest->data, '=', rest->length);

	if (equals == NULL)
		return OA1_HEADER_SYNTAX;
	*name = (oa1_text) {rest->data, (size_t) (equals - rest->data)};
	skip(rest, name->length + 1);
	return oa1_is_token(*name) ? OA1_OK : OA1_HEADER_SYNTAX;
}

/*
 * Cuts a quoted-string off the front of *rest and appends its content to out,
 * without the backslashes that quote a character.
 */
static oa1_status
read_quoted(oa1_text *rest, oa1_buffer *out)
{
	size_t		at = 1;

	if (rest->length == 0 || rest->data[0] != '"')
		return OA1_HEADER_SYNTAX;
	for (; at < rest->length && rest->data[at] != '"'; at++)
	{
		if (rest->data[at] == '\\' && ++at == rest->length)
			break;
		if (is_control(rest->data[at]) && rest->data[at] != '\t')
			return OA1_HEADER_SYNTAX;
		oa1_buffer_append_char(out, rest->data[at]);
	}
	if (at >= rest->length)
		return OA1_HEADER_SYNTAX;
	skip(rest, at + 1);
	return out->status;
}

/*
 * Decodes what stands in out from start on, in place, for decoding does not make
 * it longer.
 */
static oa1_status
decode_in_place(oa1_buffer *out, size_t start)
{
	oa1_text	encoded = {out->data + start, out->length - start};
	char	   *to = out->data + start;

	for (size_t i = 0; i < encoded.length; i++)
	{
		char		c = encoded.data[i];

		if (c == '%')
		{
			int			octet = oa1_escape_octet(encoded, i);

			if (octet < 0)
				return OA1_BAD_ESCAPE;
			c = (char) octet;
			i += 2;
		}
		*to++ = c;
	}
	out->length = (size_t) (to - out->data);
	return OA1_OK;
}

/*
 * At the end of the header: refuses a name that came twice (3.5.1 with 3.1).
 */
static oa1_status
check_names(oa1_authorization_reader *reader)
{
	oa1_text   *names = (oa1_text *) reader->names.data;

	if (oa1_names_repeat(names, reader->names.length / sizeof(oa1_text)))
		return OA1_HEADER_REPEATED;
	return OA1_OK;
}

static oa1_status
read_pair(oa1_authorization_reader *reader, oa1_pair *pair)
{
	oa1_buffer *out = reader->out;
	oa1_text	name;
	size_t		start = out->length;
	oa1_status	status = read_name(&reader->rest, &name);

	if (status == OA1_OK)
		status = oa1_percent_decode(out, name);
	if (status != OA1_OK)
		return status;
	pair->name = (oa1_text) {out->data + start, out->length - start};

	start = out->length;
	status = read_quoted(&reader->rest, out);
	if (status == OA1_OK && !oa1_text_equal(pair->name, OA1_TEXT("realm")))
		status = decode_in_place(out, start);
	pair->value = (oa1_text) {out->data + start, out->length - start};
	return status;
}

/*
 * Reads the next parameter.  *more = false at the end, and only there a
 * repeated name is told: act on no parameter before.  On failure reader can only
 * be ended.
 */
oa1_status
oa1_authorization_next(oa1_authorization_reader *reader, oa1_pair *pair, bool *more)
{
	oa1_status	status;

	*more = reader->rest.length > 0;
	if (!*more)
		return check_names(reader);
	status = read_pair(reader, pair);
	if (status != OA1_OK)
		return status;
	if (!skip_commas(&reader->rest) && reader->rest.length > 0)
		return OA1_HEADER_SYNTAX;
	oa1_buffer_append(&reader->names, (const char *) &pair->name, sizeof(pair->name));
	return reader->names.status;
}

/*
 * Gives back the list of names; what was decoded stays in out.
 */
void
oa1_authorization_end(oa1_authorization_reader *reader)
{
	oa1_buffer_free(&reader->names);
}
