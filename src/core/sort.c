/*
 * sort.c
 *	  Sorting in place, in n log n steps whatever the input.
 *
 * The C library's qsort promises neither: it may allocate, and it may be
 * quadratic.  Whoever sends us a form chooses its names.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

#include <stdlib.h>

/*
 * What is sorted: count elements of size octets at base.
 */
typedef struct heap
{
	char	   *base;
	size_t		size;
	oa1_compare compare;
	const void *context;
} heap;

static int
compare_at(const heap *h, size_t a, size_t b)
{
	return h->compare(h->base + a * h->size, h->base + b * h->size, h->context);
}

static void
swap(const heap *h, size_t a, size_t b)
{
	char	   *x = h->base + a * h->size;
	char	   *y = h->base + b * h->size;

	for (size_t i = 0; i < h->size; i++)
	{
		char		kept = x[i];

		x[i] = y[i];
		y[i] = kept;
	}
}

/*
 * Lets the element at top sink until no child among the first count elements is
 * greater.
 */
static void
sink(const heap *h, size_t top, size_t count)
{
	for (;;)
	{
		size_t		child = 2 * top + 1;

		if (child >= count)
			return;
		if (child + 1 < count && compare_at(h, child, child + 1) < 0)
			child++;
		if (compare_at(h, top, child) >= 0)
			return;
		swap(h, top, child);
		top = child;
	}
}

/*
 * Heapsort.  Not stable; what we sort is equal only where it is the same.
 */
void
oa1_sort(void *base, size_t count, size_t size, oa1_compare compare, const void *context)
{
	heap		h = {base, size, compare, context};

	for (size_t top = count / 2; top-- > 0;)
		sink(&h, top, count);
	for (size_t last = count; last-- > 1;)
	{
		swap(&h, 0, last);
		sink(&h, 0, last);
	}
}

static int
compare_texts(const void *a, const void *b, const void *context)
{
	(void) context;
	return oa1_text_compare(*(const oa1_text *) a, *(const oa1_text *) b);
}

bool
oa1_names_repeat(oa1_text *names, size_t count)
{
	oa1_sort(names, count, sizeof(oa1_text), compare_texts, NULL);
	for (size_t i = 1; i < count; i++)
		if (oa1_text_equal(names[i - 1], names[i]))
			return true;
	return false;
}
