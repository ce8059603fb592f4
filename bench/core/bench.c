/*
 * bench.c
 *	  The core's speed, as ratios to its limit in the same run.
 *
 * L1: EVP_MAC HMAC-SHA256 with a reused keyed context over the base string.
 * hmac: all of a signed GET around it: the URL parsed, 8 query and 6 oauth_
 * parameters collected, the nonce made (16 random octets of a page that is drawn
 * at once and wiped as it is used), the base string, the signature, the header.
 * rsa: RSA-SHA256 with 2048 bits, against bare EVP_DigestSign with the same key.
 *
 * Limit and subject take turns in many rounds of about a millisecond, measured in the
 * process's own time on a processor, so that what else the machine does falls on
 * both, or on few.  A neighbour on the same core still slows the subject more than the
 * limit, which mostly waits for its own hash: the row hmac wants a calm machine.
 * Prints, per row: name, nanoseconds of limit and subject (medians), the median ratio
 * and its quartiles.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include "core/core.h"

#define ROUNDS 1001
#define NONCE_PAGE 4096

#define CONSUMER_SECRET "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw"
#define TOKEN_SECRET "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE"
#define KEY CONSUMER_SECRET "&" TOKEN_SECRET

static const oa1_text request_url = OA1_TEXT(
	"https://api.example.com/1.1/search/tweets.json?q=hello%20world&count=100"
	"&lang=de&result_type=recent&include_entities=true&max_id=1318622958123456789"
	"&geocode=52.52,13.405,25km&until=2026-11-24");

static void
die(const char *what)
{
	fprintf(stderr, "bench: %s failed\n", what);
	exit(2);
}

static void *
grow(void *context, void *old, size_t old_size, size_t new_size)
{
	(void) context;
	(void) old_size;
	if (new_size > 0)
		return malloc(new_size);
	free(old);
	return NULL;
}

/*
 * Everything that a session keeps from one call to the next.
 */
typedef struct session
{
	oa1_buffer	url;
	oa1_buffer	base_string;
	oa1_buffer	signature;
	oa1_buffer	header;
	oa1_buffer	timestamp;
	int64_t		now;
	oa1_parameters parameters;
	oa1_signer	signer;
	unsigned char page[NONCE_PAGE];
	size_t		page_used;
} session;

static void
session_init(session *s)
{
	oa1_buffer_init(&s->url, grow, NULL, 1 << 20);
	oa1_buffer_init(&s->base_string, grow, NULL, 1 << 20);
	oa1_buffer_init(&s->signature, grow, NULL, 1 << 20);
	oa1_buffer_init(&s->header, grow, NULL, 1 << 20);
	oa1_buffer_init(&s->timestamp, grow, NULL, 1 << 20);
	s->now = 1767225600;
	oa1_parameters_init(&s->parameters, grow, NULL, 1 << 20);
	s->page_used = NONCE_PAGE;
}

static void
session_free(session *s)
{
	oa1_buffer_free(&s->url);
	oa1_buffer_free(&s->base_string);
	oa1_buffer_free(&s->signature);
	oa1_buffer_free(&s->header);
	oa1_buffer_free(&s->timestamp);
	oa1_parameters_free(&s->parameters);
	oa1_signer_free(&s->signer);
}

static void
make_nonce(session *s, char nonce[OA1_NONCE_LENGTH])
{
	if (s->page_used == NONCE_PAGE)
	{
		if (RAND_bytes(s->page, NONCE_PAGE) != 1)
			die("RAND_bytes");
		s->page_used = 0;
	}
	oa1_nonce_write(s->page + s->page_used, nonce);
	OPENSSL_cleanse(s->page + s->page_used, OA1_NONCE_RANDOM);
	s->page_used += OA1_NONCE_RANDOM;
}

/*
 * One signed GET, from the URL's text to the header's.
 */
static void
sign_request(session *s)
{
	char		nonce[OA1_NONCE_LENGTH];
	oa1_url		url;
	oa1_pair	pairs[7] = {
		{OA1_TEXT("oauth_consumer_key"), OA1_TEXT("xvz1evFS4wEEPTGEFPHBog")},
		{OA1_TEXT("oauth_nonce"), {nonce, OA1_NONCE_LENGTH}},
		{OA1_TEXT("oauth_signature_method"), oa1_method_name(s->signer.method)},
		{OA1_TEXT("oauth_timestamp"), {NULL, 0}},
		{OA1_TEXT("oauth_token"),
			OA1_TEXT("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb")},
		{OA1_TEXT("oauth_version"), OA1_TEXT("1.0")},
	};

	oa1_buffer_reset(&s->url);
	oa1_buffer_reset(&s->base_string);
	oa1_buffer_reset(&s->signature);
	oa1_buffer_reset(&s->header);
	oa1_parameters_reset(&s->parameters);

	oa1_buffer_reset(&s->timestamp);

	make_nonce(s, nonce);
	oa1_buffer_append_number(&s->timestamp, s->now++);
	pairs[3].value = oa1_buffer_text(&s->timestamp);
	if (oa1_url_parse(request_url, &s->url, &url) != OA1_OK ||
		oa1_parameters_add_form(&s->parameters, url.query) != OA1_OK)
		die("the URL");
	for (int i = 0; i < 6; i++)
		if (oa1_parameters_add(&s->parameters, pairs[i].name, pairs[i].value) != OA1_OK)
			die("a parameter");
	if (oa1_base_string(&s->base_string, OA1_TEXT("GET"), &url, &s->parameters) != OA1_OK ||
		oa1_signer_sign(&s->signer, oa1_buffer_text(&s->base_string), &s->signature) != OA1_OK)
		die("the signature");
	pairs[6] = (oa1_pair) {OA1_TEXT("oauth_signature"), oa1_buffer_text(&s->signature)};
	if (oa1_authorization_write(&s->header, (oa1_text) {NULL, 0}, pairs, 7) != OA1_OK)
		die("the header");
}

/* ---------------------------------------------------------------- rows */

/*
 * A row: the limit's and the subject's one operation, with what they work on.
 */
typedef struct row
{
	const char *name;
	int			repeats;		/* operations a round, of each */
	session		s;
	oa1_text	base_string;	/* what the limit signs */
	EVP_MAC_CTX *mac;
	EVP_MD_CTX *digest;
	EVP_PKEY   *key;
} row;

static void
limit_hmac(row *r)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	size_t		length;

	if (EVP_MAC_init(r->mac, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(r->mac, (const unsigned char *) r->base_string.data,
					   r->base_string.length) != 1 ||
		EVP_MAC_final(r->mac, mac, &length, sizeof(mac)) != 1)
		die("EVP_MAC");
}

static void
limit_rsa(row *r)
{
	unsigned char signature[512];
	size_t		length = sizeof(signature);

	if (EVP_DigestSignInit(r->digest, NULL, EVP_sha256(), NULL, r->key) != 1 ||
		EVP_DigestSign(r->digest, signature, &length,
					   (const unsigned char *) r->base_string.data, r->base_string.length) != 1)
		die("EVP_DigestSign");
}

static void
subject(row *r)
{
	sign_request(&r->s);
}

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
time_of(row *r, void (*operation) (row *r))
{
	double		start = seconds();

	for (int i = 0; i < r->repeats; i++)
		operation(r);
	return (seconds() - start) / r->repeats * 1e9;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values)
{
	qsort(values, ROUNDS, sizeof(double), compare_doubles);
	return values[ROUNDS / 2];
}

static void
measure(row *r, void (*limit) (row *r))
{
	double		limits[ROUNDS];
	double		subjects[ROUNDS];
	double		ratios[ROUNDS];

	time_of(r, limit);
	time_of(r, subject);
	for (int i = 0; i < ROUNDS; i++)
	{
		limits[i] = time_of(r, limit);
		subjects[i] = time_of(r, subject);
		ratios[i] = limits[i] / subjects[i];
	}
	printf("%-5s limit %9.0f ns  subject %9.0f ns  ", r->name, median(limits), median(subjects));
	printf("ratio %.3f (", median(ratios));
	printf("quartiles %.3f and %.3f)\n", ratios[ROUNDS / 4], ratios[ROUNDS * 3 / 4]);
}

static void
measure_hmac(void)
{
	row			r = {.name = "hmac", .repeats = 1000};
	EVP_MAC    *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	OSSL_PARAM	params[2] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *) "SHA256", 0),
		OSSL_PARAM_construct_end()
	};

	session_init(&r.s);
	if (oa1_signer_init_secret(&r.s.signer, OA1_HMAC_SHA256, OA1_TEXT(CONSUMER_SECRET),
							   OA1_TEXT(TOKEN_SECRET), grow, NULL) != OA1_OK)
		die("the signer");
	sign_request(&r.s);
	printf("base string of %zu octets, header of %zu\n", r.s.base_string.length,
		   r.s.header.length);
	r.base_string.length = r.s.base_string.length;
	r.base_string.data = strndup(r.s.base_string.data, r.s.base_string.length);
	r.mac = EVP_MAC_CTX_new(hmac);
	if (EVP_MAC_init(r.mac, (const unsigned char *) KEY, strlen(KEY), params) != 1)
		die("EVP_MAC_init");
	measure(&r, limit_hmac);
	EVP_MAC_CTX_free(r.mac);
	EVP_MAC_free(hmac);
	free((char *) r.base_string.data);
	session_free(&r.s);
}

static void
measure_rsa(void)
{
	row			r = {.name = "rsa", .repeats = 1};

	r.key = EVP_RSA_gen(2048);
	r.digest = EVP_MD_CTX_new();
	session_init(&r.s);
	if (oa1_signer_init_key(&r.s.signer, OA1_RSA_SHA256, r.key) != OA1_OK)
		die("the signer");
	sign_request(&r.s);
	r.base_string.length = r.s.base_string.length;
	r.base_string.data = strndup(r.s.base_string.data, r.s.base_string.length);
	measure(&r, limit_rsa);
	EVP_MD_CTX_free(r.digest);
	EVP_PKEY_free(r.key);
	free((char *) r.base_string.data);
	session_free(&r.s);
}

int
main(void)
{
	measure_hmac();
	measure_rsa();
	return 0;
}
