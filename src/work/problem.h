/*
 * problem.h
 *	  Why a provider refused: oauth_problem, wherever the reply has it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PROBLEM_H
#define OAUTH1_PROBLEM_H

#include "core/core.h"

/* What the OAuth Problem Reporting extension gives; data NULL: not given. */
typedef struct oauth1_problem
{
	oa1_text	problem;		/* oauth_problem */
	oa1_text	advice;			/* oauth_problem_advice */
	oa1_text	acceptable_timestamps;	/* oauth_acceptable_timestamps: low-high */
} oauth1_problem;

/* A copy of a server's words, in the current memory context: bounded, no control characters. */
extern oa1_text oauth1_problem_words(oa1_text words);

/*
 * Looks into the WWW-Authenticate field's value and then the body (form or JSON,
 * both in UTF-8).  Texts are in the current memory context, with control
 * characters replaced.  Never throws for what they hold.
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
