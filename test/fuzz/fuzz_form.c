/*
 * fuzz_form.c
 *	  Form decoding undoes form encoding; pairs written again are the same pairs;
 *	  the pieces that oa1_form_next cuts are the input's, in order.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

static void
encode_then_decode(oa1_text input)
{
	oa1_buffer	encoded = fuzz_buffer();
	oa1_buffer	decoded = fuzz_buffer();

	oa1_form_encode(&encoded, input);
	for (size_t i = 0; i < encoded.length; i++)
		MUST(strchr("&=; ", encoded.data[i]) == NULL || encoded.data[i] == '\0');
	MUST(oa1_form_decode(&decoded, oa1_buffer_text(&encoded)) == OA1_OK);
	MUST(fuzz_same(oa1_buffer_text(&decoded), input));
	oa1_buffer_free(&encoded);
	oa1_buffer_free(&decoded);
}

/*
 * Writes the pairs of form again, as they were cut: always with '=', and once '&'
 * between them.  Returns how many there were.
 */
static size_t
write_pairs(oa1_text form, oa1_buffer *out)
{
	oa1_text	rest = form;
	oa1_pair	pair;
	size_t		count = 0;
	const char *last = form.data;

	while (oa1_form_next(&rest, &pair))
	{
		MUST(pair.name.data >= last && pair.value.data >= pair.name.data + pair.name.length);
		MUST(pair.value.data + pair.value.length <= form.data + form.length);
		MUST(pair.name.length == 0 || memchr(pair.name.data, '=', pair.name.length) == NULL);
		MUST(pair.value.length == 0 || memchr(pair.value.data, '&', pair.value.length) == NULL);
		last = pair.value.data + pair.value.length;
		if (count++ > 0)
			oa1_buffer_append_char(out, '&');
		oa1_buffer_append_text(out, pair.name);
		oa1_buffer_append_char(out, '=');
		oa1_buffer_append_text(out, pair.value);
	}
	MUST(rest.length == 0);
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oa1_buffer	first = fuzz_buffer();
	oa1_buffer	second = fuzz_buffer();

	encode_then_decode(input);
	MUST(write_pairs(input, &first) == write_pairs(oa1_buffer_text(&first), &second));
	MUST(fuzz_same(oa1_buffer_text(&first), oa1_buffer_text(&second)));
	oa1_buffer_free(&first);
	oa1_buffer_free(&second);
	return 0;
}
