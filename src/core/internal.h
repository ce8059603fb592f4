/*
 * internal.h
 *	  What the core's files share among themselves; nobody else includes it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OA1_INTERNAL_H
#define OA1_INTERNAL_H

#include <string.h>

#include "core/core.h"
#include "core/octets.h"

/*
 * Wipes octets that nothing reads again, which a compiler would otherwise leave
 * out.  OPENSSL_cleanse promises the same, eight octets at a time.
 */
static inline void
oa1_wipe(void *octets, size_t length)
{
	memset(octets, 0, length);
	__asm__ __volatile__("" : : "r" (octets) : "memory");
}

/*
 * oa1_buffer_reserve where there is room already, as there nearly always is.
 */
static inline char *
oa1_room(oa1_buffer *buffer, size_t more)
{
	if (buffer->status == OA1_OK && buffer->data != NULL &&
		more <= buffer->capacity - buffer->length)
		return buffer->data + buffer->length;
	return oa1_buffer_reserve(buffer, more);
}

/*
 * An octet as it stands in encoded text, and how many octets that is.  A writer
 * stores the whole array and advances by length: no branch, and one store an
 * octet.  The store may run past the text's end, into the buffer's slack.
 */
typedef struct oa1_encoded
{
	char		octets[7];
	unsigned char length;
} oa1_encoded;

/* What may be read and overwritten behind a buffer's octets: a block. */
#define OA1_BUFFER_SLACK 16

extern const oa1_encoded oa1_encoded_once[256];
extern const oa1_encoded oa1_encoded_twice[256];

/* Stores octet's encoding at to; returns where the next one goes. */
static inline char *
oa1_put(char *to, const oa1_encoded *encoding, unsigned char octet)
{
	oa1_encoded encoded = encoding[octet];

	memcpy(to, &encoded, sizeof(encoded));
	return to + encoded.length;
}

/* How many octets the value has once encoded. */
extern size_t oa1_encoded_length(const oa1_encoded *encoding, oa1_text value);

/*
 * How much room value's encoding needs at most: a guess where value is short and
 * the guess does not exceed available, else its length, so that memory follows
 * what is written.
 */
static inline size_t
oa1_encoded_room(const oa1_encoded *encoding, oa1_text value, size_t available)
{
	if (value.length <= 1024 && 5 * value.length <= available)
		return 5 * value.length;
	return oa1_encoded_length(encoding, value);
}

/* The same, of a name and a value. */
static inline size_t
oa1_pair_room(const oa1_encoded *encoding, oa1_text name, oa1_text value, size_t available)
{
	size_t		length = name.length + value.length;

	if (length <= 1024 && 5 * length <= available)
		return 5 * length;
	return oa1_encoded_length(encoding, name) + oa1_encoded_length(encoding, value);
}

/*
 * Stores text's encoding at to; returns where the next octet goes.
 */
static inline char *
oa1_put_text(char *to, const oa1_encoded *encoding, oa1_text text)
{
	if (oa1_copy_unreserved(to, text))
		return to + text.length;
	for (size_t i = 0; i < text.length; i++)
		to = oa1_put(to, encoding, (unsigned char) text.data[i]);
	return to;
}

/*
 * Reads the octet that value's escape at offset stands for ('%' has been seen
 * there).  Returns -1 where two hexadecimal digits do not follow.
 */
extern int	oa1_escape_octet(oa1_text value, size_t offset);

/* Percent decoding, with '+' read as plus; on failure nothing is appended. */
extern oa1_status oa1_decode(oa1_buffer *out, oa1_text value, char plus);

/* Octet for octet: below 0, 0 or above 0, a prefix before what it begins. */
extern int	oa1_text_compare(oa1_text a, oa1_text b);

static inline bool
oa1_text_equal(oa1_text a, oa1_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* RFC 9110, 5.6.2: what a method and a header's parameter name are made of. */
extern bool oa1_is_token(oa1_text text);

/* OA1_URL_CONTROL or _BACKSLASH where an octet is in text that may stand nowhere in a URL. */
extern oa1_status oa1_url_check_octets(oa1_text text);

/* As qsort's, with what the comparison needs to know. */
typedef int (*oa1_compare) (const void *a, const void *b, const void *context);
extern void oa1_sort(void *base, size_t count, size_t size, oa1_compare compare,
					 const void *context);

/* As oa1_parameters_write, encoded once more. */
extern oa1_status oa1_parameters_write_encoded(oa1_parameters *parameters, oa1_buffer *out);

/*
 * Puts names in order and tells whether one of them occurs twice.  n log n at
 * worst, whoever chose the names.
 */
extern bool oa1_names_repeat(oa1_text *names, size_t count);

#endif							/* OA1_INTERNAL_H */
