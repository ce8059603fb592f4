/*
 * percent.c
 *	  Percent encoding (RFC 5849, 3.6): everything but letters, digits, '-', '.',
 *	  '_' and '~' becomes '%' and two upper-case hexadecimal digits.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/* The 256 octets in order; K is an unreserved one, E one by its two digits. */
#define ROW(E, h) \
	E(h, '0'), E(h, '1'), E(h, '2'), E(h, '3'), E(h, '4'), E(h, '5'), E(h, '6'), E(h, '7'), \
	E(h, '8'), E(h, '9'), E(h, 'A'), E(h, 'B'), E(h, 'C'), E(h, 'D'), E(h, 'E'), E(h, 'F')

#define OCTETS(K, E) \
	ROW(E, '0'), ROW(E, '1'), \
	E('2', '0'), E('2', '1'), E('2', '2'), E('2', '3'), E('2', '4'), E('2', '5'), E('2', '6'), \
	E('2', '7'), E('2', '8'), E('2', '9'), E('2', 'A'), E('2', 'B'), E('2', 'C'), K('-'), \
	K('.'), E('2', 'F'), \
	K('0'), K('1'), K('2'), K('3'), K('4'), K('5'), K('6'), K('7'), K('8'), K('9'), \
	E('3', 'A'), E('3', 'B'), E('3', 'C'), E('3', 'D'), E('3', 'E'), E('3', 'F'), \
	E('4', '0'), K('A'), K('B'), K('C'), K('D'), K('E'), K('F'), K('G'), \
	K('H'), K('I'), K('J'), K('K'), K('L'), K('M'), K('N'), K('O'), \
	K('P'), K('Q'), K('R'), K('S'), K('T'), K('U'), K('V'), K('W'), K('X'), K('Y'), K('Z'), \
	E('5', 'B'), E('5', 'C'), E('5', 'D'), E('5', 'E'), K('_'), \
	E('6', '0'), K('a'), K('b'), K('c'), K('d'), K('e'), K('f'), K('g'), \
	K('h'), K('i'), K('j'), K('k'), K('l'), K('m'), K('n'), K('o'), \
	K('p'), K('q'), K('r'), K('s'), K('t'), K('u'), K('v'), K('w'), K('x'), K('y'), K('z'), \
	E('7', 'B'), E('7', 'C'), E('7', 'D'), K('~'), E('7', 'F'), \
	ROW(E, '8'), ROW(E, '9'), ROW(E, 'A'), ROW(E, 'B'), \
	ROW(E, 'C'), ROW(E, 'D'), ROW(E, 'E'), ROW(E, 'F')

#define KEPT(c) {{c}, 1}
#define ONCE(h, l) {{'%', h, l}, 3}
#define TWICE(h, l) {{'%', '2', '5', h, l}, 5}

const oa1_encoded oa1_encoded_once[256] = {OCTETS(KEPT, ONCE)};
const oa1_encoded oa1_encoded_twice[256] = {OCTETS(KEPT, TWICE)};

size_t
oa1_encoded_length(const oa1_encoded *encoding, oa1_text value)
{
	size_t		length = 0;

	for (size_t i = 0; i < value.length; i++)
		length += encoding[(unsigned char) value.data[i]].length;
	return length;
}

/*
 * Appends value's encoding (3.6).  Failures stick in out.
 */
void
oa1_percent_encode(oa1_buffer *out, oa1_text value)
{
	char	   *to = oa1_room(out, oa1_encoded_room(oa1_encoded_once, value,
													out->maximum - out->length));

	if (to != NULL)
		out->length = (size_t) (oa1_put_text(to, oa1_encoded_once, value) - out->data);
}

static int
hexadecimal(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

int
oa1_escape_octet(oa1_text value, size_t offset)
{
	int			high;
	int			low;

	if (value.length - offset < 3)
		return -1;
	high = hexadecimal(value.data[offset + 1]);
	low = hexadecimal(value.data[offset + 2]);
	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

oa1_status
oa1_decode(oa1_buffer *out, oa1_text value, char plus)
{
	char	   *start = oa1_buffer_reserve(out, value.length);
	char	   *to = start;

	if (start == NULL)
		return out->status;
	for (size_t i = 0; i < value.length; i++)
	{
		char		c = value.data[i];

		if (c == '%')
		{
			int			octet = oa1_escape_octet(value, i);

			if (octet < 0)
			{
				oa1_wipe(start, (size_t) (to - start));
				return OA1_BAD_ESCAPE;
			}
			c = (char) octet;
			i += 2;
		}
		else if (c == '+')
			c = plus;
		*to++ = c;
	}
	out->length += (size_t) (to - start);
	return OA1_OK;
}

/*
 * Appends what value's escapes stand for, and every other octet as it is; '+'
 * is itself.  OA1_BAD_ESCAPE, or out's failure; nothing is appended then.
 */
oa1_status
oa1_percent_decode(oa1_buffer *out, oa1_text value)
{
	return oa1_decode(out, value, '+');
}
