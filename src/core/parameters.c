/*
 * parameters.c
 *	  Collects, sorts and normalizes the parameters to be signed (RFC 5849,
 *	  3.4.1.3).
 *
 * A parameter is kept as it will stand in the base string: encoded twice, with
 * the encoded '=' between name and value.  The second encoding keeps the order
 * of the first: it only turns each '%' into "%25", so two texts still differ
 * first where they did, in the same octets.  Thus the base string is made of
 * whole copies, and the normalized parameters are these copies decoded once.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#include <openssl/crypto.h>

/* "=" and "&", encoded once. */
static const char equals_sign[] = "%3D";
static const char ampersand[] = "%26";

#define SIGN_LENGTH 3

/*
 * One parameter: its name stands at offset in octets, the value SIGN_LENGTH
 * after the name's end.  rank is the name's first eight octets as a number, which
 * decides nearly every comparison.
 */
typedef struct entry
{
	uint64_t	rank;
	size_t		offset;
	size_t		name_length;
	size_t		value_length;
} entry;

/*
 * Starts an empty collection; octets and the list of entries may each take
 * maximum octets.  It holds what its values are, secrets too: release it with
 * oa1_parameters_free.
 */
void
oa1_parameters_init(oa1_parameters *parameters, oa1_grow grow, void *context, size_t maximum)
{
	oa1_buffer_init(&parameters->octets, grow, context, maximum);
	oa1_buffer_init(&parameters->entries, grow, context, maximum);
	parameters->count = 0;
	parameters->sorted = true;
}

static uint64_t
rank_of(oa1_text name)
{
	uint64_t	rank = 0;

	for (size_t i = 0; i < sizeof(rank); i++)
		rank = rank << 8 | (i < name.length ? (unsigned char) name.data[i] : 0);
	return rank;
}

/*
 * Stores value's two encodings at to; returns where the next octet goes.
 */
static inline char *
put_raw(char *to, oa1_text value)
{
	for (size_t i = 0; i < value.length; i++)
		to = oa1_put(to, oa1_encoded_twice, (unsigned char) value.data[i]);
	return to;
}

/*
 * The same of a value that is still encoded as a form has it; NULL where an
 * escape is malformed.
 */
static inline char *
put_form(char *to, oa1_text value)
{
	for (size_t i = 0; i < value.length; i++)
	{
		int			octet = (unsigned char) value.data[i];

		if (octet == '%')
		{
			octet = oa1_escape_octet(value, i);
			if (octet < 0)
				return NULL;
			i += 2;
		}
		else if (octet == '+')
			octet = ' ';
		to = oa1_put(to, oa1_encoded_twice, (unsigned char) octet);
	}
	return to;
}

/*
 * Adds one pair, read by put.  oauth_signature is passed over: it is not part of
 * what it signs (3.4.1.3.1).
 */
static inline oa1_status
add(oa1_parameters *parameters, oa1_pair pair, char *(*put) (char *to, oa1_text value))
{
	static const oa1_text left_out = {"oauth_signature", 15};
	oa1_buffer *octets = &parameters->octets;
	size_t		free_octets = (octets->maximum - octets->length) / 2;
	char	   *start = oa1_buffer_reserve(octets, SIGN_LENGTH +
										   oa1_encoded_room(oa1_encoded_twice, pair.name, free_octets) +
										   oa1_encoded_room(oa1_encoded_twice, pair.value, free_octets));
	entry	   *added = (entry *) oa1_buffer_reserve(&parameters->entries, sizeof(entry));
	char	   *name_end;
	char	   *end;
	oa1_text	name;

	if (start == NULL || added == NULL)
		return start == NULL ? octets->status : parameters->entries.status;
	end = name_end = put(start, pair.name);
	if (name_end != NULL)
	{
		memcpy(name_end, equals_sign, SIGN_LENGTH);
		end = put(name_end + SIGN_LENGTH, pair.value);
	}
	if (end == NULL)
		return OA1_BAD_ESCAPE;

	name = (oa1_text) {start, (size_t) (name_end - start)};
	if (oa1_text_equal(name, left_out))
		return OA1_OK;
	added->rank = rank_of(name);
	added->offset = octets->length;
	added->name_length = name.length;
	added->value_length = (size_t) (end - name_end) - SIGN_LENGTH;
	octets->length += (size_t) (end - start);
	parameters->entries.length += sizeof(entry);
	parameters->count++;
	parameters->sorted = false;
	return OA1_OK;
}

/*
 * Adds one parameter, name and value as raw octets.  OA1_OUT_OF_MEMORY or
 * OA1_TOO_LONG leave what was added before.
 */
oa1_status
oa1_parameters_add(oa1_parameters *parameters, oa1_text name, oa1_text value)
{
	return add(parameters, (oa1_pair) {name, value}, put_raw);
}

/*
 * Adds each pair of a query or a form body (3.4.1.3.1).  On failure the pairs
 * before the bad one are in: the collection can be released or reset, no more.
 */
oa1_status
oa1_parameters_add_form(oa1_parameters *parameters, oa1_text form)
{
	oa1_pair	pair;

	while (oa1_form_next(&form, &pair))
	{
		oa1_status	status = add(parameters, pair, put_form);

		if (status != OA1_OK)
			return status;
	}
	return OA1_OK;
}

/*
 * The order of 3.4.1.3.2: by encoded name, then by encoded value.
 */
static inline int
compare(const char *octets, const entry *a, const entry *b)
{
	int			order;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	order = oa1_text_compare((oa1_text) {octets + a->offset, a->name_length},
							 (oa1_text) {octets + b->offset, b->name_length});
	if (order != 0)
		return order;
	return oa1_text_compare((oa1_text) {octets + a->offset + a->name_length + SIGN_LENGTH,
										a->value_length},
							(oa1_text) {octets + b->offset + b->name_length + SIGN_LENGTH,
										b->value_length});
}

static int
compare_for_sort(const void *a, const void *b, const void *octets)
{
	return compare(octets, a, b);
}

/* Up to here insertion needs less time than a sort that is better at worst. */
#define FEW_ENTRIES 24

static void
sort(oa1_parameters *parameters)
{
	const char *octets = parameters->octets.data;
	entry	   *entries = (entry *) parameters->entries.data;

	if (parameters->sorted)
		return;
	if (parameters->count > FEW_ENTRIES)
		oa1_sort(entries, parameters->count, sizeof(entry), compare_for_sort, octets);
	else
		for (size_t i = 1; i < parameters->count; i++)
		{
			entry		moving = entries[i];
			size_t		to = i;

			for (; to > 0 && compare(octets, &moving, &entries[to - 1]) < 0; to--)
				entries[to] = entries[to - 1];
			entries[to] = moving;
		}
	parameters->sorted = true;
}

static inline oa1_text
octets_of(const oa1_parameters *parameters, const entry *of)
{
	return (oa1_text) {parameters->octets.data + of->offset,
		of->name_length + SIGN_LENGTH + of->value_length};
}

/*
 * Sorts, and appends the normalized parameters: name=value&... (3.4.1.3.2).
 */
oa1_status
oa1_parameters_write(oa1_parameters *parameters, oa1_buffer *out)
{
	const entry *entries = (const entry *) parameters->entries.data;

	sort(parameters);
	for (size_t i = 0; i < parameters->count; i++)
	{
		if (i > 0)
			oa1_buffer_append_char(out, '&');
		/* all escapes are our own, so only out can fail, and that sticks */
		(void) oa1_percent_decode(out, octets_of(parameters, &entries[i]));
	}
	return out->status;
}

/*
 * The same, encoded once more, as the base string ends.
 */
oa1_status
oa1_parameters_write_encoded(oa1_parameters *parameters, oa1_buffer *out)
{
	const entry *entries = (const entry *) parameters->entries.data;
	char	   *to;

	if (parameters->count == 0)
		return out->status;
	sort(parameters);
	to = oa1_buffer_reserve(out, parameters->octets.length +
							(parameters->count - 1) * SIGN_LENGTH);
	if (to == NULL)
		return out->status;
	for (size_t i = 0; i < parameters->count; i++)
	{
		oa1_text	one = octets_of(parameters, &entries[i]);

		if (i > 0)
		{
			memcpy(to, ampersand, SIGN_LENGTH);
			to += SIGN_LENGTH;
		}
		memcpy(to, one.data, one.length);
		to += one.length;
	}
	out->length = (size_t) (to - out->data);
	return OA1_OK;
}

/*
 * Wipes what was collected and keeps the memory for the next request.
 */
void
oa1_parameters_reset(oa1_parameters *parameters)
{
	oa1_buffer_reset(&parameters->octets);
	oa1_buffer_reset(&parameters->entries);
	parameters->count = 0;
	parameters->sorted = true;
}

/*
 * Wipes what was collected and gives the memory back.
 */
void
oa1_parameters_free(oa1_parameters *parameters)
{
	oa1_buffer_free(&parameters->octets);
	oa1_buffer_free(&parameters->entries);
	parameters->count = 0;
	parameters->sorted = true;
}
