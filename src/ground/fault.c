/*
 * fault.c
 *	  Death at a named point, for the torture of the queue.  Empty without
 *	  -DOAUTH1_FAULTS.
 *
 * All of it is system calls: a point can lie inside of libcurl, or after a commit,
 * where nothing may be allocated and nothing raised.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/fault.h"

#ifdef OAUTH1_FAULTS

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "miscadmin.h"

/* In the data directory, which is where a process of the server stands. */
#define ORDER_FILE "oauth1.fault"
#define STRUCK_FILE "oauth1.fault.struck"

#define ORDER_LENGTH 100

/* Reads the order; false: there is none. */
static bool
read_order(char *text)
{
	int			fd = open(ORDER_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t		length;

	if (fd < 0)
		return false;
	length = read(fd, text, ORDER_LENGTH - 1);
	close(fd);
	text[Max(length, 0)] = '\0';
	return length > 0;
}

/* Does this process pass by once more?  It counts anew with each order. */
static bool
is_to_pass(const char *text, int skip)
{
	static char counted[ORDER_LENGTH];
	static int	passed;

	if (strcmp(counted, text) != 0)
	{
		strcpy(counted, text);
		passed = 0;
	}
	return passed++ < skip;
}

/* Waits for the end that somebody else brings. */
static void
wait_for_death(void)
{
	for (int i = 0; i < 100; i++)
		usleep(100 * 1000);
	kill(MyProcPid, SIGKILL);
}

/* What ends this process, or the server; false: the action is none of these. */
static bool
die_by(const char *action)
{
	if (strcmp(action, "postmaster") == 0 || strcmp(action, "orphan") == 0)
		kill(PostmasterPid, SIGKILL);
	if (strcmp(action, "orphan") == 0)
		return true;
	if (strcmp(action, "kill") == 0 || strcmp(action, "postmaster") == 0)
		kill(MyProcPid, SIGKILL);
	if (strcmp(action, "immediate") == 0)
	{
		kill(PostmasterPid, SIGQUIT);
		wait_for_death();
	}
	return false;
}

bool
oauth1_fault(const char *point, oauth1_fault_manner manner)
{
	char		text[ORDER_LENGTH];
	char		where[ORDER_LENGTH];
	char		action[ORDER_LENGTH];
	int			skip;

	if (!read_order(text) || sscanf(text, "%s %s %d", where, action, &skip) != 3 ||
		strcmp(where, point) != 0 || is_to_pass(text, skip) ||
		rename(ORDER_FILE, STRUCK_FILE) != 0 || die_by(action))
		return false;
	if (strcmp(action, "terminate") == 0)
		return kill(MyProcPid, SIGTERM) == 0;
	if (manner == OAUTH1_FAULT_RAISES)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("fault at point %s", point)));
	if (manner != OAUTH1_FAULT_CANCELS)
		return false;
	InterruptPending = QueryCancelPending = true;
	return true;
}

#endif							/* OAUTH1_FAULTS */
