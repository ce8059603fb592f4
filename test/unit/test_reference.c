/*
 * test_reference.c
 *	  References resolved against a URL: all examples of RFC 3986, 5.4, and what
 *	  services and attackers write in Location and Link fields.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

/* Resolves in guarded memory; the result is in out, behind something that was there before. */
static oa1_status
resolve(const char *base_url, oa1_text reference, oa1_buffer *out)
{
	guarded		copy = guard(reference);
	oa1_buffer	octets = new_buffer();
	oa1_url		base;
	oa1_status	status;

	about("%.*s", (int) reference.length, reference.data);
	CHECK_STATUS(oa1_url_parse(text_of(base_url), &octets, &base), OA1_OK);
	oa1_buffer_append_text(out, OA1_TEXT("before"));
	status = oa1_url_resolve(&base, copy.text, out);
	free_buffer(&octets);
	unguard(&copy);
	return status;
}

static void
check_resolved(const char *base, const char *reference, const char *expected)
{
	oa1_buffer	out = new_buffer();
	oa1_text	result;

	CHECK_STATUS(resolve(base, text_of(reference), &out), OA1_OK);
	result = oa1_buffer_text(&out);
	CHECK_TEXT(((oa1_text) {result.data + 6, result.length - 6}), text_of(expected));
	free_buffer(&out);
}

/* Section 5.4's base and examples; without the fragments, which are never sent. */
static void
test_examples(void)
{
	static const char *const examples[][2] = {
		/* 5.4.1 */
		{"g:h", "g:h"},
		{"g", "http://a/b/c/g"},
		{"./g", "http://a/b/c/g"},
		{"g/", "http://a/b/c/g/"},
		{"/g", "http://a/g"},
		{"//g", "http://g"},
		{"?y", "http://a/b/c/d;p?y"},
		{"g?y", "http://a/b/c/g?y"},
		{"#s", "http://a/b/c/d;p?q"},
		{"g#s", "http://a/b/c/g"},
		{"g?y#s", "http://a/b/c/g?y"},
		{";x", "http://a/b/c/;x"},
		{"g;x", "http://a/b/c/g;x"},
		{"g;x?y#s", "http://a/b/c/g;x?y"},
		{"", "http://a/b/c/d;p?q"},
		{".", "http://a/b/c/"},
		{"./", "http://a/b/c/"},
		{"..", "http://a/b/"},
		{"../", "http://a/b/"},
		{"../g", "http://a/b/g"},
		{"../..", "http://a/"},
		{"../../", "http://a/"},
		{"../../g", "http://a/g"},
		/* 5.4.2 */
		{"../../../g", "http://a/g"},
		{"../../../../g", "http://a/g"},
		{"/./g", "http://a/g"},
		{"/../g", "http://a/g"},
		{"g.", "http://a/b/c/g."},
		{".g", "http://a/b/c/.g"},
		{"g..", "http://a/b/c/g.."},
		{"..g", "http://a/b/c/..g"},
		{"./../g", "http://a/b/g"},
		{"./g/.", "http://a/b/c/g/"},
		{"g/./h", "http://a/b/c/g/h"},
		{"g/../h", "http://a/b/c/h"},
		{"g;x=1/./y", "http://a/b/c/g;x=1/y"},
		{"g;x=1/../y", "http://a/b/c/y"},
		{"g?y/./x", "http://a/b/c/g?y/./x"},
		{"g?y/../x", "http://a/b/c/g?y/../x"},
		{"g#s/./x", "http://a/b/c/g"},
		{"g#s/../x", "http://a/b/c/g"},
		{"http:g", "http:g"},
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check_resolved("http://a/b/c/d;p?q", examples[i][0], examples[i][1]);
}

static void
test_more(void)
{
	static const char *const cases[][3] = {
		/* base without query, or without path; the effective port stays */
		{"http://h", "", "http://h/"},
		{"http://h", "?", "http://h/?"},
		{"http://h?q", "", "http://h/?q"},
		{"http://h/?", "#s", "http://h/?"},
		{"http://h/a?q", "?", "http://h/a?"},
		{"https://h:8443/a/b", "c", "https://h:8443/a/c"},
		{"https://h:443/a/b", "/c", "https://h/c"},
		{"https://[2001:db8::1]:8443/a", "b", "https://[2001:db8::1]:8443/b"},
		{"https://h/a", "//other:81/x?y", "https://other:81/x?y"},
		{"https://h/a", "//u:p@other", "https://u:p@other"},
		{"https://h/a", "//", "https://"},
		{"https://h/a", "HTTP://Other/X", "HTTP://Other/X"},
		{"https://h/a", "http://h/b/../c/./d", "http://h/c/d"},
		{"https://h/a", "http://h?q/../x", "http://h?q/../x"},
		{"https://h/a", "http://h#f", "http://h"},
		/* what looks like a scheme, and what does not */
		{"http://h/a", "x+y-z.1:b", "x+y-z.1:b"},
		{"http://h/a", "mailto:a@b", "mailto:a@b"},
		{"http://h/a", "javascript:alert(1)", "javascript:alert(1)"},
		{"http://h/a", "ftp://other/../x", "ftp://other/x"},
		{"http://h/a", "g:a/..", "g:/"},
		{"http://h/a", "g:../../b", "g:b"},
		{"http://h/a", "g:.", "g:"},
		{"http://h/a", "g:", "g:"},
		{"http://h/a", ":b", "http://h/:b"},
		{"http://h/a", "1a:b", "http://h/1a:b"},
		{"http://h/a", "a_b:c", "http://h/a_b:c"},
		{"http://h/a", "b/c:d", "http://h/b/c:d"},
		{"http://h/a", "?page=2&at=12:30", "http://h/a?page=2&at=12:30"},
		{"http://h/a", "?next=http://x/", "http://h/a?next=http://x/"},
		/* dot segments: of the reference, never of a query; escaped ones stay, and are refused later */
		{"http://h/a/b", "../../../..", "http://h/"},
		{"http://h/a/b", "c/../../d/", "http://h/d/"},
		{"http://h/a/b", "/c//../d", "http://h/c/d"},
		{"http://h/a/b", "/c/d//../..", "http://h/c/"},
		{"http://h/a/b", "//h/..", "http://h/"},
		{"http://h/a/b", "...", "http://h/a/..."},
		{"http://h/a/b", ".../x", "http://h/a/.../x"},
		{"http://h/a/b", "%2e%2e/x", "http://h/a/%2e%2e/x"},
		{"http://h/a/b", "/..//evil/x", "http://h//evil/x"},
		{"http://h//a//b", "c", "http://h//a//c"},
		/* octets outside ASCII, spaces and escapes as they are: oa1_url_parse encodes or refuses them */
		{"http://h/a", "\xc3\xa9?\xff b", "http://h/\xc3\xa9?\xff b"},
		{"http://h/%e9", "?x=%zz", "http://h/%e9?x=%zz"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_resolved(cases[i][0], cases[i][1], cases[i][2]);
}

static void
check_refused(oa1_text reference, oa1_status expected)
{
	oa1_buffer	out = new_buffer();

	CHECK_STATUS(resolve("http://h/a?q", reference, &out), expected);
	free_buffer(&out);
}

static void
test_refused(void)
{
	check_refused(OA1_TEXT("/a\r\nX: y"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("\tb"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("b\0"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("b\x7f"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("b#\n"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("?b\x01"), OA1_URL_CONTROL);
	check_refused(OA1_TEXT("\\\\other/x"), OA1_URL_BACKSLASH);
	check_refused(OA1_TEXT("/\\other"), OA1_URL_BACKSLASH);
	check_refused(OA1_TEXT("http:/..//other/x"), OA1_URL_NO_HOST);
	check_refused(OA1_TEXT("http:/.//other/x"), OA1_URL_NO_HOST);
	check_refused(OA1_TEXT("http:a/..//other/x"), OA1_URL_NO_HOST);
}

/* "http://h/a/../c", the longest that is ever in the buffer, does not fit. */
static void
test_too_long(void)
{
	memory		m = {0};
	oa1_buffer	octets = new_buffer();
	oa1_url		base;

	CHECK_STATUS(oa1_url_parse(OA1_TEXT("http://h/a/b?q"), &octets, &base), OA1_OK);
	for (size_t maximum = 0; maximum < 18; maximum++)
	{
		oa1_buffer	out;

		about("at most %zu", maximum);
		oa1_buffer_init(&out, memory_grow, &m, maximum);
		CHECK_STATUS(oa1_url_resolve(&base, OA1_TEXT("../c?r"), &out),
					 maximum < 15 ? OA1_TOO_LONG : OA1_OK);
		oa1_buffer_free(&out);
		CHECK_SIZE(m.live, 0);
		CHECK_SIZE(m.unwiped, 0);
	}
	free_buffer(&octets);
}

/* Many segments that go away again take no more than their length. */
static void
test_long(void)
{
	size_t		count = 100000;
	char	   *text = malloc(count * 5);
	oa1_buffer	out = new_buffer();

	for (size_t i = 0; i < count; i++)
		memcpy(text + 5 * i, i % 2 ? "../.." : "x/y/z", 5);
	about("a long reference");
	CHECK_STATUS(resolve("http://h/a", (oa1_text) {text, count * 5}, &out), OA1_OK);
	free_buffer(&out);
	free(text);
}

void
test_reference(void)
{
	test_examples();
	test_more();
	test_refused();
	test_too_long();
	test_long();
}
