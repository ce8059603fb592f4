/*
 * client.h
 *	  Clients: those who send us signed requests, and the secrets they share with
 *	  us.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CLIENT_H
#define OAUTH1_CLIENT_H

#include "core/core.h"

/* A row of oauth1.client, in memory. */
typedef struct oauth1_client
{
	bool		known;			/* it is the one that was asked for */
	char	   *name;
	char	   *consumer_key;
	char	   *data_key;		/* id of the data key its secret is sealed under */
	bytea	   *ciphertext;
	char	   *public_key;		/* PEM; NULL where it has none */
} oauth1_client;

/*
 * The client of that key, in the current context; where with_public_key, only one
 * that has such.  Where there is none it is another client, not known, so that
 * the caller can spend the same time on it; NULL where there is no client at all.
 */
extern oauth1_client *oauth1_client_find(const char *consumer_key, bool with_public_key);

/*
 * Opens the client's secret into out (a secret buffer of the caller's).  OA005
 * where it cannot be decrypted.
 */
extern void oauth1_client_open(const oauth1_client *client, oa1_buffer *out);

/*
 * Seals the secrets of all clients anew under the data key of that id.  Inside an
 * oauth1_query, with the table locked.  OA005 where one cannot be decrypted.
 */
extern void oauth1_client_seal_anew(const char *data_key);

#endif							/* OAUTH1_CLIENT_H */
