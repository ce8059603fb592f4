/*
 * test_base_string.c
 *	  The signature base string (RFC 5849, 3.4.1.1); the vectors have the rest.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

static void
check_method(oa1_text http_method, oa1_status expected, oa1_text start)
{
	oa1_buffer	b = new_buffer();
	oa1_buffer	out = new_buffer();
	oa1_parameters p;
	oa1_url		url;
	memory		m = {0};

	about("%.*s", (int) http_method.length, http_method.data);
	oa1_parameters_init(&p, memory_grow, &m, SIZE_MAX);
	CHECK_STATUS(oa1_url_parse(OA1_TEXT("http://h/~a%2Fb"), &b, &url), OA1_OK);
	CHECK_STATUS(oa1_base_string(&out, http_method, &url, &p), expected);
	if (expected == OA1_OK)
	{
		oa1_buffer	whole = new_buffer();

		oa1_buffer_append_text(&whole, start);
		oa1_buffer_append_text(&whole, OA1_TEXT("&http%3A%2F%2Fh%2F~a%252Fb&"));
		CHECK_TEXT(oa1_buffer_text(&out), oa1_buffer_text(&whole));
		free_buffer(&whole);
	}
	oa1_parameters_free(&p);
	free_buffer(&b);
	free_buffer(&out);
}

void
test_base_string(void)
{
	check_method(OA1_TEXT("GET"), OA1_OK, OA1_TEXT("GET"));
	check_method(OA1_TEXT("patch"), OA1_OK, OA1_TEXT("PATCH"));
	check_method(OA1_TEXT("M-search"), OA1_OK, OA1_TEXT("M-SEARCH"));
	/* "custom methods MUST be encoded" (3.4.1.1) */
	check_method(OA1_TEXT("a&b%c"), OA1_OK, OA1_TEXT("A%26B%25C"));
	check_method(OA1_TEXT(""), OA1_BAD_METHOD, OA1_TEXT(""));
	check_method(OA1_TEXT("GE T"), OA1_BAD_METHOD, OA1_TEXT(""));
	check_method(OA1_TEXT("GET\n"), OA1_BAD_METHOD, OA1_TEXT(""));
	check_method(OA1_TEXT("GET\0"), OA1_BAD_METHOD, OA1_TEXT(""));
	check_method(OA1_TEXT("G\xc3\x89T"), OA1_BAD_METHOD, OA1_TEXT(""));
	check_method(OA1_TEXT("GET:"), OA1_BAD_METHOD, OA1_TEXT(""));
}
