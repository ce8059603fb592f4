/*
 * test_sort.c
 *	  Sorting in place, and its cost at worst.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

#include "core/internal.h"

static size_t comparisons;

static int
compare_numbers(const void *a, const void *b, const void *context)
{
	int			x = *(const int *) a;
	int			y = *(const int *) b;

	(void) context;
	comparisons++;
	return (x > y) - (x < y);
}

static void
check_order(int *numbers, size_t count, size_t limit)
{
	size_t		wrong = 0;
	long		sum = 0;
	long		sorted_sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += (long) numbers[i] * numbers[i];
	comparisons = 0;
	oa1_sort(numbers, count, sizeof(int), compare_numbers, NULL);
	for (size_t i = 0; i < count; i++)
	{
		sorted_sum += (long) numbers[i] * numbers[i];
		wrong += i > 0 && numbers[i - 1] > numbers[i];
	}
	CHECK_SIZE(wrong, 0);
	CHECK(sum == sorted_sum);
	CHECK(comparisons <= limit);
}

static void
test_orders(size_t count, size_t limit)
{
	int		   *numbers = malloc((count + 1) * sizeof(int));
	unsigned	random = 1;

	about("%zu numbers", count);
	for (size_t i = 0; i < count; i++)
		numbers[i] = (int) i;
	check_order(numbers, count, limit);
	for (size_t i = 0; i < count; i++)
		numbers[i] = (int) (count - i);
	check_order(numbers, count, limit);
	for (size_t i = 0; i < count; i++)
		numbers[i] = 7;
	check_order(numbers, count, limit);
	for (size_t i = 0; i < count; i++)
		numbers[i] = (int) (i < count / 2 ? i : count - i);
	check_order(numbers, count, limit);
	for (size_t i = 0; i < count; i++)
		numbers[i] = (int) ((random = random * 1664525 + 1013904223) >> 16);
	check_order(numbers, count, limit);
	free(numbers);
}

static void
test_names(void)
{
	oa1_text	none[1] = {OA1_TEXT("a")};
	oa1_text	different[] = {OA1_TEXT("b"), OA1_TEXT("a"), OA1_TEXT(""), OA1_TEXT("ab")};
	oa1_text	repeated[] = {OA1_TEXT("b"), OA1_TEXT("a"), OA1_TEXT("c"), OA1_TEXT("b")};

	about("names");
	CHECK(!oa1_names_repeat(none, 0));
	CHECK(!oa1_names_repeat(none, 1));
	CHECK(!oa1_names_repeat(different, 4));
	CHECK(oa1_names_repeat(repeated, 4));
	CHECK(oa1_text_compare(OA1_TEXT("a"), OA1_TEXT("ab")) < 0);
	CHECK(oa1_text_compare(OA1_TEXT("\xff"), OA1_TEXT("a")) > 0);
	CHECK(oa1_text_compare(OA1_TEXT(""), OA1_TEXT("")) == 0);
}

void
test_sort(void)
{
	test_orders(0, 0);
	test_orders(1, 0);
	test_orders(2, 4);
	test_orders(3, 8);
	test_orders(1000, 2 * 10 * 1000);
	test_orders(100000, 2 * 17 * 100000);
	test_names();
}
