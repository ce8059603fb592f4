/*
 * watched.c
 *	  A connect for tests, to be preloaded where there is no network namespace
 *	  to be had: every attempt is written down as test/provider/nowhere writes
 *	  packets, and leads to loopback, whatever the address.
 *
 * OAUTH1_WATCHED is the file; OAUTH1_PORT_80 and OAUTH1_PORT_443 are the ports of
 * 127.0.0.1 that stand for these two, all others are refused.  The socket says of
 * its peer what was asked for, so that who looks at that sees the same.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST_SOCKETS 4096

/* What each descriptor was connected to; family 0: nothing. */
static struct sockaddr_in6 asked_for[MOST_SOCKETS];

static void
write_down(const char *address, unsigned port)
{
	char		line[128];
	int			file = open(getenv("OAUTH1_WATCHED"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	int			length = snprintf(line, sizeof(line), "tcp %s %u\n", address, port);

	if (file < 0 || write(file, line, length) != length)
		abort();
	close(file);
}

/* The port of loopback that stands for a port; 0: none. */
static unsigned
port_for(unsigned port)
{
	char		name[32];
	const char *value;

	snprintf(name, sizeof(name), "OAUTH1_PORT_%u", port);
	value = getenv(name);
	return value ? (unsigned) atoi(value) : 0;
}

/* What no system opens a TCP connection to: many, or all. */
static int
is_many(const struct sockaddr *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *) address;

	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *) address)->sin6_addr);
	return IN_MULTICAST(ntohl(v4->sin_addr.s_addr)) || v4->sin_addr.s_addr == INADDR_BROADCAST;
}

int
connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int			(*real) (int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "connect");
	struct sockaddr_in6 loopback = {0};
	const void *number = &((const struct sockaddr_in6 *) address)->sin6_addr;
	/* In both families the port is at the same place. */
	unsigned	port = ntohs(((const struct sockaddr_in *) address)->sin_port);
	char		text[INET6_ADDRSTRLEN];

	if (address->sa_family != AF_INET && address->sa_family != AF_INET6)
		return real(fd, address, length);
	if (fd < 0 || fd >= MOST_SOCKETS)
		abort();
	if (address->sa_family == AF_INET)
		number = &((const struct sockaddr_in *) address)->sin_addr;
	inet_ntop(address->sa_family, number, text, sizeof(text));
	/* What the system takes for IPv4 it sends as such. */
	write_down(strncmp(text, "::ffff:", 7) == 0 && strchr(text, '.') ? text + 7 : text, port);
	if (port_for(port) == 0 || is_many(address))
	{
		errno = ECONNREFUSED;
		return -1;
	}
	memset(&asked_for[fd], 0, sizeof(asked_for[fd]));
	memcpy(&asked_for[fd], address, length < sizeof(asked_for[fd]) ? length : sizeof(asked_for[fd]));
	memcpy(&loopback, address, length < sizeof(loopback) ? length : sizeof(loopback));
	((struct sockaddr_in *) &loopback)->sin_port = htons(port_for(port));
	if (address->sa_family == AF_INET)
		((struct sockaddr_in *) &loopback)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &loopback.sin6_addr);
	return real(fd, (struct sockaddr *) &loopback, length);
}

int
getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	int			(*real) (int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "getpeername");
	int			result = real(fd, address, length);

	if (result == 0 && fd < MOST_SOCKETS && asked_for[fd].sin6_family == address->sa_family)
		memcpy(address, &asked_for[fd], *length);
	return result;
}
