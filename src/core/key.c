/*
 * key.c
 *	  Reads RSA keys (RFC 5849, 3.4.3), and a TLS client's key of any kind, in
 *	  the forms in which services and their users keep them.
 *
 * OpenSSL wipes its own intermediate copies of a private key; we make none.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

/* What is shorter is broken, and OpenSSL would still sign with it. */
#define SHORTEST_RSA_BITS 1024

/* The longest passphrase a PKCS#12 file can be opened with. */
#define LONGEST_PASSPHRASE 1024

/*
 * The passphrase, and whether OpenSSL came to ask for it.
 */
typedef struct asked_passphrase
{
	oa1_text	passphrase;
	bool		asked;
} asked_passphrase;

/*
 * OpenSSL's pem_password_cb.  Without one of our own it would ask the terminal.
 */
static int
give_passphrase(char *to, int size, int writing, void *context)
{
	asked_passphrase *asked = context;

	(void) writing;
	asked->asked = true;
	if (asked->passphrase.data == NULL || asked->passphrase.length > (size_t) size)
		return -1;
	memcpy(to, asked->passphrase.data, asked->passphrase.length);
	return (int) asked->passphrase.length;
}

/*
 * Takes over candidate (may be NULL): hands it out as *key where it is an RSA key
 * that can be used, else releases it.  otherwise is the status for NULL.  Clears
 * OpenSSL's error queue, which the backend's own TLS would read.
 */
static oa1_status
accept_key(EVP_PKEY *candidate, oa1_status otherwise, EVP_PKEY **key)
{
	oa1_status	status = OA1_OK;

	if (candidate == NULL)
		status = otherwise;
	else if (EVP_PKEY_get_base_id(candidate) != EVP_PKEY_RSA)
		status = OA1_KEY_NOT_RSA;
	else if (EVP_PKEY_get_bits(candidate) < SHORTEST_RSA_BITS)
		status = OA1_KEY_TOO_SHORT;

	if (status != OA1_OK)
		EVP_PKEY_free(candidate);
	*key = status == OA1_OK ? candidate : NULL;
	ERR_clear_error();
	return status;
}

/*
 * A read-only view of text; NULL where it is too long or memory is short.
 */
static BIO *
open_text(oa1_text text)
{
	return text.length > INT_MAX ? NULL : BIO_new_mem_buf(text.data, (int) text.length);
}

/*
 * The first private key in pem, of any kind, or NULL: *otherwise then says why.
 */
static EVP_PKEY *
first_private_key(oa1_text pem, oa1_text passphrase, oa1_status *otherwise)
{
	asked_passphrase asked = {passphrase, false};
	EVP_PKEY   *key = NULL;
	BIO		   *bio = open_text(pem);

	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &asked);
	BIO_free(bio);
	*otherwise = asked.asked ? OA1_KEY_PASSPHRASE : OA1_KEY_UNREADABLE;
	return key;
}

/*
 * Reads the first private key in pem.  OA1_OK: *key is the caller's.  Otherwise
 * *key is NULL: OA1_KEY_UNREADABLE, _PASSPHRASE, _NOT_RSA or _TOO_SHORT.
 */
oa1_status
oa1_private_key_read(oa1_text pem, oa1_text passphrase, EVP_PKEY **key)
{
	oa1_status	otherwise;
	EVP_PKEY   *candidate = first_private_key(pem, passphrase, &otherwise);

	return accept_key(candidate, otherwise, key);
}

/*
 * As oa1_private_key_read, for TLS, which knows more kinds (EC, Ed25519) and has
 * its own view of what is too short.
 */
oa1_status
oa1_client_key_read(oa1_text pem, oa1_text passphrase, EVP_PKEY **key)
{
	oa1_status	otherwise;

	*key = first_private_key(pem, passphrase, &otherwise);
	ERR_clear_error();
	return *key != NULL ? OA1_OK : otherwise;
}

/*
 * The key in one PEM block, or NULL where the block holds no public key.
 */
static EVP_PKEY *
public_key_of_block(const char *kind, const unsigned char *der, long length)
{
	EVP_PKEY   *key;
	X509	   *certificate;

	if (strcmp(kind, PEM_STRING_PUBLIC) == 0)
		return d2i_PUBKEY(NULL, &der, length);
	if (strcmp(kind, PEM_STRING_RSA_PUBLIC) == 0)
		return d2i_PublicKey(EVP_PKEY_RSA, NULL, &der, length);
	if (strcmp(kind, PEM_STRING_X509) != 0)
		return NULL;
	certificate = d2i_X509(NULL, &der, length);
	key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
	X509_free(certificate);
	return key;
}

/*
 * Reads the first public key or certificate in pem; a private key is not taken
 * for one.  As oa1_private_key_read, without the passphrase.
 */
oa1_status
oa1_public_key_read(oa1_text pem, EVP_PKEY **key)
{
	EVP_PKEY   *candidate = NULL;
	BIO		   *bio = open_text(pem);
	char	   *kind;
	char	   *header;
	unsigned char *der;
	long		length;

	while (candidate == NULL && bio != NULL &&
		   PEM_read_bio(bio, &kind, &header, &der, &length) == 1)
	{
		candidate = public_key_of_block(kind, der, length);
		OPENSSL_free(kind);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t) length);
	}
	BIO_free(bio);
	return accept_key(candidate, OA1_KEY_UNREADABLE, key);
}

/*
 * Opens a PKCS#12 file that was parsed.  OA1_KEY_PASSPHRASE where its
 * authentication code says so; *key stays NULL where there is no private key.
 */
static oa1_status
open_pkcs12(PKCS12 *file, oa1_text passphrase, EVP_PKEY **key)
{
	char		terminated[LONGEST_PASSPHRASE + 1];
	X509	   *certificate = NULL;
	oa1_status	status = OA1_KEY_UNREADABLE;

	if (passphrase.length > LONGEST_PASSPHRASE ||
		(passphrase.length > 0 && memchr(passphrase.data, '\0', passphrase.length) != NULL))
		return OA1_KEY_PASSPHRASE;
	if (passphrase.length > 0)
		memcpy(terminated, passphrase.data, passphrase.length);
	terminated[passphrase.length] = '\0';

	if (PKCS12_mac_present(file) && !PKCS12_verify_mac(file, terminated, -1) &&
		(passphrase.length > 0 || !PKCS12_verify_mac(file, NULL, 0)))
		status = OA1_KEY_PASSPHRASE;
	else if (PKCS12_parse(file, terminated, key, &certificate, NULL) != 1)
		*key = NULL;
	X509_free(certificate);
	oa1_wipe(terminated, sizeof(terminated));
	return status;
}

/*
 * Reads the private key of a PKCS#12 file (RFC 7292).  As oa1_private_key_read.
 */
oa1_status
oa1_pkcs12_key_read(oa1_text der, oa1_text passphrase, EVP_PKEY **key)
{
	const unsigned char *at = (const unsigned char *) der.data;
	EVP_PKEY   *candidate = NULL;
	PKCS12	   *file = der.length > LONG_MAX ? NULL : d2i_PKCS12(NULL, &at, (long) der.length);
	oa1_status	otherwise = OA1_KEY_UNREADABLE;

	if (file != NULL)
		otherwise = open_pkcs12(file, passphrase, &candidate);
	PKCS12_free(file);
	return accept_key(candidate, otherwise, key);
}

int
oa1_key_bits(const EVP_PKEY *key)
{
	return EVP_PKEY_get_bits(key);
}
