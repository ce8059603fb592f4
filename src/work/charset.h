/*
 * charset.h
 *	  In which encoding a body is, and its text.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CHARSET_H
#define OAUTH1_CHARSET_H

#include "core/core.h"

/*
 * The text of a body in the server encoding, palloc'd and NUL-terminated, and
 * *length; a byte order mark is left out.  content_type is the field's whole
 * value, of length 0 where there was none.  NULL where the charset is unknown,
 * the body is malformed in it, or the server encoding lacks a character.  Never
 * throws for what a server sent.
 */
extern char *oauth1_charset_text(oa1_text content_type, oa1_text body, size_t *length);

#endif							/* OAUTH1_CHARSET_H */
