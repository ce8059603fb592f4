/*
 * test_memory.c
 *	  Every allocation of the core fails once, over all vectors; and what OpenSSL
 *	  gives back to its allocator holds no key any more.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"
#include "vectors.h"

#include <stdlib.h>

#include <openssl/crypto.h>

static size_t failures;

/*
 * Fails the n-th allocation, for every n: the run ends with that one status, gives
 * everything back, wiped, and never with a wrong signature.
 */
static void
fail_each(const vector *v)
{
	for (size_t n = 1;; n++)
	{
		memory		m = {.fail_at = n};
		steps		done;
		oa1_status	status;

		about("%s, allocation %zu", v->name, n);
		status = vector_run(v, &done, memory_grow, &m);
		if (m.calls < n)
		{
			CHECK_STATUS(status, OA1_OK);
			steps_free(&done);
			break;
		}
		CHECK_STATUS(status, OA1_OUT_OF_MEMORY);
		CHECK_SIZE(done.signature.length, 0);
		steps_free(&done);
		CHECK_SIZE(m.live, 0);
		CHECK_SIZE(m.unwiped, 0);
		failures++;
	}
}

static void
ignore_pair(void *context, const oa1_pair *pair)
{
	(void) context;
	(void) pair;
}

static oa1_status
run_reply(memory *m)
{
	oa1_buffer	out;
	oa1_status	status;

	oa1_buffer_init(&out, memory_grow, m, SIZE_MAX);
	status = oa1_token_reply_read(OA1_TEXT("oauth_token=a&oauth_token_secret=b"), &out,
								  ignore_pair, NULL);
	oa1_buffer_free(&out);
	return status;
}

static oa1_status
run_header(memory *m)
{
	oa1_authorization_reader reader;
	oa1_buffer	out;
	oa1_pair	pair;
	bool		more = true;
	oa1_status	status;

	oa1_buffer_init(&out, memory_grow, m, SIZE_MAX);
	status = oa1_authorization_begin(&reader, OA1_TEXT("OAuth a=\"b\", c=\"d\""), &out);
	while (status == OA1_OK && more)
		status = oa1_authorization_next(&reader, &pair, &more);
	oa1_authorization_end(&reader);
	oa1_buffer_free(&out);
	return status;
}

static oa1_status
run_resolve(memory *m)
{
	char		long_path[400];
	memory		of_base = {0};
	oa1_buffer	base_octets;
	oa1_buffer	out;
	oa1_url		base;
	oa1_status	status;

	memset(long_path, 'a', sizeof(long_path));
	oa1_buffer_init(&base_octets, memory_grow, &of_base, SIZE_MAX);
	CHECK_STATUS(oa1_url_parse(OA1_TEXT("http://h/b/c?q"), &base_octets, &base), OA1_OK);
	oa1_buffer_init(&out, memory_grow, m, SIZE_MAX);
	status = oa1_url_resolve(&base, (oa1_text) {long_path, sizeof(long_path)}, &out);
	oa1_buffer_free(&out);
	oa1_buffer_free(&base_octets);
	return status;
}

static oa1_status
run_query(memory *m)
{
	static const char url[] = "/?oauth_nonce=1&a=0&b=";
	char		value[300];
	oa1_buffer	out;
	oa1_status	status;

	memset(value, '&', sizeof(value));
	oa1_buffer_init(&out, memory_grow, m, SIZE_MAX);
	oa1_url_drop_protocol(&out, text_of(url));
	oa1_url_set_parameter(&out, text_of(url), OA1_TEXT("a"), (oa1_text) {value, sizeof(value)});
	oa1_url_set_parameter(&out, text_of(url), OA1_TEXT("c"), (oa1_text) {value, sizeof(value)});
	status = out.status;
	oa1_buffer_free(&out);
	return status;
}

static oa1_status
run_verify(memory *m)
{
	oa1_signer	signer;
	bool		matches = true;
	oa1_status	status = oa1_signer_init_secret(&signer, OA1_HMAC_SHA1, OA1_TEXT("cs"),
												OA1_TEXT("ts"), memory_grow, m);

	if (status == OA1_OK)
		status = oa1_signer_verify(&signer, OA1_TEXT("bs"),
								   OA1_TEXT("VZVjXceV7JgPq/dOTnNmEfO0Fv8="), &matches);
	CHECK(matches || status == OA1_OUT_OF_MEMORY);
	oa1_signer_free(&signer);
	return status;
}

static void
fail_each_of(const char *name, oa1_status (*run) (memory *m))
{
	for (size_t n = 1;; n++)
	{
		memory		m = {.fail_at = n};
		oa1_status	status;

		about("%s, allocation %zu", name, n);
		status = run(&m);
		CHECK_SIZE(m.live, 0);
		CHECK_SIZE(m.unwiped, 0);
		CHECK_STATUS(status, m.calls < n ? OA1_OK : OA1_OUT_OF_MEMORY);
		if (m.calls < n)
			break;
		failures++;
	}
}

/*
 * No signer leaves its key in memory that OpenSSL gave back.
 */
static void
test_planted(void)
{
	static const char planted[] = "planted-secret-of-a-consumer";
	memory		m = {0};
	oa1_buffer	out = new_buffer();

	openssl_memory.planted = planted;
	for (int method = 0; method < OA1_METHOD_COUNT; method++)
	{
		oa1_signer	signer;

		about("method %d", method);
		if (oa1_method_is_rsa((oa1_method) method))
			continue;
		CHECK_STATUS(oa1_signer_init_secret(&signer, (oa1_method) method, text_of(planted),
											OA1_TEXT("token"), memory_grow, &m), OA1_OK);
		/* OpenSSL's context has the key by now, so ours is gone */
		CHECK((signer.secrets.data != NULL) == (method == OA1_PLAINTEXT));
		CHECK_STATUS(oa1_signer_sign(&signer, OA1_TEXT("base string"), &out), OA1_OK);
		oa1_signer_free(&signer);
		CHECK_SIZE(openssl_memory.found, 0);
		CHECK_SIZE(m.live, 0);
		CHECK_SIZE(m.unwiped, 0);
	}

	about("the search finds");
	OPENSSL_free(OPENSSL_strdup(planted));
	CHECK_SIZE(openssl_memory.found, 1);
	openssl_memory.planted = NULL;
	free_buffer(&out);
}

void
test_memory(void)
{
	test_planted();
	CHECK(vectors_each(fail_each) > 30);
	fail_each_of("token reply", run_reply);
	fail_each_of("header", run_header);
	fail_each_of("resolve", run_resolve);
	fail_each_of("query", run_query);
	fail_each_of("verify", run_verify);
	about("all");
	CHECK(failures > 100);
}
