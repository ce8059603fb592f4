/*
 * test_vectors.c
 *	  Published vectors, step by step (test/vectors/README.md has the format), each
 *	  also from memory that ends at a page that faults.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"
#include "vectors.h"

#include <stdlib.h>

#include <openssl/evp.h>

static const struct
{
	const char *name;
	oa1_status	status;
}			refusals[] = {
	{"SCHEME", OA1_URL_SCHEME}, {"NO_HOST", OA1_URL_NO_HOST}, {"HOST", OA1_URL_HOST},
	{"NOT_ASCII", OA1_URL_HOST_NOT_ASCII}, {"PORT", OA1_URL_PORT}, {"TWO_AT", OA1_URL_TWO_AT},
	{"BACKSLASH", OA1_URL_BACKSLASH}, {"CONTROL", OA1_URL_CONTROL}, {"ESCAPE", OA1_BAD_ESCAPE},
};

static void
check_encoding(oa1_text raw, oa1_text encoded)
{
	oa1_buffer	out = new_buffer();

	oa1_percent_encode(&out, raw);
	CHECK_TEXT(oa1_buffer_text(&out), encoded);
	oa1_buffer_reset(&out);
	CHECK_STATUS(oa1_percent_decode(&out, encoded), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&out), raw);
	free_buffer(&out);
}

static void
check_uri(oa1_text input, oa1_text expected)
{
	guarded		copy = guard(input);
	oa1_buffer	out = new_buffer();
	oa1_url		url;
	oa1_status	status = oa1_url_parse(copy.text, &out, &url);

	if (expected.length > 0 && expected.data[0] == '!')
	{
		bool		known = false;

		for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
			if (strlen(refusals[i].name) == expected.length - 1 &&
				memcmp(refusals[i].name, expected.data + 1, expected.length - 1) == 0)
			{
				CHECK_STATUS(status, refusals[i].status);
				known = true;
			}
		CHECK(known);
	}
	else
	{
		CHECK_STATUS(status, OA1_OK);
		if (status == OA1_OK)
			CHECK_TEXT(url.base_uri, expected);
	}
	free_buffer(&out);
	unguard(&copy);
}

static void
check_body_hash(oa1_text method_name, oa1_text rest)
{
	oa1_buffer	out = new_buffer();
	oa1_text	body = cut_field(&rest, '\t');
	oa1_method	method;

	body.length = unescape((char *) body.data, body.length);
	CHECK(oa1_method_from_name(method_name, &method));
	CHECK_STATUS(oa1_body_hash(method, body, &out), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&out), rest);
	free_buffer(&out);
}

/*
 * Runs check on every line of two fields.
 */
static void
check_lines(const char *name, void (*run) (oa1_text first, oa1_text rest), bool escaped)
{
	oa1_text	file = read_test_file(VECTORS, name);
	oa1_text	rest = file;
	size_t		lines = 0;

	while (rest.length > 0)
	{
		oa1_text	line = cut_field(&rest, '\n');
		oa1_text	first;

		if (line.length == 0 || line.data[0] == '#')
			continue;
		about("%s: %.*s", name, (int) line.length, line.data);
		first = cut_field(&line, '\t');
		if (escaped)
			first.length = unescape((char *) first.data, first.length);
		run(first, line);
		lines++;
	}
	CHECK(lines > 0);
	free((void *) file.data);
}

/*
 * The header that is written of the request's protocol parameters and signature,
 * and, read again, has the same parameters.
 */
static void
check_written(const vector *v, oa1_text signature)
{
	oa1_pair	pairs[40];
	size_t		count = vector_pairs(v, pairs, 39);
	oa1_buffer	out = new_buffer();

	pairs[count++] = (oa1_pair) {OA1_TEXT("oauth_signature"), signature};
	CHECK_STATUS(oa1_authorization_write(&out, (oa1_text) {NULL, 0}, pairs, count), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&out), v->written);
	free_buffer(&out);
}

static void
check_verified(const vector *v, oa1_text base_string)
{
	oa1_text	pem = read_test_file(VECTORS "/keys", v->public_key);
	EVP_PKEY   *key;
	oa1_signer	signer;
	bool		matches = false;

	CHECK_STATUS(oa1_public_key_read(pem, &key), OA1_OK);
	CHECK_STATUS(oa1_signer_init_key(&signer, vector_method(v), key), OA1_OK);
	EVP_PKEY_free(key);
	CHECK_STATUS(oa1_signer_verify(&signer, base_string, v->signature, &matches), OA1_OK);
	CHECK(matches);
	CHECK_STATUS(oa1_signer_verify(&signer, OA1_TEXT("other"), v->signature, &matches), OA1_OK);
	CHECK(!matches);
	oa1_signer_free(&signer);
	free((void *) pem.data);
}

static void
check_request(const vector *v)
{
	steps		done;
	memory		m = {0};
	oa1_status	status;

	about("%s: %s", v->source, v->name);
	status = vector_run(v, &done, memory_grow, &m);
	CHECK_STATUS(status, OA1_OK);
	if (v->uri.data != NULL)
		CHECK_TEXT(done.url.base_uri, v->uri);
	if (v->normalized.data != NULL)
		CHECK_TEXT(oa1_buffer_text(&done.normalized), v->normalized);
	if (v->base_string.data != NULL)
		CHECK_TEXT(oa1_buffer_text(&done.base_string), v->base_string);
	if (v->signature.data != NULL)
		CHECK_TEXT(oa1_buffer_text(&done.signature), v->signature);
	if (v->written.data != NULL)
		check_written(v, oa1_buffer_text(&done.signature));
	if (v->public_key[0] != '\0')
		check_verified(v, oa1_buffer_text(&done.base_string));
	steps_free(&done);
	CHECK_SIZE(m.live, 0);
	CHECK_SIZE(m.unwiped, 0);
}

void
test_vectors(void)
{
	check_lines("encoding.txt", check_encoding, true);
	check_lines("uris.txt", check_uri, true);
	check_lines("body_hashes.txt", check_body_hash, false);
	CHECK(vectors_each(check_request) > 30);
}
