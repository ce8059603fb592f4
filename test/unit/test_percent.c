/*
 * test_percent.c
 *	  Percent encoding (RFC 5849, 3.6), octet by octet and at every length.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

/* The encoding as 3.6 words it, to compare with. */
static oa1_text
encode_plainly(oa1_text value, char *to)
{
	size_t		length = 0;

	for (size_t i = 0; i < value.length; i++)
	{
		unsigned char c = (unsigned char) value.data[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			to[length++] = (char) c;
		else
			length += (size_t) sprintf(to + length, "%%%02X", c);
	}
	return (oa1_text) {to, length};
}

static void
check_both_ways(oa1_text value)
{
	char	   *expected = malloc(3 * value.length + 1);
	oa1_text	encoded = encode_plainly(value, expected);
	guarded		copy = guard(value);
	guarded		encoded_copy = guard(encoded);
	oa1_buffer	b = new_buffer();

	oa1_percent_encode(&b, copy.text);
	CHECK_STATUS(b.status, OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), encoded);
	oa1_buffer_reset(&b);
	CHECK_STATUS(oa1_percent_decode(&b, encoded_copy.text), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), value);
	free_buffer(&b);
	unguard(&copy);
	unguard(&encoded_copy);
	free(expected);
}

static void
test_every_octet(void)
{
	for (int octet = 0; octet < 256; octet++)
	{
		char		c = (char) octet;

		about("octet %02x", octet);
		check_both_ways((oa1_text) {&c, 1});
	}
}

/*
 * Each octet at each place of texts of each length up to 40: blocks, their
 * overlaps and the rest.
 */
static void
test_every_place(void)
{
	static const unsigned char octets[] = {
		0, 0x1f, ' ', '%', '+', ',', '-', '.', '/', '0', '9', ':', '@', 'A', 'Z', '[', '^', '_',
		'`', 'a', 'z', '{', '}', '~', 0x7f, 0x80, 0xc1, 0xe1, 0xfa, 0xff
	};
	char		text[40];

	for (size_t length = 0; length <= sizeof(text); length++)
		for (size_t place = 0; place < (length > 0 ? length : 1); place++)
			for (size_t i = 0; i < sizeof(octets); i++)
			{
				memset(text, 'k', sizeof(text));
				text[place] = (char) octets[i];
				about("octet %02x at %zu of %zu", octets[i], place, length);
				check_both_ways((oa1_text) {text, length});
			}
}

static void
test_sizes(void)
{
	static const size_t sizes[] = {1023, 1024, 1025, 4096, 65536, 1 << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		char	   *text = malloc(sizes[i]);

		about("%zu octets", sizes[i]);
		for (size_t at = 0; at < sizes[i]; at++)
			text[at] = (char) (at * 7 + at / 256);
		check_both_ways((oa1_text) {text, sizes[i]});
		free(text);
	}
}

static void
test_malformed(void)
{
	static const char *const texts[] = {
		"%", "%4", "%4g", "%g4", "a%", "a%2", "%%41", "%4%41", "%-1", "% 1", "%0x41", "%u0041"
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		oa1_buffer	b = new_buffer();
		guarded		copy = guard(text_of(texts[i]));

		about("%s", texts[i]);
		oa1_buffer_append_char(&b, '!');
		CHECK_STATUS(oa1_percent_decode(&b, copy.text), OA1_BAD_ESCAPE);
		CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("!"));
		CHECK_STATUS(oa1_form_decode(&b, copy.text), OA1_BAD_ESCAPE);
		CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("!"));
		free_buffer(&b);
		unguard(&copy);
	}
}

static void
test_decoding(void)
{
	oa1_buffer	b = new_buffer();

	about("decoding");
	CHECK_STATUS(oa1_percent_decode(&b, OA1_TEXT("%4a%4A%7e+%25%00 \xff")), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("JJ~+%\0 \xff"));
	free_buffer(&b);
}

void
test_percent(void)
{
	test_every_octet();
	test_every_place();
	test_sizes();
	test_malformed();
	test_decoding();
}
