/*
 * url.c
 *	  Takes a URL apart once, into the octets that are both signed and sent
 *	  (RFC 5849, 3.4.1.2; RFC 3986, 3).
 *
 * What another reader of the URL could understand differently is refused, not
 * repaired: backslashes, control characters, a second '@', hosts that need
 * decoding.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#include <arpa/inet.h>

/* What stands between the scheme and the path, as found in the input. */
typedef struct authority
{
	oa1_text	host;
	unsigned	port;
	bool		has_userinfo;
} authority;

/*
 * The refusal of an octet that may stand nowhere in a URL, or OA1_OK.
 */
static oa1_status
check_octet(unsigned char c)
{
	if (c < 0x20 || c == 0x7f)
		return OA1_URL_CONTROL;
	return c == '\\' ? OA1_URL_BACKSLASH : OA1_OK;
}

oa1_status
oa1_url_check_octets(oa1_text text)
{
	oa1_status	status = OA1_OK;

	for (size_t i = 0; i < text.length && status == OA1_OK; i++)
		status = check_octet((unsigned char) text.data[i]);
	return status;
}

/*
 * The length of text up to the first c, or its whole length.
 */
static size_t
length_before(oa1_text text, char c)
{
	const char *found = text.length > 0 ? memchr(text.data, c, text.length) : NULL;

	return found != NULL ? (size_t) (found - text.data) : text.length;
}

/*
 * Cuts a part off the front of *rest and returns it.
 */
static oa1_text
cut(oa1_text *rest, size_t length)
{
	oa1_text	part = {rest->data, length};

	rest->data += length;
	rest->length -= length;
	return part;
}

static bool
is_letter_of(char c, char lower)
{
	return c == lower || c == lower - 'a' + 'A';
}

/*
 * Cuts "http:" or "https:" off the front of *rest.
 */
static oa1_status
read_scheme(oa1_text *rest, oa1_text *scheme)
{
	static const oa1_text https = {"https", 5};
	size_t		length = 0;

	while (length < rest->length && length < https.length &&
		   is_letter_of(rest->data[length], https.data[length]))
		length++;
	if (length < 4 || length >= rest->length || rest->data[length] != ':')
		return OA1_URL_SCHEME;
	*scheme = (oa1_text) {https.data, length};
	cut(rest, length + 1);
	return OA1_OK;
}

/*
 * Why c stands wrongly where a host or a port is.
 */
static oa1_status
refuse(unsigned char c, oa1_status otherwise)
{
	oa1_status	status = check_octet(c);

	return status != OA1_OK ? status : otherwise;
}

/*
 * A name or an IPv4 address: what RFC 1123 names are made of, and '_', which
 * services do use.  Escapes are refused: who sends them would have to decode
 * them, and sign something else.
 */
static oa1_status
check_name(oa1_text host)
{
	for (size_t i = 0; i < host.length; i++)
	{
		unsigned char c = (unsigned char) host.data[i];

		if (c >= 0x80)
			return OA1_URL_HOST_NOT_ASCII;
		if (c == '~' || oa1_encoded_once[c].length != 1)
			return refuse(c, OA1_URL_HOST);
	}
	return OA1_OK;
}

/*
 * An address in brackets (RFC 3986, 3.2.2); no zone, it means nothing to others.
 */
static oa1_status
check_ipv6(oa1_text host)
{
	char		address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	size_t		length = host.length - 2;

	if (host.length < 2 || host.data[host.length - 1] != ']' || length >= sizeof(address))
		return OA1_URL_HOST;
	memcpy(address, host.data + 1, length);
	address[length] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1 ? OA1_OK : OA1_URL_HOST;
}

/*
 * digits is what follows the colon; empty means the default (RFC 3986, 3.2.3).
 */
static oa1_status
read_port(oa1_text digits, unsigned *port)
{
	unsigned	number = 0;

	if (digits.length == 0)
		return OA1_OK;
	for (size_t i = 0; i < digits.length; i++)
	{
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return refuse((unsigned char) digits.data[i], OA1_URL_PORT);
		number = number * 10 + (unsigned) (digits.data[i] - '0');
		if (number > 65535)
			return OA1_URL_PORT;
	}
	if (number == 0)
		return OA1_URL_PORT;
	*port = number;
	return OA1_OK;
}

/*
 * Takes [userinfo@]host[:port] apart.  Userinfo is only noted: it is no part of
 * what is signed, and it is not sent (RFC 5849, 3.4.1.2 names host and port).
 */
static oa1_status
read_authority(oa1_text text, authority *found)
{
	const char *at = text.length > 0 ? memchr(text.data, '@', text.length) : NULL;
	const char *end = text.data + text.length;
	const char *colon;
	oa1_status	status;

	found->has_userinfo = at != NULL;
	if (at != NULL)
	{
		text.data = at + 1;
		text.length = (size_t) (end - text.data);
		if (text.length > 0 && memchr(text.data, '@', text.length) != NULL)
			return OA1_URL_TWO_AT;
	}

	if (text.length > 0 && text.data[0] == '[')
	{
		colon = memchr(text.data, ']', text.length);
		if (colon == NULL || (++colon < end && *colon != ':'))
			return OA1_URL_HOST;
	}
	else
	{
		colon = text.length > 0 ? memchr(text.data, ':', text.length) : NULL;
		if (colon == NULL)
			colon = end;
	}

	found->host = (oa1_text) {text.data, (size_t) (colon - text.data)};
	if (found->host.length == 0)
		return OA1_URL_NO_HOST;
	status = found->host.data[0] == '[' ? check_ipv6(found->host) : check_name(found->host);
	if (status != OA1_OK || colon == end)
		return status;
	return read_port((oa1_text) {colon + 1, (size_t) (end - colon - 1)}, &found->port);
}

/*
 * Whether part may stand in a URL.  *raw is set where octets of it have to be
 * encoded to do so.
 */
static oa1_status
check_part(oa1_text part, bool *raw)
{
	oa1_walk	walk = {part, 0, 0};
	oa1_status	status = OA1_OK;
	size_t		i;

	*raw = false;
	while (status == OA1_OK && (i = oa1_walk_next(&walk, oa1_plain_in_url)) < part.length)
	{
		unsigned char c = (unsigned char) part.data[i];

		if (c == '%')
			status = oa1_escape_octet(part, i) < 0 ? OA1_BAD_ESCAPE : OA1_OK;
		else if (c == ' ' || c >= 0x80)
			*raw = true;
		else
			status = check_octet(c);
	}
	return status;
}

/*
 * Appends a path or a query as it will be sent: octets that no URL may hold raw
 * are encoded, all others stay, also the case of escapes (3.4.1.2).
 */
static oa1_status
append_part(oa1_buffer *out, oa1_text part)
{
	bool		raw;
	oa1_status	status = check_part(part, &raw);
	char	   *to;

	if (status != OA1_OK)
		return status;
	if (!raw)
	{
		oa1_buffer_append_text(out, part);
		return out->status;
	}
	to = oa1_room(out, oa1_encoded_room(oa1_encoded_once, part, out->maximum - out->length));
	if (to == NULL)
		return out->status;
	for (size_t i = 0; i < part.length; i++)
	{
		unsigned char c = (unsigned char) part.data[i];

		if (c == ' ' || c >= 0x80)
			to = oa1_put(to, oa1_encoded_once, c);
		else
			*to++ = (char) c;
	}
	out->length = (size_t) (to - out->data);
	return OA1_OK;
}

/*
 * Appends scheme, host and port in the form that is signed: lower case, without
 * a default port (3.4.1.2).
 */
static void
append_origin(oa1_buffer *out, oa1_text scheme, const authority *from)
{
	char	   *to;

	oa1_buffer_append_text(out, scheme);
	oa1_buffer_append(out, "://", 3);
	to = oa1_buffer_reserve(out, from->host.length);
	if (to == NULL)
		return;
	for (size_t i = 0; i < from->host.length; i++)
	{
		char		c = from->host.data[i];

		to[i] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
	}
	out->length += from->host.length;
	if (from->port != (scheme.length == 5 ? 443 : 80))
	{
		oa1_buffer_append_char(out, ':');
		oa1_buffer_append_number(out, from->port);
	}
}

/*
 * The octet at *at, decoded once, as a server would before it looks for dots;
 * -1 at the end.  Moves *at past it.
 */
static int
decoded_octet(oa1_text path, size_t *at)
{
	int			octet;

	if (*at >= path.length)
		return -1;
	octet = (unsigned char) path.data[*at];
	if (octet == '%')
	{
		octet = oa1_escape_octet(path, *at);
		*at += 2;
	}
	*at += 1;
	return octet;
}

/*
 * False where path, which begins with '/', cannot have a dot segment: none of its
 * octets is an escape, none of its segments starts with a dot.
 */
static bool
may_have_dot_segments(oa1_text path)
{
	const char *end = path.data + path.length;
	const char *dot = path.data;

	if (memchr(path.data, '%', path.length) != NULL)
		return true;
	while ((dot = memchr(dot, '.', (size_t) (end - dot))) != NULL)
		if ((dot++)[-1] == '/')
			return true;
	return false;
}

/*
 * True where a server may take a segment for '.' or '..'.  Some decode %2F and
 * %5C before they resolve dots, some drop what follows ';', so these end a
 * segment here as well.
 */
static bool
has_dot_segments(oa1_text path)
{
	size_t		at = 0;
	size_t		dots = 0;
	bool		only_dots = true;
	int			octet;

	if (!may_have_dot_segments(path))
		return false;
	do
	{
		octet = decoded_octet(path, &at);
		if (octet == -1 || octet == '/' || octet == '\\' || octet == ';')
		{
			if (only_dots && (dots == 1 || dots == 2))
				return true;
			only_dots = octet != ';';
			dots = 0;
		}
		else if (octet == '.')
			dots++;
		else
			only_dots = false;
	} while (octet != -1);
	return false;
}

static oa1_text
part_of(const oa1_buffer *out, size_t from, size_t to)
{
	return (oa1_text) {out->data + from, to - from};
}

/*
 * Appends path and query; *path_end is set to where the path ends in out.
 */
static oa1_status
append_path_and_query(oa1_buffer *out, oa1_text rest, oa1_url *url, size_t *path_end)
{
	oa1_text	path = cut(&rest, length_before(rest, '?'));
	oa1_status	status;

	if (path.length == 0)
		path = OA1_TEXT("/");	/* 3.4.1.2, by RFC 2616, 3.2.2 */
	status = append_part(out, path);
	*path_end = out->length;
	url->has_query = rest.length > 0;
	return status != OA1_OK ? status : append_part(out, rest);
}

/*
 * Cuts "//authority" off the front of *rest and takes it apart.
 */
static oa1_status
cut_authority(oa1_text *rest, authority *found)
{
	oa1_text	text;
	oa1_status	status;

	for (int i = 0; i < 2; i++)
	{
		if (rest->length == 0)
			return OA1_URL_NO_HOST;
		if (rest->data[0] != '/')
			return refuse((unsigned char) rest->data[0], OA1_URL_NO_HOST);
		cut(rest, 1);
	}
	text = (oa1_text) {rest->data, length_before(*rest, '/')};
	text = cut(rest, length_before(text, '?'));
	status = oa1_url_check_octets(text);
	return status == OA1_OK ? read_authority(text, found) : status;
}

/*
 * Takes input apart and appends what will be sent to out; url's texts point
 * into out.  On failure the status says why, out may hold a piece of the URL and
 * url is undefined.
 */
oa1_status
oa1_url_parse(oa1_text input, oa1_buffer *out, oa1_url *url)
{
	size_t		start = out->length;
	size_t		host_start;
	size_t		path_start;
	size_t		path_end;
	oa1_text	fragment = input;
	oa1_text	rest = cut(&fragment, length_before(input, '#'));
	oa1_text	scheme;
	authority	found;
	oa1_status	status = oa1_url_check_octets(fragment);

	if (status == OA1_OK)
		status = read_scheme(&rest, &scheme);
	if (status != OA1_OK)
		return status;
	found.port = scheme.length == 5 ? 443 : 80;
	status = cut_authority(&rest, &found);
	if (status != OA1_OK)
		return status;

	host_start = out->length + scheme.length + 3;	/* "://" */
	append_origin(out, scheme, &found);
	path_start = out->length;
	status = append_path_and_query(out, rest, url, &path_end);
	if (out->status != OA1_OK)
		return out->status;
	if (status != OA1_OK)
		return status;

	url->text = part_of(out, start, out->length);
	url->base_uri = part_of(out, start, path_end);
	url->origin = part_of(out, start, path_start);
	url->scheme = part_of(out, start, start + scheme.length);
	url->host = part_of(out, host_start, host_start + found.host.length);
	url->path = part_of(out, path_start, path_end);
	url->query = part_of(out, url->has_query ? path_end + 1 : path_end, out->length);
	url->port = found.port;
	url->has_userinfo = found.has_userinfo;
	url->has_dot_segments = has_dot_segments(url->path);
	return OA1_OK;
}

/*
 * Scheme, host and effective port, which origin holds in one form only.
 */
bool
oa1_url_same_origin(const oa1_url *a, const oa1_url *b)
{
	return oa1_text_equal(a->origin, b->origin);
}

/*
 * True where url lies at or below prefix: /a holds /a, /a/ and /a/b, not /ab;
 * /a/ holds /a/ and /a/b, not /a.  Dot segments are the caller's to refuse.
 */
bool
oa1_url_is_under(const oa1_url *url, const oa1_url *prefix)
{
	oa1_text	path = url->path;
	oa1_text	under = prefix->path;

	if (!oa1_url_same_origin(url, prefix) || path.length < under.length ||
		memcmp(path.data, under.data, under.length) != 0)
		return false;
	return path.length == under.length || under.data[under.length - 1] == '/' ||
		path.data[under.length] == '/';
}
