/*
 * link.c
 *	  Link header fields (RFC 8288, 3).
 *
 * Commas separate links and stand in targets and quoted values as well, so a field
 * cannot be cut at them: it is read octet by octet, as appendix B.2 does.  Where
 * that appendix stops at what it cannot read, this goes on behind the next comma.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <string.h>

#include "work/link.h"

/* White space that may stand around everything (RFC 9110, 5.6.3). */
static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void
drop(oa1_text *rest, size_t length)
{
	rest->data += length;
	rest->length -= length;
}

static void
skip_space(oa1_text *rest)
{
	while (rest->length > 0 && is_space(rest->data[0]))
		drop(rest, 1);
}

static bool
next_is(const oa1_text *rest, char c)
{
	return rest->length > 0 && rest->data[0] == c;
}

/*
 * Cuts off the front what stands before the first of the octets in ends.
 */
static oa1_text
cut_before(oa1_text *rest, const char *ends)
{
	oa1_text	part = {rest->data, 0};

	while (part.length < rest->length &&
		   memchr(ends, rest->data[part.length], strlen(ends)) == NULL)
		part.length++;
	drop(rest, part.length);
	return part;
}

/*
 * Cuts a quoted string off the front; its content in *content, with backslashes.
 * False where the closing quote is missing; everything is cut off then.
 */
static bool
cut_quoted(oa1_text *rest, oa1_text *content)
{
	drop(rest, 1);
	content->data = rest->data;
	while (rest->length > 0 && rest->data[0] != '"')
		drop(rest, rest->data[0] == '\\' && rest->length > 1 ? 2 : 1);
	content->length = (size_t) (rest->data - content->data);
	if (rest->length == 0)
		return false;
	drop(rest, 1);
	return true;
}

/*
 * Names of parameters know no case.
 */
static bool
is_named(oa1_text name, const char *lower)
{
	size_t		length = strlen(lower);

	if (name.length != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (name.data[i] != lower[i] && name.data[i] != lower[i] - 'a' + 'A')
			return false;
	return true;
}

/*
 * Keeps the parameters that matter here; of rel only the first counts (3.3), and so
 * it is with anchor (B.2).
 */
static void
keep(oauth1_link *link, oa1_text name, oa1_text value)
{
	if (is_named(name, "rel") && !link->has_rel)
	{
		link->rel = value;
		link->has_rel = true;
	}
	else if (is_named(name, "anchor") && !link->has_anchor)
	{
		link->anchor = value;
		link->has_anchor = true;
	}
}

/*
 * Cuts the parameters off the front, each with its ';' (B.3).  False where a quoted
 * string does not end.
 */
static bool
cut_parameters(oa1_text *rest, oauth1_link *link)
{
	for (;;)
	{
		oa1_text	name;
		oa1_text	value = {"", 0};

		skip_space(rest);
		if (!next_is(rest, ';'))
			return true;
		drop(rest, 1);
		skip_space(rest);
		name = cut_before(rest, " \t=;,");
		skip_space(rest);
		if (next_is(rest, '='))
		{
			drop(rest, 1);
			skip_space(rest);
			if (!next_is(rest, '"'))
				value = cut_before(rest, ";,");
			else if (!cut_quoted(rest, &value))
				return false;
		}
		keep(link, name, value);
	}
}

/*
 * Cuts one link off the front, up to the comma behind it.  False where it is
 * malformed; *rest is then somewhere in it.
 */
static bool
cut_link(oa1_text *rest, oauth1_link *link)
{
	memset(link, 0, sizeof(*link));
	if (!next_is(rest, '<'))
		return false;
	drop(rest, 1);
	link->target = cut_before(rest, "<>");
	if (!next_is(rest, '>'))
		return false;
	drop(rest, 1);
	if (!cut_parameters(rest, link))
		return false;
	return rest->length == 0 || next_is(rest, ',');
}

/*
 * Moves on to the next comma outside of quotes.
 */
static void
skip_malformed(oa1_text *rest)
{
	oa1_text	ignored;

	while (rest->length > 0 && rest->data[0] != ',')
	{
		if (rest->data[0] == '"')
			cut_quoted(rest, &ignored);
		else
			drop(rest, 1);
	}
}

bool
oauth1_link_next(oa1_text *value, oauth1_link *link)
{
	oa1_text	start;

	for (;;)
	{
		while (value->length > 0 && (is_space(value->data[0]) || value->data[0] == ','))
			drop(value, 1);
		if (value->length == 0)
			return false;
		start = *value;
		if (cut_link(value, link))
			return true;
		*value = start;
		skip_malformed(value);
	}
}

/*
 * Cuts the next relation type off the front of *rest, behind white space, and
 * compares it; *rest may have backslashes before any octet.
 */
static bool
next_relation_is(oa1_text *rest, oa1_text relation)
{
	size_t		matched = 0;
	bool		same = true;

	while (rest->length > 0 && !is_space(rest->data[0]))
	{
		char		c;

		if (rest->data[0] == '\\' && rest->length > 1)
			drop(rest, 1);
		c = rest->data[0];
		if (c >= 'A' && c <= 'Z')
			c = (char) (c - 'A' + 'a');
		same = same && matched < relation.length && c == relation.data[matched++];
		drop(rest, 1);
	}
	return same && matched == relation.length;
}

bool
oauth1_link_has_relation(const oauth1_link *link, oa1_text relation)
{
	oa1_text	rest = link->rel;

	if (!link->has_rel)
		return false;
	for (skip_space(&rest); rest.length > 0; skip_space(&rest))
		if (next_relation_is(&rest, relation))
			return true;
	return false;
}
