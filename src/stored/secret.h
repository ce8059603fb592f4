/*
 * secret.h
 *	  The table of secrets: each sealed under the current data key, bound to its
 *	  row, its kind and its destination.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SECRET_H
#define OAUTH1_SECRET_H

#include "core/core.h"

/* What kind of secret a row holds; the words are in the table and in the associated data. */
#define OAUTH1_CONSUMER_SECRET		"consumer_secret"	/* slot '' */
#define OAUTH1_PRIVATE_KEY			"private_key"	/* slot '' */
#define OAUTH1_CLIENT_KEY			"client_key"	/* slot '' */
#define OAUTH1_TOKEN_SECRET			"token_secret"	/* slot: the token's name */
#define OAUTH1_SESSION_HANDLE		"session_handle"	/* slot: the token's name */
#define OAUTH1_REQUEST_TOKEN_SECRET "request_token_secret"	/* slot: the request token itself */

/* Which secret: consumer, slot and kind are the row's key and part of the associated data. */
typedef struct oauth1_secret_id
{
	const char *consumer;
	const char *slot;
	const char *kind;
} oauth1_secret_id;

/* A row of oauth1.secret, in memory. */
typedef struct oauth1_sealed
{
	char	   *data_key;		/* id of the data key it is sealed under */
	char	   *destination;	/* what it is bound to */
	bytea	   *ciphertext;
} oauth1_sealed;

/*
 * Seals and stores (in place of an earlier one).  Inside an oauth1_query of the
 * caller's.  The first secret of all makes the master key file (keyring.c).
 * OA005 where the current data key cannot be had, 25006 where the transaction
 * may not write.
 */
extern void oauth1_secret_store(const oauth1_secret_id *id, const char *destination,
								oa1_text secret);

/* Reads a row, inside an oauth1_query; NULL where there is none. */
extern oauth1_sealed *oauth1_secret_read(const oauth1_secret_id *id, MemoryContext context);

/*
 * Opens a sealed secret into out (a secret buffer of the caller's).  OA005, with
 * the key's id, where the destination is no longer the one it was bound
 * to, the key is not here, or the ciphertext is not this row's.  Needs no
 * oauth1_query while the data key is known to the session, else opens one; so it
 * does where a rotation replaced the row since it was read, and opens the new.
 */
extern void oauth1_secret_open(const oauth1_secret_id *id, const oauth1_sealed *sealed,
							   const char *destination, oa1_buffer *out);

/* OA005 where a secret is bound to another destination than it would go to now. */
extern void oauth1_secret_check_destination(const oauth1_secret_id *id, const char *bound,
											const char *now);

/* Deletes the row, if there is one; inside an oauth1_query. */
extern void oauth1_secret_delete(const oauth1_secret_id *id);

/*
 * Makes a new data key, seals every secret anew under it, each for the
 * destination it is bound to, and those of clients; drops the old keys and returns
 * the new one's id, palloc'd.  Inside an oauth1_query.  Waits for transactions
 * that store secrets, and keeps others from it to the end of this one; calls go on
 * meanwhile.  OA005 where one of them cannot be decrypted: nothing is changed then.
 */
extern char *oauth1_secret_rotate(void);

/*
 * Seals a consumer's secrets, its tokens' included, anew for its present
 * destination; returns how many.  Inside an oauth1_query.
 */
extern int	oauth1_secret_rebind(const char *consumer, const char *destination);

#endif							/* OAUTH1_SECRET_H */
