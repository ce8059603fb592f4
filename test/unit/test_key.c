/*
 * test_key.c
 *	  Reading RSA keys in all their forms, and refusing the others.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#define PASSPHRASE OA1_TEXT("open sesame")
#define NONE ((oa1_text) {NULL, 0})

typedef oa1_status (*reader) (oa1_text octets, oa1_text passphrase, EVP_PKEY **key);

static oa1_status
read_public(oa1_text pem, oa1_text passphrase, EVP_PKEY **key)
{
	(void) passphrase;
	return oa1_public_key_read(pem, key);
}

static EVP_PKEY *reference;

static void
check_text_read(reader read, oa1_text text, oa1_text passphrase, oa1_status expected)
{
	guarded		copy = guard(text);
	EVP_PKEY   *key = (EVP_PKEY *) &copy;

	CHECK_STATUS(read(copy.text, passphrase, &key), expected);
	CHECK((key != NULL) == (expected == OA1_OK));
	CHECK(ERR_peek_error() == 0);
	if (expected == OA1_OK && reference != NULL)
		CHECK(EVP_PKEY_eq(key, reference) == 1 && oa1_key_bits(key) == 2048);
	if (expected == OA1_OK)
		EVP_PKEY_free(key);
	unguard(&copy);
}

static void
check_file(reader read, const char *name, oa1_text passphrase, oa1_status expected)
{
	oa1_text	text = read_test_file(VECTORS "/keys", name);

	about("%s with %.*s", name, (int) passphrase.length, passphrase.length > 0 ? passphrase.data : "");
	check_text_read(read, text, passphrase, expected);
	free((void *) text.data);
}

static void
test_private(void)
{
	check_file(oa1_private_key_read, "rsa2048_pkcs8.pem", NONE, OA1_OK);
	check_file(oa1_private_key_read, "rsa2048_pkcs8.pem", PASSPHRASE, OA1_OK);
	check_file(oa1_private_key_read, "rsa2048_pkcs1.pem", NONE, OA1_OK);
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", PASSPHRASE, OA1_OK);
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", NONE, OA1_KEY_PASSPHRASE);
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", OA1_TEXT(""), OA1_KEY_PASSPHRASE);
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", OA1_TEXT("wrong"), OA1_KEY_PASSPHRASE);
	check_file(oa1_private_key_read, "rsa2048_pkcs1_encrypted.pem", PASSPHRASE, OA1_OK);
	check_file(oa1_private_key_read, "rsa2048_pkcs1_encrypted.pem", NONE, OA1_KEY_PASSPHRASE);
	check_file(oa1_private_key_read, "rsa2048_pkcs1_encrypted.pem", OA1_TEXT("wrong"),
			   OA1_KEY_PASSPHRASE);
	check_file(oa1_private_key_read, "rsa2048_spki.pem", NONE, OA1_KEY_UNREADABLE);
	check_file(oa1_private_key_read, "rsa2048_certificate.pem", NONE, OA1_KEY_UNREADABLE);
	check_file(oa1_private_key_read, "ec_private.pem", NONE, OA1_KEY_NOT_RSA);
	check_file(oa1_private_key_read, "rsa512_private.pem", NONE, OA1_KEY_TOO_SHORT);
}

/* Of any kind and length, since TLS has its own say. */
static void
test_client(void)
{
	EVP_PKEY   *rsa = reference;

	check_file(oa1_client_key_read, "rsa2048_pkcs8.pem", NONE, OA1_OK);
	check_file(oa1_client_key_read, "rsa2048_encrypted.pem", PASSPHRASE, OA1_OK);
	check_file(oa1_client_key_read, "rsa2048_encrypted.pem", NONE, OA1_KEY_PASSPHRASE);
	check_file(oa1_client_key_read, "rsa2048_encrypted.pem", OA1_TEXT("wrong"), OA1_KEY_PASSPHRASE);
	check_file(oa1_client_key_read, "rsa2048_spki.pem", NONE, OA1_KEY_UNREADABLE);
	check_file(oa1_client_key_read, "rsa2048_certificate.pem", NONE, OA1_KEY_UNREADABLE);
	reference = NULL;
	check_file(oa1_client_key_read, "ec_private.pem", NONE, OA1_OK);
	check_file(oa1_client_key_read, "rsa512_private.pem", NONE, OA1_OK);
	reference = rsa;
}

static void
test_public(void)
{
	check_file(read_public, "rsa2048_spki.pem", NONE, OA1_OK);
	check_file(read_public, "rsa2048_public_pkcs1.pem", NONE, OA1_OK);
	check_file(read_public, "rsa2048_certificate.pem", NONE, OA1_OK);
	check_file(read_public, "rsa2048_pkcs8.pem", NONE, OA1_KEY_UNREADABLE);
	check_file(read_public, "rsa2048_pkcs1.pem", NONE, OA1_KEY_UNREADABLE);
	check_file(read_public, "ec_public.pem", NONE, OA1_KEY_NOT_RSA);
}

static void
test_pkcs12(void)
{
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", PASSPHRASE, OA1_OK);
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", OA1_TEXT("wrong"), OA1_KEY_PASSPHRASE);
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", NONE, OA1_KEY_PASSPHRASE);
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", OA1_TEXT("open sesame\0"), OA1_KEY_PASSPHRASE);
	check_file(oa1_pkcs12_key_read, "rsa2048_no_passphrase.p12", NONE, OA1_OK);
	check_file(oa1_pkcs12_key_read, "rsa2048_no_passphrase.p12", OA1_TEXT(""), OA1_OK);
	check_file(oa1_pkcs12_key_read, "certificate_only.p12", PASSPHRASE, OA1_KEY_UNREADABLE);
	check_file(oa1_pkcs12_key_read, "rsa2048_pkcs8.pem", NONE, OA1_KEY_UNREADABLE);
	about("no file");
	check_text_read(oa1_pkcs12_key_read, OA1_TEXT(""), NONE, OA1_KEY_UNREADABLE);
}

/*
 * PEM as people paste it: text before and after, CR LF, several blocks; cut short,
 * it is none.
 */
static void
test_pasted(void)
{
	oa1_text	pem = read_test_file(VECTORS "/keys", "rsa2048_pkcs8.pem");
	oa1_text	certificate = read_test_file(VECTORS "/keys", "rsa2048_certificate.pem");
	oa1_buffer	b = new_buffer();

	about("pasted");
	oa1_buffer_append_text(&b, OA1_TEXT("My key:\r\n"));
	for (size_t i = 0; i < pem.length; i++)
	{
		if (pem.data[i] == '\n')
			oa1_buffer_append_char(&b, '\r');
		oa1_buffer_append_char(&b, pem.data[i]);
	}
	oa1_buffer_append_text(&b, OA1_TEXT("\r\nend"));
	check_text_read(oa1_private_key_read, oa1_buffer_text(&b), NONE, OA1_OK);
	oa1_buffer_append_text(&b, certificate);
	check_text_read(oa1_private_key_read, oa1_buffer_text(&b), NONE, OA1_OK);
	oa1_buffer_reset(&b);
	oa1_buffer_append_text(&b, certificate);
	oa1_buffer_append_text(&b, pem);
	check_text_read(oa1_private_key_read, oa1_buffer_text(&b), NONE, OA1_OK);
	check_text_read(read_public, oa1_buffer_text(&b), NONE, OA1_OK);

	for (size_t length = 0; length + 30 < pem.length; length += 97)
	{
		about("the first %zu octets", length);
		check_text_read(oa1_private_key_read, (oa1_text) {pem.data, length}, NONE,
						OA1_KEY_UNREADABLE);
	}
	about("no PEM");
	check_text_read(oa1_private_key_read, OA1_TEXT("secret"), NONE, OA1_KEY_UNREADABLE);
	check_text_read(read_public, OA1_TEXT("secret"), NONE, OA1_KEY_UNREADABLE);
	check_text_read(read_public, OA1_TEXT(""), NONE, OA1_KEY_UNREADABLE);
	free_buffer(&b);
	free((void *) pem.data);
	free((void *) certificate.data);
}

/*
 * Lengths at OpenSSL's own limits: its buffer for a PEM passphrase, ours for
 * PKCS#12's.
 */
static void
test_long_passphrase(void)
{
	oa1_text	long_one = {calloc(1, 5000), 5000};

	memset((char *) long_one.data, 'x', long_one.length);
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", long_one, OA1_KEY_PASSPHRASE);
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", long_one, OA1_KEY_PASSPHRASE);
	long_one.length = 1024;
	check_file(oa1_private_key_read, "rsa2048_encrypted.pem", long_one, OA1_KEY_PASSPHRASE);
	check_file(oa1_pkcs12_key_read, "rsa2048.p12", long_one, OA1_KEY_PASSPHRASE);
	free((char *) long_one.data);
}

void
test_key(void)
{
	oa1_text	pem = read_test_file(VECTORS "/keys", "rsa2048_spki.pem");

	CHECK_STATUS(oa1_public_key_read(pem, &reference), OA1_OK);
	free((void *) pem.data);
	test_private();
	test_client();
	test_public();
	test_pkcs12();
	test_pasted();
	test_long_passphrase();
	EVP_PKEY_free(reference);
	reference = NULL;
}
