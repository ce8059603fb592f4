/*
 * harness.c
 *	  See harness.h, and the list of tests.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#define _GNU_SOURCE				/* memmem */
#include "harness.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>

extern void test_buffer(void);
extern void test_percent(void);
extern void test_form(void);
extern void test_url(void);
extern void test_reference(void);
extern void test_query(void);
extern void test_parameters(void);
extern void test_sort(void);
extern void test_base_string(void);
extern void test_signature(void);
extern void test_key(void);
extern void test_nonce(void);
extern void test_authorization(void);
extern void test_token_reply(void);
extern void test_vectors(void);
extern void test_memory(void);
extern void test_address(void);
extern void test_decode(void);
extern void test_link(void);
extern void test_clock_rule(void);
extern void test_http_date(void);
extern void test_rate_fields(void);

static const struct
{
	const char *name;
	void		(*run) (void);
}			tests[] = {
	{"buffer", test_buffer},
	{"percent", test_percent},
	{"form", test_form},
	{"url", test_url},
	{"reference", test_reference},
	{"query", test_query},
	{"parameters", test_parameters},
	{"sort", test_sort},
	{"base_string", test_base_string},
	{"signature", test_signature},
	{"key", test_key},
	{"nonce", test_nonce},
	{"authorization", test_authorization},
	{"token_reply", test_token_reply},
	{"vectors", test_vectors},
	{"memory", test_memory},
	{"address", test_address},
	{"decode", test_decode},
	{"link", test_link},
	{"clock_rule", test_clock_rule},
	{"http_date", test_http_date},
	{"rate_fields", test_rate_fields},
};

static const char *current_test;
static char subject[200];
static size_t passed_count;
static size_t failed_count;

void
about(const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(subject, sizeof(subject), format, arguments);
	va_end(arguments);
}

/* Counts; true where the caller has to say more. */
static bool
count(bool passed, const char *what, const char *file, int line)
{
	if (passed)
	{
		passed_count++;
		return false;
	}
	failed_count++;
	printf("FAILED %s:%d (%s, %s): %s\n", file, line, current_test, subject, what);
	return true;
}

void
check(bool passed, const char *what, const char *file, int line)
{
	count(passed, what, file, line);
}

void
check_status(oa1_status actual, oa1_status expected, const char *what, const char *file, int line)
{
	if (count(actual == expected, what, file, line))
		printf("  status is %d, expected %d\n", (int) actual, (int) expected);
}

void
check_size(size_t actual, size_t expected, const char *what, const char *file, int line)
{
	if (count(actual == expected, what, file, line))
		printf("  is %zu, expected %zu\n", actual, expected);
}

static void
print_text(const char *label, oa1_text text)
{
	printf("  %s %zu octets: ", label, text.length);
	for (size_t i = 0; i < text.length && i < 2000; i++)
		if (isprint((unsigned char) text.data[i]))
			putchar(text.data[i]);
		else
			printf("\\x%02x", (unsigned char) text.data[i]);
	putchar('\n');
}

void
check_text(oa1_text actual, oa1_text expected, const char *what, const char *file, int line)
{
	bool		same = actual.length == expected.length &&
		(actual.length == 0 || memcmp(actual.data, expected.data, actual.length) == 0);

	if (!count(same, what, file, line))
		return;
	print_text("is", actual);
	print_text("expected", expected);
}

oa1_text
text_of(const char *string)
{
	return (oa1_text) {string, strlen(string)};
}

void *
memory_grow(void *context, void *old, size_t old_size, size_t new_size)
{
	memory	   *m = context;

	if (new_size > 0)
	{
		void	   *data;

		m->calls++;
		if (old != NULL || m->calls == m->fail_at)
			return NULL;
		data = malloc(new_size);
		m->live += new_size;
		/* so that what was never written does not pass for wiped */
		memset(data, 0xa5, new_size);
		return data;
	}
	for (size_t i = 0; i < old_size; i++)
		if (((char *) old)[i] != 0)
		{
			m->unwiped++;
			break;
		}
	m->live -= old_size;
	free(old);
	return NULL;
}

oa1_buffer
new_buffer(void)
{
	oa1_buffer	buffer;

	oa1_buffer_init(&buffer, memory_grow, calloc(1, sizeof(memory)), SIZE_MAX);
	return buffer;
}

void
free_buffer(oa1_buffer *buffer)
{
	memory	   *m = buffer->context;

	oa1_buffer_free(buffer);
	CHECK_SIZE(m->live, 0);
	CHECK_SIZE(m->unwiped, 0);
	free(m);
}

openssl_watch openssl_memory;

/* In front of each piece: its size, in as much room as keeps it aligned. */
#define HEADER 32

static void *
openssl_malloc(size_t size, const char *file, int line)
{
	char	   *piece = malloc(size + HEADER);

	(void) file;
	(void) line;
	if (piece == NULL)
		return NULL;
	memcpy(piece, &size, sizeof(size));
	return piece + HEADER;
}

static void
openssl_free(void *data, const char *file, int line)
{
	char	   *piece;
	size_t		size;

	(void) file;
	(void) line;
	if (data == NULL)
		return;
	piece = (char *) data - HEADER;
	memcpy(&size, piece, sizeof(size));
	if (openssl_memory.planted != NULL &&
		memmem(data, size, openssl_memory.planted, strlen(openssl_memory.planted)) != NULL)
		openssl_memory.found++;
	free(piece);
}

static void *
openssl_realloc(void *data, size_t size, const char *file, int line)
{
	void	   *moved = openssl_malloc(size, file, line);
	size_t		old_size;

	if (data == NULL || moved == NULL)
		return moved;
	memcpy(&old_size, (char *) data - HEADER, sizeof(old_size));
	memcpy(moved, data, old_size < size ? old_size : size);
	openssl_free(data, file, line);
	return moved;
}

void
watch_openssl(void)
{
	if (CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) != 1)
	{
		printf("OpenSSL had allocated before\n");
		exit(2);
	}
}

guarded
guard(oa1_text text)
{
	size_t		page = (size_t) sysconf(_SC_PAGESIZE);
	guarded		copy;
	char	   *end;

	copy.size = (text.length + page - 1) / page * page + page;
	copy.pages = mmap(NULL, copy.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy.pages == MAP_FAILED)
		abort();
	end = (char *) copy.pages + copy.size - page;
	if (mprotect(end, page, PROT_NONE) != 0)
		abort();
	if (text.length > 0)
		memcpy(end - text.length, text.data, text.length);
	copy.text = (oa1_text) {end - text.length, text.length};
	return copy;
}

void
unguard(guarded *copy)
{
	munmap(copy->pages, copy->size);
}

oa1_text
read_test_file(const char *folder, const char *name)
{
	char		path[1000];
	FILE	   *file;
	char	   *data;
	long		size;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
	{
		printf("cannot read %s\n", path);
		exit(2);
	}
	rewind(file);
	data = malloc((size_t) size + 1);
	if (fread(data, 1, (size_t) size, file) != (size_t) size)
		exit(2);
	data[size] = '\0';
	fclose(file);
	return (oa1_text) {data, (size_t) size};
}

/*
 * Runs all tests, or those named.
 */
int
main(int argc, char **argv)
{
	watch_openssl();
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
	{
		bool		wanted = argc == 1;

		for (int a = 1; a < argc; a++)
			wanted |= strcmp(argv[a], tests[i].name) == 0;
		if (!wanted)
			continue;
		current_test = tests[i].name;
		about("-");
		tests[i].run();
	}
	printf("%zu passed, %zu failed\n", passed_count, failed_count);
	return failed_count == 0 && passed_count > 0 ? 0 : 1;
}
