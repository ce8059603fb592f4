/*
 * arena.h
 *	  The core's allocator over a memory context, and text across the border:
 *	  the core speaks UTF-8, SQL speaks the server encoding.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ARENA_H
#define OAUTH1_ARENA_H

#include "core/core.h"

/* No text datum can be longer, so neither can anything the core writes for us. */
#define OAUTH1_MAX_TEXT ((size_t) (MaxAllocSize - VARHDRSZ - 1))

/* An oa1_grow over a MemoryContext: never throws, context is the MemoryContext. */
extern void *oauth1_arena_grow(void *context, void *old, size_t old_size, size_t new_size);

/* A buffer in the context; freed with it. */
extern void oauth1_buffer_init(oa1_buffer *buffer, MemoryContext context);

/*
 * A buffer for a secret, itself allocated in the context: whatever becomes of
 * the context (end of statement, error, cancel), the contents are wiped first.
 * May throw out of memory.
 */
extern oa1_buffer *oauth1_secret_buffer(MemoryContext context);

/*
 * The UTF-8 octets of a text datum, detoasted; in the current context where a
 * conversion is needed, else the datum's own memory.  A SQL_ASCII server's
 * octets pass as they are.
 */
extern oa1_text oauth1_utf8_from_text(const text *value);
extern oa1_text oauth1_utf8_from_server(char *data, size_t length);
extern oa1_text oauth1_utf8_from_cstring(const char *value);

/*
 * The text datum of UTF-8 octets.  Raises 22021 where they are no text in the
 * server encoding, 22P05 where they hold a NUL.
 */
extern text *oauth1_text_from_utf8(oa1_text value);
extern char *oauth1_cstring_from_utf8(oa1_text value);

/* The text datum of octets known to be ASCII, as every encoder writes: no check, no conversion. */
extern text *oauth1_text_from_ascii(oa1_text value);

/*
 * Text of a server on the network, in a PostgreSQL encoding: in the server
 * encoding and palloc'd, NUL-terminated, *length set; or NULL where it is
 * malformed, holds a NUL or has a character the server encoding has not.
 */
extern char *oauth1_try_server(oa1_text text, int encoding, size_t *length);

/*
 * Appends text of the server encoding as UTF-8 and wipes the copy that a
 * conversion makes.
 */
extern void oauth1_secret_append(oa1_buffer *out, const char *data, size_t length);

#endif							/* OAUTH1_ARENA_H */
