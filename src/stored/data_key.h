/*
 * data_key.h
 *	  The data keys: they seal the secrets, and lie in oauth1.data_key wrapped
 *	  by a master key, so that rotating them is a transaction like any other.
 *
 * Locks are taken in the order oauth1.secret, oauth1.client (which has secrets of
 * its own), oauth1.data_key.  Whoever stores a secret holds its table in ROW
 * EXCLUSIVE mode before asking which key is current, whoever rotates holds both in
 * SHARE ROW EXCLUSIVE; so no secret is left under a key that is being replaced,
 * and reading goes on meanwhile.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DATA_KEY_H
#define OAUTH1_DATA_KEY_H

#include "outside/key_source.h"
#include "outside/seal.h"

/* The session's: good until the next call of a function of this file. */
typedef struct oauth1_data_key
{
	const char *id;
	oauth1_cipher *cipher;
} oauth1_data_key;

/*
 * The key that a secret is to be sealed under, made where the database has none
 * (with the master key's file where there is none of that either).  Inside an
 * oauth1_query, with the secret's table locked.  Raises OA005 where its master key is
 * not here, 40001 where the transaction's snapshot is too old to use it.
 */
extern const oauth1_data_key *oauth1_data_key_current(void);

/*
 * The key of that id; NULL, with the problem, where it is not to be had.  Opens
 * an oauth1_query where the session has not unwrapped the key yet.
 */
extern const oauth1_data_key *oauth1_data_key_by_id(const char *id, oauth1_key_problem *problem);

/*
 * Makes a new current key under the same master key and returns its id,
 * palloc'd.  Inside an oauth1_query, with both tables locked; oauth1.data_key
 * stays locked against writers to the end of the transaction.
 */
extern char *oauth1_data_key_replace(void);

/* Deletes the keys that no secret needs any more, but for the current one. */
extern void oauth1_data_key_drop_unneeded(void);

/* Wipes the keys that the session keeps.  Never throws. */
extern void oauth1_data_key_forget_all(void);

#endif							/* OAUTH1_DATA_KEY_H */
