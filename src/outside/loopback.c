/*
 * loopback.c
 *	  The loopback end of one redirect: sockets and waiting.
 *
 * Whatever runs on the machine can connect.  So a connection has its request
 * bounded in size and in time, and is served before the next is accepted: nothing
 * that anybody sends can make this hold more than one request, or hold up the
 * real one for more than the time of those that came before it.
 *
 * Descriptors.  fd.c is asked for both, the listener's and a connection's, at the
 * beginning, so that no redirect fails for want of one.  They are closed by
 * oauth1_loopback_close, and with the memory context where an error passes that by.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "ground/compat.h"
#include "ground/random.h"
#include "outside/loopback.h"
#include "outside/loopback_http.h"
#include "outside/transfer.h"

/* A wait is never longer, so that interrupts are seen in any case. */
#define LONGEST_WAIT_US INT64CONST(1000000)

/*
 * What a connection has for its request.  A browser sends it at once; through a
 * tunnel it is one round trip behind the connection.
 */
#define PATIENCE_US INT64CONST(2000000)

/* Connections that may wait for their turn; more wait in their own kernel's hands. */
#define BACKLOG 8

struct oauth1_loopback
{
	int			listener;		/* -1: not listening */
	int			connection;		/* -1: none */
	int			descriptors;	/* that fd.c was told of */
	int			port;
	char		url[64];		/* http://, authority, path */
	oa1_text	authority;		/* in url */
	oa1_text	path;			/* in url */
	char		request[OAUTH1_LOOPBACK_LONGEST_REQUEST];
	MemoryContextCallback at_reset;
};

/* ---------------------------------------------------------------- open and close */

static void
close_socket(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void
oauth1_loopback_close(oauth1_loopback *loopback)
{
	close_socket(&loopback->connection);
	close_socket(&loopback->listener);
	for (; loopback->descriptors > 0; loopback->descriptors--)
		ReleaseExternalFD();
	/* A verifier was in it. */
	OPENSSL_cleanse(loopback->request, sizeof(loopback->request));
}

static void
close_at_reset(void *loopback)
{
	oauth1_loopback_close(loopback);
}

static void
acquire_descriptors(oauth1_loopback *loopback)
{
	for (; loopback->descriptors < 2; loopback->descriptors++)
		if (!AcquireExternalFD())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
					 errmsg("could not listen on 127.0.0.1"),
					 errdetail("This session holds as many open files as it may.")));
}

static void
raise_cannot_listen(int port)
{
	bool		is_taken = errno == EADDRINUSE;

	ereport(ERROR,
			(errcode_for_socket_access(),
			 is_taken ? errcode(ERRCODE_OBJECT_IN_USE) : 0,
			 errmsg("could not listen on 127.0.0.1, port %d: %m", port),
			 is_taken ?
			 errhint("Another program or session has the port. Give another one, or 0 for one that is free.") : 0));
}

/*
 * SO_REUSEADDR: a port that was just left, with connections of ours still in
 * TIME_WAIT, can be had again; one that somebody listens on cannot.
 */
static void
listen_on(oauth1_loopback *loopback, int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16) port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	socklen_t	length = sizeof(address);
	int			on = 1;

	loopback->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (loopback->listener < 0 ||
		setsockopt(loopback->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		bind(loopback->listener, (struct sockaddr *) &address, sizeof(address)) < 0 ||
		listen(loopback->listener, BACKLOG) < 0 ||
		getsockname(loopback->listener, (struct sockaddr *) &address, &length) < 0)
		raise_cannot_listen(port);
	loopback->port = ntohs(address.sin_port);
}

/* The authority is written as browsers write it into Host: without the scheme's own port. */
static void
write_url(oauth1_loopback *loopback)
{
	static const char scheme[] = "http://";
	char		nonce[OA1_NONCE_LENGTH];
	char		port[16] = "";
	char	   *slash;

	oauth1_draw_nonce(nonce);
	if (loopback->port != 80)
		snprintf(port, sizeof(port), ":%d", loopback->port);
	snprintf(loopback->url, sizeof(loopback->url), "%s127.0.0.1%s/%.*s", scheme, port,
			 OA1_NONCE_LENGTH, nonce);
	loopback->authority.data = loopback->url + strlen(scheme);
	slash = strchr(loopback->authority.data, '/');
	loopback->authority.length = slash - loopback->authority.data;
	loopback->path = (oa1_text) {slash, strlen(slash)};
}

oauth1_loopback *
oauth1_loopback_open(int port)
{
	oauth1_loopback *loopback = palloc0(sizeof(*loopback));

	loopback->listener = -1;
	loopback->connection = -1;
	loopback->at_reset.func = close_at_reset;
	loopback->at_reset.arg = loopback;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &loopback->at_reset);
	acquire_descriptors(loopback);
	listen_on(loopback, port);
	write_url(loopback);
	return loopback;
}

const char *
oauth1_loopback_url(const oauth1_loopback *loopback)
{
	return loopback->url;
}

int
oauth1_loopback_port(const oauth1_loopback *loopback)
{
	return loopback->port;
}

/* ---------------------------------------------------------------- waiting */

/* Waits until something can be read (or accepted); false where the time came first. */
static bool
wait_readable(int fd, int64 until)
{
	static uint32 kind = 0;

	for (;;)
	{
		int64		left = until - oauth1_monotonic_us();
		int			events;

		CHECK_FOR_INTERRUPTS();
		if (left <= 0)
			return false;
		events = WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT |
								   WL_EXIT_ON_PM_DEATH, fd,
								   (long) ((Min(left, LONGEST_WAIT_US) + 999) / 1000),
								   oauth1_wait_event("Oauth1Redirect", &kind));
		if (events & WL_LATCH_SET)
			ResetLatch(MyLatch);
		if (events & WL_SOCKET_READABLE)
			return true;
	}
}

/* False where the client is gone already. */
static bool
accept_connection(oauth1_loopback *loopback)
{
	loopback->connection = accept4(loopback->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (loopback->connection >= 0)
		return true;
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return false;
	ereport(ERROR,
			(errcode_for_socket_access(),
			 errmsg("could not accept a connection on 127.0.0.1, port %d: %m", loopback->port)));
}

/* ---------------------------------------------------------------- one connection */

/*
 * Reads a request up to its empty line.  Length 0: the client went away, or has no
 * more time; as long as the buffer, where no empty line is in it.
 */
static oa1_text
receive(oauth1_loopback *loopback, int64 until)
{
	size_t		length = 0;

	while (length < sizeof(loopback->request) && wait_readable(loopback->connection, until))
	{
		size_t		seen = length > 3 ? length - 3 : 0;
		ssize_t		count = recv(loopback->connection, loopback->request + length,
								 sizeof(loopback->request) - length, 0);

		if (count < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (count <= 0)
			break;
		length += count;
		if (length == sizeof(loopback->request) ||
			memmem(loopback->request + seen, length - seen, "\r\n\r\n", 4) != NULL)
			return (oa1_text) {loopback->request, length};
	}
	return (oa1_text) {loopback->request, 0};
}

static oauth1_loopback_verdict
judge(const oauth1_loopback *loopback, oa1_text request, oa1_text *target)
{
	if (memmem(request.data, request.length, "\r\n\r\n", 4) == NULL)
		return OAUTH1_LOOPBACK_TOO_LONG;
	return oauth1_loopback_judge(request, loopback->authority, loopback->path, target);
}

/*
 * A page fits into what the kernel takes of a fresh connection, so nothing is
 * waited for; a client for whom it does not gets less.
 */
static void
send_page(oauth1_loopback *loopback, const char *page, size_t length)
{
	(void) send(loopback->connection, page, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void) shutdown(loopback->connection, SHUT_WR);
}

/*
 * A connection that is closed with something unread is reset, and its client may
 * never see the page: so whatever it still sends is read and thrown away, until it
 * closes or has no more time.
 */
static void
refuse(oauth1_loopback *loopback, oauth1_loopback_verdict verdict, int64 until)
{
	char		page[OAUTH1_LOOPBACK_LONGEST_PAGE];

	send_page(loopback, page, oauth1_loopback_refusal(page, verdict));
	while (wait_readable(loopback->connection, until) &&
		   recv(loopback->connection, loopback->request, sizeof(loopback->request), 0) > 0)
		;
}

/* Serves a connection; true where its request is the awaited one, and not answered yet. */
static bool
serve(oauth1_loopback *loopback, int64 until, oa1_text *target)
{
	oa1_text	request = receive(loopback, until);
	oauth1_loopback_verdict verdict;

	if (request.length == 0)
		return false;
	verdict = judge(loopback, request, target);
	if (verdict == OAUTH1_LOOPBACK_AWAITED)
		return true;
	refuse(loopback, verdict, until);
	return false;
}

/* ---------------------------------------------------------------- the redirect */

/* The URL as it was asked for, in the current memory context. */
static oa1_text
whole_url(const oauth1_loopback *loopback, oa1_text target)
{
	size_t		before = loopback->path.data - loopback->url;
	char	   *url = palloc(before + target.length);

	memcpy(url, loopback->url, before);
	memcpy(url + before, target.data, target.length);
	return (oa1_text) {url, before + target.length};
}

oa1_text
oauth1_loopback_wait(oauth1_loopback *loopback, int64 until)
{
	while (wait_readable(loopback->listener, until))
	{
		oa1_text	target;

		if (!accept_connection(loopback))
			continue;
		if (serve(loopback, Min(until, oauth1_monotonic_us() + PATIENCE_US), &target))
		{
			close_socket(&loopback->listener);
			return whole_url(loopback, target);
		}
		close_socket(&loopback->connection);
	}
	return (oa1_text) {NULL, 0};
}

void
oauth1_loopback_answer(oauth1_loopback *loopback, bool fine, const char *title, const char *text)
{
	char		page[OAUTH1_LOOPBACK_LONGEST_PAGE];

	if (loopback->connection < 0)
		return;
	send_page(loopback, page, oauth1_loopback_page(page, fine, title, text));
	close_socket(&loopback->connection);
}
