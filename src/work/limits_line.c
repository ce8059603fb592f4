/*
 * limits_line.c
 *	  Sessions that wait for the same limit, in the order they came: so that none
 *	  starves while others call again and again, and one is woken, not all.
 *
 * A session stands in a line once, however many of its calls wait.  It says that
 * it still does whenever it asks; one that is busy with something else, or died,
 * is passed over.  Whoever leaves wakes the next, who may find something left.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "work/limits_private.h"

/* Those beyond do not stand in the line; they look from time to time. */
#define MAX_WAITING 63

/* Who has not asked for that long does not wait any more. */
#define PATIENCE_US 1000000

/* An entry's content. */
typedef struct waiting_line
{
	int64		count;
	struct
	{
		int64		pid;
		int64		asked;		/* when it did so last */
	}			waiting[MAX_WAITING];
	int64		unused;
} waiting_line;

StaticAssertDecl(sizeof(waiting_line) == OAUTH1_LINES_SIZE, "size of an entry");

static void
remove_at(waiting_line *line, int n)
{
	line->count--;
	memmove(&line->waiting[n], &line->waiting[n + 1],
			sizeof(line->waiting[0]) * (line->count - n));
}

static void
remove_gone(waiting_line *line, int64 now)
{
	for (int n = line->count - 1; n >= 0; n--)
		if (now - line->waiting[n].asked > PATIENCE_US)
			remove_at(line, n);
}

/* Where this session stands, from 0; -1: not there. */
static int
own_place(const waiting_line *line)
{
	for (int n = 0; n < line->count; n++)
		if (line->waiting[n].pid == MyProcPid)
			return n;
	return -1;
}

bool
oauth1_line_is_clear(const oauth1_key *key, int64 now)
{
	waiting_line *line = oauth1_shared_lock(OAUTH1_TABLE_LINES, key, false);
	bool		is_clear;

	if (line == NULL)
		return true;
	remove_gone(line, now);
	is_clear = line->count == 0 || line->waiting[0].pid == MyProcPid;
	oauth1_shared_unlock(OAUTH1_TABLE_LINES, key);
	return is_clear;
}

bool
oauth1_line_stand(const oauth1_key *key, int64 now)
{
	waiting_line *line = oauth1_shared_lock(OAUTH1_TABLE_LINES, key, true);
	bool		is_new;
	int			n;

	if (line == NULL)
		return false;
	n = own_place(line);
	is_new = n < 0 && line->count < MAX_WAITING;
	if (is_new)
	{
		n = line->count++;
		line->waiting[n].pid = MyProcPid;
	}
	if (n >= 0)
		line->waiting[n].asked = now;
	oauth1_shared_unlock(OAUTH1_TABLE_LINES, key);
	return is_new && n == 0;
}

/* A process number that is another's by now costs that one a look at its latch. */
static void
wake(int pid)
{
	PGPROC	   *process = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (process != NULL)
		SetLatch(&process->procLatch);
}

/* Leaves the line where leave says so; wakes who is first then, after the entry is free. */
static void
pass_on(const oauth1_key *key, bool leave)
{
	waiting_line *line = oauth1_shared_lock(OAUTH1_TABLE_LINES, key, false);
	int			first = 0;

	if (line == NULL)
		return;
	if (leave && own_place(line) >= 0)
		remove_at(line, own_place(line));
	if (line->count > 0)
		first = line->waiting[0].pid;
	oauth1_shared_unlock(OAUTH1_TABLE_LINES, key);
	wake(first);
}

void
oauth1_line_leave(const oauth1_key *key)
{
	pass_on(key, true);
}

void
oauth1_line_wake(const oauth1_key *key)
{
	pass_on(key, false);
}
