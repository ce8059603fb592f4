/*
 * fuzz_parameters.c
 *	  Normalized parameters are sorted, are the same whatever the order in which
 *	  they came and whether they came as a form or raw, and are their own
 *	  normalization; the base string ends with them, encoded (RFC 5849, 3.4.1).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

static oa1_parameters
new_parameters(void)
{
	oa1_parameters parameters;

	oa1_parameters_init(&parameters, fuzz_grow, NULL, SIZE_MAX);
	return parameters;
}

static int
compare(oa1_text a, oa1_text b)
{
	size_t		common = a.length < b.length ? a.length : b.length;
	int			order = common > 0 ? memcmp(a.data, b.data, common) : 0;

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

/*
 * Name by name, then value by value, and none is oauth_signature.
 */
static void
check_order(oa1_text normalized, size_t count)
{
	oa1_text	rest = normalized;
	oa1_pair	before = {{"", 0}, {"", 0}};
	oa1_pair	pair;
	size_t		found = 0;

	while (oa1_form_next(&rest, &pair))
	{
		int			order = compare(before.name, pair.name);

		MUST(order < 0 || (order == 0 && compare(before.value, pair.value) <= 0));
		MUST(!fuzz_same(pair.name, OA1_TEXT("oauth_signature")));
		before = pair;
		found++;
	}
	MUST(found == count);
}

/*
 * The pairs of form, raw, the last one first.
 */
static void
add_backwards(oa1_parameters *parameters, oa1_text form)
{
	oa1_text	rest = form;
	oa1_pair	pair;
	oa1_buffer	name = fuzz_buffer();
	oa1_buffer	value = fuzz_buffer();

	if (!oa1_form_next(&rest, &pair))
		return;
	if (rest.length < form.length)
		add_backwards(parameters, rest);
	MUST(oa1_form_decode(&name, pair.name) == OA1_OK);
	MUST(oa1_form_decode(&value, pair.value) == OA1_OK);
	MUST(oa1_parameters_add(parameters, oa1_buffer_text(&name), oa1_buffer_text(&value)) == OA1_OK);
	oa1_buffer_free(&name);
	oa1_buffer_free(&value);
}

static void
check_same(oa1_parameters *parameters, oa1_text expected)
{
	oa1_buffer	out = fuzz_buffer();

	MUST(oa1_parameters_write(parameters, &out) == OA1_OK);
	MUST(fuzz_same(oa1_buffer_text(&out), expected));
	oa1_buffer_free(&out);
	oa1_parameters_free(parameters);
}

static void
check_base_string(oa1_parameters *parameters, oa1_text normalized)
{
	oa1_buffer	url_text = fuzz_buffer();
	oa1_buffer	expected = fuzz_buffer();
	oa1_buffer	out = fuzz_buffer();
	oa1_url		url;

	MUST(oa1_url_parse(OA1_TEXT("http://h"), &url_text, &url) == OA1_OK);
	MUST(oa1_base_string(&out, OA1_TEXT("get"), &url, parameters) == OA1_OK);
	oa1_buffer_append_text(&expected, OA1_TEXT("GET&http%3A%2F%2Fh%2F&"));
	oa1_percent_encode(&expected, normalized);
	MUST(fuzz_same(oa1_buffer_text(&out), oa1_buffer_text(&expected)));
	oa1_buffer_free(&url_text);
	oa1_buffer_free(&expected);
	oa1_buffer_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oa1_parameters first = new_parameters();
	oa1_parameters backwards = new_parameters();
	oa1_parameters again = new_parameters();
	oa1_buffer	normalized = fuzz_buffer();
	oa1_status	status = oa1_parameters_add_form(&first, input);

	MUST(status == OA1_OK || status == OA1_BAD_ESCAPE);
	if (status == OA1_OK)
	{
		oa1_text	text;

		MUST(oa1_parameters_write(&first, &normalized) == OA1_OK);
		text = oa1_buffer_text(&normalized);
		check_order(text, first.count);
		add_backwards(&backwards, input);
		check_same(&backwards, text);
		MUST(oa1_parameters_add_form(&again, text) == OA1_OK);
		check_same(&again, text);
		check_base_string(&first, text);
	}
	oa1_parameters_free(&first);
	oa1_parameters_free(&backwards);
	oa1_parameters_free(&again);
	oa1_buffer_free(&normalized);
	return 0;
}
