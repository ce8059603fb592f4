/*
 * transfer_sockets.h
 *	  The sockets of libcurl in a PostgreSQL session: which there are, what
 *	  libcurl wants to hear of each, which are kept and idle.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TRANSFER_SOCKETS_H
#define OAUTH1_TRANSFER_SOCKETS_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

/*
 * Makes the epoll set, with nothing in it; false with errno set where that
 * fails.  _end closes it; all sockets must have been closed before.
 */
extern bool oauth1_sockets_begin(void);
extern void oauth1_sockets_end(void);

/* The epoll set, which is readable when a socket in it is ready. */
extern int	oauth1_sockets_epoll(void);

/*
 * Is an event of the epoll set one that libcurl wants to hear of?  If not, it is of
 * a kept connection that has become readable, and comes no more.
 */
extern bool oauth1_sockets_event_is_wanted(int fd);

/*
 * Says whether there is at most one exchange in flight.  While there is, a kept
 * connection that is used again stays out of the epoll set (see _single); when
 * there are more it is put in: false where that fails.
 */
extern bool oauth1_sockets_set_alone(bool alone);

/* A socket that is the only one to wait for, by itself. */
typedef struct oauth1_single
{
	int			fd;
	uint32_t	birth;			/* another socket of the same number has another */
	bool		readable;		/* what to wait for */
	bool		writable;
} oauth1_single;

/* False where there is none, and the epoll set is what to wait for. */
extern bool oauth1_sockets_single(oauth1_single *single);

/* How many are open, how many of these idle, and of how many libcurl wants to hear something. */
extern int	oauth1_sockets_open_count(void);
extern int	oauth1_sockets_idle_count(void);
extern int	oauth1_sockets_wanted_count(void);

/*
 * The birth of the socket that was opened last, and whether that one, of this
 * number, got connected, be it closed or not; false also where another socket
 * has got the number since.
 */
extern uint32_t oauth1_sockets_last_birth(void);
extern bool oauth1_sockets_got_connected(int fd, uint32_t birth);

/* For fault.h: has libcurl something to send there that it could not yet? */
#ifdef OAUTH1_FAULTS
extern bool oauth1_sockets_wants_to_write(int fd);
#endif

/*
 * Makes every idle connection that has something to say dead for libcurl.  Does
 * not wait, never throws.
 */
extern void oauth1_sockets_retire_spoken(void);

/*
 * For CURLOPT_OPENSOCKETFUNCTION, where it allows the address, and itself
 * CURLOPT_CLOSESOCKETFUNCTION and CURLMOPT_SOCKETFUNCTION.  They never throw.
 */
extern curl_socket_t oauth1_sockets_open(const struct curl_sockaddr *address);
extern int	oauth1_sockets_close(void *unused, curl_socket_t fd);
extern int	oauth1_sockets_wanted(CURL *easy, curl_socket_t fd, int what, void *unused,
								  void *socket_unused);

#endif							/* OAUTH1_TRANSFER_SOCKETS_H */
