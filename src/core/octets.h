/*
 * octets.h
 *	  Many octets at once: whether all of them are unreserved (RFC 5849, 3.6), or
 *	  need no look in a URL.
 *
 * Most names and values are made of unreserved octets only.  To see that, and to
 * copy them, costs a fraction of encoding them one by one.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OA1_OCTETS_H
#define OA1_OCTETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/core.h"

#if defined(__SSE2__) && !defined(OA1_PORTABLE)

#include <emmintrin.h>

typedef __m128i oa1_block;

static inline oa1_block
oa1_block_load(const char *from)
{
	return _mm_loadu_si128((const __m128i *) from);
}

static inline oa1_block
oa1_block_of(uint64_t first, uint64_t second)
{
	return _mm_set_epi64x((long long) second, (long long) first);
}

static inline void
oa1_block_store(char *to, oa1_block x)
{
	_mm_storeu_si128((__m128i *) to, x);
}

/* All ones in each octet from first to last; moved to the top, where one signed test does. */
static inline oa1_block
oa1_between(oa1_block x, char first, char last)
{
	oa1_block	moved = _mm_add_epi8(x, _mm_set1_epi8((char) (0x7f - last)));

	return _mm_cmpgt_epi8(moved, _mm_set1_epi8((char) (0x7f - (last - first) - 1)));
}

static inline oa1_block
oa1_equal(oa1_block x, char c)
{
	return _mm_cmpeq_epi8(x, _mm_set1_epi8(c));
}

/* A bit for each octet that is unreserved; the first octet's is the lowest. */
static inline unsigned
oa1_unreserved(oa1_block x)
{
	oa1_block	letter = oa1_between(_mm_or_si128(x, _mm_set1_epi8(0x20)), 'a', 'z');
	oa1_block	digit = _mm_andnot_si128(oa1_equal(x, '/'), oa1_between(x, '-', '9'));
	oa1_block	mark = _mm_or_si128(oa1_equal(x, '_'), oa1_equal(x, '~'));

	return (unsigned) _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letter, digit), mark));
}

/* A bit for each octet that may stand in a URL and needs no look there. */
static inline unsigned
oa1_plain_in_url(oa1_block x)
{
	oa1_block	look = _mm_or_si128(oa1_equal(x, '%'), oa1_equal(x, '\\'));

	return (unsigned) _mm_movemask_epi8(_mm_andnot_si128(look, oa1_between(x, '!', '~')));
}

#else

/*
 * Two numbers of eight octets.  The tests look at the lower seven bits of each, so
 * that nothing carries into the next one, and what is above 0x7f fails last.
 */
typedef struct oa1_block
{
	uint64_t	half[2];
} oa1_block;

#define OA1_EACH(octet) (UINT64_C(0x0101010101010101) * (uint64_t) (octet))
#define OA1_HIGH OA1_EACH(0x80)

static inline oa1_block
oa1_block_load(const char *from)
{
	oa1_block	x;

	memcpy(&x, from, sizeof(x));
	return x;
}

static inline oa1_block
oa1_block_of(uint64_t first, uint64_t second)
{
	return (oa1_block) {{first, second}};
}

static inline void
oa1_block_store(char *to, oa1_block x)
{
	memcpy(to, &x, sizeof(x));
}

/* The high bit of each octet from first to last, or of each that is c. */
static inline uint64_t
oa1_between(uint64_t x, unsigned char first, unsigned char last)
{
	return (x + OA1_EACH(0x80 - first)) & ~(x + OA1_EACH(0x7f - last));
}

static inline uint64_t
oa1_equal(uint64_t x, unsigned char c)
{
	return ~((x ^ OA1_EACH(c)) + OA1_EACH(0x7f));
}

/* The high bits of eight octets, the first octet's as the lowest bit. */
static inline unsigned
oa1_gathered(uint64_t high)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	high = __builtin_bswap64(high);
#endif
	return (unsigned) ((high >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static inline uint64_t
oa1_unreserved_half(uint64_t x)
{
	uint64_t	low = x & ~OA1_HIGH;
	uint64_t	letter = oa1_between(low | OA1_EACH(0x20), 'a', 'z');
	uint64_t	digit = oa1_between(low, '-', '9') & ~oa1_equal(low, '/');

	return (letter | digit | oa1_equal(low, '_') | oa1_equal(low, '~')) & ~x & OA1_HIGH;
}

static inline unsigned
oa1_unreserved(oa1_block x)
{
	return oa1_gathered(oa1_unreserved_half(x.half[0])) |
		oa1_gathered(oa1_unreserved_half(x.half[1])) << 8;
}

static inline uint64_t
oa1_plain_half(uint64_t x)
{
	uint64_t	low = x & ~OA1_HIGH;

	return oa1_between(low, '!', '~') & ~oa1_equal(low, '%') & ~oa1_equal(low, '\\') & ~x &
		OA1_HIGH;
}

static inline unsigned
oa1_plain_in_url(oa1_block x)
{
	return oa1_gathered(oa1_plain_half(x.half[0])) |
		oa1_gathered(oa1_plain_half(x.half[1])) << 8;
}

#endif

/* The bits of sixteen octets. */
#define OA1_ALL 0xffffu

static inline uint64_t
oa1_load8(const char *from)
{
	uint64_t	x;

	memcpy(&x, from, sizeof(x));
	return x;
}

static inline uint64_t
oa1_load4(const char *from)
{
	uint32_t	x;

	memcpy(&x, from, sizeof(x));
	return x;
}

/*
 * Fewer than sixteen octets: two loads that may overlap cover them; the rest of
 * the block repeats what it has.
 */
static inline bool
oa1_copy_short(char *to, const char *from, size_t length)
{
	uint64_t	first;
	uint64_t	last;

	if (length >= 8)
	{
		first = oa1_load8(from);
		last = oa1_load8(from + length - 8);
		memcpy(to, &first, 8);
		memcpy(to + length - 8, &last, 8);
	}
	else if (length >= 4)
	{
		first = oa1_load4(from) * UINT64_C(0x100000001);
		last = oa1_load4(from + length - 4) * UINT64_C(0x100000001);
		memcpy(to, &first, 4);
		memcpy(to + length - 4, &last, 4);
	}
	else if (length > 0)
	{
		to[0] = from[0];
		to[length / 2] = from[length / 2];
		to[length - 1] = from[length - 1];
		first = UINT64_C(0x0101010101010101) * (unsigned char) from[0];
		last = UINT64_C(0x0000000100000001) * (unsigned char) from[length / 2] |
			UINT64_C(0x0101010001010100) * (unsigned char) from[length - 1];
	}
	else
		return true;
	return oa1_unreserved(oa1_block_of(first, last)) == OA1_ALL;
}

/*
 * Copies text to where all of it is unreserved.  False where it is not; what
 * stands at to is undefined then.  Reads nothing outside text.
 */
static inline bool
oa1_copy_unreserved(char *to, oa1_text text)
{
	if (text.length < 16)
		return oa1_copy_short(to, text.data, text.length);
	for (size_t i = 0; i < text.length; i += 16)
	{
		/* the last block ends with the text, and overlaps the one before */
		size_t		at = text.length - i < 16 ? text.length - 16 : i;
		oa1_block	x = oa1_block_load(text.data + at);

		if (oa1_unreserved(x) != OA1_ALL)
			return false;
		oa1_block_store(to + at, x);
	}
	return true;
}

/*
 * Copies a run from one buffer to another, whole blocks at a time: up to fifteen
 * octets beyond it are read and overwritten, which the buffers' slack allows.
 */
static inline void
oa1_copy_blocks(char *to, const char *from, size_t length)
{
	for (size_t i = 0; i < length; i += 16)
		oa1_block_store(to + i, oa1_block_load(from + i));
}

/*
 * A walk over text, from one octet that is not of a class to the next.
 */
typedef unsigned (*oa1_class) (oa1_block x);

#define OA1_WINDOW 64

typedef struct oa1_walk
{
	oa1_text	text;
	size_t		window;			/* where the next octets to be looked at begin */
	uint64_t	found;			/* a bit for each octet of the window before, until it was told */
} oa1_walk;

static inline uint64_t
oa1_outside(const char *window, oa1_class class)
{
	uint64_t	inside = 0;

	for (int i = 0; i < OA1_WINDOW; i += 16)
		inside |= (uint64_t) class(oa1_block_load(window + i)) << i;
	return ~inside;
}

/* Looks at the next window; reads nothing outside text. */
static inline void
oa1_walk_on(oa1_walk *walk, oa1_class class)
{
	const char *from = walk->text.data + walk->window;
	size_t		left = walk->text.length - walk->window;

	if (left >= OA1_WINDOW)
		walk->found = oa1_outside(from, class);
	else if (walk->window > 0)
		walk->found = oa1_outside(from + left - OA1_WINDOW, class) >> (OA1_WINDOW - left);
	else
	{
		char		whole[OA1_WINDOW] = {0};

		memcpy(whole, from, left);
		walk->found = oa1_outside(whole, class) & ~(UINT64_MAX << left);
	}
	walk->window += OA1_WINDOW;
}

/*
 * The offset of the next octet that is not of class; text's length at the end.
 */
static inline size_t
oa1_walk_next(oa1_walk *walk, oa1_class class)
{
	size_t		next;

	while (walk->found == 0)
	{
		if (walk->window >= walk->text.length)
			return walk->text.length;
		oa1_walk_on(walk, class);
	}
	next = walk->window - OA1_WINDOW + (size_t) __builtin_ctzll(walk->found);
	walk->found &= walk->found - 1;
	return next;
}

#endif							/* OA1_OCTETS_H */
