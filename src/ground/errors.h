/*
 * errors.h
 *	  How what went wrong becomes a PostgreSQL error, in one place.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ERRORS_H
#define OAUTH1_ERRORS_H

#include "core/core.h"

/* The extension's own SQLSTATEs; bad arguments keep PostgreSQL's (22xxx). */
#define ERRCODE_OAUTH1_KEY					MAKE_SQLSTATE('O', 'A', '0', '0', '1')
#define ERRCODE_OAUTH1_REFUSED				MAKE_SQLSTATE('O', 'A', '0', '0', '2')
#define ERRCODE_OAUTH1_URL_NOT_ALLOWED		MAKE_SQLSTATE('O', 'A', '0', '0', '3')
#define ERRCODE_OAUTH1_RESPONSE_TOO_LARGE	MAKE_SQLSTATE('O', 'A', '0', '0', '4')
#define ERRCODE_OAUTH1_SECRET				MAKE_SQLSTATE('O', 'A', '0', '0', '5')
#define ERRCODE_OAUTH1_TIMED_OUT			MAKE_SQLSTATE('O', 'A', '0', '0', '6')
#define ERRCODE_OAUTH1_NO_CONSUMER			MAKE_SQLSTATE('O', 'A', '0', '0', '7')
#define ERRCODE_OAUTH1_TRANSFER				MAKE_SQLSTATE('O', 'A', '0', '0', '8')
#define ERRCODE_OAUTH1_NO_ANSWER			MAKE_SQLSTATE('O', 'A', '0', '0', '9')
#define ERRCODE_OAUTH1_HTTP_STATUS			MAKE_SQLSTATE('O', 'A', '0', '1', '0')

/*
 * How one HTTP exchange ended.  The edge between NOT_SENT and UNANSWERED is
 * libcurl's prerequest hook: before it ran, no byte of the request can have
 * left; after it, only a status line proves what the server did.
 */
typedef enum oauth1_outcome_kind
{
	OAUTH1_ANSWERED,			/* a status and a whole body */
	OAUTH1_NOT_SENT,			/* no name, no connection, no TLS */
	OAUTH1_UNANSWERED,			/* sent, wholly or in part, and no status came back */
	OAUTH1_CUT,					/* a status, but the rest did not arrive or made no sense */
	OAUTH1_TIMED_OUT,			/* the deadline passed; sent says on which side of the edge */
	OAUTH1_TOO_LARGE,			/* body, header bytes or header count above the cap */
	OAUTH1_NO_PLACE,			/* the deadline passed before the call's limits let it start */
	OAUTH1_TOO_MANY_REDIRECTS,
	OAUTH1_ADDRESS_REFUSED,		/* every address the host has is one we may not open */
	OAUTH1_NO_MEMORY
} oauth1_outcome_kind;

typedef struct oauth1_outcome
{
	oauth1_outcome_kind kind;
	bool		sent;			/* the prerequest hook ran */
	bool		all_too_large;	/* it was too large with the session's others, not by itself */
	bool		wants_certificate;	/* TLS ended over a client certificate, and we showed none */
	int			status;			/* 0 until a status line came */
	char		reason[256];	/* libcurl's words or ours, never a secret; "" if none */
} oauth1_outcome;

/* What the caller was doing, for the primary message: "could not read the URL". */
extern void oauth1_check_core(oa1_status status, const char *argument);

/*
 * Raises the error for an outcome other than OAUTH1_ANSWERED; returns only for
 * that one.  host is named in the message (no path, no query); tried follows the
 * detail: a space and a sentence on the attempts before, or "".
 */
extern void oauth1_check_outcome(const oauth1_outcome *outcome, const char *host, int timeout_ms,
								 const char *tried);

#endif							/* OAUTH1_ERRORS_H */
