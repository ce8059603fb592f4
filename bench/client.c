/*
 * client.c
 *	  What a signed call from SQL is measured against, and what measures it.
 *
 * usage: client CA-FILE; libpq's environment says which server
 *
 * For each line of standard input, "COUNT <tab> HANDLES <tab> URL <tab> STATEMENT",
 * does COUNT times: a GET of URL, where there is one, by a bare libcurl loop;
 * STATEMENT, where there is one, as a simple query over libpq.  With more than one
 * handle the GETs go at once, as many as there are handles, and there is no
 * statement.  Answers with the seconds it took by the clock and, after a tab, the
 * first field of the last result; any failure ends it.
 *
 * The bare loop is libcurl at its best: one kept multi handle, reused easy
 * handles, whose options are set once, kept connections, no signals.
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

/* Connections that are kept; more than the handles of any row. */
#define KEPT_CONNECTIONS 128L

/* The size of server.c's answer. */
#define EXPECTED_LENGTH 100

/* A handle, and how much of the answer came. */
typedef struct transfer
{
	CURL	   *easy;
	size_t		length;
} transfer;

static CURLM *multi;
static transfer transfers[KEPT_CONNECTIONS];
static int	transfer_count;
static PGconn *connection;

static char body[4096];
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
body_came(char *data, size_t size, size_t count, void *argument)
{
	transfer   *transfer = argument;

	if (size * count > sizeof(body) - transfer->length)
		return 0;
	memcpy(body + transfer->length, data, size * count);
	transfer->length += size * count;
	return size * count;
}

static void
prepare_transfer(transfer *transfer, const char *ca_file)
{
	transfer->easy = curl_easy_init();
	check(transfer->easy != NULL, "curl_easy_init");
	check(curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_HTTP_VERSION,
						   (long) CURL_HTTP_VERSION_1_1) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "") == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, body_came) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
		  curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer) == CURLE_OK,
		  "curl_easy_setopt");
}

static void
prepare_curl(void)
{
	check(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, "curl_global_init");
	multi = curl_multi_init();
	check(multi != NULL &&
		  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS) == CURLM_OK,
		  "curl_multi_init");
}

/* Has that many handles get that URL from now on. */
static void
prepare_transfers(long handles, const char *url, const char *ca_file)
{
	check(handles >= 1 && handles <= KEPT_CONNECTIONS, "reading the handles");
	for (; transfer_count < handles; transfer_count++)
		prepare_transfer(&transfers[transfer_count], ca_file);
	for (int i = 0; i < handles; i++)
		check(curl_easy_setopt(transfers[i].easy, CURLOPT_URL, url) == CURLE_OK,
			  "curl_easy_setopt");
}

static void
start(transfer *transfer)
{
	transfer->length = 0;
	check(curl_multi_add_handle(multi, transfer->easy) == CURLM_OK, "curl_multi_add_handle");
}

/* A handle that is done, to be started again; NULL: there is none. */
static transfer *
next_done(void)
{
	int			left;
	CURLMsg    *message = curl_multi_info_read(multi, &left);
	transfer   *transfer = NULL;
	long		status = 0;

	if (message == NULL)
		return NULL;
	check(message->msg == CURLMSG_DONE, "curl_multi_info_read");
	check(message->data.result == CURLE_OK, curl_easy_strerror(message->data.result));
	check(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer) == CURLE_OK &&
		  curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
		  status == 200 && transfer->length == EXPECTED_LENGTH, "reading the answer");
	check(curl_multi_remove_handle(multi, transfer->easy) == CURLM_OK,
		  "curl_multi_remove_handle");
	return transfer;
}

/* That many GETs, by that many handles at once. */
static void
get(long count, long handles)
{
	long		started = 0;
	long		done = 0;
	long		found;
	int			running;
	transfer   *transfer;

	for (; started < count && started < handles; started++)
		start(&transfers[started]);
	while (done < count)
	{
		check(curl_multi_perform(multi, &running) == CURLM_OK, "curl_multi_perform");
		for (found = 0; (transfer = next_done()) != NULL; found++)
		{
			if (started == count)
				continue;
			start(transfer);
			started++;
		}
		done += found;
		if (found == 0)
			check(curl_multi_poll(multi, NULL, 0, 1000, NULL) == CURLM_OK, "curl_multi_poll");
	}
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
run(char *line, const char *ca_file)
{
	long		count = atol(next_field(&line));
	long		handles = atol(next_field(&line));
	const char *url = next_field(&line);
	const char *statement = next_field(&line);
	double		start;

	field[0] = '\0';
	prepare_transfers(handles, url, ca_file);
	start = now();
	if (statement[0] == '\0')
		get(count, handles);
	else
		for (long i = 0; i < count; i++)
		{
			execute(statement);
			if (url[0] != '\0')
				get(1, 1);
		}
	printf("%.9f\t%s\n", now() - start, field);
	fflush(stdout);
}

int
main(int argc, char **argv)
{
	char		line[LONGEST_LINE];

	check(argc == 2, "reading the arguments");
	prepare_curl();
	connection = PQconnectdb("");
	check(PQstatus(connection) == CONNECTION_OK, PQerrorMessage(connection));
	while (fgets(line, sizeof(line), stdin) != NULL)
		run(line, argv[1]);
	PQfinish(connection);
	return 0;
}
