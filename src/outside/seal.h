/*
 * seal.h
 *	  One value in, one ciphertext out: AES-256-GCM by OpenSSL, each value under
 *	  a fresh random nonce and bound to data that is not secret.
 *
 * A sealed value is a format octet, a nonce of 12 octets, the ciphertext and a
 * tag of 16.  With random nonces a key may seal 2^32 values (NIST SP 800-38D,
 * 8.3); rotate_key() is far below that.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SEAL_H
#define OAUTH1_SEAL_H

#include "core/core.h"

#define OAUTH1_KEY_LENGTH 32

/* Hexadecimal digits of a fingerprint, and of a key's id after its first letter. */
#define OAUTH1_FINGERPRINT_LENGTH 16
#define OAUTH1_KEY_ID_LENGTH 17

/*
 * A key made ready: the octets themselves are not kept.  It belongs to the
 * memory context it was made in and is wiped with it, on every path.
 */
typedef struct oauth1_cipher oauth1_cipher;

/* Raises OA001 where OpenSSL has no AES-256-GCM, 53200 where memory ran out. */
extern oauth1_cipher *oauth1_cipher_create(MemoryContext context,
										   const unsigned char key[OAUTH1_KEY_LENGTH]);

/*
 * Appends the sealed value to out.  associated is bound to it: the same must be
 * given to unseal.  Raises OA001 where OpenSSL or the random source fails, and
 * what out's status says; nothing of the value is left behind then.
 */
extern void oauth1_seal(oauth1_cipher *cipher, oa1_text associated, oa1_text value,
						oa1_buffer *out);

/*
 * Appends the value to out (a secret buffer).  False, with out as it was, where
 * it was not sealed like that: another key, other associated data, or altered.
 * Raises only what out's status says.
 */
extern bool oauth1_unseal(oauth1_cipher *cipher, oa1_text associated, oa1_text sealed,
						  oa1_buffer *out);

/*
 * Appends fields as associated data: each with its length before it, so that
 * no two lists of fields make the same octets.
 */
extern void oauth1_associate(oa1_buffer *out, const oa1_text *fields, int count);

/* A fresh random key.  Raises OA001 where the random source fails. */
extern void oauth1_key_draw(unsigned char key[OAUTH1_KEY_LENGTH]);

/* A fresh id for a key: the letter, then 64 random bits in hexadecimal. */
extern void oauth1_key_id_draw(char letter, char id[OAUTH1_KEY_ID_LENGTH + 1]);

/*
 * What tells two keys apart without telling either: the first 64 bits of
 * SHA-256 over a label and the key.  The label (a C string literal) keeps
 * fingerprints of different uses apart.
 */
extern void oauth1_key_fingerprint(const char *label,
								   const unsigned char key[OAUTH1_KEY_LENGTH],
								   char fingerprint[OAUTH1_FINGERPRINT_LENGTH + 1]);

#endif							/* OAUTH1_SEAL_H */
