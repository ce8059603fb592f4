/*
 * test_buffer.c
 *	  The bounded buffer: growth, bounds, failures that stick, wiping.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

static void
test_growth(void)
{
	oa1_buffer	b = new_buffer();
	memory	   *m = b.context;

	about("growth");
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT(""));
	CHECK(oa1_buffer_text(&b).data != NULL);
	for (int i = 0; i < 100000; i++)
		oa1_buffer_append_char(&b, (char) ('a' + i % 26));
	CHECK_SIZE(b.length, 100000);
	CHECK(b.data[99999] == 'a' + 99999 % 26 && b.data[0] == 'a' && b.data[300] == 'a' + 300 % 26);
	CHECK(m->calls < 12);
	CHECK_SIZE(m->unwiped, 0);
	oa1_buffer_reset(&b);
	CHECK_SIZE(b.length, 0);
	CHECK(b.data != NULL && b.data[0] == 0 && b.data[99999] == 0);
	free_buffer(&b);
	CHECK(b.data == NULL);
}

static void
test_maximum(void)
{
	memory		m = {0};
	oa1_buffer	b;

	about("maximum");
	oa1_buffer_init(&b, memory_grow, &m, 10);
	oa1_buffer_append(&b, "0123456789", 10);
	CHECK_STATUS(b.status, OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("0123456789"));
	oa1_buffer_append(&b, "", 0);
	CHECK_STATUS(b.status, OA1_OK);
	oa1_buffer_append_char(&b, 'x');
	CHECK_STATUS(b.status, OA1_TOO_LONG);
	CHECK_SIZE(b.length, 10);
	CHECK(oa1_buffer_reserve(&b, 0) == NULL);
	oa1_buffer_reset(&b);
	CHECK_STATUS(b.status, OA1_OK);
	oa1_buffer_append_text(&b, OA1_TEXT("abc"));
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("abc"));
	CHECK(oa1_buffer_reserve(&b, SIZE_MAX) == NULL);
	CHECK_STATUS(b.status, OA1_TOO_LONG);
	oa1_buffer_free(&b);
	CHECK_STATUS(b.status, OA1_OK);
	CHECK_SIZE(m.live, 0);
}

static void
test_encoded_to_the_maximum(void)
{
	memory		m = {0};
	oa1_buffer	b;

	about("an encoding that just fits");
	oa1_buffer_init(&b, memory_grow, &m, 8);
	oa1_percent_encode(&b, OA1_TEXT("abcde/"));
	CHECK_STATUS(b.status, OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("abcde%2F"));
	oa1_buffer_reset(&b);
	oa1_percent_encode(&b, OA1_TEXT("abcdef/"));
	CHECK_STATUS(b.status, OA1_TOO_LONG);
	oa1_buffer_free(&b);
	CHECK_SIZE(m.live, 0);
	CHECK_SIZE(m.unwiped, 0);
}

static void
test_no_memory(void)
{
	memory		m = {.fail_at = 2};
	oa1_buffer	b;

	about("no memory");
	oa1_buffer_init(&b, memory_grow, &m, SIZE_MAX);
	oa1_buffer_append_text(&b, OA1_TEXT("first"));
	CHECK_STATUS(b.status, OA1_OK);
	CHECK(oa1_buffer_reserve(&b, 1000) == NULL);
	CHECK_STATUS(b.status, OA1_OUT_OF_MEMORY);
	/* what was there is there, and nothing is added until a reset */
	oa1_buffer_append_char(&b, 'x');
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("first"));
	oa1_buffer_reset(&b);
	oa1_buffer_append_char(&b, 'x');
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("x"));
	oa1_buffer_free(&b);
	oa1_buffer_free(&b);
	CHECK_SIZE(m.live, 0);
	CHECK_SIZE(m.unwiped, 0);
}

static void
test_numbers(void)
{
	static const struct
	{
		int64_t		number;
		const char *text;
	}			cases[] = {
		{0, "0"}, {7, "7"}, {-1, "-1"}, {1318622958, "1318622958"},
		{INT64_MAX, "9223372036854775807"}, {INT64_MIN, "-9223372036854775808"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		oa1_buffer	b = new_buffer();

		about("number %s", cases[i].text);
		oa1_buffer_append_number(&b, cases[i].number);
		CHECK_TEXT(oa1_buffer_text(&b), text_of(cases[i].text));
		free_buffer(&b);
	}
}

void
test_buffer(void)
{
	test_growth();
	test_maximum();
	test_encoded_to_the_maximum();
	test_no_memory();
	test_numbers();
}
