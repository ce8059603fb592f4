/*
 * test_url.c
 *	  URLs: what is signed, what is sent, what is refused (RFC 5849, 3.4.1.2).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

static void
check_sent(const char *input, const char *sent)
{
	guarded		copy = guard(text_of(input));
	oa1_buffer	b = new_buffer();
	oa1_url		url;

	about("%s", input);
	/* the URL need not be the buffer's first */
	oa1_buffer_append_text(&b, OA1_TEXT("before"));
	CHECK_STATUS(oa1_url_parse(copy.text, &b, &url), OA1_OK);
	CHECK_TEXT(url.text, text_of(sent));

	/* what is sent is sent as it is */
	if (url.text.length == strlen(sent))
	{
		oa1_buffer	again = new_buffer();
		oa1_url		second;

		CHECK_STATUS(oa1_url_parse(url.text, &again, &second), OA1_OK);
		CHECK_TEXT(second.text, url.text);
		CHECK(!second.has_userinfo);
		CHECK(second.has_dot_segments == url.has_dot_segments);
		free_buffer(&again);
	}
	free_buffer(&b);
	unguard(&copy);
}

static void
test_sent(void)
{
	check_sent("http://h", "http://h/");
	check_sent("HTTP://H/P", "http://h/P");
	check_sent("https://h:443/a", "https://h/a");
	check_sent("https://h:0443/a", "https://h/a");
	check_sent("https://h:80", "https://h:80/");
	check_sent("http://h:65535/", "http://h:65535/");
	check_sent("http://h?a=b", "http://h/?a=b");
	check_sent("http://h?", "http://h/?");
	check_sent("http://h/?", "http://h/?");
	check_sent("http://h#f", "http://h/");
	check_sent("http://h/a?b#c?d#e", "http://h/a?b");
	check_sent("http://h/#a?b", "http://h/");
	check_sent("http://u:p@h/", "http://h/");
	check_sent("http://@h/", "http://h/");
	check_sent("http://u%40x:p@h:8080/", "http://h:8080/");
	check_sent("http://h/a@b@c?d@e@f", "http://h/a@b@c?d@e@f");
	check_sent("http://h/a b?c d", "http://h/a%20b?c%20d");
	check_sent("http://h/\xc3\xa9?\xf0\x9f\x98\x80", "http://h/%C3%A9?%F0%9F%98%80");
	check_sent("http://h/%e9%2f%2F?%7e", "http://h/%e9%2f%2F?%7e");
	check_sent("http://h/a/../b/./c", "http://h/a/../b/./c");
	check_sent("http://h//a//b", "http://h//a//b");
	check_sent("http://h/a;b=c,d!$&'()*+:@~", "http://h/a;b=c,d!$&'()*+:@~");
	check_sent("http://h/?a=http://x/?y", "http://h/?a=http://x/?y");
	check_sent("http://h?a/b", "http://h/?a/b");
	check_sent("http://xn--mnchen-3ya.example/", "http://xn--mnchen-3ya.example/");
	check_sent("http://a_b.example./", "http://a_b.example./");
	check_sent("http://[::1]", "http://[::1]/");
	check_sent("http://[2001:DB8::A]:8080/x", "http://[2001:db8::a]:8080/x");
	check_sent("http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/");
	check_sent("http://h/0123456789abcdef0123456789abcd%ef", "http://h/0123456789abcdef0123456789abcd%ef");
	check_sent("http://h/0123456789abcde f0123456789abcde", "http://h/0123456789abcde%20f0123456789abcde");
}

static void
check_refused(const char *input, size_t length, oa1_status expected)
{
	guarded		copy = guard((oa1_text) {input, length});
	oa1_buffer	b = new_buffer();
	oa1_url		url;

	about("%s", input);
	CHECK_STATUS(oa1_url_parse(copy.text, &b, &url), expected);
	free_buffer(&b);
	unguard(&copy);
}

#define REFUSED(literal, status) check_refused(literal, sizeof(literal) - 1, status)

static void
test_refused(void)
{
	REFUSED("", OA1_URL_SCHEME);
	REFUSED("h", OA1_URL_SCHEME);
	REFUSED("http", OA1_URL_SCHEME);
	REFUSED("https", OA1_URL_SCHEME);
	REFUSED("httpss://h", OA1_URL_SCHEME);
	REFUSED("ftp://h", OA1_URL_SCHEME);
	REFUSED("file:///etc/passwd", OA1_URL_SCHEME);
	REFUSED("javascript:alert(1)", OA1_URL_SCHEME);
	REFUSED(" http://h", OA1_URL_SCHEME);
	REFUSED("//h/", OA1_URL_SCHEME);
	REFUSED("/path", OA1_URL_SCHEME);
	REFUSED("http:", OA1_URL_NO_HOST);
	REFUSED("http:/", OA1_URL_NO_HOST);
	REFUSED("http:h", OA1_URL_NO_HOST);
	REFUSED("http:/h", OA1_URL_NO_HOST);
	REFUSED("http://", OA1_URL_NO_HOST);
	REFUSED("http:///p", OA1_URL_NO_HOST);
	REFUSED("http://?q", OA1_URL_NO_HOST);
	REFUSED("http://#f", OA1_URL_NO_HOST);
	REFUSED("http://:80/", OA1_URL_NO_HOST);
	REFUSED("http://u@/", OA1_URL_NO_HOST);
	REFUSED("http://u@:80/", OA1_URL_NO_HOST);
	REFUSED("http://a b/", OA1_URL_HOST);
	REFUSED("http://a%41/", OA1_URL_HOST);
	REFUSED("http://a~b/", OA1_URL_HOST);
	REFUSED("http://a*b/", OA1_URL_HOST);
	REFUSED("http://a,b/", OA1_URL_HOST);
	REFUSED("http://[::1/", OA1_URL_HOST);
	REFUSED("http://[::1]x/", OA1_URL_HOST);
	REFUSED("http://[]/", OA1_URL_HOST);
	REFUSED("http://[/", OA1_URL_HOST);
	REFUSED("http://[::g]/", OA1_URL_HOST);
	REFUSED("http://[fe80::1%25eth0]/", OA1_URL_HOST);
	REFUSED("http://[v1.a]/", OA1_URL_HOST);
	REFUSED("http://[127.0.0.1]/", OA1_URL_HOST);
	REFUSED("http://[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]/", OA1_URL_HOST);
	REFUSED("http://::1/", OA1_URL_NO_HOST);
	REFUSED("http://h]/", OA1_URL_HOST);
	REFUSED("http://m\xc3\xbcnchen.example/", OA1_URL_HOST_NOT_ASCII);
	REFUSED("http://h:0/", OA1_URL_PORT);
	REFUSED("http://h:00/", OA1_URL_PORT);
	REFUSED("http://h:65536/", OA1_URL_PORT);
	REFUSED("http://h:99999999999999999999/", OA1_URL_PORT);
	REFUSED("http://h:8a/", OA1_URL_PORT);
	REFUSED("http://h:+80/", OA1_URL_PORT);
	REFUSED("http://h: 80/", OA1_URL_PORT);
	REFUSED("http://[::1]:x/", OA1_URL_PORT);
	REFUSED("http://a@b@c/", OA1_URL_TWO_AT);
	REFUSED("http://a@@c/", OA1_URL_TWO_AT);
	REFUSED("http://h\\@evil/", OA1_URL_BACKSLASH);
	REFUSED("http:\\\\h/", OA1_URL_BACKSLASH);
	REFUSED("http://u\\@h/", OA1_URL_BACKSLASH);
	REFUSED("http://h:8\\0/", OA1_URL_BACKSLASH);
	REFUSED("http://h/a\\b", OA1_URL_BACKSLASH);
	REFUSED("http://h/?a\\b", OA1_URL_BACKSLASH);
	REFUSED("http://h/#a\\b", OA1_URL_BACKSLASH);
	REFUSED("http://h/0123456789abcdef0123456789abcdef\\", OA1_URL_BACKSLASH);
	REFUSED("http://h\n/", OA1_URL_CONTROL);
	REFUSED("http://u\n@h/", OA1_URL_CONTROL);
	REFUSED("http://h:8\t0/", OA1_URL_CONTROL);
	REFUSED("http://h/\r\nX: y", OA1_URL_CONTROL);
	REFUSED("http://h/a\0b", OA1_URL_CONTROL);
	REFUSED("http://h/?a\x7f" "b", OA1_URL_CONTROL);
	REFUSED("http://h/#\n", OA1_URL_CONTROL);
	REFUSED("http://h/0123456789abcde\x1f", OA1_URL_CONTROL);
	REFUSED("http://h/%", OA1_BAD_ESCAPE);
	REFUSED("http://h/%2", OA1_BAD_ESCAPE);
	REFUSED("http://h/%zz", OA1_BAD_ESCAPE);
	REFUSED("http://h/?%", OA1_BAD_ESCAPE);
	REFUSED("http://h/a%2?0", OA1_BAD_ESCAPE);
	REFUSED("http://h/0123456789abcdef%4", OA1_BAD_ESCAPE);
}

static void
test_parts(void)
{
	oa1_buffer	b = new_buffer();
	oa1_url		url;

	about("parts");
	CHECK_STATUS(oa1_url_parse(OA1_TEXT("HTTPS://u:p@API.example.com:8443/a/b?c=d#e"), &b, &url),
				 OA1_OK);
	CHECK_TEXT(url.text, OA1_TEXT("https://api.example.com:8443/a/b?c=d"));
	CHECK_TEXT(url.base_uri, OA1_TEXT("https://api.example.com:8443/a/b"));
	CHECK_TEXT(url.origin, OA1_TEXT("https://api.example.com:8443"));
	CHECK_TEXT(url.scheme, OA1_TEXT("https"));
	CHECK_TEXT(url.host, OA1_TEXT("api.example.com"));
	CHECK_TEXT(url.path, OA1_TEXT("/a/b"));
	CHECK_TEXT(url.query, OA1_TEXT("c=d"));
	CHECK_SIZE(url.port, 8443);
	CHECK(url.has_query && url.has_userinfo && !url.has_dot_segments);
	oa1_buffer_reset(&b);

	CHECK_STATUS(oa1_url_parse(OA1_TEXT("http://[::1]"), &b, &url), OA1_OK);
	CHECK_TEXT(url.host, OA1_TEXT("[::1]"));
	CHECK_TEXT(url.path, OA1_TEXT("/"));
	CHECK_TEXT(url.query, OA1_TEXT(""));
	CHECK_SIZE(url.port, 80);
	CHECK(!url.has_query && !url.has_userinfo);
	oa1_buffer_reset(&b);

	CHECK_STATUS(oa1_url_parse(OA1_TEXT("https://h/?"), &b, &url), OA1_OK);
	CHECK(url.has_query);
	CHECK_TEXT(url.query, OA1_TEXT(""));
	CHECK_SIZE(url.port, 443);
	free_buffer(&b);
}

static void
test_dot_segments(void)
{
	static const struct
	{
		const char *path;
		bool		dots;
	}			cases[] = {
		{"/", false}, {"/a", false}, {"/a.b", false}, {"/.a", false}, {"/a.", false},
		{"/...", false}, {"/.../", false}, {"/a..b/", false}, {"/..a", false}, {"/a..", false},
		{"/%41", false}, {"/%2ea", false}, {"/%252e/", false}, {"/.well-known/x", false},
		{"/a;..", false}, {"/%41;../b", false}, {"/?..", false}, {"/a?/../", false},
		{"/.", true}, {"/..", true}, {"/./", true}, {"/../", true}, {"/a/.", true},
		{"/a/..", true}, {"/a/../b", true}, {"/a/./b", true}, {"/%2e", true}, {"/%2E%2e", true},
		{"/.%2e/", true}, {"/a/%2e./b", true}, {"/a%2f..", true}, {"/..%2Fb", true},
		{"/a%5C..%5cb", true}, {"/a/..;x/b", true}, {"/.;", true}, {"/..?a", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		char		text[100];
		oa1_buffer	b = new_buffer();
		oa1_url		url;

		snprintf(text, sizeof(text), "http://h%s", cases[i].path);
		about("%s", text);
		CHECK_STATUS(oa1_url_parse(text_of(text), &b, &url), OA1_OK);
		CHECK(url.has_dot_segments == cases[i].dots);
		free_buffer(&b);
	}
}

static void
test_under(void)
{
	static const struct
	{
		const char *url;
		const char *prefix;
		bool		same_origin;
		bool		under;
	}			cases[] = {
		{"https://h/a", "https://h/a", true, true},
		{"https://h/a/", "https://h/a", true, true},
		{"https://h/a/b", "https://h/a", true, true},
		{"https://h/a?q", "https://h/a", true, true},
		{"https://h/ab", "https://h/a", true, false},
		{"https://h/A", "https://h/a", true, false},
		{"https://h/a%2Fb", "https://h/a", true, false},
		{"https://h/a", "https://h/a/", true, false},
		{"https://h/a/b", "https://h/a/", true, true},
		{"https://h/", "https://h", true, true},
		{"https://h/x", "https://h", true, true},
		{"https://h:443/x", "https://H/", true, true},
		{"https://h/", "https://h/a", true, false},
		{"http://h/a", "https://h/a", false, false},
		{"https://h:8443/a", "https://h/a", false, false},
		{"https://h.evil/a", "https://h/a", false, false},
		{"https://hh/a", "https://h/a", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		oa1_buffer	b = new_buffer();
		oa1_buffer	p = new_buffer();
		oa1_url		url;
		oa1_url		prefix;

		about("%s under %s", cases[i].url, cases[i].prefix);
		CHECK_STATUS(oa1_url_parse(text_of(cases[i].url), &b, &url), OA1_OK);
		CHECK_STATUS(oa1_url_parse(text_of(cases[i].prefix), &p, &prefix), OA1_OK);
		CHECK(oa1_url_same_origin(&url, &prefix) == cases[i].same_origin);
		CHECK(oa1_url_is_under(&url, &prefix) == cases[i].under);
		free_buffer(&b);
		free_buffer(&p);
	}
}

static void
test_long(void)
{
	size_t		size = 1 << 20;
	char	   *text = malloc(size);
	oa1_buffer	b = new_buffer();
	oa1_url		url;

	about("a URL of 1 MiB");
	memset(text, ' ', size);
	memcpy(text, "http://h/?", 10);
	CHECK_STATUS(oa1_url_parse((oa1_text) {text, size}, &b, &url), OA1_OK);
	CHECK_SIZE(url.query.length, 3 * (size - 10));
	free_buffer(&b);
	free(text);
}

void
test_url(void)
{
	test_sent();
	test_refused();
	test_parts();
	test_dot_segments();
	test_under();
	test_long();
}
