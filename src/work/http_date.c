/*
 * http_date.c
 *	  Dates and numbers of header fields; no server needed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "work/http_date.h"

#include <string.h>

/* What is left to be read; bad once something was not as it must be. */
typedef struct scanner
{
	const char *at;
	const char *end;
	bool		bad;
} scanner;

/* A point in time as it is written. */
typedef struct moment
{
	int			year;
	int			month;			/* 1 to 12 */
	int			day;
	int			hour;
	int			minute;
	int			second;
} moment;

static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

static const char *const long_days[] = {
	"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
};

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

/* Without white space around (RFC 9110, 5.6.3: blanks and tabs). */
static scanner
trimmed(oa1_text text)
{
	scanner		in = {text.data, text.data + text.length, text.data == NULL};

	while (in.at < in.end && (*in.at == ' ' || *in.at == '\t'))
		in.at++;
	while (in.at < in.end && (in.end[-1] == ' ' || in.end[-1] == '\t'))
		in.end--;
	return in;
}

static bool
skip(scanner *in, const char *word)
{
	size_t		length = strlen(word);

	if (in->bad || (size_t) (in->end - in->at) < length || memcmp(in->at, word, length) != 0)
		return false;
	in->at += length;
	return true;
}

static void
expect(scanner *in, const char *word)
{
	if (!skip(in, word))
		in->bad = true;
}

/* Which of the words stands next, from 0; -1, and nothing read, where none does. */
static int
skip_one_of(scanner *in, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		if (skip(in, words[i]))
			return i;
	return -1;
}

/* A number of exactly so many digits. */
static int
digits(scanner *in, int count)
{
	int			number = 0;

	for (int i = 0; i < count && !in->bad; i++)
	{
		if (in->at == in->end || *in->at < '0' || *in->at > '9')
			in->bad = true;
		else
			number = number * 10 + (*in->at++ - '0');
	}
	return number;
}

static int
month(scanner *in)
{
	int			found = skip_one_of(in, months, 12);

	if (found < 0)
		in->bad = true;
	return found + 1;
}

static void
time_of_day(scanner *in, moment *out)
{
	out->hour = digits(in, 2);
	expect(in, ":");
	out->minute = digits(in, 2);
	expect(in, ":");
	out->second = digits(in, 2);
}

/* Days from 1970-01-01, in the calendar that HTTP uses for all times. */
static int64_t
days_since_1970(int year, int month_of_year, int day)
{
	/* Years begin in March here, so that the day that may be missing is their last. */
	int64_t		y = month_of_year > 2 ? year : year - 1;
	int			m = month_of_year > 2 ? month_of_year - 3 : month_of_year + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool
is_possible(const moment *when)
{
	static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool		is_leap = (when->year % 4 == 0 && when->year % 100 != 0) || when->year % 400 == 0;
	int			length = lengths[when->month - 1] + (is_leap && when->month == 2);

	/* A second more than 59 is a leap second. */
	return when->year >= 1 && when->day >= 1 && when->day <= length &&
		when->hour <= 23 && when->minute <= 59 && when->second <= 60;
}

static int64_t
seconds_of(const moment *when)
{
	return days_since_1970(when->year, when->month, when->day) * 86400 +
		when->hour * 3600 + when->minute * 60 + when->second;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool
read_fixdate(scanner in, moment *out)
{
	if (skip_one_of(&in, days, 7) < 0)
		return false;
	expect(&in, ", ");
	out->day = digits(&in, 2);
	expect(&in, " ");
	out->month = month(&in);
	expect(&in, " ");
	out->year = digits(&in, 4);
	expect(&in, " ");
	time_of_day(&in, out);
	expect(&in, " GMT");
	return !in.bad && in.at == in.end && is_possible(out);
}

/*
 * Sunday, 06-Nov-94 08:49:37 GMT: a year that seems more than 50 years ahead is
 * one of the past (RFC 9110, 5.6.7).
 */
static bool
read_rfc850(scanner in, int64_t now, moment *out)
{
	if (skip_one_of(&in, long_days, 7) < 0)
		return false;
	expect(&in, ", ");
	out->day = digits(&in, 2);
	expect(&in, "-");
	out->month = month(&in);
	expect(&in, "-");
	out->year = 2000 + digits(&in, 2);
	expect(&in, " ");
	time_of_day(&in, out);
	expect(&in, " GMT");
	if (in.bad || in.at != in.end)
		return false;
	if (seconds_of(out) > now + INT64_C(50) * 31556952)
		out->year -= 100;
	return is_possible(out);
}

/* Sun Nov  6 08:49:37 1994 */
static bool
read_asctime(scanner in, moment *out)
{
	if (skip_one_of(&in, days, 7) < 0)
		return false;
	expect(&in, " ");
	out->month = month(&in);
	expect(&in, " ");
	out->day = skip(&in, " ") ? digits(&in, 1) : digits(&in, 2);
	expect(&in, " ");
	time_of_day(&in, out);
	expect(&in, " ");
	out->year = digits(&in, 4);
	return !in.bad && in.at == in.end && is_possible(out);
}

bool
oauth1_http_date_read(oa1_text text, int64_t now, int64_t *seconds)
{
	scanner		in = trimmed(text);
	moment		when;

	if (!read_fixdate(in, &when) && !read_rfc850(in, now, &when) && !read_asctime(in, &when))
		return false;
	*seconds = seconds_of(&when);
	return true;
}

bool
oauth1_digits_read(oa1_text text, int64_t max, int64_t *number)
{
	scanner		in = trimmed(text);
	int64_t		read = 0;

	if (in.bad || in.at == in.end)
		return false;
	for (; in.at < in.end; in.at++)
	{
		if (*in.at < '0' || *in.at > '9')
			return false;
		/* Whatever follows, it is above the maximum. */
		if (read > (max - (*in.at - '0')) / 10)
			read = max;
		else
			read = read * 10 + (*in.at - '0');
	}
	*number = read;
	return true;
}
