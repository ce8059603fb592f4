/*
 * token_store.h
 *	  Tokens on their way through the flow: request tokens until they are
 *	  exchanged, and the access tokens that come of it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TOKEN_STORE_H
#define OAUTH1_TOKEN_STORE_H

#include "stored/secret.h"

/* A token as a provider gave it, in the server encoding; the secrets are in UTF-8. */
typedef struct oauth1_new_token
{
	const char *consumer;
	const char *name;			/* of the access token it is or will become */
	const char *token;
	oa1_text	secret;
	oa1_text	session_handle; /* data NULL: none */
	bool		is_renewal;		/* who asked stays, and the session handle where none is given */
	int64		expires_in;		/* seconds; 0: not said */
} oauth1_new_token;

/* A request token taken out of the table, to be exchanged. */
typedef struct oauth1_request_token
{
	char	   *token;
	char	   *consumer;
	char	   *name;
	oauth1_sealed *secret;
} oauth1_request_token;

/*
 * Remembers a request token and that the current role asked for it.  Forgets
 * those that nobody exchanged in a day.  42710 where another consumer or role
 * has the same one outstanding.
 */
extern void oauth1_request_token_save(const oauth1_new_token *token, const char *destination);

/*
 * Takes a request token out, for the role that asked for it or a member of it:
 * used once, unless the transaction is rolled back.  A second session waits for
 * the first one's end.  OA007 where there is none (any more).  palloc'd.
 */
extern oauth1_request_token *oauth1_request_token_take(const char *token);

/* Stores an access token, in place of an earlier one of its name. */
extern void oauth1_access_token_save(const oauth1_new_token *token, const char *destination);

/* Removes an access token with its secrets and grants; false where there was none. */
extern bool oauth1_access_token_delete(const char *consumer, const char *name);

#endif							/* OAUTH1_TOKEN_STORE_H */
