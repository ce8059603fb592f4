/*
 * key_command.c
 *	  A program that prints the master keys, bounded in time and size.
 *
 * Spawned rather than run by OpenPipeStream, as COPY FROM PROGRAM is: popen
 * tells nobody the process to end when a cancel, or the time limit, comes, and
 * its pclose waits for ever for a program that hangs.  What the program says on
 * its standard error goes where the server's own does.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "ground/errors.h"
#include "outside/key_source.h"

/* A key service on the network answers in less, or is down. */
#define TIME_LIMIT_MS 30000

/* How long between two looks whether a program that closed its output has ended. */
#define REAP_INTERVAL_MS 10

#define CHUNK 4096

typedef struct program
{
	pid_t		pid;			/* the leader of a process group of its own; 0: has ended */
	int			output;			/* our end of the pipe */
	instr_time	started;
} program;

extern char **environ;

/* ---------------------------------------------------------------- start and end */

/*
 * Returns posix_spawn's error number.  The child gets the default action for
 * every signal (the backend ignores SIGPIPE) and blocks none.
 */
static int
spawn(program *p, const char *command, int write_end)
{
	char	   *arguments[] = {"sh", "-c", unconstify(char *, command), NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t	all,
				none;
	int			result;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
							 POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, write_end, STDOUT_FILENO);
	result = posix_spawn(&p->pid, "/bin/sh", &files, &attributes, arguments, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	return result;
}

static bool
start(program *p, const char *command, oauth1_key_problem *problem)
{
	int			ends[2];
	int			result;

	INSTR_TIME_SET_CURRENT(p->started);
	if (pipe2(ends, O_CLOEXEC) != 0)
	{
		problem->detail = psprintf("Could not create a pipe for oauth1.key_command: %m.");
		return false;
	}
	p->output = ends[0];
	/* Cannot fail on a pipe just made; if it did, only the time limit would be lost. */
	(void) fcntl(p->output, F_SETFL, O_NONBLOCK);
	result = spawn(p, command, ends[1]);
	close(ends[1]);
	if (result == 0)
		return true;
	close(p->output);
	errno = result;
	problem->detail = psprintf("Could not start oauth1.key_command: %m.");
	return false;
}

/* Kills a program that has not ended, and with it whatever it started. */
static void
finish(program *p)
{
	close(p->output);
	if (p->pid == 0)
		return;
	(void) kill(-p->pid, SIGKILL);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Milliseconds to the time limit, 0 where it has passed. */
static long
time_left(const program *p)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, p->started);
	return Max(0, TIME_LIMIT_MS - (long) INSTR_TIME_GET_MILLISEC(now));
}

/* ---------------------------------------------------------------- read */

/* Waits for output, an interrupt or ms milliseconds; serves the interrupt. */
static void
wait_for_program(const program *p, int events, long ms)
{
	int			happened;

	events |= WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH;
	happened = WaitLatchOrSocket(MyLatch, events, p->output, ms, PG_WAIT_EXTENSION);
	if (happened & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* To the end of the output; false where it does not come in time or is too long. */
static bool
read_output(program *p, oa1_buffer *out, oauth1_key_problem *problem)
{
	while (time_left(p) > 0 && out->length <= OAUTH1_KEY_TEXT_MAXIMUM)
	{
		char	   *to = oa1_buffer_reserve(out, CHUNK);
		ssize_t		got;

		oauth1_check_core(out->status, "key command");
		got = read(p->output, to, CHUNK);
		if (got == 0)
			return true;
		if (got > 0)
			out->length += got;
		else if (errno == EAGAIN || errno == EINTR)
			wait_for_program(p, WL_SOCKET_READABLE, Min(time_left(p), 1000));
		else
		{
			problem->detail = psprintf("Could not read from oauth1.key_command: %m.");
			return false;
		}
	}
	problem->detail = out->length > OAUTH1_KEY_TEXT_MAXIMUM ?
		"The output of oauth1.key_command is too long for a list of keys." :
		psprintf("The program of oauth1.key_command did not end within %d s.",
				 TIME_LIMIT_MS / 1000);
	return false;
}

/* The end of the program, after that of its output. */
static bool
reap(program *p, oauth1_key_problem *problem)
{
	int			status;
	pid_t		ended;

	while ((ended = waitpid(p->pid, &status, WNOHANG)) == 0 && time_left(p) > 0)
		wait_for_program(p, 0, REAP_INTERVAL_MS);
	if (ended == 0)
	{
		problem->detail = psprintf("The program of oauth1.key_command did not end within %d s.",
								   TIME_LIMIT_MS / 1000);
		return false;
	}
	p->pid = 0;
	if (ended > 0 && status == 0)
		return true;
	problem->detail = psprintf("The program of oauth1.key_command failed: %s.",
							   ended > 0 ? wait_result_to_str(status) : "its status is not known");
	return false;
}

/* From the start of the program to its end, whichever of us brings that about. */
static bool
run(program *p, oa1_buffer *out, oauth1_key_problem *problem)
{
	volatile bool fine = false;

	PG_TRY();
	{
		fine = read_output(p, out, problem) && reap(p, problem);
	}
	PG_CATCH();
	{
		finish(p);
		PG_RE_THROW();
	}
	PG_END_TRY();
	finish(p);
	return fine;
}

bool
oauth1_key_command_read(const char *command, oa1_buffer *out, oauth1_key_problem *problem)
{
	program		p;

	if (start(&p, command, problem) && run(&p, out, problem))
		return true;
	problem->hint = "Try the command as the operating system's user that runs the server; the server's log has what it said on its standard error.";
	return false;
}
