/*
 * server.c
 *	  A service that costs next to nothing.
 *
 * usage: server PEM-FILE, which holds a certificate and its key
 *
 * Listens on two free ports of 127.0.0.1, http and https, and prints both.  A
 * thread a connection, kept until the client closes it.  The answer to any
 * request is one fixed body of 100 octets, but for these paths:
 *
 *	/wait/N/...	  the same, N ms after the request came; its thread sleeps
 *	/size/N/...	  N octets of text
 *
 * A request's body is read and dropped.  Ends with its standard input.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#define _GNU_SOURCE				/* for memmem and strcasestr */

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#define BODY \
	"{\"id\": 1318622958123456789, \"name\": \"A blue bicycle\", " \
	"\"price\": \"1249.00\", \"stock\": 17, \"open\": true}"

_Static_assert(sizeof(BODY) - 1 == 100, "Content-Length is another");

static const char answer[] =
"HTTP/1.1 200 OK\r\n"
"Date: Tue, 24 Nov 2026 08:00:00 GMT\r\n"
"Content-Type: application/json\r\n"
"Content-Length: 100\r\n"
"\r\n" BODY;

/* Of the request's line and header fields; the longest URL of a row is a third of it. */
#define LONGEST_REQUEST (512 * 1024)

/* What is sent or dropped at once. */
#define PIECE (64 * 1024)

typedef struct listener
{
	int			fd;
	bool		secure;
	int			port;
	pthread_t	thread;
} listener;

typedef struct connection
{
	int			fd;
	SSL		   *ssl;			/* NULL: plain http */
	char	   *request;		/* LONGEST_REQUEST octets, and a NUL */
	char		piece[PIECE];
} connection;

static SSL_CTX *tls;

static void
check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "server: %s failed\n", what);
	exit(2);
}

static int
receive(connection *connection, char *to, int room)
{
	if (connection->ssl != NULL)
		return SSL_read(connection->ssl, to, room);
	return (int) recv(connection->fd, to, room, 0);
}

static bool
send_all(connection *connection, const char *from, int length)
{
	if (connection->ssl != NULL)
		return SSL_write(connection->ssl, from, length) == length;
	return send(connection->fd, from, length, 0) == length;
}

/* Drops what is still to come of a body. */
static bool
drop_body(connection *connection, long length)
{
	int			got;

	for (; length > 0; length -= got)
	{
		got = receive(connection, connection->piece, length < PIECE ? (int) length : PIECE);
		if (got <= 0)
			return false;
	}
	return true;
}

/* Reads a request, after which the client waits; false: there is none. */
static bool
read_request(connection *connection)
{
	char	   *request = connection->request;
	const char *field;
	char	   *end = NULL;
	int			length = 0;
	int			got;

	while (end == NULL)
	{
		int			seen = length < 3 ? 0 : length - 3;

		got = receive(connection, request + length, LONGEST_REQUEST - length);
		if (got <= 0)
			return false;
		length += got;
		end = memmem(request + seen, length - seen, "\r\n\r\n", 4);
	}
	*end = '\0';
	field = strcasestr(request, "\r\nContent-Length:");
	if (field == NULL)
		return true;
	return drop_body(connection, atol(strchr(field, ':') + 1) - (request + length - (end + 4)));
}

/* Until that many milliseconds after now. */
static void
sleep_ms(long ms)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	time.tv_sec += ms / 1000;
	time.tv_nsec += ms % 1000 * 1000000;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static bool
send_text(connection *connection, long size)
{
	int			length = snprintf(connection->piece, PIECE, "HTTP/1.1 200 OK\r\n"
								  "Content-Type: text/plain; charset=utf-8\r\n"
								  "Content-Length: %ld\r\n\r\n", size);

	if (!send_all(connection, connection->piece, length))
		return false;
	memset(connection->piece, 'a', PIECE);
	for (; size > 0; size -= length)
	{
		length = size < PIECE ? (int) size : PIECE;
		if (!send_all(connection, connection->piece, length))
			return false;
	}
	return true;
}

/* Does what the path asks for. */
static bool
send_answer(connection *connection)
{
	const char *path = strchr(connection->request, ' ');

	if (path != NULL && strncmp(path, " /size/", 7) == 0)
		return send_text(connection, atol(path + 7));
	if (path != NULL && strncmp(path, " /wait/", 7) == 0)
		sleep_ms(atol(path + 7));
	return send_all(connection, answer, sizeof(answer) - 1);
}

static void *
serve_connection(void *argument)
{
	connection *connection = argument;

	/* A thread that sleeps wakes in time, not when it is cheap. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (connection->ssl == NULL || SSL_accept(connection->ssl) == 1)
		while (read_request(connection) && send_answer(connection))
			 /* the next */ ;
	SSL_free(connection->ssl);
	close(connection->fd);
	free(connection->request);
	free(connection);
	return NULL;
}

static void
start_connection(int fd, bool secure)
{
	connection *connection = malloc(sizeof(*connection));
	pthread_t	thread;
	int			on = 1;

	check(fd >= 0 && connection != NULL, "accept");
	connection->request = malloc(LONGEST_REQUEST + 1);
	check(connection->request != NULL, "malloc");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	connection->fd = fd;
	connection->ssl = secure ? SSL_new(tls) : NULL;
	check(!secure || SSL_set_fd(connection->ssl, fd) == 1, "SSL_set_fd");
	check(pthread_create(&thread, NULL, serve_connection, connection) == 0, "pthread_create");
	pthread_detach(thread);
}

/* Accepts for ever. */
static void *
serve_port(void *argument)
{
	listener   *listener = argument;

	while (true)
		start_connection(accept(listener->fd, NULL, NULL), listener->secure);
	return NULL;
}

/* Listens on a free port, which it writes into the listener, and serves it from now on. */
static void
start_listener(listener *listener)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t	length = sizeof(address);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener->fd = socket(AF_INET, SOCK_STREAM, 0);
	check(listener->fd >= 0 &&
		  bind(listener->fd, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		  listen(listener->fd, 128) == 0 &&
		  getsockname(listener->fd, (struct sockaddr *) &address, &length) == 0, "listen");
	listener->port = ntohs(address.sin_port);
	check(pthread_create(&listener->thread, NULL, serve_port, listener) == 0, "pthread_create");
}

int
main(int argc, char **argv)
{
	static listener http = {.secure = false};
	static listener https = {.secure = true};

	check(argc == 2, "reading the arguments");
	signal(SIGPIPE, SIG_IGN);
	tls = SSL_CTX_new(TLS_server_method());
	check(tls != NULL && SSL_CTX_use_certificate_file(tls, argv[1], SSL_FILETYPE_PEM) == 1 &&
		  SSL_CTX_use_PrivateKey_file(tls, argv[1], SSL_FILETYPE_PEM) == 1,
		  "reading certificate and key");
	start_listener(&http);
	start_listener(&https);
	printf("%d %d\n", http.port, https.port);
	fflush(stdout);
	while (getchar() != EOF)
		 /* wait */ ;
	return 0;
}
