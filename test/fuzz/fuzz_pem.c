/*
 * fuzz_pem.c
 *	  Whatever key text is read: a key only with OA1_OK, an RSA key that is long
 *	  enough; OpenSSL's error queue empty, no terminal asked; signing with it gives a
 *	  signature or OA1_CRYPTO, and no other trouble.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

#include <openssl/err.h>
#include <openssl/evp.h>

static void
check_key(oa1_status status, EVP_PKEY *key)
{
	MUST((status == OA1_OK) == (key != NULL));
	MUST(status == OA1_OK || status == OA1_KEY_UNREADABLE || status == OA1_KEY_NOT_RSA ||
		 status == OA1_KEY_TOO_SHORT || status == OA1_KEY_PASSPHRASE);
	MUST(ERR_peek_error() == 0);
	if (key != NULL)
		MUST(EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 1024);
}

/*
 * Signing with a key that was damaged may fail; then there is no signature.
 */
static void
check_signature(EVP_PKEY *key)
{
	oa1_signer	signer;
	oa1_buffer	out = fuzz_buffer();
	bool		matches = false;

	if (oa1_signer_init_key(&signer, OA1_RSA_SHA256, key) == OA1_OK)
	{
		oa1_status	status = oa1_signer_sign(&signer, OA1_TEXT("base"), &out);

		MUST(status == OA1_OK || (status == OA1_CRYPTO && out.length == 0));
		if (status == OA1_OK)
			(void) oa1_signer_verify(&signer, OA1_TEXT("base"), oa1_buffer_text(&out), &matches);
		(void) matches;
		oa1_signer_free(&signer);
	}
	MUST(ERR_peek_error() == 0);
	oa1_buffer_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	EVP_PKEY   *key;

	check_key(oa1_private_key_read(input, (oa1_text) {NULL, 0}, &key), key);
	if (key != NULL && EVP_PKEY_get_bits(key) <= 4096)
		check_signature(key);
	EVP_PKEY_free(key);
	check_key(oa1_private_key_read(input, OA1_TEXT("open sesame"), &key), key);
	EVP_PKEY_free(key);
	check_key(oa1_public_key_read(input, &key), key);
	EVP_PKEY_free(key);
	return 0;
}
