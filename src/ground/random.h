/*
 * random.h
 *	  Nonces and UUIDs from the server's strong random source.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_RANDOM_H
#define OAUTH1_RANDOM_H

#include "core/core.h"

/*
 * Writes a fresh nonce of 128 random bits, not NUL-terminated.  Raises an error
 * where the source fails, and never hands out weaker bits instead.
 */
extern void oauth1_draw_nonce(char nonce[OA1_NONCE_LENGTH]);

#define OAUTH1_UUID_LENGTH 16

/* A UUID of version 4 (RFC 9562, 5.4): 122 random bits; otherwise the same. */
extern void oauth1_draw_uuid(unsigned char uuid[OAUTH1_UUID_LENGTH]);

#endif							/* OAUTH1_RANDOM_H */
