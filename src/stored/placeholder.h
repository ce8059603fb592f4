/*
 * placeholder.h
 *	  {name}, {name:host}, {consumer_key}, {oauth_token} and {url} in templates.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PLACEHOLDER_H
#define OAUTH1_PLACEHOLDER_H

#include "stored/definition.h"

/* Where a template stands decides what a value in it may be. */
typedef enum oauth1_place
{
	OAUTH1_PLACE_URL,			/* host: one DNS label; path: one encoded segment */
	OAUTH1_PLACE_REALM,			/* any text without control characters and quotes */
	OAUTH1_PLACE_HEADER			/* the same */
} oauth1_place;

/* The values that placeholders take. */
typedef struct oauth1_values
{
	const Jsonb *vars;			/* the consumer's; NULL: none */
	const char *consumer_key;
	const char *token;			/* in UTF-8; NULL: no token, {oauth_token} is empty */
	const char *url;			/* {url}, in a realm only; NULL elsewhere */
} oauth1_values;

/*
 * The template with its placeholders filled in, palloc'd in UTF-8.  A var that
 * is missing or does not fit its place is 22023, one that would move the host
 * OA003; what names the template in the message ("api_urls").
 */
extern char *oauth1_expand(const char *template, oauth1_place place, const oauth1_values *values,
						   const char *what);

/*
 * Raises 22023 where the template itself is malformed: an unclosed brace, an
 * unknown suffix, a URL that could not be parsed whatever the values.
 */
extern void oauth1_template_check(const char *template, oauth1_place place, const char *what);

/*
 * Is the whole authority of the URL template one placeholder?  Then its name is
 * written to name, of NAMEDATALEN bytes.  what is as above, for a malformed one.
 */
extern bool oauth1_template_authority(const char *template, char *name, const char *what);

#endif							/* OAUTH1_PLACEHOLDER_H */
