/*
 * nonce.c
 *	  A nonce's letters (RFC 5849, 3.3) from random octets.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/*
 * Writes 128 random bits as 26 characters, five bits each (the last holds
 * three): Base32, whose letters need no encoding anywhere.
 */
void
oa1_nonce_write(const unsigned char random[OA1_NONCE_RANDOM], char nonce[OA1_NONCE_LENGTH])
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned	bits = 0;
	unsigned	held = 0;
	size_t		used = 0;

	for (size_t i = 0; i < OA1_NONCE_LENGTH; i++)
	{
		if (held < 5)
		{
			bits = bits << 8 | (used < OA1_NONCE_RANDOM ? random[used] : 0);
			used++;
			held += 8;
		}
		held -= 5;
		nonce[i] = letters[bits >> held & 31];
	}
}
