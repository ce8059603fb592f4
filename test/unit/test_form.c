/*
 * test_form.c
 *	  application/x-www-form-urlencoded.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

static void
test_values(void)
{
	static const struct
	{
		oa1_text	raw;
		oa1_text	encoded;
	}			cases[] = {
		{{"", 0}, {"", 0}},
		{{" ", 1}, {"+", 1}},
		{{"a b+c", 5}, {"a+b%2Bc", 7}},
		{{"*-._~", 5}, {"%2A-._~", 7}},
		{{"\0\xff=&", 4}, {"%00%FF%3D%26", 12}},
		{{"a long value of more than sixteen", 33}, {"a+long+value+of+more+than+sixteen", 33}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		oa1_buffer	b = new_buffer();

		about("%.*s", (int) cases[i].encoded.length, cases[i].encoded.data);
		oa1_form_encode(&b, cases[i].raw);
		CHECK_TEXT(oa1_buffer_text(&b), cases[i].encoded);
		oa1_buffer_reset(&b);
		CHECK_STATUS(oa1_form_decode(&b, cases[i].encoded), OA1_OK);
		CHECK_TEXT(oa1_buffer_text(&b), cases[i].raw);
		free_buffer(&b);
	}
}

/*
 * form, and the pairs it has, written as [name|value].
 */
static void
check_pairs(const char *form, const char *expected)
{
	guarded		copy = guard(text_of(form));
	oa1_text	rest = copy.text;
	oa1_buffer	b = new_buffer();
	oa1_pair	pair;

	about("%s", form);
	while (oa1_form_next(&rest, &pair))
	{
		oa1_buffer_append_char(&b, '[');
		oa1_buffer_append_text(&b, pair.name);
		oa1_buffer_append_char(&b, '|');
		oa1_buffer_append_text(&b, pair.value);
		oa1_buffer_append_char(&b, ']');
	}
	CHECK_TEXT(oa1_buffer_text(&b), text_of(expected));
	CHECK_SIZE(rest.length, 0);
	free_buffer(&b);
	unguard(&copy);
}

void
test_form(void)
{
	test_values();
	check_pairs("", "");
	check_pairs("&", "");
	check_pairs("&&&", "");
	check_pairs("a", "[a|]");
	check_pairs("a=", "[a|]");
	check_pairs("=", "[|]");
	check_pairs("=b", "[|b]");
	check_pairs("a=b=c", "[a|b=c]");
	check_pairs("a=1&a=2&&b", "[a|1][a|2][b|]");
	check_pairs("&a=1&", "[a|1]");
	check_pairs("a=1;b=2", "[a|1;b=2]");
	check_pairs("a%26b=c%3D", "[a%26b|c%3D]");
	check_pairs("a==&=&b", "[a|=][|][b|]");
}
