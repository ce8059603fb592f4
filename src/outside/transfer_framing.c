/*
 * transfer_framing.c
 *	  What the header fields of a response say of its body: whether they say one
 *	  thing of its length (RFC 9112, 6.3), and how it is coded.
 *
 * libcurl takes what it can read of a Content-Length ("0x2" is 0, "2, 7" is 2),
 * of several the last, and of a number that is too large none.  A proxy on the
 * way may have read it otherwise, and the body would be another's.  Told
 * to leave content codings alone, it passes over transfer codings as well, all but
 * chunked, and hands on what they made as if it were the content.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/header.h"
#include "outside/transfer_private.h"

/* Any body that fits into a length of 63 bits has so many digits. */
#define MOST_DIGITS 18

/*
 * The number of an element of a Content-Length, from **at to a comma or the end;
 * -1 where it is none.  Moves *at past it.
 */
static int64
read_element(const char **at, const char *end)
{
	int64		number = 0;
	int			digits = 0;

	while (*at < end && (**at == ' ' || **at == '\t'))
		(*at)++;
	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
	{
		/* Zeros before a number do not count. */
		if (number > 0 || digits == 0)
			digits++;
		if (digits > MOST_DIGITS)
			return -1;
		number = number * 10 + (**at - '0');
	}
	while (*at < end && (**at == ' ' || **at == '\t' || **at == '\r' || **at == '\n'))
		(*at)++;
	if (digits == 0 || (*at < end && **at != ','))
		return -1;
	(*at)++;
	return number;
}

/* True where every element of a value is the same number; *number is that, or -1 before. */
static bool
agrees(const char *value, const char *end, int64 *number)
{
	do
	{
		int64		element = read_element(&value, end);

		if (element < 0 || (*number >= 0 && element != *number))
			return false;
		*number = element;
	} while (value < end);
	return true;
}

/* Where the value of a line begins whose field has that name; NULL: it has another. */
static const char *
value_of(const char *line, const char *end, const char *name)
{
	size_t		length = strlen(name);

	if ((size_t) (end - line) <= length || pg_strncasecmp(line, name, length) != 0)
		return NULL;
	for (line += length; line < end && (*line == ' ' || *line == '\t');)
		line++;
	return line < end && *line == ':' ? line + 1 : NULL;
}

/* True where a list names no transfer codings but those that change no octet. */
static bool
is_chunked_alone(oa1_text value)
{
	while (value.length > 0)
	{
		oa1_text	element = oauth1_list_cut(&value);

		if (element.length > 0 && !oauth1_same_name(element, OA1_TEXT("chunked")) &&
			!oauth1_same_name(element, OA1_TEXT("identity")))
			return false;
	}
	return true;
}

/* Where a line ends, its line feed included. */
static const char *
end_of_line(const char *line, const char *end)
{
	const char *feed = memchr(line, '\n', end - line);

	return feed ? feed + 1 : end;
}

const char *
oauth1_framing_fault(oa1_text head)
{
	const char *end = head.data + head.length;
	const char *line_end;
	int64		number = -1;

	for (const char *line = head.data; line < end; line = line_end)
	{
		const char *value;

		line_end = end_of_line(line, end);
		value = value_of(line, line_end, "content-length");
		if (value != NULL && !agrees(value, line_end, &number))
			return "The Content-Length is no number, or there are several";
		value = value_of(line, line_end, "transfer-encoding");
		if (value != NULL && !is_chunked_alone((oa1_text) {value, line_end - value}))
			return "The Transfer-Encoding is one that was not asked for";
	}
	return NULL;
}

oauth1_coding
oauth1_framing_coding(oa1_text head)
{
	const char *end = head.data + head.length;
	const char *line_end;
	oauth1_coding coding = OAUTH1_CODING_NONE;
	bool		inside = false;

	for (const char *line = head.data; line < end; line = line_end)
	{
		const char *value;

		line_end = end_of_line(line, end);
		/* A line that begins with a space goes on with the one before (RFC 9112, 5.2). */
		value = inside && (*line == ' ' || *line == '\t') ? line :
			value_of(line, line_end, "content-encoding");
		inside = value != NULL;
		if (inside)
			coding = oauth1_coding_add(coding, (oa1_text) {value, line_end - value});
	}
	return coding;
}
