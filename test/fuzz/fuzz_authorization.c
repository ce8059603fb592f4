/*
 * fuzz_authorization.c
 *	  A header that was read and written again reads the same; no name comes twice.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

#define MOST 64

/*
 * Reads header into pairs; returns their number, or -1 where it is refused or has
 * more than MOST.
 */
static int
read_header(oa1_text header, oa1_buffer *out, oa1_pair *pairs)
{
	oa1_authorization_reader reader;
	bool		more = true;
	int			count = 0;
	oa1_status	status = oa1_authorization_begin(&reader, header, out);

	while (status == OA1_OK && count < MOST)
	{
		status = oa1_authorization_next(&reader, &pairs[count], &more);
		if (status == OA1_OK && !more)
			break;
		count++;
	}
	oa1_authorization_end(&reader);
	MUST(out->length <= header.length);
	return status == OA1_OK && !more ? count : -1;
}

/*
 * Writes the pairs again; a realm goes first.
 */
static oa1_status
write_header(const oa1_pair *pairs, int count, oa1_buffer *out)
{
	oa1_pair	others[MOST];
	size_t		other_count = 0;
	oa1_text	realm = {NULL, 0};

	for (int i = 0; i < count; i++)
		if (fuzz_same(pairs[i].name, OA1_TEXT("realm")))
			realm = pairs[i].value;
		else
			others[other_count++] = pairs[i];
	return oa1_authorization_write(out, realm, others, other_count);
}

static const oa1_pair *
find(const oa1_pair *pairs, int count, oa1_text name)
{
	const oa1_pair *found = NULL;

	for (int i = 0; i < count; i++)
		if (fuzz_same(pairs[i].name, name))
		{
			MUST(found == NULL);
			found = &pairs[i];
		}
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oa1_pair	pairs[MOST];
	oa1_pair	again[MOST];
	oa1_buffer	out = fuzz_buffer();
	oa1_buffer	header = fuzz_buffer();
	oa1_buffer	out_again = fuzz_buffer();
	int			count = read_header(input, &out, pairs);

	if (count >= 0)
	{
		oa1_status	status = write_header(pairs, count, &header);

		/* a tab may stand in a header, but is not written into one */
		MUST(status == OA1_OK || (status == OA1_REALM && memchr(data, '\t', size) != NULL));
		if (status == OA1_OK)
		{
			MUST(read_header(oa1_buffer_text(&header), &out_again, again) == count);
			for (int i = 0; i < count; i++)
			{
				const oa1_pair *same = find(again, count, pairs[i].name);

				MUST(same != NULL && fuzz_same(same->value, pairs[i].value));
			}
		}
	}
	oa1_buffer_free(&out);
	oa1_buffer_free(&header);
	oa1_buffer_free(&out_again);
	return 0;
}
