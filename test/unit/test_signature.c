/*
 * test_signature.c
 *	  Signing and checking (RFC 5849, 3.4.2 to 3.4.4), beyond the vectors.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>

static const oa1_text names[OA1_METHOD_COUNT] = {
	OA1_TEXT("HMAC-SHA1"), OA1_TEXT("HMAC-SHA256"), OA1_TEXT("HMAC-SHA512"),
	OA1_TEXT("RSA-SHA1"), OA1_TEXT("RSA-SHA256"), OA1_TEXT("RSA-SHA512"), OA1_TEXT("PLAINTEXT"),
};

static memory watched;

static EVP_PKEY *
read_key(const char *name)
{
	oa1_text	pem = read_test_file(VECTORS "/keys", name);
	EVP_PKEY   *key = NULL;

	if (oa1_private_key_read(pem, (oa1_text) {NULL, 0}, &key) != OA1_OK)
		CHECK_STATUS(oa1_public_key_read(pem, &key), OA1_OK);
	free((void *) pem.data);
	return key;
}

static oa1_signer
new_signer(oa1_method method, EVP_PKEY *key, const char *secret)
{
	oa1_signer	signer;

	if (oa1_method_is_rsa(method))
		CHECK_STATUS(oa1_signer_init_key(&signer, method, key), OA1_OK);
	else
		CHECK_STATUS(oa1_signer_init_secret(&signer, method, text_of(secret), OA1_TEXT("token"),
											memory_grow, &watched), OA1_OK);
	return signer;
}

static void
test_methods(void)
{
	oa1_method	method;

	for (int i = 0; i < OA1_METHOD_COUNT; i++)
	{
		about("%s", names[i].data);
		CHECK_TEXT(oa1_method_name((oa1_method) i), names[i]);
		CHECK(oa1_method_from_name(names[i], &method) && method == (oa1_method) i);
		CHECK(oa1_method_is_rsa((oa1_method) i) == (names[i].data[0] == 'R'));
	}
	about("no method");
	CHECK(!oa1_method_from_name(OA1_TEXT("hmac-sha1"), &method));
	CHECK(!oa1_method_from_name(OA1_TEXT("HMAC-SHA"), &method));
	CHECK(!oa1_method_from_name(OA1_TEXT("HMAC-SHA1\0"), &method));
	CHECK(!oa1_method_from_name(OA1_TEXT(""), &method));
}

static void
check_matches(oa1_signer *signer, oa1_text base_string, oa1_text signature, bool expected)
{
	guarded		copy = guard(signature);
	bool		matches = !expected;

	CHECK_STATUS(oa1_signer_verify(signer, base_string, copy.text, &matches), OA1_OK);
	CHECK(matches == expected);
	unguard(&copy);
}

/*
 * What each method signs it accepts, again and again, and nothing else.
 */
static void
test_round(oa1_method method, EVP_PKEY *key, EVP_PKEY *other_key)
{
	oa1_signer	signer = new_signer(method, key, "secret");
	oa1_signer	other = new_signer(method, other_key, "other");
	oa1_buffer	first = new_buffer();
	oa1_buffer	second = new_buffer();
	oa1_text	base = OA1_TEXT("GET&http%3A%2F%2Fh%2F&");

	about("%s", names[method].data);
	CHECK_STATUS(oa1_signer_sign(&signer, base, &first), OA1_OK);
	CHECK_STATUS(oa1_signer_sign(&signer, OA1_TEXT(""), &second), OA1_OK);
	oa1_buffer_reset(&second);
	CHECK_STATUS(oa1_signer_sign(&signer, base, &second), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&second), oa1_buffer_text(&first));
	check_matches(&signer, base, oa1_buffer_text(&first), true);
	check_matches(&signer, OA1_TEXT("GET&"), oa1_buffer_text(&first), method == OA1_PLAINTEXT);
	check_matches(&other, base, oa1_buffer_text(&first), false);

	for (size_t i = 0; i < first.length; i++)
	{
		about("%s without octet %zu, and with it changed", names[method].data, i);
		check_matches(&signer, base, (oa1_text) {first.data, i}, false);
		oa1_buffer_reset(&second);
		oa1_buffer_append_text(&second, oa1_buffer_text(&first));
		second.data[i] = second.data[i] == 'A' ? 'B' : 'A';
		check_matches(&signer, base, oa1_buffer_text(&second), false);
	}
	oa1_buffer_append_char(&first, '=');
	check_matches(&signer, base, oa1_buffer_text(&first), false);
	CHECK(ERR_peek_error() == 0);
	free_buffer(&first);
	free_buffer(&second);
	oa1_signer_free(&signer);
	oa1_signer_free(&signer);
	oa1_signer_free(&other);
	CHECK_SIZE(watched.live, 0);
	CHECK_SIZE(watched.unwiped, 0);
}

/*
 * Base64 has spellings that decode to the same octets; only the right one is a
 * signature.
 */
static void
test_base64(EVP_PKEY *key)
{
	oa1_signer	signer = new_signer(OA1_RSA_SHA256, key, NULL);
	oa1_buffer	b = new_buffer();
	char		last;

	about("Base64");
	CHECK_STATUS(oa1_signer_sign(&signer, OA1_TEXT("x"), &b), OA1_OK);
	CHECK_SIZE(b.length, 344);
	CHECK(b.data[342] == '=' && b.data[343] == '=');
	last = b.data[341];
	b.data[341] = (char) (last + 1);
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	b.data[341] = last;
	b.data[343] = 'A';
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	b.data[343] = '\n';
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	memmove(b.data + 1, b.data, 343);
	b.data[0] = ' ';
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	memset(b.data, ' ', 344);
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	memset(b.data, '\xff', 344);
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	memset(b.data, 'A', 344);
	check_matches(&signer, OA1_TEXT("x"), oa1_buffer_text(&b), false);
	check_matches(&signer, OA1_TEXT("x"), OA1_TEXT(""), false);
	CHECK(ERR_peek_error() == 0);
	free_buffer(&b);
	oa1_signer_free(&signer);
}

static void
test_wrong_keys(void)
{
	EVP_PKEY   *public = read_key("rsa2048_spki.pem");
	EVP_PKEY   *curve = EVP_EC_gen("P-256");
	oa1_signer	signer;
	oa1_buffer	b = new_buffer();
	bool		matches = true;

	about("wrong keys");
	CHECK_STATUS(oa1_signer_init_key(&signer, OA1_RSA_SHA256, curve), OA1_KEY_NOT_RSA);
	oa1_signer_free(&signer);
	CHECK_STATUS(oa1_signer_init_public_key(&signer, OA1_RSA_SHA256, OA1_TEXT("no key")),
				 OA1_KEY_UNREADABLE);
	oa1_signer_free(&signer);
	CHECK_STATUS(oa1_signer_init_key(&signer, OA1_RSA_SHA256, public), OA1_OK);
	CHECK_STATUS(oa1_signer_sign(&signer, OA1_TEXT("x"), &b), OA1_CRYPTO);
	CHECK_SIZE(b.length, 0);
	CHECK(ERR_peek_error() == 0);
	/* and still checks */
	CHECK_STATUS(oa1_signer_verify(&signer, OA1_TEXT("x"), OA1_TEXT("x"), &matches), OA1_OK);
	CHECK(!matches);
	oa1_signer_free(&signer);
	EVP_PKEY_free(public);
	EVP_PKEY_free(curve);
	free_buffer(&b);
}

static void
test_large(oa1_method method, EVP_PKEY *key)
{
	size_t		size = 1 << 20;
	char	   *text = malloc(size);
	oa1_signer	signer = new_signer(method, key, "secret");
	oa1_buffer	b = new_buffer();

	about("1 MiB, %s", names[method].data);
	memset(text, 'x', size);
	CHECK_STATUS(oa1_signer_sign(&signer, (oa1_text) {text, size}, &b), OA1_OK);
	check_matches(&signer, (oa1_text) {text, size}, oa1_buffer_text(&b), true);
	text[size - 1] = 'y';
	check_matches(&signer, (oa1_text) {text, size}, oa1_buffer_text(&b), method == OA1_PLAINTEXT);
	free(text);
	free_buffer(&b);
	oa1_signer_free(&signer);
}

static void
test_body_hash(void)
{
	oa1_buffer	b = new_buffer();

	about("body hash");
	CHECK_STATUS(oa1_body_hash(OA1_PLAINTEXT, OA1_TEXT("x"), &b), OA1_PLAINTEXT_BODY_HASH);
	CHECK_SIZE(b.length, 0);
	CHECK_STATUS(oa1_body_hash(OA1_HMAC_SHA512, (oa1_text) {NULL, 0}, &b), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8X"
											 "YXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="));
	free_buffer(&b);
}

/* A text that is given in pieces of a size. */
typedef struct pieces
{
	oa1_text	rest;
	size_t		size;
} pieces;

static size_t
read_piece(void *context, char *to, size_t room)
{
	pieces	   *from = context;
	size_t		length = from->size < room ? from->size : room;

	if (length > from->rest.length)
		length = from->rest.length;
	if (length > 0)
		memcpy(to, from->rest.data, length);
	from->rest.data += length;
	from->rest.length -= length;
	return length;
}

/* However a body is cut, its hash is that of the whole. */
static void
test_body_hash_read(void)
{
	static char body[20000];
	static const size_t sizes[] = {1, 7, 8192, 8193, 20000};

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (char) (i * 31 + i / 256);
	for (size_t length = 0; length <= sizeof(body); length += 4000)
	{
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		{
			oa1_buffer	whole = new_buffer();
			oa1_buffer	cut = new_buffer();
			pieces		from = {{body, length}, sizes[i]};

			about("body hash of %zu octets by %zu", length, sizes[i]);
			CHECK_STATUS(oa1_body_hash(OA1_RSA_SHA256, from.rest, &whole), OA1_OK);
			CHECK_STATUS(oa1_body_hash_read(OA1_RSA_SHA256, read_piece, &from, &cut), OA1_OK);
			CHECK_TEXT(oa1_buffer_text(&cut), oa1_buffer_text(&whole));
			CHECK_STATUS(oa1_body_hash_read(OA1_PLAINTEXT, read_piece, &from, &cut),
						 OA1_PLAINTEXT_BODY_HASH);
			free_buffer(&whole);
			free_buffer(&cut);
		}
	}
}

void
test_signature(void)
{
	EVP_PKEY   *key = read_key("rsa2048_pkcs8.pem");
	EVP_PKEY   *other = read_key("oauthlib_private.pem");
	EVP_PKEY   *small = read_key("rsa1024_private.pem");

	test_methods();
	for (int method = 0; method < OA1_METHOD_COUNT; method++)
	{
		test_round((oa1_method) method, small, other);
		test_large((oa1_method) method, key);
	}
	test_base64(key);
	test_wrong_keys();
	test_body_hash();
	test_body_hash_read();
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	EVP_PKEY_free(small);
}
