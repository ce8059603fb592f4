/*
 * transfer_private.h
 *	  What the files of one exchange share: transfer.c (its life),
 *	  transfer_options.c (what libcurl is told), transfer_callbacks.c (what libcurl
 *	  calls), transfer_outcome.c (what became of it).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TRANSFER_PRIVATE_H
#define OAUTH1_TRANSFER_PRIVATE_H

#include <netinet/in.h>

#include <curl/curl.h>

#include "lib/ilist.h"

#include "outside/decode.h"
#include "outside/transfer.h"

/*
 * One exchange; malloc'ed and kept with its handle for the next.  While in use
 * it belongs to a memory context, through an owner in that context.
 */
struct oauth1_exchange
{
	CURL	   *easy;
	struct owner *owner;
	struct oauth1_exchange *next_kept;
	bool		in_flight;
	dlist_node	node;			/* among those in flight */
	bool		done;
	int			timeout_ms;		/* as libcurl has them */
	int			connect_timeout_ms;

	/* what was asked for */
	bool		allow_private;
	bool		judge_address;	/* false: the address is that of a trusted proxy */
	bool		through_proxy;
	bool		head_only;		/* HEAD: no body follows */
	bool		has_certificate;	/* a client's */
	oauth1_body_source *source; /* NULL: none */
	size_t		source_left;	/* what it has still to give */
	void		(*got_done) (void *argument, const oauth1_response *response);
	void		(*began) (void *argument, int64 sent_at);
	void	   *argument;
	struct curl_slist *lines;	/* header lines as sent */

	/* what the callbacks saw */
	oauth1_stage stage;
	int64		sent_at;
	char		address[INET6_ADDRSTRLEN];	/* the last one that was spoken to */
	bool		connected_anew; /* a socket was opened for it */
	int			socket;			/* the last of these, and its birth */
	uint32		socket_birth;
	bool		address_refused;	/* the rule allowed none of the addresses */
	bool		sent;
	bool		certificate_alert;	/* the other side ended TLS over a certificate */
	bool		goodbye;		/* the other side ended the TLS connection, it was not cut */
	bool		repeat_refused;
	bool		given_up;		/* by who had started it */
	bool		source_failed;	/* the body's source did not give what it announced */
	bool		too_large;		/* body, headers, all bodies: the reason says which */
	bool		all_too_large;	/* it was oauth1.max_memory that was exceeded */
	bool		no_memory;
	const char *broken;			/* what is wrong with the response, where we saw it */
	bool		in_head;		/* a status line came, and its blank line not yet */
	bool		headers_whole;	/* the final blank line came; more are trailers */
	size_t		header_octets;	/* of all responses, interim ones too */
	int			header_lines;
	int			status;			/* of the final response */
	oa1_buffer	head;			/* its header lines, as they came */
	bool		body_began;
	oauth1_decoder *decoder;	/* of the body; NULL: it has no coding */
	oa1_buffer	body;			/* decoded */

	oauth1_response response;
	oa1_pair   *headers;		/* into head */
	char		error[CURL_ERROR_SIZE];
};

/*
 * Sets an option of exchange, a variable; the first failure sticks in *code,
 * another.  None may fail: each of them is a promise.
 */
#define OAUTH1_SET(option, value) \
	do { \
		if (*code == CURLE_OK) \
			*code = curl_easy_setopt(exchange->easy, option, value); \
	} while (0)

/* Raises 22023 for a header that would be more than one line, or none. */
extern void oauth1_request_check(const oauth1_request *request);

/*
 * Tells libcurl what to send, where and how, all but the callbacks.  Never
 * throws but for lack of memory; what was set then goes with the exchange.
 */
extern void oauth1_exchange_set_options(oauth1_exchange *exchange, const oauth1_request *request,
										CURLcode *code);

/*
 * The callbacks, and the buffers that they fill: head and body, the latter of at most
 * max_body octets, decoded.  Never throws.
 */
extern void oauth1_exchange_set_callbacks(oauth1_exchange *exchange, size_t max_body,
										  CURLcode *code);

/*
 * Gives an exchange in flight more time.  libcurl sets no timer for that, but looks at
 * every exchange now and then.  Never throws.
 */
extern void oauth1_exchange_extend(oauth1_exchange *exchange, int64 ms);

/* Wipes and frees the header lines, which libcurl reads until the exchange is done. */
extern void oauth1_exchange_free_lines(oauth1_exchange *exchange);

/*
 * Makes the exchange's goodbye be set when close_notify comes on the connection it
 * is on: watch before it starts, sent from the prerequest hook, forget when it is
 * over, after which nothing of it is touched.
 */
extern void oauth1_tls_watch(oauth1_exchange *exchange, CURLcode *code);
extern void oauth1_tls_sent(oauth1_exchange *exchange, const char *remote_ip, int remote_port,
							int local_port);
extern void oauth1_tls_forget(const oauth1_exchange *exchange);

/*
 * What is wrong with header lines, as they came, so that it is anybody's guess
 * where the body ends (RFC 9112, 6.3) or how it is to be read; NULL: nothing.
 */
extern const char *oauth1_framing_fault(oa1_text head);

/* The content coding that header lines, as they came, tell of. */
extern oauth1_coding oauth1_framing_coding(oa1_text head);

/* Fills in the response of an exchange that ended with that code. */
extern void oauth1_exchange_set_outcome(oauth1_exchange *exchange, CURLcode code);

#endif							/* OAUTH1_TRANSFER_PRIVATE_H */
