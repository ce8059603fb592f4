/*
 * test_rate_fields.c
 *	  What services say about their rates.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include "work/rate_fields.h"

/* This server's clock: 2026-07-01 00:00:00. */
#define NOW INT64_C(1782864000)

#define DAY_MS OAUTH1_MAX_WISH_MS

static void
check_retry_after(const char *retry_after, const char *date, int64_t expected)
{
	oauth1_rate_fields fields = {.status = 503, .retry_after = text_of(retry_after)};

	if (date != NULL)
		fields.date = text_of(date);
	about("Retry-After: %s, Date: %s", retry_after, date ? date : "none");
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == expected);
	CHECK(oauth1_rate_fields_retry_after_alone(&fields, NOW) == expected);
}

/* RFC 9110, 10.2.3 */
static void
test_retry_after(void)
{
	check_retry_after("0", NULL, 0);
	check_retry_after("1", NULL, 1000);
	check_retry_after(" 120 ", NULL, 120000);
	check_retry_after("86399", NULL, 86399000);
	check_retry_after("86400", NULL, DAY_MS);
	check_retry_after("86401", NULL, DAY_MS);
	check_retry_after("99999999999999999999999999", NULL, DAY_MS);
	/* a date by this server's clock */
	check_retry_after("Wed, 01 Jul 2026 00:00:30 GMT", NULL, 30000);
	check_retry_after("Wednesday, 01-Jul-26 00:00:30 GMT", NULL, 30000);
	check_retry_after("Wed Jul  1 00:00:30 2026", NULL, 30000);
	check_retry_after("Tue, 30 Jun 2026 23:59:59 GMT", NULL, 0);
	check_retry_after("Thu, 01 Jan 1970 00:00:00 GMT", NULL, 0);
	check_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", NULL, DAY_MS);
	/* by the service's, which is an hour behind, and one that makes no sense */
	check_retry_after("Tue, 30 Jun 2026 23:00:30 GMT", "Tue, 30 Jun 2026 23:00:00 GMT", 30000);
	check_retry_after("Wed, 01 Jul 2026 00:00:30 GMT", "yesterday", 30000);
	/* garbage */
	check_retry_after("", NULL, -1);
	check_retry_after("-1", NULL, -1);
	check_retry_after("1.5", NULL, -1);
	check_retry_after("soon", NULL, -1);
	check_retry_after("120, 60", NULL, -1);
	check_retry_after("Wed, 32 Jul 2026 00:00:30 GMT", NULL, -1);
}

static void
check_x(int status, const char *remaining, const char *reset, int64_t expected)
{
	oauth1_rate_fields fields = {
		.status = status, .x_remaining = text_of(remaining), .x_reset = text_of(reset)
	};

	about("%d, x-rate-limit-remaining: %s, -reset: %s", status, remaining, reset);
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == expected);
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == (status == 429 ? expected : -1));
	CHECK(oauth1_rate_fields_retry_after_alone(&fields, NOW) == -1);
}

static void
test_x(void)
{
	check_x(200, "0", "1782864900", 900000);
	check_x(200, "1", "1782864900", -1);
	check_x(429, "0", "1782864900", 900000);
	check_x(429, "1", "1782864900", 900000);	/* the 429 knows better */
	check_x(200, "0", "1782864000", 0);
	check_x(200, "0", "1782863000", 0);
	check_x(200, "0", "1782864900123", 900000);	/* in milliseconds */
	check_x(200, "0", "60", 60000);		/* from now */
	check_x(200, "0", "999999999", DAY_MS);
	check_x(200, "0", "99999999999", DAY_MS);
	check_x(200, "0", "99999999999999999999", DAY_MS);
	check_x(200, "0", "-60", -1);
	check_x(200, "0", "", -1);
	check_x(200, "0", "later", -1);
	check_x(200, "", "60", -1);
	check_x(200, "-1", "60", -1);
	check_x(200, "none", "60", -1);
	check_x(200, "00", "60", 60000);
}

/* Seconds since 1970 are the service's, which is an hour behind. */
static void
test_other_clock(void)
{
	oauth1_rate_fields fields = {
		.status = 200, .date = text_of("Tue, 30 Jun 2026 23:00:00 GMT"),
		.x_remaining = text_of("0"), .x_reset = text_of("1782860460")
	};

	about("another clock");
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == 60000);
}

static void
check_draft(int status, const char *remaining, const char *reset, int64_t expected)
{
	oauth1_rate_fields fields = {
		.status = status, .remaining = text_of(remaining), .reset = text_of(reset)
	};

	about("%d, ratelimit-remaining: %s, -reset: %s", status, remaining, reset);
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == expected);
}

static void
test_draft(void)
{
	check_draft(200, "0", "30", 30000);
	check_draft(200, "0", "0", 0);
	check_draft(200, "5", "30", -1);
	check_draft(429, "5", "30", 30000);
	check_draft(200, "0", "100000", DAY_MS);
	check_draft(200, "0", "1782864900", DAY_MS);	/* seconds from now, says the draft */
	check_draft(200, "0", "-3", -1);
	check_draft(200, "0", "", -1);
}

static void
test_discogs(void)
{
	oauth1_rate_fields fields = {.status = 200, .discogs_remaining = text_of("0")};

	about("x-discogs-ratelimit-remaining");
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == 60000);
	fields.discogs_remaining = text_of("1");
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == -1);
	fields.discogs_remaining = text_of("x");
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == -1);
}

static void
test_together(void)
{
	oauth1_rate_fields fields = {0};

	about("nothing said");
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == -1);
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == -1);
	fields.status = 429;
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == -1);
	about("several: the longest");
	fields = (oauth1_rate_fields) {
		.status = 429, .x_remaining = text_of("0"), .x_reset = text_of("10"),
		.remaining = text_of("0"), .reset = text_of("20")
	};
	CHECK(oauth1_rate_fields_used_up(&fields, NOW) == 20000);
	about("Retry-After goes before");
	fields.retry_after = text_of("5");
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == 5000);
	about("unless it is garbage");
	fields.retry_after = text_of("five");
	CHECK(oauth1_rate_fields_retry_after(&fields, NOW) == 20000);
}

void
test_rate_fields(void)
{
	test_retry_after();
	test_x();
	test_other_clock();
	test_draft();
	test_discogs();
	test_together();
}
