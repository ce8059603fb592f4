/*
 * limit.c
 *	  The limits that signing in SQL is measured against, one burst at a time.
 *
 * usage: limit hmac KEY | limit rsa PEM-FILE, with the base string in the file
 * BASE that follows.  For each line of standard input, a number of operations,
 * it answers with the seconds they took on the processor: so another program can take turns with
 * it.  hmac is OpenSSL's EVP_MAC HMAC-SHA256 with a reused keyed context, rsa is
 * EVP_DigestSign with SHA-256 and a key parsed once.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>

static unsigned char base[65536];
static size_t base_length;
static EVP_MAC_CTX *mac;
static EVP_PKEY *key;
static EVP_MD_CTX *digest;

static void
check(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "limit: %s failed\n", what);
	exit(2);
}

static FILE *
open_file(const char *name)
{
	FILE	   *file = fopen(name, "r");

	check(file != NULL, name);
	return file;
}

static void
start_hmac(const char *secret)
{
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *) "SHA256", 0),
		OSSL_PARAM_construct_end()
	};

	mac = EVP_MAC_CTX_new(EVP_MAC_fetch(NULL, "HMAC", NULL));
	check(mac != NULL && EVP_MAC_init(mac, (const unsigned char *) secret, strlen(secret), params),
		  "EVP_MAC_init");
}

static void
one_hmac(void)
{
	unsigned char out[EVP_MAX_MD_SIZE];
	size_t		length;

	check(EVP_MAC_init(mac, NULL, 0, NULL) && EVP_MAC_update(mac, base, base_length) &&
		  EVP_MAC_final(mac, out, &length, sizeof(out)), "EVP_MAC");
}

static void
start_rsa(const char *name)
{
	FILE	   *file = open_file(name);

	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	digest = EVP_MD_CTX_new();
	check(key != NULL && digest != NULL, "PEM_read_PrivateKey");
	fclose(file);
}

static void
one_rsa(void)
{
	unsigned char out[1024];
	size_t		length = sizeof(out);

	check(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, key) == 1 &&
		  EVP_DigestSign(digest, out, &length, base, base_length) == 1, "EVP_DigestSign");
}

/* The process's time on the processor so far. */
static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	char		line[32];
	FILE	   *file;
	int			rsa = argc == 4 && strcmp(argv[1], "rsa") == 0;

	check(argc == 4 && (rsa || strcmp(argv[1], "hmac") == 0), "reading the arguments");
	file = open_file(argv[3]);
	base_length = fread(base, 1, sizeof(base), file);
	fclose(file);
	(rsa ? start_rsa : start_hmac) (argv[2]);

	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		long		count = atol(line);
		double		start = seconds();

		for (long i = 0; i < count; i++)
			(rsa ? one_rsa : one_hmac) ();
		printf("%.9f\n", seconds() - start);
		fflush(stdout);
	}
	return 0;
}
