/*
 * transfer_sockets.c
 *	  The sockets of libcurl in a PostgreSQL session.
 *
 * What libcurl wants to hear of is in an epoll set, and a kept connection stays in
 * it for the next exchange, which saves an epoll_ctl at either end.  The one
 * exception is the usual call in a loop: a kept connection used again, with no
 * other exchange in flight.  It is waited for by itself, which saves a second
 * epoll_wait.
 *
 * Kept connections.  An idle socket that becomes readable has nothing good to
 * say: the server closed it, over TLS with an alert that libcurl 7.88 takes for
 * life, or sent an answer nobody asked for (a late 408, or worse), which would
 * be read as the answer to our next request.  So before each exchange the idle
 * sockets are looked at; one that has something to say is shut down and drained
 * by us, libcurl then finds it closed and opens another: no call fails for it.
 *
 * Sockets closed without a word.  libcurl 7.88 does not call
 * CURLOPT_CLOSESOCKETFUNCTION for a socket that did not get as far as a whole
 * connection, and says that it wants to hear no more of it only afterwards, or,
 * when the next socket it opens gets the same number, not at all.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "outside/transfer_sockets.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Idle sockets that are looked at by one poll. */
#define POLLED_AT_ONCE 32

#define FIRST_TABLE_SIZE 64

/* What is known of one descriptor number. */
typedef struct entry
{
	bool		ours;			/* a socket of oauth1_sockets_open, still open */
	bool		fresh;			/* and not yet known to have been connected */
	bool		idle;			/* a kept connection, fit to be used again */
	bool		connected;		/* it was, the last that was ours */
	uint32_t	birth;			/* of that */
	uint32_t	wanted;			/* what libcurl wants to hear of it; 0: nothing */
	uint32_t	watched;		/* what the epoll set has for it; 0: it is not in the set */
} entry;

static struct
{
	int			epoll_fd;
	entry	   *entries;		/* by descriptor number; malloc'ed, for ever */
	int			size;
	int			open;			/* how many are ours */
	int			idle;			/* how many are idle */
	int			wanted;			/* of how many libcurl wants to hear something */
	uint32_t	births;
	bool		alone;			/* at most one exchange is in flight */
	int			single;			/* the wanted one that is not in the epoll set; -1: none */
} table = {.epoll_fd = -1, .alone = true, .single = -1};

/* ---------------------------------------------------------------- the table */

/* The entry of a descriptor, made where there is none; NULL: no memory. */
static entry *
find_entry(int fd)
{
	if (fd >= table.size)
	{
		int			size = table.size == 0 ? FIRST_TABLE_SIZE : 2 * table.size;
		entry	   *grown;

		if (size <= fd)
			size = fd + 1;
		grown = realloc(table.entries, size * sizeof(entry));
		if (grown == NULL)
			return NULL;
		memset(grown + table.size, 0, (size - table.size) * sizeof(entry));
		table.entries = grown;
		table.size = size;
	}
	return &table.entries[fd];
}

/* Sets one of the two properties that are counted. */
static void
set_idle(entry *entry, bool idle)
{
	table.idle += (int) idle - (int) entry->idle;
	entry->idle = idle;
}

static void
set_wanted(entry *entry, uint32_t wanted)
{
	table.wanted += (wanted != 0) - (entry->wanted != 0);
	entry->wanted = wanted;
}

/*
 * Brings the epoll set in line with what is to be watched of a descriptor.
 * False where the kernel refuses; it then counts as not watched.
 */
static bool
watch(int fd, entry *entry, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int			operation = EPOLL_CTL_MOD;

	if (entry->watched == events)
		return true;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (entry->watched == 0)
		operation = EPOLL_CTL_ADD;
	entry->watched = events;
	if (epoll_ctl(table.epoll_fd, operation, fd, &event) == 0)
		return true;
	entry->watched = 0;
	return false;
}

/*
 * Notes a socket that was opened; false where it cannot be.  Where an earlier
 * one of that number was closed without a word, libcurl takes what it wanted of
 * that for wanted of this.
 */
static bool
note_opened(int fd)
{
	entry	   *entry = find_entry(fd);

	if (entry == NULL)
		return false;
	if (!entry->ours)
		table.open++;
	set_idle(entry, false);
	entry->ours = true;
	entry->fresh = true;
	entry->connected = false;
	entry->birth = ++table.births;
	entry->watched = 0;			/* the kernel took the earlier one out */
	return watch(fd, entry, entry->wanted);
}

/* Forgets a socket that was closed, all but what it had come to. */
static void
note_closed(entry *entry)
{
	set_idle(entry, false);
	set_wanted(entry, 0);
	entry->ours = false;
	entry->fresh = false;
	entry->watched = 0;
	table.open--;
}

/* ---------------------------------------------------------------- libcurl's callbacks */

curl_socket_t
oauth1_sockets_open(const struct curl_sockaddr *address)
{
	/* Close-on-exec: no program a backend starts shall inherit a connection. */
	int			fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
							address->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	if (!note_opened(fd))
	{
		close(fd);
		return CURL_SOCKET_BAD;
	}
#ifdef OAUTH1_FAULTS
	/* So small that a large request goes out in parts. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int) {4096}, sizeof(int));
#endif
	return fd;
}

int
oauth1_sockets_close(void *unused, curl_socket_t fd)
{
	entry	   *entry = &table.entries[fd];

	watch(fd, entry, 0);
	note_closed(entry);
	return close(fd);
}

/*
 * libcurl has no more to do with a socket, for now or for ever.  A descriptor
 * of a resolver is about to be closed, a connection is kept, or will be closed
 * with a word.
 */
static void
release(int fd, entry *entry)
{
	bool		was_there;

	set_wanted(entry, 0);
	if (table.single == fd)
		table.single = -1;
	if (entry->ours && !entry->fresh)
	{
		set_idle(entry, true);	/* and stays where it is watched, for the next exchange */
		return;
	}
	was_there = watch(fd, entry, 0);
	if (!entry->ours)
		return;
	if (entry->fresh && !was_there)
	{
		note_closed(entry);		/* without a word */
		return;
	}
	entry->fresh = false;
	set_idle(entry, true);
}

/* Puts the single socket, if there is one, into the epoll set; false: it would not. */
static bool
leave_single(void)
{
	int			fd = table.single;

	table.single = -1;
	return fd < 0 || watch(fd, &table.entries[fd], table.entries[fd].wanted);
}

int
oauth1_sockets_wanted(CURL *easy, curl_socket_t fd, int what, void *unused, void *socket_unused)
{
	entry	   *entry = find_entry(fd);

	if (entry == NULL)
		return -1;
	if (what == CURL_POLL_REMOVE)
	{
		release(fd, entry);
		return 0;
	}
	set_wanted(entry, (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0));
	/* Of one that is still connecting it wants to hear only that it can be written. */
	if (entry->ours && (what & CURL_POLL_IN))
		entry->connected = true;
	if (table.alone && entry->idle)
		table.single = fd;
	set_idle(entry, false);
	if (table.single == fd)
		return 0;
	return leave_single() && watch(fd, entry, entry->wanted) ? 0 : -1;
}

/* ---------------------------------------------------------------- for who waits */

bool
oauth1_sockets_begin(void)
{
	table.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return table.epoll_fd >= 0;
}

void
oauth1_sockets_end(void)
{
	if (table.epoll_fd >= 0)
		close(table.epoll_fd);
	table.epoll_fd = -1;
	table.single = -1;
}

int
oauth1_sockets_epoll(void)
{
	return table.epoll_fd;
}

bool
oauth1_sockets_event_is_wanted(int fd)
{
	entry	   *entry = &table.entries[fd];

	if (entry->wanted != 0)
		return true;
	watch(fd, entry, 0);
	return false;
}

bool
oauth1_sockets_set_alone(bool alone)
{
	table.alone = alone;
	return alone || leave_single();
}

bool
oauth1_sockets_single(oauth1_single *single)
{
	const entry *entry;

	if (table.single < 0)
		return false;
	entry = &table.entries[table.single];
	single->fd = table.single;
	single->birth = entry->birth;
	single->readable = (entry->wanted & EPOLLIN) != 0;
	single->writable = (entry->wanted & EPOLLOUT) != 0;
	return true;
}

uint32_t
oauth1_sockets_last_birth(void)
{
	return table.births;
}

bool
oauth1_sockets_got_connected(int fd, uint32_t birth)
{
	return fd >= 0 && fd < table.size && table.entries[fd].birth == birth &&
		table.entries[fd].connected;
}

#ifdef OAUTH1_FAULTS
bool
oauth1_sockets_wants_to_write(int fd)
{
	return fd >= 0 && fd < table.size && (table.entries[fd].wanted & EPOLLOUT) != 0;
}
#endif

int
oauth1_sockets_open_count(void)
{
	return table.open;
}

int
oauth1_sockets_idle_count(void)
{
	return table.idle;
}

int
oauth1_sockets_wanted_count(void)
{
	return table.wanted;
}

/* ---------------------------------------------------------------- kept connections */

/*
 * Makes an idle connection dead for libcurl, which takes any readable one for
 * alive.  After the shutdown the kernel answers more data with a reset, so
 * there is an end to the draining.
 */
static void
retire(int fd)
{
	char		discarded[4096];

	set_idle(&table.entries[fd], false);
	shutdown(fd, SHUT_RDWR);
	while (recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT) > 0)
		 /* go on */ ;
}

/* Looks at some idle sockets and retires those that are readable or broken. */
static void
retire_readable(struct pollfd *sockets, int count)
{
	if (count == 0 || poll(sockets, count, 0) <= 0)
		return;
	for (int i = 0; i < count; i++)
	{
		if (sockets[i].revents != 0)
			retire(sockets[i].fd);
	}
}

void
oauth1_sockets_retire_spoken(void)
{
	struct pollfd sockets[POLLED_AT_ONCE];
	int			left = table.idle;
	int			count = 0;

	for (int fd = 0; left > 0; fd++)
	{
		if (!table.entries[fd].idle)
			continue;
		left--;
		sockets[count++] = (struct pollfd) {.fd = fd, .events = POLLIN};
		if (count == POLLED_AT_ONCE)
		{
			retire_readable(sockets, count);
			count = 0;
		}
	}
	retire_readable(sockets, count);
}
