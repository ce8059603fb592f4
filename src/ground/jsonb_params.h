/*
 * jsonb_params.h
 *	  Parameters as SQL writes them, a jsonb object, and as the core reads them,
 *	  pairs of UTF-8 octets.
 *
 * A scalar is one value, an array a repeated parameter; null is left out, also
 * in an array.  Numbers are as jsonb prints them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_JSONB_PARAMS_H
#define OAUTH1_JSONB_PARAMS_H

#include "utils/jsonb.h"

#include "core/core.h"

/*
 * A growing list in the memory context that was current at _init, which frees
 * it.  What the texts point to must live as long as the list.
 */
typedef struct oauth1_pairs
{
	oa1_pair   *data;
	size_t		count;
	size_t		capacity;
} oauth1_pairs;

/* An empty list with room for expected pairs, which may be 0. */
extern void oauth1_pairs_init(oauth1_pairs *pairs, size_t expected);
extern void oauth1_pairs_add(oauth1_pairs *pairs, oa1_text name, oa1_text value);

/* True where name is that string literal; names are case-sensitive (RFC 5849, 3.1). */
#define oauth1_text_is(text, literal) \
	((text).length == sizeof(literal) - 1 && \
	 memcmp((text).data, (literal), sizeof(literal) - 1) == 0)

/*
 * Appends the object's parameters in jsonb's order.  The texts point into
 * params or the current context.  argument names it in the message.  Raises
 * 22023 for anything but an object, and for an object or an array where a
 * scalar belongs (naming the key).
 */
extern void oauth1_pairs_from_jsonb(oauth1_pairs *pairs, Jsonb *params, const char *argument);

/*
 * The object, in the current context: a name that occurs once has a string, one
 * that repeats an array of strings in the list's order.  Raises 22021 or 22P05
 * where octets are no text of the server encoding.
 */
extern Jsonb *oauth1_pairs_to_jsonb(const oauth1_pairs *pairs);

#endif							/* OAUTH1_JSONB_PARAMS_H */
