/*
 * test_query.c
 *	  Parameters of a query or a form body, found and set; every other octet stays.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

static void
check_dropped(const char *url, const char *expected)
{
	guarded		copy = guard(text_of(url));
	oa1_buffer	out = new_buffer();

	about("%s", url);
	oa1_url_drop_protocol(&out, copy.text);
	CHECK_STATUS(out.status, OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&out), text_of(expected));
	free_buffer(&out);
	unguard(&copy);
}

static void
test_drop_protocol(void)
{
	check_dropped("", "");
	check_dropped("http://h/a", "http://h/a");
	check_dropped("http://h/a?", "http://h/a?");
	check_dropped("?", "?");
	check_dropped("#f", "#f");
	check_dropped("?#f", "?#f");
	check_dropped("http://h/a?b=c&&d", "http://h/a?b=c&&d");
	check_dropped("http://h/a?oauth_nonce=1", "http://h/a");
	check_dropped("http://h/a?oauth_nonce", "http://h/a");
	check_dropped("http://h/a?oauth_nonce#oauth_nonce=1", "http://h/a#oauth_nonce=1");
	check_dropped("/a?oauth_consumer_key=k&page=2&oauth_token=t&oauth_signature_method=m"
				  "&oauth_timestamp=1&oauth_nonce=n&oauth_version=1.0&oauth_body_hash=h"
				  "&oauth_signature=s%2B&per_page=10", "/a?page=2&per_page=10");
	check_dropped("?b=%41+x&oauth%5Fnonce=1&o%61uth_tok%65n=2&c=%zz", "?b=%41+x&c=%zz");
	check_dropped("?oauth_nonce=1&oauth_nonce=2&&b", "?&b");
	check_dropped("?b&oauth_nonce=1&", "?b&");
	/* names that only look alike */
	check_dropped("?oauth_nonces=1&Oauth_nonce=2&xoauth_nonce=3&oauth_=4&oauth_nonc=5&oauth=6"
				  "&oauth_callback=7&oauth+nonce=8&=oauth_nonce&oauth_nonce%=9&oauth_nonce%00=10",
				  "?oauth_nonces=1&Oauth_nonce=2&xoauth_nonce=3&oauth_=4&oauth_nonc=5&oauth=6"
				  "&oauth_callback=7&oauth+nonce=8&=oauth_nonce&oauth_nonce%=9&oauth_nonce%00=10");
	check_dropped("/oauth_nonce=1?a", "/oauth_nonce=1?a");
}

static void
check_found(const char *form, const char *name, const char *expected)
{
	guarded		copy = guard(text_of(form));
	oa1_text	value = OA1_TEXT("not set");
	bool		found;

	about("%s in %s", name, form);
	found = oa1_query_find(copy.text, text_of(name), &value);
	CHECK(found == (expected != NULL));
	if (expected != NULL)
		CHECK_TEXT(value, text_of(expected));
	unguard(&copy);
}

static void
test_find(void)
{
	oa1_text	value;

	check_found("", "a", NULL);
	check_found("", "", NULL);
	check_found("=1", "", NULL);
	check_found("a=1", "a", "1");
	check_found("a", "a", "");
	check_found("a=", "a", "");
	check_found("b&a=1=2&a=3", "a", "1=2");
	check_found("%61+b=%31", "a b", "%31");
	check_found("a%2Bb=1", "a+b", "1");
	check_found("a[0]=1", "a[0]", "1");
	check_found("a%=1&a=2", "a", "2");
	check_found("aa=1&&b=a", "a", NULL);
	check_found("%c3%A9=1", "\xc3\xa9", "1");

	about("in a URL");
	CHECK(oa1_url_find_parameter(OA1_TEXT("/a=1?b&a=2#a=3"), OA1_TEXT("a"), &value));
	CHECK_TEXT(value, OA1_TEXT("2"));
	CHECK(!oa1_url_find_parameter(OA1_TEXT("/?b#?a=3"), OA1_TEXT("a"), &value));
	CHECK(!oa1_url_find_parameter(OA1_TEXT("/?"), OA1_TEXT("a"), &value));
	CHECK(!oa1_url_find_parameter((oa1_text) {NULL, 0}, OA1_TEXT("a"), &value));
}

static void
check_set(const char *url, const char *name, const char *value, const char *expected)
{
	guarded		copy = guard(text_of(url));
	oa1_buffer	out = new_buffer();

	about("%s=%s in %s", name, value, url);
	oa1_buffer_append_text(&out, OA1_TEXT(":"));
	oa1_url_set_parameter(&out, copy.text, text_of(name), text_of(value));
	CHECK_STATUS(out.status, OA1_OK);
	CHECK_TEXT(((oa1_text) {out.data + 1, out.length - 1}), text_of(expected));
	free_buffer(&out);
	unguard(&copy);
}

static void
test_set(void)
{
	check_set("/x", "a", "1", "/x?a=1");
	check_set("/x?", "a", "1", "/x?a=1");
	check_set("/x#f", "a", "1", "/x?a=1#f");
	check_set("/x?#f", "a", "1", "/x?a=1#f");
	check_set("", "a", "1", "?a=1");
	check_set("/x?b", "a", "1", "/x?b&a=1");
	check_set("/x?b&", "a", "1", "/x?b&a=1");
	check_set("/x?&", "a", "1", "/x?&a=1");
	check_set("/x?a", "a", "1", "/x?a=1");
	check_set("/x?a=&b", "a", "1", "/x?a=1&b");
	check_set("/x?b=%7e+&&a=0&c=%zz&A=2&a=3&d", "a", "1", "/x?b=%7e+&&a=1&c=%zz&A=2&d");
	check_set("/x?%61=0&a=2", "a", "1", "/x?%61=1");
	check_set("/a=5?b", "a", "1", "/a=5?b&a=1");
	check_set("/x", "page[n]", "a b&\xc3\xa9=", "/x?page%5Bn%5D=a%20b%26%C3%A9%3D");
	check_set("/x?page[n]=1", "page[n]", "", "/x?page[n]=");
}

void
test_query(void)
{
	test_drop_protocol();
	test_find();
	test_set();
}
