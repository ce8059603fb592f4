/*
 * next_form.h
 *	  How a service says which page is the next: the argument next of http_pages.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_NEXT_FORM_H
#define OAUTH1_NEXT_FORM_H

#include "core/core.h"

typedef enum oauth1_next_kind
{
	OAUTH1_NEXT_LINK,			/* link: a Link field (RFC 8288) */
	OAUTH1_NEXT_URL,			/* a jsonpath to the next URL */
	OAUTH1_NEXT_CURSOR,			/* cursor:PATH:PARAM */
	OAUTH1_NEXT_OFFSET,			/* offset:PARAM:SIZE */
	OAUTH1_NEXT_PAGE			/* page:PARAM */
} oauth1_next_kind;

typedef struct oauth1_next_form
{
	oauth1_next_kind kind;
	const char *path;			/* a well-formed jsonpath, in the server encoding; NULL: none */
	const char *key;			/* PARAM, in the server encoding; NULL: none */
	oa1_text	parameter;		/* the same in UTF-8 */
	int64		size;			/* how far an offset moves, at least 1 */
} oauth1_next_form;

/*
 * Reads the argument, in the server encoding, into the current memory context.
 * Raises 22023 where it is none of the forms (and lists them), or a malformed one.
 */
extern void oauth1_next_form_read(const char *text, oauth1_next_form *form);

#endif							/* OAUTH1_NEXT_FORM_H */
