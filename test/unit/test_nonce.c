/*
 * test_nonce.c
 *	  A nonce's letters: all 128 bits are in them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

static void
check_nonce(const char *random, const char *expected)
{
	char		nonce[OA1_NONCE_LENGTH];

	about("%s", expected);
	oa1_nonce_write((const unsigned char *) random, nonce);
	CHECK_TEXT(((oa1_text) {nonce, OA1_NONCE_LENGTH}), text_of(expected));
}

/*
 * Each bit of the sixteen octets changes the nonce, each in its own way.
 */
static void
test_bits(void)
{
	char		nonces[129][OA1_NONCE_LENGTH];
	unsigned char random[OA1_NONCE_RANDOM] = {0};
	size_t		same = 0;

	about("bits");
	oa1_nonce_write(random, nonces[128]);
	for (int bit = 0; bit < 128; bit++)
	{
		random[bit / 8] = (unsigned char) (1 << bit % 8);
		oa1_nonce_write(random, nonces[bit]);
		random[bit / 8] = 0;
	}
	for (int a = 0; a <= 128; a++)
		for (int b = 0; b < a; b++)
			same += memcmp(nonces[a], nonces[b], OA1_NONCE_LENGTH) == 0;
	CHECK_SIZE(same, 0);
}

void
test_nonce(void)
{
	/* RFC 4648's Base32 of the same octets, without its padding */
	check_nonce("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "AAAAAAAAAAAAAAAAAAAAAAAAAA");
	check_nonce("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
				"77777777777777777777777774");
	check_nonce("foobarfoobarfoob", "MZXW6YTBOJTG633CMFZGM33PMI");
	test_bits();
}
