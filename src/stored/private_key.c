/*
 * private_key.c
 *	  A private key as people have it, as the one form that is stored.
 *
 * Read and written again at entry, so that what cannot sign is refused when it
 * is given, not at night, and no passphrase is needed later.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <limits.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/private_key.h"

static bool
is_pem(oa1_text text)
{
	static const char begin[] = "-----BEGIN ";
	size_t		length = sizeof(begin) - 1;

	for (size_t i = 0; i + length <= text.length; i++)
		if (memcmp(text.data + i, begin, length) == 0)
			return true;
	return false;
}

/* Appends what Base64 text stands for; white space is passed over.  False where it is none. */
static bool
decode_base64(oa1_text text, oa1_buffer *out)
{
	oa1_buffer *compact = oauth1_secret_buffer(CurrentMemoryContext);
	char	   *place;
	int			decoded = -1;

	for (size_t i = 0; i < text.length; i++)
		if (strchr(" \t\r\n", text.data[i]) == NULL)
			oa1_buffer_append_char(compact, text.data[i]);
	oauth1_check_core(compact->status, "private key");
	if (compact->length == 0 || compact->length > INT_MAX)
		return false;
	place = oa1_buffer_reserve(out, compact->length);
	oauth1_check_core(out->status, "private key");
	/* The zeros that padding decodes to are past the end of the DER in it. */
	decoded = EVP_DecodeBlock((unsigned char *) place, (unsigned char *) compact->data,
							  (int) compact->length);
	ERR_clear_error();
	oa1_buffer_free(compact);
	if (decoded > 0)
		out->length += decoded;
	return decoded > 0;
}

static oa1_status
read_pkcs12(oa1_text given, oa1_text passphrase, EVP_PKEY **key)
{
	oa1_buffer *der = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_status	status = OA1_KEY_UNREADABLE;

	if (decode_base64(given, der))
		status = oa1_pkcs12_key_read(oa1_buffer_text(der), passphrase, key);
	oa1_buffer_free(der);
	return status;
}

/* A memory BIO wipes what it held when it grows and when it is freed. */
static bool
write_pem(EVP_PKEY *key, oa1_buffer *out)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	long		length;
	bool		written = bio != NULL &&
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;

	if (written)
	{
		length = BIO_get_mem_data(bio, &data);
		oa1_buffer_append(out, data, length);
	}
	BIO_free(bio);
	ERR_clear_error();
	return written;
}

void
oauth1_private_key_normalize(oa1_text given, oa1_text passphrase, oa1_buffer *out)
{
	EVP_PKEY   *key = NULL;
	oa1_status	status;

	if (is_pem(given))
		status = oa1_private_key_read(given, passphrase, &key);
	else
		status = read_pkcs12(given, passphrase, &key);
	if (status == OA1_OK && !write_pem(key, out))
		status = OA1_CRYPTO;
	EVP_PKEY_free(key);
	oauth1_check_core(status, "private key");
	oauth1_check_core(out->status, "private key");
}

/* ---------------------------------------------------------------- a TLS client's */

/* Is it the key of the first certificate, which is the client's own (RFC 8446, 4.4.2)? */
static bool
fits_certificate(EVP_PKEY *key, const char *certificates)
{
	BIO		   *bio = BIO_new_mem_buf(certificates, -1);
	X509	   *own = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool		fits = own != NULL && X509_check_private_key(own, key) == 1;

	X509_free(own);
	BIO_free(bio);
	ERR_clear_error();
	return fits;
}

void
oauth1_client_key_normalize(oa1_text given, oa1_text passphrase, const char *certificates,
							oa1_buffer *out)
{
	EVP_PKEY   *key = NULL;
	oa1_status	status = oa1_client_key_read(given, passphrase, &key);
	bool		fits = status != OA1_OK || certificates == NULL ||
		fits_certificate(key, certificates);

	if (status == OA1_OK && fits && !write_pem(key, out))
		status = OA1_CRYPTO;
	EVP_PKEY_free(key);
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_KEY),
				 errmsg("client key does not fit the client certificate"),
				 errdetail("The first certificate in the provider's option client_certificate is of another key."),
				 errhint("Where both change, alter the provider first.")));
	oauth1_check_core(status, "client key");
	oauth1_check_core(out->status, "client key");
}
