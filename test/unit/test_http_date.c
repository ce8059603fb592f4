/*
 * test_http_date.c
 *	  Dates and numbers of header fields.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include "work/http_date.h"

/* 2026-07-01 */
#define NOW INT64_C(1782864000)

static void
check_date(const char *text, int64_t expected)
{
	guarded		copy = guard(text_of(text));
	int64_t		seconds = -42;

	about("%s", text);
	CHECK(oauth1_http_date_read(copy.text, NOW, &seconds));
	CHECK(seconds == expected);
	unguard(&copy);
}

static void
check_no_date(const char *text)
{
	guarded		copy = guard(text_of(text));
	int64_t		seconds = -42;

	about("%s", text);
	CHECK(!oauth1_http_date_read(copy.text, NOW, &seconds));
	CHECK(seconds == -42);
	unguard(&copy);
}

/* RFC 9110, 5.6.7; the expected seconds are those of date(1). */
static void
test_dates(void)
{
	check_date("Sun, 06 Nov 1994 08:49:37 GMT", 784111777);
	check_date("Sunday, 06-Nov-94 08:49:37 GMT", 784111777);
	check_date("Sun Nov  6 08:49:37 1994", 784111777);
	check_date(" \tSun, 06 Nov 1994 08:49:37 GMT\t ", 784111777);
	check_date("Thu, 01 Jan 1970 00:00:00 GMT", 0);
	check_date("Wed, 31 Dec 1969 23:59:59 GMT", -1);
	check_date("Sat Nov 26 00:00:00 2016", 1480118400);
	check_date("Sat, 31 Dec 2016 23:59:60 GMT", 1483228800);
	check_date("Thu, 29 Feb 2024 12:00:00 GMT", 1709208000);
	check_date("Tue, 29 Feb 2000 00:00:00 GMT", 951782400);
	check_date("Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799));
	check_date("Mon, 01 Jan 0001 00:00:00 GMT", INT64_C(-62135596800));
	/* the weekday is not compared with the date: senders that err in it mean the date */
	check_date("Mon, 06 Nov 1994 08:49:37 GMT", 784111777);
	/* two digits of a year, from the point of view of 2026 */
	check_date("Friday, 01-May-26 00:00:00 GMT", 1777593600);
	check_date("Thursday, 01-Jan-76 00:00:00 GMT", INT64_C(3345062400));
	check_date("Friday, 01-Jan-77 00:00:00 GMT", 220924800);
	check_date("Friday, 31-Dec-99 23:59:59 GMT", 946684799);
}

static void
test_no_dates(void)
{
	static const char *const texts[] = {
		"", " ", "0", "120", "-1", "Sun", "Sun,", "garbage", "Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 08:49:37 +0000",
		"Sun, 06 Nov 1994 08:49:37 GMT.", "Sun, 06 Nov 1994 08:49:37 GMT, x",
		"sun, 06 Nov 1994 08:49:37 GMT", "Son, 06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT", "Sun, 06 nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT", "Sun, 06 Nov 19941 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 31 Nov 1994 08:49:37 GMT",
		"Sun, 29 Feb 2023 08:49:37 GMT", "Sun, 29 Feb 2100 08:49:37 GMT",
		"Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 1994 -8:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
		"Sun,  06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT",
		"Sunday, 06-Nov-94 08:49:37", "Sunday, 31-Nov-94 08:49:37 GMT",
		"Sunday, 06 Nov 94 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994", "Sun Nov 06 08:49:37 94", "Sun Nov  6 08:49:37 1994 GMT",
		"Sun Nov  0 08:49:37 1994", "1994-11-06T08:49:37Z", "784111777",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		check_no_date(texts[i]);
	about("a NUL in the middle");
	CHECK(!oauth1_http_date_read((oa1_text) {"Sun, 06 Nov 1994\00008:49:37 GMT", 29}, NOW,
								 &(int64_t) {0}));
	about("nothing there");
	CHECK(!oauth1_http_date_read((oa1_text) {NULL, 0}, NOW, &(int64_t) {0}));
}

/* Every beginning of a date, on a page that faults behind it. */
static void
test_cut_dates(void)
{
	static const char *const dates[] = {
		"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov  6 08:49:37 1994"
	};

	for (int i = 0; i < 3; i++)
		for (size_t length = 0; length < strlen(dates[i]); length++)
		{
			guarded		copy = guard((oa1_text) {dates[i], length});

			about("%.*s", (int) length, dates[i]);
			CHECK(!oauth1_http_date_read(copy.text, NOW, &(int64_t) {0}));
			unguard(&copy);
		}
}

static void
check_digits(const char *text, int64_t max, bool expected, int64_t number)
{
	guarded		copy = guard(text_of(text));
	int64_t		read = -42;

	about("%s", text);
	CHECK(oauth1_digits_read(copy.text, max, &read) == expected);
	CHECK(read == (expected ? number : -42));
	unguard(&copy);
}

static void
test_digits(void)
{
	check_digits("0", 100, true, 0);
	check_digits("7", 100, true, 7);
	check_digits("\t100 ", 100, true, 100);
	check_digits("101", 100, true, 100);
	check_digits("007", 100, true, 7);
	check_digits("100000000000000000000000000000000000", 100, true, 100);
	check_digits("9223372036854775807", INT64_MAX, true, INT64_MAX);
	check_digits("9223372036854775808", INT64_MAX, true, INT64_MAX);
	check_digits("18446744073709551616", INT64_MAX, true, INT64_MAX);
	check_digits("", 100, false, 0);
	check_digits(" ", 100, false, 0);
	check_digits("-1", 100, false, 0);
	check_digits("+1", 100, false, 0);
	check_digits("1.5", 100, false, 0);
	check_digits("1 2", 100, false, 0);
	check_digits("1e3", 100, false, 0);
	check_digits("0x10", 100, false, 0);
	check_digits("10s", 100, false, 0);
	about("nothing there");
	CHECK(!oauth1_digits_read((oa1_text) {NULL, 0}, 100, &(int64_t) {0}));
}

void
test_http_date(void)
{
	test_dates();
	test_no_dates();
	test_cut_dates();
	test_digits();
}
