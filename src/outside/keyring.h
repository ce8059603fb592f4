/*
 * keyring.h
 *	  The master keys, which wrap the data keys and are never in the database.
 *
 * They come from oauth1.key_file or, where that is set, from what
 * oauth1.key_command prints.  Both have the form
 *
 *		oauth1 master keys 1
 *		key ID CREATED KEY FINGERPRINT
 *		...
 *		end
 *
 * with CREATED as 2026-01-31T12:00:00Z, KEY as 64 hexadecimal digits, and the
 * KEY's fingerprint, so that neither a cut nor a slip of the hand goes unseen.
 *
 * A ring is read when a data key is needed that the session has not yet
 * unwrapped, and lives for that moment only, in a memory context of the
 * caller's, with which it is wiped.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_KEYRING_H
#define OAUTH1_KEYRING_H

#include "datatype/timestamp.h"

#include "outside/key_source.h"
#include "outside/seal.h"

/* Ids that people choose may be longer than ours. */
#define OAUTH1_MASTER_ID_MAXIMUM 64

typedef struct oauth1_master_key
{
	char		id[OAUTH1_MASTER_ID_MAXIMUM + 1];
	char		fingerprint[OAUTH1_FINGERPRINT_LENGTH + 1];
	TimestampTz created_at;
} oauth1_master_key;

typedef struct oauth1_keyring
{
	int			count;			/* at least one */
	oauth1_master_key *keys;	/* in the order of the file: the newest last */
	oa1_buffer *octets;			/* OAUTH1_KEY_LENGTH of them a key */
} oauth1_keyring;

/* NULL, with the problem, where there is no ring to be had. */
extern oauth1_keyring *oauth1_keyring_read(MemoryContext context, oauth1_key_problem *problem);

/* NULL where the ring has no key of that id. */
extern const oauth1_master_key *oauth1_keyring_find(const oauth1_keyring *ring, const char *id);

/* A key of the ring made ready, in the context. */
extern oauth1_cipher *oauth1_keyring_cipher(const oauth1_keyring *ring,
											const oauth1_master_key *key, MemoryContext context);

/* For a problem's detail: the source as the start of a sentence, palloc'd. */
extern char *oauth1_keyring_source(void);

/*
 * The ring, for a database that has no keys yet: where there is no file, makes
 * it with a first key, and says so in a NOTICE.  Raises 25006 where a file would
 * have to be made in a read-only transaction or in recovery, OA005 where there
 * is one that cannot be used.
 */
extern oauth1_keyring *oauth1_keyring_first(MemoryContext context);

/*
 * The ring with a new key as its last.  A file is made only where may_make is
 * true; the file on disk is whole at any moment, and durable when this returns.
 * Raises 55000 where the keys come from a command; otherwise as above.
 */
extern oauth1_keyring *oauth1_keyring_add(MemoryContext context, bool may_make);

/* Raises OA005 with the message and the problem. */
extern void oauth1_key_problem_raise(const char *message, const oauth1_key_problem *problem);

#endif							/* OAUTH1_KEYRING_H */
