/*
 * fuzz_form.c
 *	  Form decoding undoes form encoding; pairs written again are the same pairs;
 *	  the pieces that oa1_form_next cuts are the input's, in order.  A parameter that
 *	  was set is there once, with its value, and all else as it was.
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

/*
 * How many pairs decode to that name, by the plain way.
 */
static size_t
count_named(oa1_text form, oa1_text name)
{
	oa1_pair	pair;
	size_t		count = 0;

	while (oa1_form_next(&form, &pair))
	{
		oa1_buffer	decoded = fuzz_buffer();

		if (oa1_form_decode(&decoded, pair.name) == OA1_OK &&
			fuzz_same(oa1_buffer_text(&decoded), name))
			count++;
		oa1_buffer_free(&decoded);
	}
	return count;
}

static void
set_and_find(oa1_text form)
{
	oa1_text	name = OA1_TEXT("a b");
	oa1_buffer	set = fuzz_buffer();
	oa1_buffer	again = fuzz_buffer();
	oa1_text	value = {0};
	size_t		count = count_named(form, name);

	MUST(oa1_query_find(form, name, &value) == (count > 0));
	oa1_query_set(&set, form, name, OA1_TEXT("x&y"));
	MUST(count_named(oa1_buffer_text(&set), name) == 1);
	MUST(oa1_query_find(oa1_buffer_text(&set), name, &value));
	MUST(fuzz_same(value, OA1_TEXT("x%26y")));
	if (count == 0)
		MUST(form.length == 0 || memcmp(set.data, form.data, form.length) == 0);
	oa1_query_set(&again, oa1_buffer_text(&set), name, OA1_TEXT("x&y"));
	MUST(fuzz_same(oa1_buffer_text(&set), oa1_buffer_text(&again)));
	oa1_buffer_free(&set);
	oa1_buffer_free(&again);
}

static void
drop_protocol(oa1_text form)
{
	oa1_buffer	url = fuzz_buffer();
	oa1_buffer	dropped = fuzz_buffer();
	oa1_text	value;

	oa1_buffer_append_char(&url, '?');
	for (size_t i = 0; i < form.length; i++)
		oa1_buffer_append_char(&url, form.data[i] == '#' ? '&' : form.data[i]);
	oa1_url_drop_protocol(&dropped, oa1_buffer_text(&url));
	MUST(!oa1_url_find_parameter(oa1_buffer_text(&dropped), OA1_TEXT("oauth_nonce"), &value));
	MUST(dropped.length <= url.length);
	if (count_named((oa1_text) {url.data + 1, url.length - 1}, OA1_TEXT("oauth_nonce")) > 0)
		MUST(dropped.length < url.length);
	oa1_buffer_free(&url);
	oa1_buffer_free(&dropped);
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
	set_and_find(input);
	drop_protocol(input);
	return 0;
}
