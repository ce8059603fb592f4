/*
 * signature.c
 *	  Signs base strings and checks signatures (RFC 5849, 3.4.2 to 3.4.4).
 *
 * OpenSSL's algorithms are fetched once a process, when first needed and never at
 * load: a postmaster that preloads us holds no OpenSSL object of ours.  The
 * process has one thread.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* No RSA key that OpenSSL can use is longer (OPENSSL_RSA_MAX_MODULUS_BITS). */
#define LONGEST_SIGNATURE 2048

#define BASE64_LENGTH(octets) (((octets) + 2) / 3 * 4)

/*
 * What a method's name says.  digest is NULL for PLAINTEXT.
 */
static const struct
{
	oa1_text	name;
	const char *digest;
	bool		rsa;
}			methods[OA1_METHOD_COUNT] = {
	[OA1_HMAC_SHA1] = {{"HMAC-SHA1", 9}, "SHA1", false},
	[OA1_HMAC_SHA256] = {{"HMAC-SHA256", 11}, "SHA256", false},
	[OA1_HMAC_SHA512] = {{"HMAC-SHA512", 11}, "SHA512", false},
	[OA1_RSA_SHA1] = {{"RSA-SHA1", 8}, "SHA1", true},
	[OA1_RSA_SHA256] = {{"RSA-SHA256", 10}, "SHA256", true},
	[OA1_RSA_SHA512] = {{"RSA-SHA512", 10}, "SHA512", true},
	[OA1_PLAINTEXT] = {{"PLAINTEXT", 9}, NULL, false},
};

/*
 * The oauth_signature_method's value, in static memory.
 */
oa1_text
oa1_method_name(oa1_method method)
{
	return methods[method].name;
}

/*
 * True, and *method set, where name is one of ours; case matters (3.1).
 */
bool
oa1_method_from_name(oa1_text name, oa1_method *method)
{
	for (int i = 0; i < OA1_METHOD_COUNT; i++)
		if (oa1_text_equal(name, methods[i].name))
		{
			*method = (oa1_method) i;
			return true;
		}
	return false;
}

bool
oa1_method_is_rsa(oa1_method method)
{
	return methods[method].rsa;
}

/*
 * OpenSSL failed: forgets its errors, which the backend's own TLS would read.
 */
static oa1_status
crypto_failure(void)
{
	ERR_clear_error();
	return OA1_CRYPTO;
}

/*
 * The method's hash function, kept for the life of the process; NULL where
 * OpenSSL does not have it (a provider's policy may forbid SHA-1).
 */
static const EVP_MD *
digest_of(oa1_method method)
{
	static EVP_MD *fetched[OA1_METHOD_COUNT];

	if (fetched[method] == NULL)
		fetched[method] = EVP_MD_fetch(NULL, methods[method].digest, NULL);
	return fetched[method];
}

/*
 * Appends the Base64 of octets (RFC 4648, 4; what 3.4.2 to 3.4.4 call for).
 */
static oa1_status
append_base64(oa1_buffer *out, const unsigned char *octets, size_t length)
{
	/* EVP_EncodeBlock ends with a NUL */
	char	   *to = oa1_buffer_reserve(out, BASE64_LENGTH(length) + 1);

	if (to == NULL)
		return out->status;
	out->length += (size_t) EVP_EncodeBlock((unsigned char *) to, octets, (int) length);
	return OA1_OK;
}

/*
 * Writes the key of 3.4.2 and 3.4.4 into secrets.
 */
static oa1_status
write_secrets(oa1_buffer *secrets, oa1_text consumer_secret, oa1_text token_secret)
{
	oa1_percent_encode(secrets, consumer_secret);
	oa1_buffer_append_char(secrets, '&');
	oa1_percent_encode(secrets, token_secret);
	return secrets->status;
}

/*
 * Makes signer's HMAC context of the key in its secrets.  The context holds a
 * copy of the key, which its release wipes.
 */
static oa1_status
init_mac(oa1_signer *signer)
{
	static EVP_MAC *hmac;
	oa1_text	key = oa1_buffer_text(&signer->secrets);
	OSSL_PARAM	params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
										 (char *) methods[signer->method].digest, 0),
		OSSL_PARAM_construct_end()
	};

	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (hmac != NULL)
		signer->mac = EVP_MAC_CTX_new(hmac);
	if (signer->mac == NULL ||
		EVP_MAC_init(signer->mac, (const unsigned char *) key.data, key.length, params) != 1)
		return crypto_failure();
	return OA1_OK;
}

/*
 * Makes signer ready for HMAC or PLAINTEXT.  On failure it holds nothing.
 */
oa1_status
oa1_signer_init_secret(oa1_signer *signer, oa1_method method, oa1_text consumer_secret,
					   oa1_text token_secret, oa1_grow grow, void *context)
{
	oa1_status	status;

	memset(signer, 0, sizeof(*signer));
	signer->method = method;
	oa1_buffer_init(&signer->secrets, grow, context, SIZE_MAX);
	status = write_secrets(&signer->secrets, consumer_secret, token_secret);
	if (status == OA1_OK && method != OA1_PLAINTEXT)
	{
		status = init_mac(signer);
		oa1_buffer_free(&signer->secrets);
	}
	if (status != OA1_OK)
		oa1_signer_free(signer);
	return status;
}

/*
 * Makes signer ready for an RSA method; it holds a reference of its own on key.
 * OA1_KEY_NOT_RSA or OA1_CRYPTO; on failure it holds nothing.
 */
oa1_status
oa1_signer_init_key(oa1_signer *signer, oa1_method method, EVP_PKEY *key)
{
	memset(signer, 0, sizeof(*signer));
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		return OA1_KEY_NOT_RSA;
	signer->method = method;
	signer->digest = EVP_MD_CTX_new();
	if (signer->digest == NULL || digest_of(method) == NULL || EVP_PKEY_up_ref(key) != 1)
	{
		oa1_signer_free(signer);
		return crypto_failure();
	}
	signer->key = key;
	return OA1_OK;
}

/*
 * Makes signer ready to verify with the public key or certificate in pem.  As
 * oa1_public_key_read and oa1_signer_init_key.
 */
oa1_status
oa1_signer_init_public_key(oa1_signer *signer, oa1_method method, oa1_text pem)
{
	EVP_PKEY   *key;
	oa1_status	status = oa1_public_key_read(pem, &key);

	memset(signer, 0, sizeof(*signer));
	if (status != OA1_OK)
		return status;
	status = oa1_signer_init_key(signer, method, key);
	EVP_PKEY_free(key);
	return status;
}

/*
 * HMAC (3.4.2).  Initializing without a key starts over with the one that the
 * context has.
 */
static oa1_status
sign_hmac(oa1_signer *signer, oa1_text base_string, oa1_buffer *out)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t		length;

	if (EVP_MAC_init(signer->mac, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(signer->mac, (const unsigned char *) base_string.data,
					   base_string.length) != 1 ||
		EVP_MAC_final(signer->mac, mac, &length, sizeof(mac)) != 1)
		return crypto_failure();
	return append_base64(out, mac, length);
}

/*
 * RSASSA-PKCS1-v1_5 (3.4.3), OpenSSL's default padding.
 */
static oa1_status
sign_rsa(oa1_signer *signer, oa1_text base_string, oa1_buffer *out)
{
	unsigned char signature[LONGEST_SIGNATURE];
	size_t		length = sizeof(signature);

	if (EVP_DigestSignInit(signer->digest, NULL, digest_of(signer->method), NULL,
						   signer->key) != 1 ||
		EVP_DigestSign(signer->digest, signature, &length,
					   (const unsigned char *) base_string.data, base_string.length) != 1)
		return crypto_failure();
	return append_base64(out, signature, length);
}

/*
 * Appends the oauth_signature of base_string, not yet percent-encoded.
 * OA1_CRYPTO (a public key, say), or out's failure; nothing is appended then.
 */
oa1_status
oa1_signer_sign(oa1_signer *signer, oa1_text base_string, oa1_buffer *out)
{
	if (signer->method == OA1_PLAINTEXT)
	{
		oa1_buffer_append_text(out, oa1_buffer_text(&signer->secrets));
		return out->status;
	}
	if (oa1_method_is_rsa(signer->method))
		return sign_rsa(signer, base_string, out);
	return sign_hmac(signer, base_string, out);
}

/*
 * Signs and compares, without telling by its time how much was right.
 */
static oa1_status
verify_secret(oa1_signer *signer, oa1_text base_string, oa1_text signature, bool *matches)
{
	oa1_buffer	expected;
	oa1_text	text;
	oa1_status	status;

	oa1_buffer_init(&expected, signer->secrets.grow, signer->secrets.context, SIZE_MAX);
	status = oa1_signer_sign(signer, base_string, &expected);
	text = oa1_buffer_text(&expected);
	*matches = status == OA1_OK && text.length == signature.length &&
		CRYPTO_memcmp(text.data, signature.data, text.length) == 0;
	oa1_buffer_free(&expected);
	return status;
}

/*
 * Decodes signature where it is the one right Base64 of length octets: what
 * decodes is encoded again and has to be the same.
 */
static bool
decode_base64(oa1_text signature, unsigned char *octets, size_t length)
{
	unsigned char decoded[BASE64_LENGTH(LONGEST_SIGNATURE)];
	unsigned char again[BASE64_LENGTH(LONGEST_SIGNATURE) + 1];

	if (length > LONGEST_SIGNATURE || signature.length != BASE64_LENGTH(length) ||
		EVP_DecodeBlock(decoded, (const unsigned char *) signature.data,
						(int) signature.length) < (int) length)
		return false;
	EVP_EncodeBlock(again, decoded, (int) length);
	memcpy(octets, decoded, length);
	return memcmp(again, signature.data, signature.length) == 0;
}

/*
 * With the public key (3.4.3); of a private key its public half serves.
 */
static oa1_status
verify_rsa(oa1_signer *signer, oa1_text base_string, oa1_text signature, bool *matches)
{
	unsigned char octets[LONGEST_SIGNATURE];
	size_t		length = (size_t) EVP_PKEY_get_size(signer->key);

	*matches = false;
	if (!decode_base64(signature, octets, length))
		return OA1_OK;
	if (EVP_DigestVerifyInit(signer->digest, NULL, digest_of(signer->method), NULL,
							 signer->key) != 1)
		return crypto_failure();
	*matches = EVP_DigestVerify(signer->digest, octets, length,
								(const unsigned char *) base_string.data,
								base_string.length) == 1;
	/* OpenSSL reports a signature of another key as an error, and queues it */
	ERR_clear_error();
	return OA1_OK;
}

/*
 * *matches: whether signature, percent-decoded, is base_string's.  A signature
 * that no key could have made is just false; OA1_CRYPTO or OA1_OUT_OF_MEMORY tell
 * of us, and *matches is false then.
 */
oa1_status
oa1_signer_verify(oa1_signer *signer, oa1_text base_string, oa1_text signature, bool *matches)
{
	if (oa1_method_is_rsa(signer->method))
		return verify_rsa(signer, base_string, signature, matches);
	return verify_secret(signer, base_string, signature, matches);
}

/*
 * Wipes and releases what signer holds.  Of one that was only zeroed, or freed
 * before, nothing.
 */
void
oa1_signer_free(oa1_signer *signer)
{
	EVP_MAC_CTX_free(signer->mac);
	EVP_MD_CTX_free(signer->digest);
	EVP_PKEY_free(signer->key);
	oa1_buffer_free(&signer->secrets);
	signer->mac = NULL;
	signer->digest = NULL;
	signer->key = NULL;
}

/*
 * Appends the oauth_body_hash of body (OAuth Request Body Hash, draft 4, 3.2),
 * with the hash function of the signature method, as Mastercard does.
 * OA1_PLAINTEXT_BODY_HASH, OA1_CRYPTO, or out's failure.
 */
oa1_status
oa1_body_hash(oa1_method hash_method, oa1_text body, oa1_buffer *out)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned	length;

	if (hash_method == OA1_PLAINTEXT)
		return OA1_PLAINTEXT_BODY_HASH;
	if (digest_of(hash_method) == NULL ||
		EVP_Digest(body.data, body.length, hash, &length, digest_of(hash_method), NULL) != 1)
		return crypto_failure();
	return append_base64(out, hash, length);
}

/*
 * Hashes what read gives until its end; false where OpenSSL cannot.
 */
static bool
digest_read(const EVP_MD *digest, oa1_read read, void *context, unsigned char *hash,
			unsigned *length)
{
	char		piece[8192];
	size_t		octets;
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	bool		fine = state != NULL && EVP_DigestInit_ex(state, digest, NULL) == 1;

	while (fine && (octets = read(context, piece, sizeof(piece))) > 0)
		fine = EVP_DigestUpdate(state, piece, octets) == 1;
	fine = fine && EVP_DigestFinal_ex(state, hash, length) == 1;
	EVP_MD_CTX_free(state);
	return fine;
}

/*
 * As oa1_body_hash, of the octets that read gives.
 */
oa1_status
oa1_body_hash_read(oa1_method hash_method, oa1_read read, void *context, oa1_buffer *out)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned	length;

	if (hash_method == OA1_PLAINTEXT)
		return OA1_PLAINTEXT_BODY_HASH;
	if (digest_of(hash_method) == NULL ||
		!digest_read(digest_of(hash_method), read, context, hash, &length))
		return crypto_failure();
	return append_base64(out, hash, length);
}
