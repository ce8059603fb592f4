/*
 * nonce.c
 *	  A nonce's letters (RFC 5849, 3.3) from random octets.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/*
 * Writes count characters of the five-bit groups at the top of bits, of which
 * there are 40.
 */
static void
write_groups(uint64_t bits, char *to, int count)
{
	for (int i = 0; i < count; i++)
		to[i] = letters[bits >> (35 - 5 * i) & 31];
}

static uint64_t
five_octets(const unsigned char *from)
{
	return (uint64_t) from[0] << 32 | (uint64_t) from[1] << 24 | (uint64_t) from[2] << 16 |
		(uint64_t) from[3] << 8 | from[4];
}

/*
 * Writes 128 random bits as 26 characters, five bits each (the last holds
 * three): Base32, whose letters need no encoding anywhere.
 */
void
oa1_nonce_write(const unsigned char random[OA1_NONCE_RANDOM], char nonce[OA1_NONCE_LENGTH])
{
	write_groups(five_octets(random), nonce, 8);
	write_groups(five_octets(random + 5), nonce + 8, 8);
	write_groups(five_octets(random + 10), nonce + 16, 8);
	write_groups((uint64_t) random[15] << 32, nonce + 24, 2);
}
