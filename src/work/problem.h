/*
 * problem.h
 *	  Why a provider refused: oauth_problem, wherever the reply has it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PROBLEM_H
#define OAUTH1_PROBLEM_H

#include "work/service_report.h"

/*
 * What the OAuth Problem Reporting extension gives (wiki.oauth.net,
 * ProblemReporting); data NULL: not given.
 */
typedef struct oauth1_problem
{
	oa1_text	problem;		/* oauth_problem */
	oa1_text	advice;			/* oauth_problem_advice */
	oa1_text	parameters_absent;	/* names, percent-encoded and joined by & */
	oa1_text	parameters_rejected;	/* names and values, in the same way */
	oa1_text	acceptable_versions;	/* two of each, joined by a hyphen */
	oa1_text	acceptable_timestamps;	/* low-high */
	oauth1_service_report report;	/* where there is no oauth_problem: its own words */
	oa1_text	challenge;		/* the scheme it asks for, where that is not OAuth */
} oauth1_problem;

/* A copy of a server's words, in the current memory context: bounded, no control characters. */
extern oa1_text oauth1_problem_words(oa1_text words);

/* Such a copy in the server encoding, NUL-terminated; "(no text)" where it is none there. */
extern const char *oauth1_problem_text(oa1_text words);

/*
 * Looks into the WWW-Authenticate field's value, in which other challenges may
 * stand around OAuth's (RFC 9110, 11.6.1), and then into the body (form or JSON),
 * both in UTF-8; where neither has an oauth_problem, for a report of the service's
 * own.  Texts are in the current memory context, bounded, with control characters
 * replaced.  Never throws for what they hold.
 */
extern oauth1_problem oauth1_problem_find(oa1_text www_authenticate, oa1_text body);

/*
 * A sentence or two for an error's detail, in the server encoding and palloc'd:
 * what the provider said and what the word means; NULL where it said nothing.
 */
extern char *oauth1_problem_detail(const oauth1_problem *problem);

/* What cures it; NULL where nothing is known. */
extern const char *oauth1_problem_hint(const oauth1_problem *problem);

#endif							/* OAUTH1_PROBLEM_H */
