/*
 * client.c
 *	  What a signed call from SQL is measured against, and what measures it.
 *
 * usage: client CA-FILE; libpq's environment says which server
 *
 * For each line of standard input, "COUNT <tab> URL <tab> STATEMENT", does COUNT
 * times: a GET of URL, where there is one, by a bare libcurl loop; STATEMENT,
 * where there is one, as a simple query over libpq.  Answers with the seconds it
 * took by the clock and, after a tab, the first field of the last result; any
 * failure ends it.
 *
 * The bare loop is libcurl at its best: one kept multi handle, one reused easy
 * handle, whose options are set once, a kept connection, no signals.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>
#include <libpq-fe.h>

#define LONGEST_LINE 4096

/* The size of bench/call/server.c's answer. */
#define EXPECTED_LENGTH 100

static CURLM *multi;
static CURL *easy;
static PGconn *connection;

static char body[4096];
static size_t body_length;
static char field[256];

static void
check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "client: %s failed\n", what);
	exit(2);
}

static size_t
body_came(char *data, size_t size, size_t count, void *unused)
{
	(void) unused;
	if (size * count > sizeof(body) - body_length)
		return 0;
	memcpy(body + body_length, data, size * count);
	body_length += size * count;
	return size * count;
}

static void
prepare_curl(const char *ca_file)
{
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl_global_init");
	multi = curl_multi_init();
	easy = curl_easy_init();
	check(multi != NULL && easy != NULL, "curl_easy_init");
	check(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1) == CURLE_OK &&
		  curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
		  curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
		  curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
		  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, body_came) == CURLE_OK,
		  "curl_easy_setopt");
}

static void
get(void)
{
	int			running;
	int			left;
	CURLMsg    *message;
	long		status = 0;

	body_length = 0;
	check(curl_multi_add_handle(multi, easy) == CURLM_OK, "curl_multi_add_handle");
	for (;;)
	{
		check(curl_multi_perform(multi, &running) == CURLM_OK, "curl_multi_perform");
		if (running == 0)
			break;
		check(curl_multi_poll(multi, NULL, 0, 1000, NULL) == CURLM_OK, "curl_multi_poll");
	}
	message = curl_multi_info_read(multi, &left);
	check(message != NULL && message->msg == CURLMSG_DONE, "curl_multi_info_read");
	check(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
	check(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
		  status == 200 && body_length == EXPECTED_LENGTH, "reading the answer");
	check(curl_multi_remove_handle(multi, easy) == CURLM_OK, "curl_multi_remove_handle");
}

static void
execute(const char *statement)
{
	PGresult   *result = PQexec(connection, statement);
	ExecStatusType status = PQresultStatus(result);

	check(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, PQerrorMessage(connection));
	if (status == PGRES_TUPLES_OK && PQntuples(result) > 0)
		snprintf(field, sizeof(field), "%s", PQgetvalue(result, 0, 0));
	PQclear(result);
}

static double
now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* The text up to the next tab or the end, which are cut off. */
static char *
next_field(char **rest)
{
	char	   *found = strsep(rest, "\t\n");

	check(found != NULL, "reading the line");
	return found;
}

static void
run(char *line)
{
	long		count = atol(next_field(&line));
	const char *url = next_field(&line);
	const char *statement = next_field(&line);
	double		start;

	field[0] = '\0';
	check(curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK, "curl_easy_setopt");
	start = now();
	for (long i = 0; i < count; i++)
	{
		if (statement[0] != '\0')
			execute(statement);
		if (url[0] != '\0')
			get();
	}
	printf("%.9f\t%s\n", now() - start, field);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char		line[LONGEST_LINE];

	check(argc == 2, "reading the arguments");
	prepare_curl(argv[1]);
	connection = PQconnectdb("");
	check(PQstatus(connection) == CONNECTION_OK, PQerrorMessage(connection));
	while (fgets(line, sizeof(line), stdin) != NULL)
		run(line);
	PQfinish(connection);
	return 0;
}
