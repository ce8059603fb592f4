/*
 * transfer_framing.c
 *	  Whether the header fields of a response say one thing of the length of its
 *	  body (RFC 9112, 6.3).
 *
 * libcurl takes what it can read of a Content-Length ("0x2" is 0, "2, 7" is 2),
 * of several the last, and of a number that is too large none.  A proxy on the
 * way may have read it otherwise, and the body would be another's.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

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

bool
oauth1_framing_is_sound(oa1_text head)
{
	const char *line = head.data;
	const char *end = head.data + head.length;
	int64		number = -1;

	while (line < end)
	{
		const char *line_end = memchr(line, '\n', end - line);
		const char *value;

		line_end = line_end ? line_end + 1 : end;
		value = value_of(line, line_end, "content-length");
		if (value != NULL && !agrees(value, line_end, &number))
			return false;
		line = line_end;
	}
	return true;
}
