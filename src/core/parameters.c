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

/*
 * name stands in octets, whose slack lets us read eight octets in any case.
 */
static inline uint64_t
rank_of(const char *name, size_t length)
{
	const unsigned char *n = (const unsigned char *) name;
	uint64_t	rank = (uint64_t) n[0] << 56 | (uint64_t) n[1] << 48 | (uint64_t) n[2] << 40 |
		(uint64_t) n[3] << 32 | (uint64_t) n[4] << 24 | (uint64_t) n[5] << 16 |
		(uint64_t) n[6] << 8 | (uint64_t) n[7];

	/* what follows a short name is not part of it */
	return length < sizeof(rank) ? rank & ~(UINT64_MAX >> (8 * length)) : rank;
}

/*
 * Enters the parameter that was stored from start to end in octets, its name
 * ending at name_end.  oauth_signature is passed over: it is not part of what it
 * signs (3.4.1.3.1), and its octets are forgotten.
 */
static inline oa1_status
enter(oa1_parameters *parameters, const char *start, const char *name_end, const char *end)
{
	static const oa1_text left_out = {"oauth_signature", 15};
	oa1_text	name = {start, (size_t) (name_end - start)};
	entry	   *added;

	if (oa1_text_equal(name, left_out))
		return OA1_OK;
	added = (entry *) oa1_room(&parameters->entries, sizeof(entry));
	if (added == NULL)
		return parameters->entries.status;
	added->rank = rank_of(start, name.length);
	added->offset = parameters->octets.length;
	added->name_length = name.length;
	added->value_length = (size_t) (end - name_end) - SIGN_LENGTH;
	parameters->octets.length += (size_t) (end - start);
	parameters->entries.length += sizeof(entry);
	parameters->count++;
	parameters->sorted = false;
	return OA1_OK;
}

static inline char *
put_equals_sign(char *to)
{
	memcpy(to, equals_sign, SIGN_LENGTH);
	return to + SIGN_LENGTH;
}

/*
 * Adds one parameter, name and value as raw octets.  OA1_OUT_OF_MEMORY or
 * OA1_TOO_LONG leave what was added before.
 */
oa1_status
oa1_parameters_add(oa1_parameters *parameters, oa1_text name, oa1_text value)
{
	oa1_buffer *octets = &parameters->octets;
	char	   *start = oa1_room(octets, SIGN_LENGTH +
								 oa1_pair_room(oa1_encoded_twice, name, value,
											   octets->maximum - octets->length));
	char	   *name_end;
	char	   *end;

	if (start == NULL)
		return octets->status;
	name_end = oa1_put_text(start, oa1_encoded_twice, name);
	end = oa1_put_text(put_equals_sign(name_end), oa1_encoded_twice, value);
	return enter(parameters, start, name_end, end);
}

/*
 * Stores what form has from start to end, which is unreserved.
 */
static inline char *
put_run(char *to, oa1_text form, size_t start, size_t end)
{
	if (form.length - end >= 15)
		oa1_copy_blocks(to, form.data + start, end - start);
	else if (end > start)
		memcpy(to, form.data + start, end - start);
	return to + (end - start);
}

/*
 * Stores the encoding of what form has at *at, no separator; moves *at past it.
 * Returns where the next octet goes, or NULL where an escape is malformed.
 */
static inline char *
put_reserved(char *to, oa1_text form, size_t *at)
{
	int			octet = (unsigned char) form.data[*at];

	if (octet == '%')
	{
		octet = oa1_escape_octet(form, *at);
		if (octet < 0)
			return NULL;
		*at += 2;
	}
	else if (octet == '+')
		octet = ' ';
	++*at;
	return oa1_put(to, oa1_encoded_twice, (unsigned char) octet);
}

/*
 * Enters the pair that ends at end; one without '=' gets it, in place of its '&'.
 */
static inline oa1_status
enter_form_pair(oa1_parameters *parameters, const char *name_end, char *end)
{
	if (name_end == NULL)
	{
		name_end = end;
		end = put_equals_sign(end);
	}
	return enter(parameters, parameters->octets.data + parameters->octets.length, name_end, end);
}

/*
 * Adds each pair of a query or a form body, cut as oa1_form_next does
 * (3.4.1.3.1).  All that means something there is reserved: the walk stops at it.
 * On failure the pairs before the bad one are in: the collection can be released or
 * reset, no more.
 */
oa1_status
oa1_parameters_add_form(oa1_parameters *parameters, oa1_text form)
{
	oa1_buffer *octets = &parameters->octets;
	oa1_walk	walk = {form, 0, 0};
	char	   *name_end = NULL;
	oa1_status	status = OA1_OK;
	/* the '=' that the last pair may get is more than the form's octets need */
	char	   *to = oa1_room(octets, SIGN_LENGTH +
							  oa1_encoded_room(oa1_encoded_twice, form,
											   octets->maximum - octets->length));

	if (to == NULL)
		return octets->status;
	for (size_t at = 0; at <= form.length && status == OA1_OK;)
	{
		size_t		next = oa1_walk_next(&walk, oa1_unreserved);

		to = put_run(to, form, at, next);
		at = next;
		if (next == form.length || form.data[next] == '&')
		{
			if (to > octets->data + octets->length)
				status = enter_form_pair(parameters, name_end, to);
			to = octets->data + octets->length;
			name_end = NULL;
			at++;
		}
		else if (form.data[next] == '=' && name_end == NULL)
		{
			name_end = to;
			to = put_equals_sign(to);
			at++;
		}
		else if ((to = put_reserved(to, form, &at)) == NULL)
			status = OA1_BAD_ESCAPE;
	}
	return status;
}

/*
 * The order of 3.4.1.3.2 where the ranks do not tell: by encoded name, then by
 * encoded value.
 */
static int
compare_texts(const char *octets, const entry *a, const entry *b)
{
	int			order;

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
compare(const void *first, const void *second, const void *octets)
{
	const entry *a = first;
	const entry *b = second;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return compare_texts(octets, a, b);
}

static inline bool
is_before(const char *octets, const entry *a, const entry *b)
{
	return a->rank < b->rank || (a->rank == b->rank && compare_texts(octets, a, b) < 0);
}

/* Up to here insertion needs less time than a sort that is better at worst. */
#define FEW_ENTRIES 24

static void
sort_few(const char *octets, entry *entries, size_t count)
{
	for (entry *next = entries + 1; next < entries + count; next++)
	{
		entry		moving;
		entry	   *to = next;

		if (!is_before(octets, next, next - 1))
			continue;
		moving = *next;
		do
		{
			*to = to[-1];
			to--;
		} while (to > entries && is_before(octets, &moving, to - 1));
		*to = moving;
	}
}

static void
sort(oa1_parameters *parameters)
{
	const char *octets = parameters->octets.data;
	entry	   *entries = (entry *) parameters->entries.data;

	if (parameters->sorted)
		return;
	if (parameters->count <= FEW_ENTRIES)
		sort_few(octets, entries, parameters->count);
	else
		oa1_sort(entries, parameters->count, sizeof(entry), compare, octets);
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
		oa1_copy_blocks(to, one.data, one.length);
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
