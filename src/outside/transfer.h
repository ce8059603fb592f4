/*
 * transfer.h
 *	  One HTTP exchange: exactly the octets that were signed, once, to an
 *	  address that may be spoken to, and whatever came back.
 *
 * The simple way:
 *
 *		exchange = oauth1_transfer_run(&request);
 *		response = oauth1_transfer_response(exchange);
 *		oauth1_check_outcome(&response->outcome, host, timeout_ms);
 *		... copy what is wanted ...
 *		oauth1_transfer_end(exchange);
 *
 * Many at once: oauth1_transfer_start each, then oauth1_transfer_drive until
 * oauth1_transfer_done says so of one, start another, and so on.  All exchanges
 * of a session share one connection cache, and driving drives them all,
 * whoever started them.
 *
 * Connections are kept across statements, transactions and errors; whatever
 * else an exchange holds goes with the memory context it was started in, or
 * earlier by oauth1_transfer_end.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TRANSFER_H
#define OAUTH1_TRANSFER_H

#include "core/core.h"
#include "ground/errors.h"

/*
 * A body that is made while it is sent, of a length that is known before.  It is
 * called from libcurl: neither function may throw or palloc.
 */
typedef struct oauth1_body_source oauth1_body_source;

struct oauth1_body_source
{
	size_t		length;			/* of the whole body: its Content-Length */

	/*
	 * Writes the next octets, at most room, and returns how many: at least one
	 * as long as there are any.
	 */
	size_t		(*read) (oauth1_body_source *source, char *to, size_t room);

	/* Goes back to the beginning.  Called once at the start of an exchange. */
	void		(*rewind) (oauth1_body_source *source);
};

struct oauth1_response;

/*
 * What is to be sent.  Everything is copied at the start but the body, its
 * source and the client's key, which must stay where they are until the exchange
 * is done or ended.
 */
typedef struct oauth1_request
{
	oa1_text	http_method;	/* as signed; case matters */
	oa1_text	url;			/* oa1_url.text: parsed, checked, signed; sent as it is */
	const oa1_pair *headers;	/* raw; no CR, LF or NUL (22023), in the order of sending */
	size_t		header_count;
	oa1_text	body;
	bool		has_body;		/* POST, PUT and PATCH send an empty one in any case */
	oauth1_body_source *body_source;	/* the body instead; NULL: none */

	int			connect_timeout_ms; /* name, connection and TLS together; 0: the deadline's */
	int64		deadline;		/* on oauth1_monotonic_us's clock */
	size_t		max_response_size;	/* octets of body, decoded */

	bool		fresh_connection;	/* not one that is kept */
	bool		allow_http;
	bool		allow_private_addresses;	/* see address.h for what stays refused */
	const char *proxy;			/* URL; "": none */
	bool		proxy_is_trusted;	/* the superuser's: its own address is not judged */
	const char *ca_file;		/* PEM; "": the system's */
	oa1_text	ca_pem;			/* the certificates themselves; length 0: ca_file */
	const char *client_certificate; /* PEM, its chain after it; NULL: none */
	oa1_text	client_key;		/* PEM, not encrypted; not copied */

	/*
	 * Called when the exchange got done, whoever drove it, with its response;
	 * not where it is ended before.  Must not throw.  NULL: nobody wants to know.
	 */
	void		(*got_done) (void *argument, const struct oauth1_response *response);

	/*
	 * Is called when it is about to be sent, from within libcurl: it must not
	 * throw, allocate, or ask for anything here.  NULL: nobody wants to know.
	 */
	void		(*began) (void *argument, int64 sent_at);
	void	   *argument;			/* of both */
} oauth1_request;

/* How far an exchange came: what it was at when it ended. */
typedef enum oauth1_stage
{
	OAUTH1_STAGE_RESOLVE,		/* the name had no address yet */
	OAUTH1_STAGE_CONNECT,		/* no connection to any of its addresses */
	OAUTH1_STAGE_TLS,			/* connected; TLS, or the proxy's tunnel, not yet agreed on */
	OAUTH1_STAGE_SEND,			/* sent, wholly or in part; no status came */
	OAUTH1_STAGE_ANSWER			/* a status came */
} oauth1_stage;

/* What came back.  All texts belong to the exchange and are wiped with it. */
typedef struct oauth1_response
{
	oauth1_outcome outcome;
	oauth1_stage stage;
	int64		sent_at;		/* when sending began, oauth1_monotonic_us's; 0: not sent */
	const char *address;		/* of the peer, which can be a proxy; "": none was spoken to */
	bool		reused;			/* the connection had served an exchange before */
	double		elapsed_ms;		/* of libcurl's own work, from start to end */
	const oa1_pair *headers;	/* names as they came; folded lines joined; no trailers */
	size_t		header_count;
	oa1_text	content_type;	/* length 0: none */
	oa1_text	body;			/* whatever arrived, also where the outcome is OAUTH1_CUT */
} oauth1_response;

typedef struct oauth1_exchange oauth1_exchange;

/* Microseconds of a clock that no one sets (CLOCK_MONOTONIC). */
extern int64 oauth1_monotonic_us(void);

/*
 * Starts an exchange and returns it, in flight or, where it failed at once,
 * done.  Raises an error only for bad arguments and lack of memory, never for
 * what the network did.  It belongs to the current memory context.
 */
extern oauth1_exchange *oauth1_transfer_start(const oauth1_request *request);

/*
 * Waits, and works, until an exchange of this session got done or the time has
 * come (INT64 clock of oauth1_monotonic_us).  Raises what CHECK_FOR_INTERRUPTS
 * raises; the exchanges are then as they were, and their starter ends them.
 */
extern void oauth1_transfer_drive(int64 until);

/*
 * As oauth1_transfer_drive, with no exchange in flight too, and returns when the
 * latch was set as well: for who waits for a time, or for another session.  The
 * latch is reset before it returns and not when it begins, so what was looked at
 * before the wait cannot be missed by it.  True where the latch was set.
 */
extern bool oauth1_transfer_wait(int64 until);

/*
 * True where one more exchange can be started within the descriptors that fd.c
 * grants to what is not its own; always where none is in flight.
 */
extern bool oauth1_transfer_has_room(void);

/*
 * Closes all kept connections and forgets their TLS sessions, as DISCARD ALL
 * wants it; exchanges in flight go on.  Never throws.
 */
extern void oauth1_transfer_drop_connections(void);

/*
 * Gives up one in flight: it is done, with what is known of it by now, and its
 * connection closed, without waiting for anything.  Never throws.
 */
extern void oauth1_transfer_stop(oauth1_exchange *exchange);

/* True once it has a response, good or bad. */
extern bool oauth1_transfer_done(const oauth1_exchange *exchange);

/* Of a done exchange; good until its end. */
extern const oauth1_response *oauth1_transfer_response(const oauth1_exchange *exchange);

/*
 * Wipes and frees; one still in flight is dropped and its connection closed,
 * without waiting for anything.  Never throws.
 */
extern void oauth1_transfer_end(oauth1_exchange *exchange);

/*
 * One exchange from start to done.  On an error (cancel, statement_timeout,
 * terminate) it is ended before the error goes on.
 */
extern oauth1_exchange *oauth1_transfer_run(const oauth1_request *request);

/*
 * The value of the first header of that name (compared without case); data
 * NULL where there is none.
 */
extern oa1_text oauth1_transfer_header(const oauth1_response *response, const char *name);

#endif							/* OAUTH1_TRANSFER_H */
