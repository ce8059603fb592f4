/*
 * key_source.h
 *	  Where the text with the master keys comes from: a file or a program.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_KEY_SOURCE_H
#define OAUTH1_KEY_SOURCE_H

#include "core/core.h"

/* No list of keys is longer; what is longer is something else. */
#define OAUTH1_KEY_TEXT_MAXIMUM (64 * 1024)

/*
 * Why a key cannot be had, in sentences for DETAIL and HINT, palloc'd; they
 * name files and keys' ids, never anything of the text.
 */
typedef struct oauth1_key_problem
{
	bool		missing;		/* there is no such file, or no such row */
	const char *detail;
	const char *hint;
} oauth1_key_problem;

/*
 * Both append the text to out, a secret buffer.  False, with the problem, where
 * they could not; they raise nothing but out of memory, and the command's, as it
 * waits, a cancel.
 */
extern bool oauth1_key_file_read(const char *path, oa1_buffer *out, oauth1_key_problem *problem);
extern bool oauth1_key_command_read(const char *command, oa1_buffer *out,
									oauth1_key_problem *problem);

/*
 * Puts the text in place of the file, or makes it: readers and a crash find the
 * old text or the new one, whole.  Raises an error where it could not; the old
 * file stands then.
 */
extern void oauth1_key_file_write(const char *path, oa1_text text);

#endif							/* OAUTH1_KEY_SOURCE_H */
