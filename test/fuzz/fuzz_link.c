/*
 * fuzz_link.c
 *	  Whatever the field is, reading it ends, the parts found are parts of it, and a
 *	  well-formed link behind it is found unless a quote or '<' is left open.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

#include "work/link.h"

static bool
lies_in(oa1_text part, oa1_text whole)
{
	return part.length == 0 ||
		(part.data >= whole.data && part.data + part.length <= whole.data + whole.length);
}

/*
 * How many links there are; *last is the last of them.
 */
static size_t
count_links(oa1_text field, oauth1_link *last)
{
	oa1_text	rest = field;
	size_t		count = 0;
	oauth1_link link;

	while (oauth1_link_next(&rest, &link))
	{
		MUST(lies_in(link.target, field) && lies_in(link.rel, field));
		MUST(lies_in(link.anchor, field) && lies_in(rest, field));
		MUST(link.target.length == 0 || memchr(link.target.data, '>', link.target.length) == NULL);
		MUST(!oauth1_link_has_relation(&link, OA1_TEXT("next")) || link.rel.length >= 4);
		MUST(++count <= field.length);
		*last = link;
	}
	MUST(rest.length == 0);
	return count;
}

/*
 * With input as the title of a link, encoded so that it ends: its own commas and
 * brackets mean nothing.
 */
static void
check_title(oa1_text input)
{
	oa1_buffer	field = fuzz_buffer();
	oauth1_link link;

	oa1_buffer_append_text(&field, OA1_TEXT("<a>; title=\""));
	for (size_t i = 0; i < input.length; i++)
	{
		if (input.data[i] == '"' || input.data[i] == '\\')
			oa1_buffer_append_char(&field, '\\');
		oa1_buffer_append_char(&field, input.data[i]);
	}
	oa1_buffer_append_text(&field, OA1_TEXT("\"; rel=\"x next\""));
	MUST(count_links(oa1_buffer_text(&field), &link) == 1);
	MUST(fuzz_same(link.target, OA1_TEXT("a")));
	MUST(oauth1_link_has_relation(&link, OA1_TEXT("next")));
	oa1_buffer_free(&field);
}

/*
 * Behind input that opens nothing, a link is found.
 */
static void
check_behind(oa1_text input)
{
	oa1_buffer	field = fuzz_buffer();
	oauth1_link link;

	for (size_t i = 0; i < input.length; i++)
		oa1_buffer_append_char(&field, input.data[i] == '"' ? '\'' : input.data[i]);
	oa1_buffer_append_text(&field, OA1_TEXT(">,<b>;rel=NEXT"));
	MUST(count_links(oa1_buffer_text(&field), &link) > 0);
	MUST(fuzz_same(link.target, OA1_TEXT("b")));
	oa1_buffer_free(&field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oauth1_link link;

	count_links(input, &link);
	check_title(input);
	check_behind(input);
	return 0;
}
