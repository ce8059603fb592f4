/*
 * harness.h
 *	  What the core's unit tests share: checks that count, memory that is
 *	  watched, pages that fault.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdio.h>
#include <string.h>

#include "core/core.h"

/* ---------------------------------------------------------------- checks */

/* Says what the following checks are about; shown where one fails. */
extern void about(const char *format,...) __attribute__((format(printf, 1, 2)));

#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)
#define CHECK_STATUS(actual, expected) check_status((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_SIZE(actual, expected) check_size((actual), (expected), #actual, __FILE__, __LINE__)

extern void check(bool passed, const char *what, const char *file, int line);
extern void check_status(oa1_status actual, oa1_status expected, const char *what,
						 const char *file, int line);
extern void check_text(oa1_text actual, oa1_text expected, const char *what,
					   const char *file, int line);
extern void check_size(size_t actual, size_t expected, const char *what,
					   const char *file, int line);

/* ---------------------------------------------------------------- memory */

/*
 * A grow callback over malloc that counts, fails on demand, and sees whether
 * what is given back was wiped.
 */
typedef struct memory
{
	size_t		calls;			/* allocations asked for */
	size_t		fail_at;		/* the one that fails, from 1; 0: none */
	size_t		live;			/* octets not given back */
	size_t		unwiped;		/* releases that still held something */
} memory;

extern void *memory_grow(void *context, void *old, size_t old_size, size_t new_size);

/* An empty buffer over a watched memory of its own; release it with free_buffer. */
extern oa1_buffer new_buffer(void);
/* Frees and checks that nothing stayed and everything was wiped. */
extern void free_buffer(oa1_buffer *buffer);

/*
 * From watch_openssl on, OpenSSL allocates through us, and every piece it gives
 * back is searched for planted (NULL: nothing); found counts those that held it.
 */
typedef struct openssl_watch
{
	const char *planted;
	size_t		found;
} openssl_watch;

extern openssl_watch openssl_memory;
extern void watch_openssl(void);

extern oa1_text text_of(const char *string);

/* A copy of text that ends right before a page that faults; unguard gives it back. */
typedef struct guarded
{
	oa1_text	text;
	void	   *pages;
	size_t		size;
} guarded;

extern guarded guard(oa1_text text);
extern void unguard(guarded *copy);

/* A file's contents, to be freed by free(); ends the program where there is none. */
extern oa1_text read_test_file(const char *folder, const char *name);

#endif							/* HARNESS_H */
