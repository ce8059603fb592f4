/*
 * fuzz.h
 *	  What the fuzz targets share: the property that must hold, and buffers.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

/* A property that does not hold is a finding, as a crash is. */
#define MUST(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: property does not hold: %s\n", __FILE__, __LINE__, \
					#condition); \
			abort(); \
		} \
	} while (0)

static inline void *
fuzz_grow(void *context, void *old, size_t old_size, size_t new_size)
{
	(void) context;
	(void) old_size;
	if (new_size > 0)
		return malloc(new_size);
	free(old);
	return NULL;
}

static inline oa1_buffer
fuzz_buffer(void)
{
	oa1_buffer	buffer;

	oa1_buffer_init(&buffer, fuzz_grow, NULL, SIZE_MAX);
	return buffer;
}

static inline bool
fuzz_same(oa1_text a, oa1_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif							/* FUZZ_H */
