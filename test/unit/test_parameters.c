/*
 * test_parameters.c
 *	  Collecting, sorting and normalizing (RFC 5849, 3.4.1.3).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

static memory watched;

static oa1_parameters
new_parameters(void)
{
	oa1_parameters p;

	memset(&watched, 0, sizeof(watched));
	oa1_parameters_init(&p, memory_grow, &watched, SIZE_MAX);
	return p;
}

static void
free_parameters(oa1_parameters *p)
{
	oa1_parameters_free(p);
	CHECK_SIZE(watched.live, 0);
	CHECK_SIZE(watched.unwiped, 0);
}

static void
check_normalized(oa1_parameters *p, oa1_text expected)
{
	oa1_buffer	b = new_buffer();

	CHECK_STATUS(oa1_parameters_write(p, &b), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), expected);
	free_buffer(&b);
}

static void
check_form(const char *form, const char *expected)
{
	guarded		copy = guard(text_of(form));
	oa1_parameters p = new_parameters();

	about("%s", form);
	CHECK_STATUS(oa1_parameters_add_form(&p, copy.text), OA1_OK);
	check_normalized(&p, text_of(expected));
	free_parameters(&p);
	unguard(&copy);
}

static void
test_forms(void)
{
	check_form("", "");
	check_form("&&", "");
	check_form("a", "a=");
	check_form("=", "=");
	check_form("==", "=%3D");
	check_form("b=1&a=2", "a=2&b=1");
	check_form("a=2&a=1&a=", "a=&a=1&a=2");
	check_form("a=1&a=1", "a=1&a=1");
	check_form("&a=b&&c=d&", "a=b&c=d");
	check_form("a+b=c+d", "a%20b=c%20d");
	check_form("a%2Bb=%2b", "a%2Bb=%2B");
	check_form("%61=%62", "a=b");
	check_form("a=%ff%00", "a=%FF%00");
	check_form("a;b=c", "a%3Bb=c");
	check_form("x=~&x=%7E", "x=~&x=~");
	check_form("oauth_signature=x&a=b", "a=b");
	check_form("oauth%5Fsignature=x", "");
	check_form("oauth_signatur=x&oauth_signature1=y&Oauth_signature=z",
			   "Oauth_signature=z&oauth_signatur=x&oauth_signature1=y");
	check_form("realm=x", "realm=x");
	/* by name first: as joined text "a=" would stand behind "a-b=", as "=" is above "-" */
	check_form("a-b=1&a=2", "a=2&a-b=1");
	check_form("a%20=1&a=2", "a=2&a%20=1");
	/* by encoded octets: "%" is below the letters that "\xc3" would stand behind */
	check_form("z=1&%C3%A9=2&A=3&0=4&-=5", "%C3%A9=2&-=5&0=4&A=3&z=1");
	check_form("a=%2C&a=.&a=0", "a=%2C&a=.&a=0");
	/* names that share their first eight octets */
	check_form("abcdefghi=1&abcdefgh=2&abcdefgg=3&abcdefg=4&abcdefghh=5",
			   "abcdefg=4&abcdefgg=3&abcdefgh=2&abcdefghh=5&abcdefghi=1");
}

static void
test_raw(void)
{
	oa1_parameters p = new_parameters();

	about("raw");
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("c@"), OA1_TEXT("")), OA1_OK);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("a3"), OA1_TEXT("2 q")), OA1_OK);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("a3"), OA1_TEXT("%3D+\xf0\x9f\x98\x80")), OA1_OK);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("oauth_signature"), OA1_TEXT("x")), OA1_OK);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT(""), OA1_TEXT("v")), OA1_OK);
	CHECK_SIZE(p.count, 4);
	check_normalized(&p, OA1_TEXT("=v&a3=%253D%2B%F0%9F%98%80&a3=2%20q&c%40="));
	/* written again, and after more were added */
	check_normalized(&p, OA1_TEXT("=v&a3=%253D%2B%F0%9F%98%80&a3=2%20q&c%40="));
	CHECK_STATUS(oa1_parameters_add_form(&p, OA1_TEXT("a=b")), OA1_OK);
	check_normalized(&p, OA1_TEXT("=v&a=b&a3=%253D%2B%F0%9F%98%80&a3=2%20q&c%40="));
	oa1_parameters_reset(&p);
	CHECK_SIZE(p.count, 0);
	check_normalized(&p, OA1_TEXT(""));
	free_parameters(&p);
}

static void
test_malformed(void)
{
	static const char *const forms[] = {"%", "a=%", "a%2=b", "a=b&c=%zz", "a=%4", "%=&a=b"};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
	{
		guarded		copy = guard(text_of(forms[i]));
		oa1_parameters p = new_parameters();

		about("%s", forms[i]);
		CHECK_STATUS(oa1_parameters_add_form(&p, copy.text), OA1_BAD_ESCAPE);
		free_parameters(&p);
		unguard(&copy);
	}
}

static unsigned long seed;

static unsigned
next_random(void)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned) (seed >> 33);
}

static int
compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/*
 * count parameters in any order come out in one order, that of strcmp where names
 * all have one length.
 */
static void
test_many(size_t count)
{
	oa1_parameters p = new_parameters();
	oa1_buffer	expected = new_buffer();
	char	  **pairs = malloc(count * sizeof(char *));

	about("%zu parameters", count);
	seed = count;
	for (size_t i = 0; i < count; i++)
	{
		pairs[i] = malloc(40);
		sprintf(pairs[i], "parameter%c%c=%u", 'a' + next_random() % 26, 'a' + next_random() % 2,
				next_random() % 100);
		CHECK_STATUS(oa1_parameters_add_form(&p, text_of(pairs[i])), OA1_OK);
	}
	qsort(pairs, count, sizeof(char *), compare_strings);
	for (size_t i = 0; i < count; i++)
	{
		if (i > 0)
			oa1_buffer_append_char(&expected, '&');
		oa1_buffer_append_text(&expected, text_of(pairs[i]));
		free(pairs[i]);
	}
	CHECK_SIZE(p.count, count);
	check_normalized(&p, oa1_buffer_text(&expected));
	free(pairs);
	free_buffer(&expected);
	free_parameters(&p);
}

/*
 * The form of 1 MiB with the most pairs ends soon; normalized is the length of
 * each in the output, its '&' with it.
 */
static void
test_megabyte(const char *piece, size_t normalized)
{
	size_t		step = strlen(piece);
	size_t		size = (1 << 20) / step * step;
	char	   *form = malloc(size);
	oa1_parameters p = new_parameters();
	oa1_buffer	b = new_buffer();

	about("1 MiB of %s", piece);
	for (size_t i = 0; i < size; i += step)
		memcpy(form + i, piece, step);
	CHECK_STATUS(oa1_parameters_add_form(&p, (oa1_text) {form, size}), OA1_OK);
	CHECK_SIZE(p.count, size / step);
	CHECK_STATUS(oa1_parameters_write(&p, &b), OA1_OK);
	CHECK_SIZE(b.length, p.count * normalized - 1);
	free(form);
	free_buffer(&b);
	free_parameters(&p);
}

static void
test_large_value(void)
{
	size_t		size = 1 << 20;
	char	   *value = malloc(size);
	oa1_parameters p = new_parameters();
	oa1_buffer	b = new_buffer();

	about("a value of 1 MiB");
	memset(value, '\xff', size);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("a"), (oa1_text) {value, size}), OA1_OK);
	CHECK_STATUS(oa1_parameters_write(&p, &b), OA1_OK);
	CHECK_SIZE(b.length, 2 + 3 * size);
	CHECK(memcmp(b.data, "a=%FF%FF", 8) == 0);
	free(value);
	free_buffer(&b);
	free_parameters(&p);
}

static void
test_maximum(void)
{
	memory		m = {0};
	oa1_parameters p;

	about("maximum");
	oa1_parameters_init(&p, memory_grow, &m, 64);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("name"), OA1_TEXT("value")), OA1_OK);
	CHECK_STATUS(oa1_parameters_add(&p, OA1_TEXT("0123456789012345678901234567890123456789"),
									OA1_TEXT("01234567890123456789")), OA1_TOO_LONG);
	oa1_parameters_reset(&p);
	CHECK_STATUS(oa1_parameters_add_form(&p, OA1_TEXT("a&b&c")), OA1_TOO_LONG);
	oa1_parameters_free(&p);
	CHECK_SIZE(m.live, 0);
}

void
test_parameters(void)
{
	test_forms();
	test_raw();
	test_malformed();
	test_many(2);
	test_many(24);
	test_many(25);
	test_many(1000);
	test_megabyte("a&", 3);
	test_megabyte("=&", 2);
	test_large_value();
	test_maximum();
}
