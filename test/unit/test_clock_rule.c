/*
 * test_clock_rule.c
 *	  Which timestamp is next, and what a refusal shows.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include "work/clock_rule.h"

#define NOW INT64_C(1782864000)
#define MINUTE_US (INT64_C(60) * 1000000)

static const oauth1_clock_known nothing;

static void
test_forward(void)
{
	oauth1_clock_floor floor = {0};
	oauth1_clock_known known = {0};

	about("a clock that goes on");
	CHECK(oauth1_clock_next(&floor, &known, NOW, 5) == NOW);
	CHECK(oauth1_clock_next(&floor, &known, NOW, 6) == NOW);
	CHECK(oauth1_clock_next(&floor, &known, NOW + 1, 7) == NOW + 1);
	CHECK(oauth1_clock_next(&floor, &known, NOW + 86400, 8) == NOW + 86400);
	about("an offset that was learned");
	known = (oauth1_clock_known) {300, 1};
	CHECK(oauth1_clock_next(&floor, &known, NOW + 86400, 9) == NOW + 86700);
	known = (oauth1_clock_known) {-300, 2};
	CHECK(oauth1_clock_next(&floor, &known, NOW + 86400, 10) == NOW + 86100);
	CHECK(oauth1_clock_next(&floor, &known, NOW + 86399, 11) == NOW + 86100);
	about("the same once more");
	known = (oauth1_clock_known) {-300, 3};
	CHECK(oauth1_clock_next(&floor, &known, NOW + 86399, 12) == NOW + 86099);
}

/* The clock is set back by some minutes at the time 0, and asked every minute. */
static void
check_set_back(int minutes)
{
	oauth1_clock_floor floor = {0};
	int64_t		last = oauth1_clock_next(&floor, &nothing, NOW, MINUTE_US);

	for (int n = 1; n < 60; n++)
	{
		int64_t		wall = NOW + 60 * (n - minutes);
		int64_t		next = oauth1_clock_next(&floor, &nothing, wall, MINUTE_US * (n + 1));

		about("set back by %d minutes, after %d", minutes, n);
		/* it began to stand still when it was asked for the first time, at 1 */
		if (n >= minutes || n >= 16)
			CHECK(next == wall);
		else
			CHECK(next == NOW);
		CHECK(next >= last || n == 16);
		last = next;
	}
}

static void
test_set_back(void)
{
	check_set_back(1);
	check_set_back(10);
	check_set_back(15);
	check_set_back(16);
	check_set_back(30);
	check_set_back(100000);
}

/* Set back twice: the second time has its own 15 minutes. */
static void
test_set_back_twice(void)
{
	oauth1_clock_floor floor = {0};

	about("set back twice");
	CHECK(oauth1_clock_next(&floor, &nothing, NOW, MINUTE_US) == NOW);
	CHECK(oauth1_clock_next(&floor, &nothing, NOW - 100, 2 * MINUTE_US) == NOW);
	CHECK(oauth1_clock_next(&floor, &nothing, NOW + 1, 10 * MINUTE_US) == NOW + 1);
	CHECK(oauth1_clock_next(&floor, &nothing, NOW - 100, 20 * MINUTE_US) == NOW + 1);
	CHECK(oauth1_clock_next(&floor, &nothing, NOW - 99, 34 * MINUTE_US) == NOW + 1);
	CHECK(oauth1_clock_next(&floor, &nothing, NOW - 98, 35 * MINUTE_US) == NOW - 98);
}

static void
check_verdict(const char *what, oauth1_clock_evidence evidence, oauth1_clock_verdict expected,
			  int64_t expected_offset)
{
	int64_t		offset = -42;

	about("%s", what);
	CHECK(oauth1_clock_judge(&evidence, &offset) == expected);
	CHECK(offset == (expected == OAUTH1_CLOCK_WRONG ? expected_offset : -42));
}

/* Signed now; the answer took that many seconds. */
#define TOOK(seconds, ...) \
	((oauth1_clock_evidence) {.signed_timestamp = NOW, .elapsed = (seconds), \
		.wall = NOW + (seconds), __VA_ARGS__})
#define EVIDENCE(...) TOOK(1, __VA_ARGS__)
#define SAID(...) EVIDENCE(.status = 401, .timestamp_refused = true, __VA_ARGS__)
#define UNSAID(...) EVIDENCE(.status = 401, __VA_ARGS__)
#define DATE(difference) .has_date = true, .date = NOW + (difference)
#define RANGE(literal) .acceptable = OA1_TEXT(literal)

static void
test_said(void)
{
	check_verdict("behind", SAID(DATE(600)), OAUTH1_CLOCK_WRONG, 599);
	check_verdict("ahead", SAID(DATE(-600)), OAUTH1_CLOCK_WRONG, -601);
	check_verdict("by little", SAID(DATE(3)), OAUTH1_CLOCK_WRONG, 2);
	check_verdict("as far as may be", SAID(DATE(901)), OAUTH1_CLOCK_WRONG, 900);
	check_verdict("farther", SAID(DATE(902)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("back as far as may be", SAID(DATE(-899)), OAUTH1_CLOCK_WRONG, -900);
	check_verdict("back farther", SAID(DATE(-900)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("clocks agree", SAID(DATE(0)), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("to a second", SAID(DATE(2)), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("or cut to one", SAID(DATE(-1)), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("a slow answer",
				  TOOK(90, .status = 401, .timestamp_refused = true, DATE(70)),
				  OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("nothing to go by", SAID(.has_date = false), OAUTH1_CLOCK_OTHER, 0);
}

static void
test_status(void)
{
	check_verdict("400", EVIDENCE(.status = 400, .timestamp_refused = true, DATE(601)),
				  OAUTH1_CLOCK_WRONG, 600);
	check_verdict("403", EVIDENCE(.status = 403, .timestamp_refused = true, DATE(601)),
				  OAUTH1_CLOCK_WRONG, 600);
	check_verdict("200", EVIDENCE(.status = 200, .timestamp_refused = true, DATE(601)),
				  OAUTH1_CLOCK_OTHER, 0);
	check_verdict("500", EVIDENCE(.status = 500, .timestamp_refused = true, DATE(601)),
				  OAUTH1_CLOCK_OTHER, 0);
	check_verdict("400 unsaid", EVIDENCE(.status = 400, DATE(601)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("403 unsaid", EVIDENCE(.status = 403, DATE(601)), OAUTH1_CLOCK_OTHER, 0);
}

static void
test_unsaid(void)
{
	check_verdict("far behind", UNSAID(DATE(600)), OAUTH1_CLOCK_WRONG, 599);
	check_verdict("far ahead", UNSAID(DATE(-61)), OAUTH1_CLOCK_WRONG, -62);
	check_verdict("a minute", UNSAID(DATE(-60)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("a minute from the end", UNSAID(DATE(61)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("more", UNSAID(DATE(62)), OAUTH1_CLOCK_WRONG, 61);
	check_verdict("a slow answer", TOOK(90, .status = 401, DATE(90)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("too far", UNSAID(DATE(3600)), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("no Date", UNSAID(RANGE("1782864500-1782864700")), OAUTH1_CLOCK_OTHER, 0);
}

/* oauth_acceptable_timestamps of the Problem Reporting extension */
static void
test_range(void)
{
	check_verdict("the middle", SAID(RANGE("1782864301-1782864901")), OAUTH1_CLOCK_WRONG, 600);
	check_verdict("before", SAID(RANGE("1782863101-1782863701")), OAUTH1_CLOCK_WRONG, -600);
	check_verdict("one", SAID(RANGE("1782864011-1782864011")), OAUTH1_CLOCK_WRONG, 10);
	check_verdict("in it", SAID(RANGE("1782863700-1782864300")), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("at its ends", SAID(RANGE("1782864000-1782864000")), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("too far", SAID(RANGE("1782866000-1782866000")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("Date goes before", SAID(DATE(11), RANGE("1782864301-1782864901")),
				  OAUTH1_CLOCK_WRONG, 10);
	check_verdict("turned round", SAID(RANGE("1782864901-1782864301")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("one end", SAID(RANGE("1782864301")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("an open end", SAID(RANGE("1782864301-")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("three", SAID(RANGE("1-2-3")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("negative", SAID(RANGE("-1782864301-1782864901")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("huge", SAID(RANGE("0-99999999999999999999999")), OAUTH1_CLOCK_OVERTAKEN, 0);
	check_verdict("words", SAID(RANGE("now-later")), OAUTH1_CLOCK_OTHER, 0);
	check_verdict("empty", SAID(RANGE("")), OAUTH1_CLOCK_OTHER, 0);
}

void
test_clock_rule(void)
{
	test_forward();
	test_set_back();
	test_set_back_twice();
	test_said();
	test_status();
	test_unsaid();
	test_range();
}
