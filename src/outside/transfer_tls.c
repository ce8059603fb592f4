/*
 * transfer_tls.c
 *	  Whether a TLS connection was ended by the other side, or cut.
 *
 * A body without a length ends with its connection, and libcurl takes any end for
 * one that was meant: who can cut the connection could cut the body short.  So
 * close_notify has to have come (RFC 9112, 9.8).  libcurl does not tell, OpenSSL
 * does: its info callback sees every alert of a connection.
 *
 * Which exchange is on which connection: the one that opened it, as the callback
 * for its SSL_CTX says; later the one that is sent between the same ports.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/ssl.h>

#include "outside/transfer_private.h"

/* A TLS connection; it lives as long as its SSL_CTX, which libcurl has one a connection. */
typedef struct tls_connection
{
	oauth1_exchange *exchange;	/* whose turn it is; NULL: nobody's */
	int			local_port;		/* 0: nothing was sent yet */
	int			remote_port;
	char		remote_ip[INET6_ADDRSTRLEN];
	struct tls_connection *next;
} tls_connection;

static tls_connection *connections = NULL;

/* Where an SSL_CTX has its tls_connection; -1: not asked for yet. */
static int	context_index = -1;

/* OpenSSL's, when an SSL_CTX goes. */
static void
connection_goes(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number,
				void *argument)
{
	for (tls_connection **link = &connections; *link; link = &(*link)->next)
	{
		if (*link == data)
		{
			*link = (*link)->next;
			break;
		}
	}
	free(data);
}

static bool
is_about_certificate(int alert)
{
	switch (alert)
	{
		case SSL_AD_BAD_CERTIFICATE:
		case SSL_AD_UNSUPPORTED_CERTIFICATE:
		case SSL_AD_CERTIFICATE_REVOKED:
		case SSL_AD_CERTIFICATE_EXPIRED:
		case SSL_AD_CERTIFICATE_UNKNOWN:
		case SSL_AD_CERTIFICATE_REQUIRED:
			return true;
		default:
			return false;
	}
}

/* OpenSSL's info callback. */
static void
something_happened(const SSL *ssl, int what, int value)
{
	tls_connection *connection = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
	int			alert = value & 0xff;

	if ((what & SSL_CB_READ_ALERT) != SSL_CB_READ_ALERT || !connection || !connection->exchange)
		return;
	if (alert == SSL_AD_CLOSE_NOTIFY)
		connection->exchange->goodbye = true;
	if (is_about_certificate(alert))
		connection->exchange->certificate_alert = true;
}

/* CURLOPT_SSL_CTX_FUNCTION: a TLS connection is about to be made. */
static CURLcode
connection_starts(CURL *easy, void *context, void *argument)
{
	tls_connection *connection = calloc(1, sizeof(*connection));

	if (connection == NULL || !SSL_CTX_set_ex_data(context, context_index, connection))
	{
		free(connection);
		return CURLE_OUT_OF_MEMORY;
	}
	connection->exchange = argument;
	connection->next = connections;
	connections = connection;
	SSL_CTX_set_info_callback(context, something_happened);
	return CURLE_OK;
}

void
oauth1_tls_watch(oauth1_exchange *exchange, CURLcode *code)
{
	if (context_index < 0)
		context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, connection_goes);
	if (context_index < 0)
		*code = CURLE_OUT_OF_MEMORY;
	OAUTH1_SET(CURLOPT_SSL_CTX_FUNCTION, connection_starts);
	OAUTH1_SET(CURLOPT_SSL_CTX_DATA, exchange);
}

void
oauth1_tls_sent(oauth1_exchange *exchange, const char *remote_ip, int remote_port, int local_port)
{
	for (tls_connection *connection = connections; connection; connection = connection->next)
	{
		if (connection->exchange == exchange && connection->local_port == 0)
		{
			connection->local_port = local_port;
			connection->remote_port = remote_port;
			strlcpy(connection->remote_ip, remote_ip, sizeof(connection->remote_ip));
		}
		else if (connection->local_port == local_port &&
				 connection->remote_port == remote_port &&
				 strcmp(connection->remote_ip, remote_ip) == 0)
			connection->exchange = exchange;
	}
}

void
oauth1_tls_forget(const oauth1_exchange *exchange)
{
	for (tls_connection *connection = connections; connection; connection = connection->next)
	{
		if (connection->exchange == exchange)
			connection->exchange = NULL;
	}
}
