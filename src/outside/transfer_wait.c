/*
 * transfer_wait.c
 *	  libcurl's multi interface in a PostgreSQL session.
 *
 * Waiting.  curl_multi_poll would not see the latch, so the session keeps a
 * WaitEventSet (latch, postmaster's death, one epoll descriptor), and libcurl's
 * sockets are in the epoll set behind that descriptor, because nothing can be
 * taken out of a WaitEventSet again.  For the single kept connection of the
 * usual call (transfer_sockets.c) there is a second WaitEventSet that has the
 * socket itself; it is made when a connection is first used again.  Order of each
 * lap: look for interrupts, let libcurl do what its timer asked for, wait, and
 * reset the latch or let libcurl work on what is ready; the caller looks at what
 * got done, or at what the latch was set for, and begins the next.
 *
 * Threads.  libcurl resolves names in a thread of its own.  It must not take a
 * signal that is meant for the backend (SIGURG above all: it is the latch), so
 * it has to be born with all signals blocked.  libcurl announces each lookup
 * (CURLOPT_RESOLVER_START_FUNCTION); only then are the signals blocked, until
 * the call into libcurl returns: the usual call, on a kept connection, pays
 * nothing for it.
 *
 * Descriptors.  fd.c is told of every socket (ReserveExternalFD), after the
 * call into libcurl that opened it, since libcurl's callbacks must not throw;
 * and of those that exchanges in flight are about to need, so that it can be
 * asked whether there is room for one more.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "storage/latch.h"

#include "ground/compat.h"
#include "outside/transfer.h"
#include "outside/transfer_sockets.h"
#include "outside/transfer_wait.h"

/*
 * Idle connections a session keeps.  A query speaks to one service, seldom to
 * several; more would only hold descriptors on both sides.
 */
#define KEPT_CONNECTIONS 16

/*
 * Those that a batch leaves stay for the next, but not beyond the transaction
 * where there are more; libcurl closes them all or none.
 */
#define MOST_KEPT_CONNECTIONS 64

/*
 * Descriptors libcurl and we hold besides sockets: the epoll set and the two of
 * the multi handle's own wake-up.
 */
#define OTHER_DESCRIPTORS 3

/*
 * fd.c grants a share of the process's descriptors to what is not its own, and
 * refuses with an error what exceeds it: another extension's connection, or a
 * wait set of the server.  So many of that share are left to others, by whoever
 * holds more than a few.
 */
#define SPARE_DESCRIPTORS 4
#define FEW_DESCRIPTORS (OTHER_DESCRIPTORS + 1)

/* Octets at the end of the heap that stay there. */
#define HEAP_KEPT (4 * 1024 * 1024)

/* A wait is never longer, so that barriers and interrupts are seen in any case. */
#define LONGEST_WAIT_US INT64CONST(1000000)

/*
 * How often libcurl looks at every exchange by itself: where one waits for
 * nothing that will come; and otherwise, since 7.88 can forget one of several
 * timeouts, so that a deadline is never missed by more.
 */
#define NUDGE_AFTER_US INT64CONST(20000)
#define NUDGE_EVERY_US INT64CONST(100000)

/* Events fetched by one epoll_wait; what is left comes with the next. */
#define EVENTS_AT_ONCE 64

static struct
{
	CURLM	   *multi;			/* NULL: not made yet */
	WaitEventSet *wait_set;		/* has the epoll set */
	WaitEventSet *single_set;	/* has the single socket, once there was one */
	oauth1_single single;		/* that socket */
	bool		stale;			/* to be made anew when nothing is in flight */

	bool		retired;		/* idle connections were looked at since the last wait */
	int64		nudged;			/* when libcurl last looked at every exchange */
	int64		timer;			/* when libcurl wants to be called; 0: not at all */
	int			in_flight;
	int			most_in_flight; /* at once, in this transaction */
	long		limit;			/* CURLMOPT_MAXCONNECTS as it is set */
	int			reserved;		/* descriptors that fd.c was told of */

	bool		signals_blocked;
	sigset_t	signals;		/* the mask to go back to */
} session;

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

/* ---------------------------------------------------------------- the session */

/*
 * How many descriptors are held, or about to be: an exchange that has no socket
 * takes two to look its name up, or one of the idle ones, or will open one.
 */
static int
count_descriptors(void)
{
	int			open = oauth1_sockets_open_count();
	int			without = session.in_flight - (open - oauth1_sockets_idle_count());

	return open + 2 * Max(without, 0) + OTHER_DESCRIPTORS;
}

/* Tells fd.c how many descriptors are held outside of it. */
static void
account_descriptors(void)
{
	int			held = session.multi ? count_descriptors() : 0;

	for (; session.reserved < held; session.reserved++)
		ReserveExternalFD();
	for (; session.reserved > held; session.reserved--)
		ReleaseExternalFD();
}

/* True where fd.c would grant as many descriptors as are to be left to others. */
static bool
leaves_spare_descriptors(void)
{
	int			granted = 0;

	if (session.reserved <= FEW_DESCRIPTORS)
		return true;
	while (granted < SPARE_DESCRIPTORS && AcquireExternalFD())
		granted++;
	for (int i = 0; i < granted; i++)
		ReleaseExternalFD();
	return granted == SPARE_DESCRIPTORS;
}

/* CURLMOPT_TIMERFUNCTION: when libcurl wants to be called; -1: not at all. */
static int
timer_wanted(CURLM *multi, long timeout_ms, void *unused)
{
	session.timer = timeout_ms < 0 ? 0 : oauth1_monotonic_us() + timeout_ms * INT64CONST(1000);
	return 0;
}

/*
 * libcurl allocates its buffers anew for each exchange.  When they are freed and
 * lie at the end of the heap, glibc gives that back to the kernel, and the next
 * exchange faults it in again, page by page: a tenth of a queued call's time.
 * What it keeps is twice the largest block that it has mapped and unmapped
 * (mallopt(3), M_MMAP_THRESHOLD); so it gets to see one, which is never touched.
 */
static void
keep_heap(void)
{
	char	   *volatile block = malloc(HEAP_KEPT / 2);

	free(block);
}

/* Once a process; a failure is tried again by the next call. */
static void
initialize_libcurl(void)
{
	static bool initialized = false;
	curl_version_info_data *version;

	if (initialized)
		return;
	keep_heap();
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
	/* Closes the kept connections, each through oauth1_sockets_close. */
	if (session.multi)
		curl_multi_cleanup(session.multi);
	session.multi = NULL;
	oauth1_sockets_end();
	session.timer = 0;
	session.stale = false;
	account_descriptors();
}

/*
 * Tells libcurl how many connections it may hold, in flight or not, when one more
 * exchange begins: when it is done with another and there are more, it closes the
 * oldest idle one.  A batch may keep as many as it had in flight: all of them can
 * be idle for a moment before the next ones begin.
 */
static CURLMcode
limit_connections(void)
{
	long		count = session.in_flight + 1;

	session.most_in_flight = Max(session.most_in_flight, session.in_flight + 1);
	if (leaves_spare_descriptors())
		count = Max(session.most_in_flight, KEPT_CONNECTIONS);
	if (session.limit == count)
		return CURLM_OK;
	session.limit = count;
	return curl_multi_setopt(session.multi, CURLMOPT_MAXCONNECTS, count);
}

/* Makes the multi handle; false where it has not got all its options. */
static bool
make_multi(void)
{
	session.limit = 0;
	session.multi = curl_multi_init();
	return session.multi != NULL &&
		curl_multi_setopt(session.multi, CURLMOPT_SOCKETFUNCTION,
						  oauth1_sockets_wanted) == CURLM_OK &&
		curl_multi_setopt(session.multi, CURLMOPT_TIMERFUNCTION, timer_wanted) == CURLM_OK &&
		curl_multi_setopt(session.multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK;
}

/*
 * The end of a transaction is that of a batch's many connections.  At a commit
 * nothing may throw: closing does not.
 */
static void
transaction_happens(XactEvent event, void *unused)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	session.most_in_flight = 0;
	if (session.in_flight == 0 && oauth1_sockets_idle_count() > MOST_KEPT_CONNECTIONS)
		dismantle();
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

/* Makes all of the session; what there is when it throws, dismantle gives back. */
static void
make_session(void)
{
	static bool registered = false;

	initialize_libcurl();
	if (!registered)
		RegisterXactCallback(transaction_happens, NULL);
	registered = true;
	if (!oauth1_sockets_begin())
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("%s() failed: %m", "epoll_create1")));
	if (!make_multi())
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not initialize libcurl")));
	account_descriptors();
	session.wait_set = make_wait_set(oauth1_sockets_epoll(), WL_SOCKET_READABLE);
}

void
oauth1_wait_prepare(void)
{
	/* A wait set is the last thing made: one that is there means all is. */
	if (session.wait_set && !(session.stale && session.in_flight == 0))
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

void
oauth1_wait_drop(void)
{
	if (session.in_flight == 0)
		dismantle();
	else
		session.stale = true;
}

bool
oauth1_wait_has_room(void)
{
	if (session.in_flight == 0)
		return true;
	account_descriptors();
	return leaves_spare_descriptors();
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
	session.stale = true;
	ereport(ERROR,
			(errcode(code == CURLM_OUT_OF_MEMORY ? ERRCODE_OUT_OF_MEMORY : ERRCODE_INTERNAL_ERROR),
			 errmsg("could not go on with the transfers of this session"),
			 errdetail("libcurl reported: %s.", curl_multi_strerror(code))));
}

/*
 * True where something is in flight that no event will come for: it waits for no
 * socket, or libcurl has forgotten its timeout, which each exchange has.
 */
static bool
some_wait_for_nothing(void)
{
	return oauth1_sockets_wanted_count() < session.in_flight ||
		(session.timer == 0 && session.in_flight > 0);
}

/* When libcurl is to be nudged, while something is in flight. */
static int64
next_nudge(void)
{
	return session.nudged + (some_wait_for_nothing() ? NUDGE_AFTER_US : NUDGE_EVERY_US);
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

	session.nudged = oauth1_monotonic_us();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	check_multi(curl_multi_socket_all(session.multi, &running));
#pragma GCC diagnostic pop
}

static bool
timer_is_due(void)
{
	return session.timer != 0 && session.timer <= oauth1_monotonic_us();
}

/* Lets libcurl do what its timer asked for; false: the time has not come. */
static bool
run_timer(void)
{
	int			running;

	if (!timer_is_due())
		return false;
	session.timer = 0;
	check_multi(curl_multi_socket_action(session.multi, CURL_SOCKET_TIMEOUT, 0, &running));
	return true;
}

/* Lets libcurl work on a socket that is ready. */
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
	int			count = epoll_wait(oauth1_sockets_epoll(), events, EVENTS_AT_ONCE, 0);

	for (int i = 0; i < count; i++)
	{
		uint32		event = events[i].events;

		/* One that an earlier event let libcurl close is not wanted either. */
		if (!oauth1_sockets_event_is_wanted(events[i].data.fd))
			continue;
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

	/* Once for all that are added together: none of them is sent before the next wait. */
	if (!session.retired)
		oauth1_sockets_retire_spoken();
	session.retired = true;
	if (!oauth1_sockets_set_alone(session.in_flight == 0))
		return CURLM_OUT_OF_MEMORY;
	if (session.in_flight == 0)
		session.nudged = oauth1_monotonic_us();
	code = limit_connections();
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
	session.in_flight--;
	account_descriptors();
	oauth1_sockets_set_alone(session.in_flight <= 1);
}

/* How long to wait, in ms, rounded up so that a timer is due when it ends. */
static long
wait_time(int64 until)
{
	int64		now = oauth1_monotonic_us();
	int64		wake = Min(until, now + LONGEST_WAIT_US);

	if (session.timer != 0)
		wake = Min(wake, session.timer);
	if (session.in_flight > 0)
		wake = Min(wake, next_nudge());
	return wake <= now ? 0 : (long) ((wake - now + 999) / 1000);
}

/* What ended a wait. */
typedef enum woken
{
	WOKEN_BY_TIME,
	WOKEN_BY_LATCH,
	WOKEN_BY_SOCKET
} woken;

/* Waits for the first event of a wait set, of which a socket's is put into *event. */
static woken
wait_for_event(WaitEventSet *set, long timeout, WaitEvent *event)
{
	static uint32 kind = 0;

	if (WaitEventSetWait(set, timeout, event, 1, oauth1_wait_event("Oauth1Transfer", &kind)) == 0)
		return WOKEN_BY_TIME;
	return event->events & WL_LATCH_SET ? WOKEN_BY_LATCH : WOKEN_BY_SOCKET;
}

/* Waits for anything in the epoll set, and lets libcurl work on it. */
static woken
wait_for_any(long timeout)
{
	WaitEvent	event;
	woken		woken = wait_for_event(session.wait_set, timeout, &event);

	if (woken == WOKEN_BY_SOCKET)
		run_events();
	return woken;
}

/* Makes the wait set of the single socket that one, where it is not. */
static void
prepare_single_set(const oauth1_single *single, uint32 events)
{
	if (session.single_set && session.single.fd == single->fd &&
		session.single.birth == single->birth)
	{
		ModifyWaitEvent(session.single_set, 0, events, NULL);
		return;
	}
	if (session.single_set)
		FreeWaitEventSet(session.single_set);
	session.single_set = NULL;
	session.single_set = make_wait_set(single->fd, events);
	session.single = *single;
}

/* Waits for the single socket, and lets libcurl work on it. */
static woken
wait_for_single(const oauth1_single *single, long timeout)
{
	WaitEvent	event;
	woken		woken;

	prepare_single_set(single, (single->readable ? WL_SOCKET_READABLE : 0) |
					   (single->writable ? WL_SOCKET_WRITEABLE : 0));
	woken = wait_for_event(session.single_set, timeout, &event);
	if (woken == WOKEN_BY_SOCKET)
		run_socket(single->fd, (event.events & WL_SOCKET_READABLE ? CURL_CSELECT_IN : 0) |
				   (event.events & WL_SOCKET_WRITEABLE ? CURL_CSELECT_OUT : 0));
	return woken;
}

bool
oauth1_wait_once(int64 until)
{
	oauth1_single single;
	long		timeout;
	woken		woken;

	CHECK_FOR_INTERRUPTS();
	session.retired = false;
	/* Who does not want to wait at all wants sockets to be looked at all the same. */
	if (run_timer() && oauth1_monotonic_us() < until)
		return false;
	timeout = wait_time(until);
	woken = oauth1_sockets_single(&single) ? wait_for_single(&single, timeout) :
		wait_for_any(timeout);
	if (woken == WOKEN_BY_LATCH)
	{
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		return true;
	}
	if (session.in_flight > 0 && !timer_is_due() && oauth1_monotonic_us() >= next_nudge())
		nudge();
	return false;
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
