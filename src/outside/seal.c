/*
 * seal.c
 *	  One value in, one ciphertext out: AES-256-GCM by OpenSSL.
 *
 * Each signed call opens its secrets anew, so a key is kept as a keyed context:
 * expanding it would cost more than a short value's decryption.  What fails in
 * OpenSSL leaves nothing in its error queue, which the backend's own TLS reads.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/errors.h"
#include "outside/seal.h"

#define FORMAT 1
#define NONCE_LENGTH 12
#define TAG_LENGTH 16
#define OVERHEAD (1 + NONCE_LENGTH + TAG_LENGTH)

struct oauth1_cipher
{
	EVP_CIPHER_CTX *sealing;
	EVP_CIPHER_CTX *opening;
};

/* ---------------------------------------------------------------- a key made ready */

static void
raise_openssl(void)
{
	ERR_clear_error();
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_KEY),
			 errmsg("could not encrypt or decrypt"),
			 errdetail("OpenSSL could not carry out AES-256-GCM.")));
}

/* Fetched once a process, since a fetch costs more than sealing; never in the postmaster. */
static EVP_CIPHER *
algorithm(void)
{
	static EVP_CIPHER *aes = NULL;

	if (aes == NULL)
		aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (aes == NULL)
		raise_openssl();
	return aes;
}

/* Freeing wipes OpenSSL's expanded key. */
static void
free_contexts(void *argument)
{
	oauth1_cipher *cipher = argument;

	EVP_CIPHER_CTX_free(cipher->sealing);
	EVP_CIPHER_CTX_free(cipher->opening);
}

oauth1_cipher *
oauth1_cipher_create(MemoryContext context, const unsigned char key[OAUTH1_KEY_LENGTH])
{
	EVP_CIPHER *aes = algorithm();
	oauth1_cipher *cipher = MemoryContextAllocZero(context, sizeof(*cipher));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(*callback));

	callback->func = free_contexts;
	callback->arg = cipher;
	MemoryContextRegisterResetCallback(context, callback);

	cipher->sealing = EVP_CIPHER_CTX_new();
	cipher->opening = EVP_CIPHER_CTX_new();
	if (cipher->sealing == NULL || cipher->opening == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (EVP_EncryptInit_ex2(cipher->sealing, aes, key, NULL, NULL) != 1 ||
		EVP_DecryptInit_ex2(cipher->opening, aes, key, NULL, NULL) != 1)
		raise_openssl();
	return cipher;
}

/* ---------------------------------------------------------------- seal and unseal */

static bool
fits_openssl(oa1_text associated, oa1_text value)
{
	return associated.length <= INT_MAX && value.length <= INT_MAX;
}

/* Ciphertext to `to`, tag behind it.  False where OpenSSL failed. */
static bool
encrypt(EVP_CIPHER_CTX *context, const unsigned char *nonce, oa1_text associated,
		oa1_text value, unsigned char *to)
{
	int			length;

	return EVP_EncryptInit_ex2(context, NULL, NULL, nonce, NULL) == 1 &&
		EVP_EncryptUpdate(context, NULL, &length, (const unsigned char *) associated.data,
						  (int) associated.length) == 1 &&
		EVP_EncryptUpdate(context, to, &length, (const unsigned char *) value.data,
						  (int) value.length) == 1 &&
		EVP_EncryptFinal_ex(context, to + value.length, &length) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_LENGTH, to + value.length) == 1;
}

void
oauth1_seal(oauth1_cipher *cipher, oa1_text associated, oa1_text value, oa1_buffer *out)
{
	unsigned char *to = (unsigned char *) oa1_buffer_reserve(out, value.length + OVERHEAD);

	oauth1_check_core(out->status, "secret");
	to[0] = FORMAT;
	if (!fits_openssl(associated, value) ||
		!pg_strong_random(to + 1, NONCE_LENGTH) ||
		!encrypt(cipher->sealing, to + 1, associated, value, to + 1 + NONCE_LENGTH))
	{
		OPENSSL_cleanse(to, value.length + OVERHEAD);
		raise_openssl();
	}
	out->length += value.length + OVERHEAD;
}

/* Plaintext to `to`, length octets.  False where the tag does not fit (or OpenSSL failed). */
static bool
decrypt(EVP_CIPHER_CTX *context, oa1_text associated, const unsigned char *sealed,
		size_t length, unsigned char *to)
{
	const unsigned char *nonce = sealed + 1;
	const unsigned char *ciphertext = nonce + NONCE_LENGTH;
	int			written;

	return EVP_DecryptInit_ex2(context, NULL, NULL, nonce, NULL) == 1 &&
		EVP_DecryptUpdate(context, NULL, &written, (const unsigned char *) associated.data,
						  (int) associated.length) == 1 &&
		EVP_DecryptUpdate(context, to, &written, ciphertext, (int) length) == 1 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_LENGTH,
							unconstify(unsigned char *, ciphertext + length)) == 1 &&
		EVP_DecryptFinal_ex(context, to + length, &written) == 1;
}

bool
oauth1_unseal(oauth1_cipher *cipher, oa1_text associated, oa1_text sealed, oa1_buffer *out)
{
	const unsigned char *octets = (const unsigned char *) sealed.data;
	unsigned char *to;
	size_t		length;

	if (sealed.length < OVERHEAD || octets[0] != FORMAT || !fits_openssl(associated, sealed))
		return false;
	length = sealed.length - OVERHEAD;
	to = (unsigned char *) oa1_buffer_reserve(out, length);
	oauth1_check_core(out->status, "secret");
	if (!decrypt(cipher->opening, associated, octets, length, to))
	{
		/* GCM writes plaintext before it knows the tag to be right. */
		OPENSSL_cleanse(to, length);
		ERR_clear_error();
		return false;
	}
	out->length += length;
	return true;
}

void
oauth1_associate(oa1_buffer *out, const oa1_text *fields, int count)
{
	for (int i = 0; i < count; i++)
	{
		uint32		length = (uint32) fields[i].length;	/* a datum has less than 1 GB */
		const char	octets[4] = {length >> 24, length >> 16, length >> 8, length};

		oa1_buffer_append(out, octets, sizeof(octets));
		oa1_buffer_append_text(out, fields[i]);
	}
	oauth1_check_core(out->status, "associated data");
}

/* ---------------------------------------------------------------- keys */

static void
draw(void *to, size_t length)
{
	if (!pg_strong_random(to, length))
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_KEY),
				 errmsg("could not make a key"),
				 errdetail("The server's source of strong random numbers failed.")));
}

void
oauth1_key_draw(unsigned char key[OAUTH1_KEY_LENGTH])
{
	draw(key, OAUTH1_KEY_LENGTH);
}

void
oauth1_key_id_draw(char letter, char id[OAUTH1_KEY_ID_LENGTH + 1])
{
	char		random[(OAUTH1_KEY_ID_LENGTH - 1) / 2];

	draw(random, sizeof(random));
	id[0] = letter;
	hex_encode(random, sizeof(random), id + 1);
	id[OAUTH1_KEY_ID_LENGTH] = '\0';
}

void
oauth1_key_fingerprint(const char *label, const unsigned char key[OAUTH1_KEY_LENGTH],
					   char fingerprint[OAUTH1_FINGERPRINT_LENGTH + 1])
{
	unsigned char input[64 + OAUTH1_KEY_LENGTH];
	char		digest[EVP_MAX_MD_SIZE];
	size_t		label_length = strlen(label);
	int			done;

	Assert(label_length <= sizeof(input) - OAUTH1_KEY_LENGTH);
	memcpy(input, label, label_length);
	memcpy(input + label_length, key, OAUTH1_KEY_LENGTH);
	done = EVP_Q_digest(NULL, "SHA256", NULL, input, label_length + OAUTH1_KEY_LENGTH,
						(unsigned char *) digest, NULL);
	OPENSSL_cleanse(input, sizeof(input));
	if (done != 1)
		raise_openssl();
	hex_encode(digest, OAUTH1_FINGERPRINT_LENGTH / 2, fingerprint);
	fingerprint[OAUTH1_FINGERPRINT_LENGTH] = '\0';
}
