/*
 * transfer_wait.c
 *	  libcurl's multi interface in a PostgreSQL session.
 *
 * Waiting.  The session keeps one WaitEventSet (latch, postmaster's death, one
 * epoll descriptor) and libcurl's sockets are in the epoll set behind that
 * descriptor, because nothing can be taken out of a WaitEventSet again.
 * curl_multi_poll would not see the latch.  Order of each lap: reset the latch,
 * look for interrupts, look at the work, wait.
 *
 * Threads.  libcurl resolves names in a thread of its own.  It must not take a
 * signal that is meant for the backend (SIGURG above all: it is the latch), so
 * it has to be born with all signals blocked.  libcurl announces each lookup
 * (CURLOPT_RESOLVER_START_FUNCTION); only then are the signals blocked, until
 * the call into libcurl returns: the usual call, on a kept connection, pays
 * nothing for it.
 *
 * Kept connections.  A socket that libcurl puts back into its cache stays in
 * the epoll set: an API called in a loop costs no epoll_ctl at all.  And an idle
 * socket that becomes readable has nothing good to say: the server closed it,
 * over TLS with an alert that libcurl 7.88 takes for life, or sent an answer
 * nobody asked for (a late 408, or worse), which would be read as the answer to
 * our next request.  Such a socket is shut down and drained by us, and libcurl
 * then finds it closed and opens another: no call fails for it.
 *
 * Descriptors.  fd.c is told of every socket (ReserveExternalFD), after the
 * call into libcurl that opened it, since libcurl's callbacks must not throw.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "ground/compat.h"
#include "outside/transfer.h"
#include "outside/transfer_wait.h"

/*
 * Idle connections a session keeps.  A query speaks to one service, seldom to
 * several; more would only hold descriptors on both sides.
 */
#define KEPT_CONNECTIONS 16

/* A wait is never longer, so that barriers and interrupts are seen in any case. */
#define LONGEST_WAIT_US INT64CONST(1000000)

/* Events fetched by one epoll_wait; what is left comes with the next. */
#define EVENTS_AT_ONCE 64

/*
 * Descriptors libcurl and we hold besides sockets: the epoll set and the two of
 * the multi handle's own wake-up.
 */
#define OTHER_DESCRIPTORS 3

/* What is known of one descriptor number. */
typedef struct watched
{
	bool		ours;			/* a socket of oauth1_wait_open_socket, still open */
	bool		in_use;			/* libcurl wants to hear of it */
	uint32		events;			/* what the epoll set has for it; 0: it is not in the set */
} watched;

static struct
{
	CURLM	   *multi;			/* NULL: not made yet */
	int			epoll_fd;
	WaitEventSet *wait_set;
	bool		broken;			/* bookkeeping failed: made anew when nothing is in flight */

	int64		timer;			/* when libcurl wants to be called; 0: not at all */
	int			in_flight;
	long		kept;			/* CURLMOPT_MAXCONNECTS as it is set */

	watched    *watched;		/* by descriptor number */
	int			watched_size;
	int			sockets;		/* of ours, open */
	int			reserved;		/* descriptors that fd.c was told of */

	bool		signals_blocked;
	sigset_t	signals;		/* the mask to go back to */
} session = {.epoll_fd = -1};

int64
oauth1_monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- signals */

void
oauth1_wait_block_signals(void)
{
	sigset_t	all;

	if (session.signals_blocked)
		return;
	sigfillset(&all);
	session.signals_blocked = pthread_sigmask(SIG_SETMASK, &all, &session.signals) == 0;
}

/* To be called after whatever call into libcurl can start a lookup. */
static void
unblock_signals(void)
{
	if (!session.signals_blocked)
		return;
	session.signals_blocked = false;
	pthread_sigmask(SIG_SETMASK, &session.signals, NULL);
}

/* ---------------------------------------------------------------- descriptors */

/* The entry of a descriptor, made where there is none; NULL: no memory. */
static watched *
watched_entry(int fd)
{
	if (fd >= session.watched_size)
	{
		int			size = Max(fd + 1, Max(64, session.watched_size * 2));
		watched    *grown = realloc(session.watched, size * sizeof(watched));

		if (grown == NULL)
			return NULL;
		memset(grown + session.watched_size, 0,
			   (size - session.watched_size) * sizeof(watched));
		session.watched = grown;
		session.watched_size = size;
	}
	return &session.watched[fd];
}

/* Brings the epoll set in line with what is wanted of a descriptor; false: it would not. */
static bool
watch(int fd, watched *entry, uint32 events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};
	int			operation = EPOLL_CTL_MOD;

	if (entry->events == events)
		return true;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	else if (entry->events == 0)
		operation = EPOLL_CTL_ADD;
	entry->events = events;
	if (epoll_ctl(session.epoll_fd, operation, fd, &event) == 0)
		return true;
	entry->events = 0;
	return operation == EPOLL_CTL_DEL;
}

/* Tells fd.c how many descriptors are held outside of it. */
static void
account_descriptors(void)
{
	int			held = session.multi ? session.sockets + OTHER_DESCRIPTORS : 0;

	for (; session.reserved < held; session.reserved++)
		ReserveExternalFD();
	for (; session.reserved > held; session.reserved--)
		ReleaseExternalFD();
}

curl_socket_t
oauth1_wait_open_socket(const struct curl_sockaddr *address)
{
	/* Close-on-exec: no program a backend starts shall inherit a connection. */
	int			fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
							address->protocol);
	watched    *entry;

	if (fd < 0)
		return CURL_SOCKET_BAD;
	entry = watched_entry(fd);
	if (entry == NULL)
	{
		close(fd);
		return CURL_SOCKET_BAD;
	}
	*entry = (watched) {.ours = true};
	session.sockets++;
	return fd;
}

int
oauth1_wait_close_socket(void *unused, curl_socket_t socket)
{
	watched    *entry = &session.watched[socket];

	watch(socket, entry, 0);
	*entry = (watched) {0};
	session.sockets--;
	return close(socket);
}

/* ---------------------------------------------------------------- libcurl's two callbacks */

/* CURLMOPT_SOCKETFUNCTION: what libcurl wants to hear of a socket. */
static int
socket_wanted(CURL *easy, curl_socket_t fd, int what, void *unused, void *socket_unused)
{
	watched    *entry = watched_entry(fd);
	uint32		events = 0;

	if (entry == NULL)
		return -1;
	if (what == CURL_POLL_REMOVE)
	{
		entry->in_use = false;
		/* A kept connection stays where it is, a resolver's descriptor is about to go. */
		events = entry->ours ? EPOLLIN : 0;
	}
	else
	{
		entry->in_use = true;
		if (what & CURL_POLL_IN)
			events |= EPOLLIN;
		if (what & CURL_POLL_OUT)
			events |= EPOLLOUT;
	}
	return watch(fd, entry, events) ? 0 : -1;
}

/* CURLMOPT_TIMERFUNCTION: when libcurl wants to be called; -1: not at all. */
static int
timer_wanted(CURLM *multi, long timeout_ms, void *unused)
{
	session.timer = timeout_ms < 0 ? 0 : oauth1_monotonic_us() + timeout_ms * INT64CONST(1000);
	return 0;
}

/* ---------------------------------------------------------------- the session */

/* Once a process; a failure is tried again by the next call. */
static void
initialize_libcurl(void)
{
	static bool initialized = false;
	curl_version_info_data *version;

	if (initialized)
		return;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
	version = curl_version_info(CURLVERSION_NOW);
	if (version->version_num < CURL_VERSION_BITS(7, 87, 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("libcurl %s is too old", version->version),
				 errdetail("oauth1 needs libcurl 7.87 or later.")));
	initialized = true;
}

/* Gives back whatever of the session was made; nothing may be in flight. */
static void
dismantle(void)
{
	if (session.wait_set)
		FreeWaitEventSet(session.wait_set);
	session.wait_set = NULL;
	/* Closes the kept connections, each through oauth1_wait_close_socket. */
	if (session.multi)
		curl_multi_cleanup(session.multi);
	session.multi = NULL;
	if (session.epoll_fd >= 0)
		close(session.epoll_fd);
	session.epoll_fd = -1;
	session.timer = 0;
	session.broken = false;
	account_descriptors();
}

/* Allows libcurl to keep that many connections; what is in flight counts for it. */
static CURLMcode
keep_connections(long count)
{
	if (session.kept == count)
		return CURLM_OK;
	session.kept = count;
	return curl_multi_setopt(session.multi, CURLMOPT_MAXCONNECTS, count);
}

static bool
make_multi(void)
{
	session.kept = 0;
	session.multi = curl_multi_init();
	return session.multi != NULL &&
		curl_multi_setopt(session.multi, CURLMOPT_SOCKETFUNCTION, socket_wanted) == CURLM_OK &&
		curl_multi_setopt(session.multi, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
		curl_multi_setopt(session.multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK &&
		keep_connections(KEPT_CONNECTIONS) == CURLM_OK;
}

/* The session's wait set, outliving every transaction. */
static void
make_wait_set(void)
{
	session.wait_set = oauth1_create_wait_set(3);
	AddWaitEventToSet(session.wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(session.wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(session.wait_set, WL_SOCKET_READABLE, session.epoll_fd, NULL, NULL);
}

static void
make_session(void)
{
	initialize_libcurl();
	session.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (session.epoll_fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("%s() failed: %m", "epoll_create1")));
	if (!make_multi())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
	account_descriptors();
	make_wait_set();
}

void
oauth1_wait_prepare(void)
{
	/* A wait set is the last thing made: one that is there means all is. */
	if (session.wait_set && !(session.broken && session.in_flight == 0))
		return;
	dismantle();
	PG_TRY();
	{
		make_session();
	}
	PG_CATCH();
	{
		dismantle();
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* ---------------------------------------------------------------- kept connections */

/*
 * Makes an idle connection dead for libcurl, which takes any readable one for
 * alive.  After the shutdown the kernel answers more data with a reset, so
 * there is an end to the draining.
 */
static void
retire(int fd, watched *entry)
{
	char		discarded[4096];

	watch(fd, entry, 0);
	shutdown(fd, SHUT_RDWR);
	while (recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT) > 0)
		 /* go on */ ;
}

/* ---------------------------------------------------------------- work */

/* Raises an error for a multi handle that no longer works. */
static void
check_multi(CURLMcode code)
{
	unblock_signals();
	account_descriptors();
	if (code == CURLM_OK)
		return;
	session.broken = true;
	ereport(ERROR,
			(errcode(code == CURLM_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY : ERRCODE_INTERNAL_ERROR),
			 errmsg("could not go on with the transfers of this session"),
			 errdetail("libcurl reported: %s.", curl_multi_strerror(code))));
}

/* Lets libcurl do what its timer asked for, where the time has come. */
static void
run_timer(void)
{
	int			running;

	if (session.timer == 0 || session.timer > oauth1_monotonic_us())
		return;
	session.timer = 0;
	check_multi(curl_multi_socket_action(session.multi, CURL_SOCKET_TIMEOUT, 0, &running));
}

/* Lets libcurl see one event. */
static void
run_event(const struct epoll_event *event)
{
	int			fd = event->data.fd;
	watched    *entry = &session.watched[fd];
	int			what = 0;
	int			running;

	/* An earlier event of the same batch can have closed it. */
	if (entry->events == 0)
		return;
	if (!entry->in_use)
	{
		retire(fd, entry);
		return;
	}
	if (event->events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (event->events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	check_multi(curl_multi_socket_action(session.multi, fd, what, &running));
}

/* Lets libcurl see what is ready, without waiting. */
static void
run_events(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int			count = epoll_wait(session.epoll_fd, events, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < count; i++)
		run_event(&events[i]);
}

/* Retires the kept connections that had something to say. */
static void
retire_spoken(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int			count;

	if (session.sockets == 0)
		return;
	count = epoll_wait(session.epoll_fd, events, EVENTS_AT_ONCE, 0);
	for (int i = 0; i < count; i++)
	{
		watched    *entry = &session.watched[events[i].data.fd];

		/* Events of sockets in use come again, they are level-triggered. */
		if (!entry->in_use && entry->events != 0)
			retire(events[i].data.fd, entry);
	}
}

CURLMcode
oauth1_wait_add(CURL *easy)
{
	CURLMcode	code;

	retire_spoken();
	code = keep_connections(Max(KEPT_CONNECTIONS, session.in_flight + 1));
	if (code == CURLM_OK)
		code = curl_multi_add_handle(session.multi, easy);
	if (code == CURLM_OK)
		session.in_flight++;
	return code;
}

void
oauth1_wait_remove(CURL *easy)
{
	curl_multi_remove_handle(session.multi, easy);
	unblock_signals();
	account_descriptors();
	session.in_flight--;
	if (session.in_flight == 0)
		keep_connections(KEPT_CONNECTIONS);
}

/* How long to wait, in ms, rounded up so that a timer is due when it ends. */
static long
wait_time(int64 until)
{
	int64		now = oauth1_monotonic_us();
	int64		wake = Min(until, now + LONGEST_WAIT_US);

	if (session.timer != 0)
		wake = Min(wake, session.timer);
	return wake <= now ? 0 : (long) ((wake - now + 999) / 1000);
}

void
oauth1_wait_once(int64 until)
{
	WaitEvent	occurred[2];
	int			count;
	long		timeout;

	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	timeout = wait_time(until);
	if (timeout > 0)
	{
		count = WaitEventSetWait(session.wait_set, timeout, occurred, lengthof(occurred),
								 oauth1_wait_event());
		for (int i = 0; i < count; i++)
		{
			if (occurred[i].events & WL_SOCKET_READABLE)
				run_events();
		}
	}
	run_timer();
}

bool
oauth1_wait_next_done(CURL **easy, CURLcode *code)
{
	CURLMsg    *message;
	int			left;

	do
	{
		message = curl_multi_info_read(session.multi, &left);
		if (message == NULL)
			return false;
	} while (message->msg != CURLMSG_DONE);
	*easy = message->easy_handle;
	*code = message->data.result;
	return true;
}
