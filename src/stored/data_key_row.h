/*
 * data_key_row.h
 *	  Rows of oauth1.data_key, and what is wrapped in them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DATA_KEY_ROW_H
#define OAUTH1_DATA_KEY_ROW_H

#include "outside/keyring.h"

typedef struct oauth1_data_key_row
{
	char	   *id;
	char	   *master_key;		/* the id of the one that wraps it */
	bytea	   *wrapped;
	bool		current;
	TimestampTz created_at;
	int64		needed_by;		/* secrets; only in a list of all */
} oauth1_data_key_row;

/*
 * Read with the latest snapshot, in an oauth1_query of their own, into the
 * current context.  The first two return NULL where there is no such row.
 */
extern oauth1_data_key_row *oauth1_data_key_row_read(const char *id);
extern oauth1_data_key_row *oauth1_data_key_row_current(void);
/* All of them, the oldest first. */
extern oauth1_data_key_row *oauth1_data_key_rows(int *count);

/*
 * The key in the row, into a secret buffer.  ring NULL: it could not be read,
 * and problem says why.  False, with the problem, where its master key is not
 * in the ring, or is another one than it was wrapped with.
 */
extern bool oauth1_data_key_row_unwrap(const oauth1_data_key_row *row, const oauth1_keyring *ring,
									   oa1_buffer *key, oauth1_key_problem *problem);

/* The other way: what belongs into the row of that id. */
extern bytea *oauth1_data_key_wrap(const char *id, const oauth1_keyring *ring,
								   const oauth1_master_key *master,
								   const unsigned char key[OAUTH1_KEY_LENGTH]);

#endif							/* OAUTH1_DATA_KEY_ROW_H */
