/*
 * server.c
 *	  A service that costs next to nothing: one fixed answer to every request.
 *
 * usage: server PEM-FILE, which holds a certificate and its key
 *
 * Listens on two free ports of 127.0.0.1, http and https, and prints both.  A
 * thread a connection, kept until the client closes it.  A request is read to
 * its blank line: none here has a body.  Ends with its standard input.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

#define LONGEST_REQUEST 8192

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
send_answer(connection *connection)
{
	int			length = sizeof(answer) - 1;

	if (connection->ssl != NULL)
		return SSL_write(connection->ssl, answer, length) == length;
	return send(connection->fd, answer, length, 0) == length;
}

/* Reads a request to its blank line, after which the client waits; false: there is none. */
static bool
read_request(connection *connection)
{
	char		request[LONGEST_REQUEST];
	int			length = 0;
	int			got;

	do
	{
		got = receive(connection, request + length, (int) sizeof(request) - length);
		if (got <= 0)
			return false;
		length += got;
	} while (length < 4 || memcmp(request + length - 4, "\r\n\r\n", 4) != 0);
	return true;
}

static void *
serve_connection(void *argument)
{
	connection *connection = argument;

	if (connection->ssl == NULL || SSL_accept(connection->ssl) == 1)
		while (read_request(connection) && send_answer(connection))
			 /* the next */ ;
	SSL_free(connection->ssl);
	close(connection->fd);
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
		  listen(listener->fd, 16) == 0 &&
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
