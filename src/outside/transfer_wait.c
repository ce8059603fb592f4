/*
 * transfer_wait.c
 *	  libcurl's multi interface in a PostgreSQL session.
 *
 * Waiting.  curl_multi_poll would not see the latch, so the session keeps a
 * WaitEventSet (latch, postmaster's death, one epoll descriptor), and libcurl's
 * sockets are in the epoll set behind that descriptor, because nothing can be
 * taken out of a WaitEventSet again.  Most calls, though, wait for one kept
 * connection and nothing else: for that there is a second WaitEventSet that has
 * the socket itself, made when a connection is used again, so that a call in a
 * loop needs no epoll_ctl and a single epoll_wait.  Order of each lap: reset the
 * latch, look for interrupts, look at the work, wait.
 *
 * Threads.  libcurl resolves names in a thread of its own.  It must not take a
 * signal that is meant for the backend (SIGURG above all: it is the latch), so
 * it has to be born with all signals blocked.  libcurl announces each lookup
 * (CURLOPT_RESOLVER_START_FUNCTION); only then are the signals blocked, until
 * the call into libcurl returns: the usual call, on a kept connection, pays
 * nothing for it.
 *
 * Kept connections.  An idle socket that becomes readable has nothing good to
 * say: the server closed it, over TLS with an alert that libcurl 7.88 takes for
 * life, or sent an answer nobody asked for (a late 408, or worse), which would
 * be read as the answer to our next request.  So before each exchange the idle
 * sockets are looked at; one that has something to say is shut down and drained
 * by us, libcurl then finds it closed and opens another: no call fails for it.
 *
 * Descriptors.  fd.c is told of every socket (ReserveExternalFD), after the
 * call into libcurl that opened it, since libcurl's callbacks must not throw.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <poll.h>
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

/* How long an exchange may wait for nothing at all before libcurl is nudged. */
#define NUDGE_AFTER_US INT64CONST(20000)

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
	bool		fresh;			/* and not yet known to have been connected */
	bool		idle;			/* a kept connection, fit to be used again */
	uint32		wanted;			/* what libcurl wants to hear of it; 0: nothing */
	uint32		events;			/* what the epoll set has for it; 0: it is not in the set */
} watched;

static struct
{
	CURLM	   *multi;			/* NULL: not made yet */
	int			epoll_fd;
	WaitEventSet *wait_set;		/* has epoll_fd */
	WaitEventSet *single_set;	/* has single_set_fd, once there was such a wait */
	int			single_set_fd;	/* -1: closed meanwhile, the set is of no use */
	int			single;			/* the one socket wanted, not in the epoll set; -1: none */
	bool		broken;			/* bookkeeping failed: made anew when nothing is in flight */

	int64		timer;			/* when libcurl wants to be called; 0: not at all */
	int			in_flight;
	long		kept;			/* CURLMOPT_MAXCONNECTS as it is set */

	watched    *watched;		/* by descriptor number */
	int			watched_size;
	int			sockets;		/* of ours, open */
	int			idle;			/* of these, idle */
	int			wanted;			/* of all, those libcurl wants to hear of */
	int			reserved;		/* descriptors that fd.c was told of */

	bool		signals_blocked;
	sigset_t	signals;		/* the mask to go back to */
} session = {.epoll_fd = -1, .single = -1, .single_set_fd = -1};

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
	return false;
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

/*
 * Notes a socket that was opened; false: there is no memory for it.  libcurl
 * 7.88 closes a socket that did not get connected without a word.  When the
 * next address it tries gets the same number, it takes that for being watched
 * already; so what it wants of the number goes on.
 */
static bool
note_opened(int fd)
{
	watched    *entry = watched_entry(fd);
	uint32		wanted;

	if (entry == NULL)
		return false;
	if (!entry->ours)
		session.sockets++;
	wanted = entry->wanted;
	*entry = (watched) {.ours = true, .fresh = true, .wanted = wanted};
	return watch(fd, entry, wanted);
}

static void
set_idle(watched *entry, bool idle)
{
	session.idle += (int) idle - (int) entry->idle;
	entry->idle = idle;
}

static void
set_wanted(watched *entry, uint32 wanted)
{
	session.wanted += (wanted != 0) - (entry->wanted != 0);
	entry->wanted = wanted;
}

static void
note_closed(int fd, watched *entry)
{
	set_idle(entry, false);
	set_wanted(entry, 0);
	*entry = (watched) {0};
	session.sockets--;
	/* The kernel took it out of the set; its number can come again. */
	if (session.single_set_fd == fd)
		session.single_set_fd = -1;
}

curl_socket_t
oauth1_wait_open_socket(const struct curl_sockaddr *address)
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
	return fd;
}

int
oauth1_wait_close_socket(void *unused, curl_socket_t socket)
{
	watched    *entry = &session.watched[socket];

	watch(socket, entry, 0);
	note_closed(socket, entry);
	return close(socket);
}

/* ---------------------------------------------------------------- libcurl's two callbacks */

/*
 * libcurl has no more to do with a socket, for now or for ever.  It was in the
 * epoll set, unless it was the single one.
 */
static void
release_socket(int fd, watched *entry)
{
	bool		was_there;

	set_wanted(entry, 0);
	if (session.single == fd)
		session.single = -1;
	was_there = watch(fd, entry, 0);
	if (!entry->ours)
		return;
	if (entry->fresh && !was_there)
	{
		/* Not connected, and closed without a word. */
		note_closed(fd, entry);
		return;
	}
	entry->fresh = false;
	set_idle(entry, true);
}

/* Puts the single socket into the epoll set: there is more to wait for. */
static bool
leave_single(void)
{
	int			fd = session.single;

	session.single = -1;
	return fd < 0 || watch(fd, &session.watched[fd], session.watched[fd].wanted);
}

/* CURLMOPT_SOCKETFUNCTION: what libcurl wants to hear of a socket. */
static int
socket_wanted(CURL *easy, curl_socket_t fd, int what, void *unused, void *socket_unused)
{
	watched    *entry = watched_entry(fd);

	if (entry == NULL)
		return -1;
	if (what == CURL_POLL_REMOVE)
	{
		release_socket(fd, entry);
		return 0;
	}
	set_wanted(entry, (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0));
	if (session.in_flight == 1 && (session.single == fd || entry->idle))
		session.single = fd;
	set_idle(entry, false);
	if (session.single == fd)
		return 0;
	return leave_single() && watch(fd, entry, entry->wanted) ? 0 : -1;
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
	if (session.single_set)
		FreeWaitEventSet(session.single_set);
	session.single_set = NULL;
	/* Closes the kept connections, each through oauth1_wait_close_socket. */
	if (session.multi)
		curl_multi_cleanup(session.multi);
	session.multi = NULL;
	if (session.epoll_fd >= 0)
		close(session.epoll_fd);
	session.epoll_fd = -1;
	session.timer = 0;
	session.single = -1;
	session.single_set_fd = -1;
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

/* A wait set that outlives every transaction: latch, postmaster's death, a descriptor. */
static WaitEventSet *
make_wait_set(int fd, uint32 events)
{
	WaitEventSet *set = oauth1_create_wait_set(3);

	AddWaitEventToSet(set, events, fd, NULL, NULL);
	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	if (IsUnderPostmaster)
		AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	return set;
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
	session.wait_set = make_wait_set(session.epoll_fd, WL_SOCKET_READABLE);
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
retire(int fd)
{
	char		discarded[4096];

	set_idle(&session.watched[fd], false);
	shutdown(fd, SHUT_RDWR);
	while (recv(fd, discarded, sizeof(discarded), MSG_DONTWAIT) > 0)
		 /* go on */ ;
}

/* Looks at some idle sockets, without waiting. */
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

/* Retires the idle connections that have something to say. */
static void
retire_spoken(void)
{
	struct pollfd sockets[KEPT_CONNECTIONS];
	int			left = session.idle;
	int			count = 0;

	for (int fd = 0; left > 0; fd++)
	{
		if (!session.watched[fd].idle)
			continue;
		left--;
		sockets[count++] = (struct pollfd) {.fd = fd, .events = POLLIN};
		if (count == lengthof(sockets))
		{
			retire_readable(sockets, count);
			count = 0;
		}
	}
	retire_readable(sockets, count);
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

/* True where an exchange in flight waits for no socket; each has its own. */
static bool
some_wait_for_nothing(void)
{
	return session.wanted < session.in_flight;
}

/*
 * Lets every handle go on, whether or not it has an event.  After a timeout on
 * one address of several libcurl 7.88 opens no socket to the next one before it
 * is called again, and does not ask to be called.
 */
static void
nudge(void)
{
	int			running;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	check_multi(curl_multi_socket_all(session.multi, &running));
#pragma GCC diagnostic pop
}

/* Lets libcurl do what its timer asked for; false: the time has not come. */
static bool
run_timer(void)
{
	int			running;

	if (session.timer == 0 || session.timer > oauth1_monotonic_us())
		return false;
	session.timer = 0;
	check_multi(curl_multi_socket_action(session.multi, CURL_SOCKET_TIMEOUT, 0, &running));
	return true;
}

static void
run_socket(int fd, int what)
{
	int			running;

	check_multi(curl_multi_socket_action(session.multi, fd, what, &running));
}

/* Lets libcurl see what is ready in the epoll set, without waiting. */
static void
run_events(void)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int			count = epoll_wait(session.epoll_fd, events, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < count; i++)
	{
		uint32		event = events[i].events;

		/* libcurl passes over a socket that an earlier event let it close. */
		run_socket(events[i].data.fd,
				   (event & EPOLLIN ? CURL_CSELECT_IN : 0) |
				   (event & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
				   (event & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0));
	}
}

CURLMcode
oauth1_wait_add(CURL *easy)
{
	CURLMcode	code;

	retire_spoken();
	if (!leave_single())
		return CURLM_OUT_OF_MEMORY;
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
	if (some_wait_for_nothing())
		wake = Min(wake, now + NUDGE_AFTER_US);
	return wake <= now ? 0 : (long) ((wake - now + 999) / 1000);
}

/* Waits for anything in the epoll set; false: there was nothing. */
static bool
wait_for_any(long timeout)
{
	WaitEvent	event;

	if (WaitEventSetWait(session.wait_set, timeout, &event, 1, oauth1_wait_event()) == 0 ||
		!(event.events & WL_SOCKET_READABLE))
		return false;
	run_events();
	return true;
}

/* Waits for the single socket; false: there was nothing. */
static bool
wait_for_single(long timeout)
{
	int			fd = session.single;
	uint32		wanted = session.watched[fd].wanted;
	uint32		events = (wanted & EPOLLIN ? WL_SOCKET_READABLE : 0) |
		(wanted & EPOLLOUT ? WL_SOCKET_WRITEABLE : 0);
	WaitEvent	event;

	if (session.single_set_fd != fd)
	{
		if (session.single_set)
			FreeWaitEventSet(session.single_set);
		session.single_set = NULL;
		session.single_set_fd = -1;
		session.single_set = make_wait_set(fd, events);
		session.single_set_fd = fd;
	}
	ModifyWaitEvent(session.single_set, 0, events, NULL);
	if (WaitEventSetWait(session.single_set, timeout, &event, 1, oauth1_wait_event()) == 0 ||
		!(event.events & (WL_SOCKET_READABLE | WL_SOCKET_WRITEABLE)))
		return false;
	run_socket(fd, (event.events & WL_SOCKET_READABLE ? CURL_CSELECT_IN : 0) |
			   (event.events & WL_SOCKET_WRITEABLE ? CURL_CSELECT_OUT : 0));
	return true;
}

void
oauth1_wait_once(int64 until)
{
	long		timeout;
	bool		worked = false;

	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	timeout = wait_time(until);
	if (timeout > 0)
		worked = session.single >= 0 ? wait_for_single(timeout) : wait_for_any(timeout);
	if (!run_timer() && !worked && some_wait_for_nothing())
		nudge();
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
