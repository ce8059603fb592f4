/*
 * decode.h
 *	  Content codings of a response (RFC 9110, 8.4.1) undone, and whether they
 *	  came to their end: libcurl takes half a stream for a whole one.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DECODE_H
#define OAUTH1_DECODE_H

#include "core/core.h"

/* What is decoded here, as a request says it. */
#define OAUTH1_ACCEPT_ENCODING "gzip, deflate"

typedef enum oauth1_coding
{
	OAUTH1_CODING_NONE,
	OAUTH1_CODING_GZIP,			/* x-gzip too; one member or several (RFC 1952, 2.2) */
	OAUTH1_CODING_DEFLATE,		/* zlib's form (RFC 1950), or without it, as some servers send */
	OAUTH1_CODING_OTHER			/* what was not asked for, or more than one */
} oauth1_coding;

/*
 * Cuts the first element off the value of a field that is a list, not quoted (RFC
 * 9110, 5.6.1): without the white space around it, and maybe empty.  *rest, which
 * must not be empty, is then what follows its comma.
 */
extern oa1_text oauth1_list_cut(oa1_text *rest);

/*
 * The coding that a response has by the value of one more Content-Encoding field,
 * where before is that by the fields before it.
 */
extern oauth1_coding oauth1_coding_add(oauth1_coding before, oa1_text value);

typedef enum oauth1_decoded
{
	OAUTH1_DECODED,				/* all of it */
	OAUTH1_DECODED_REFUSED,		/* the sink would not have it */
	OAUTH1_DECODED_NO_MEMORY,
	OAUTH1_DECODED_BROKEN,		/* not of this coding, or a checksum is wrong */
	OAUTH1_DECODED_TOO_MUCH		/* the coding ended before, and this begins no member */
} oauth1_decoded;

/* Gets the next octets, which are wiped after; false: it wants no more. */
typedef bool (*oauth1_sink) (void *argument, const char *octets, size_t length);

typedef struct oauth1_decoder oauth1_decoder;

/*
 * A decoder of OAUTH1_CODING_GZIP or _DEFLATE; NULL: no memory.  All of its memory
 * comes from grow (with its context), and goes back there wiped.
 */
extern oauth1_decoder *oauth1_decoder_new(oauth1_coding coding, oa1_grow grow, void *context,
										  oauth1_sink sink, void *argument);

/*
 * Decodes the next octets and gives the sink what they stand for, in small pieces,
 * before it decodes more.  After anything but OAUTH1_DECODED it is of no use.
 */
extern oauth1_decoded oauth1_decoder_put(oauth1_decoder *decoder, const char *octets,
										 size_t length);

/* True where the octets so far are a whole of the coding: the body may end here. */
extern bool oauth1_decoder_is_whole(const oauth1_decoder *decoder);

/* Wipes and frees; of NULL, nothing. */
extern void oauth1_decoder_free(oauth1_decoder *decoder);

#endif							/* OAUTH1_DECODE_H */
