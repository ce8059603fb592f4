/*
 * key_file.c
 *	  The file with the master keys: who may have it, how it is replaced.
 *
 * The rules are those of ssh and of PostgreSQL's own ssl_key_file, and stricter
 * in one point: no symbolic link, because a replaced file would part from what
 * the link named, and two copies of a key file are a lost key.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "ground/errors.h"
#include "outside/key_source.h"

/* ---------------------------------------------------------------- read */

static void
describe_open_failure(const char *path, oauth1_key_problem *problem)
{
	if (errno == ENOENT)
	{
		problem->missing = true;
		problem->detail = psprintf("File \"%s\" does not exist.", path);
		problem->hint = "Copy it from where the secrets were stored, or point oauth1.key_file to it.";
	}
	else if (errno == ELOOP)
	{
		problem->detail = psprintf("\"%s\" is a symbolic link.", path);
		problem->hint = "Point oauth1.key_file to the file itself.";
	}
	else
		problem->detail = psprintf("Could not open file \"%s\": %m.", path);
}

/* Looks at the open file, not at its name, so that nobody can exchange it in between. */
static bool
is_acceptable(int fd, const char *path, oauth1_key_problem *problem)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		problem->detail = psprintf("Could not stat file \"%s\": %m.", path);
	else if (!S_ISREG(status.st_mode))
		problem->detail = psprintf("\"%s\" is not a regular file.", path);
	else if (status.st_uid != geteuid())
	{
		problem->detail = psprintf("File \"%s\" belongs to another user.", path);
		problem->hint = "Its owner must be the operating system's user that runs the server.";
	}
	else if (status.st_mode & (S_IRWXG | S_IRWXO))
	{
		problem->detail = psprintf("File \"%s\" has group or world access.", path);
		problem->hint = "Its permissions must be u=rw (0600) or less.";
	}
	else if (status.st_size > OAUTH1_KEY_TEXT_MAXIMUM)
		problem->detail = psprintf("File \"%s\" is too large for a list of keys.", path);
	else
		return true;
	return false;
}

static bool
read_all(int fd, const char *path, oa1_buffer *out, oauth1_key_problem *problem)
{
	char	   *to = oa1_buffer_reserve(out, OAUTH1_KEY_TEXT_MAXIMUM);
	ssize_t		got;

	oauth1_check_core(out->status, "key file");
	/* One read gets a regular file of that size whole, or to where another one cut it. */
	got = read(fd, to, OAUTH1_KEY_TEXT_MAXIMUM);
	if (got < 0)
	{
		problem->detail = psprintf("Could not read file \"%s\": %m.", path);
		return false;
	}
	out->length += got;
	return true;
}

bool
oauth1_key_file_read(const char *path, oa1_buffer *out, oauth1_key_problem *problem)
{
	/* O_NONBLOCK: a pipe of that name is refused instead of waited for. */
	int			fd = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC |
									   PG_BINARY);
	bool		fine;

	if (fd < 0)
	{
		describe_open_failure(path, problem);
		return false;
	}
	fine = is_acceptable(fd, path, problem) && read_all(fd, path, out, problem);
	CloseTransientFile(fd);
	return fine;
}

/* ---------------------------------------------------------------- write */

static void
raise_write_failure(const char *path, const char *verb)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s key file \"%s\": %m", verb, path)));
}

static void
write_new(const char *path, oa1_text text)
{
	int			fd;

	/* What a crash left behind of an earlier try. */
	if (unlink(path) != 0 && errno != ENOENT)
		raise_write_failure(path, "remove");
	fd = OpenTransientFilePerm(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC |
							   PG_BINARY, S_IRUSR | S_IWUSR);
	if (fd < 0)
		raise_write_failure(path, "create");
	errno = 0;
	if (write(fd, text.data, text.length) != (ssize_t) text.length)
	{
		if (errno == 0)
			errno = ENOSPC;		/* a short write says no more than that */
		raise_write_failure(path, "write");
	}
	if (pg_fsync(fd) != 0)
		raise_write_failure(path, "fsync");
	if (CloseTransientFile(fd) != 0)
		raise_write_failure(path, "close");
}

void
oauth1_key_file_write(const char *path, oa1_text text)
{
	char	   *temporary = psprintf("%s.tmp", path);

	PG_TRY();
	{
		write_new(temporary, text);
		/* Syncs the file and its folder as well. */
		(void) durable_rename(temporary, path, ERROR);
	}
	PG_CATCH();
	{
		(void) unlink(temporary);
		PG_RE_THROW();
	}
	PG_END_TRY();
	pfree(temporary);
}
