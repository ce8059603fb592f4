/*
 * decode.c
 *	  Content codings of a response undone by zlib, which libcurl uses as well.
 *	  But libcurl 7.88 says nothing where a stream is cut, or its checksum is not
 *	  there; and a reply that ends early must not pass for a whole one.
 *
 * Pure: no server, no libcurl.  It is called from libcurl's callbacks, so it
 * neither throws nor pallocs.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <zlib.h>

#include "outside/decode.h"

/* So much is decoded before the sink may say that it is too much. */
#define PIECE 16384

/* In front of what zlib asks for: its size, in as much room as keeps it aligned. */
#define ROOM_FOR_SIZE 16

struct oauth1_decoder
{
	oauth1_coding coding;
	oa1_grow	grow;
	void	   *context;
	oauth1_sink sink;
	void	   *argument;
	z_stream	stream;
	bool		begun;			/* the stream is there, for the first octet came */
	bool		ended;			/* at the end of a stream, or of a member */
	bool		has_member;		/* one was whole */
	char		piece[PIECE];
};

/* ---------------------------------------------------------------- which coding */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Names of codings know no case (RFC 9110, 8.4.1). */
static bool
is_name(oa1_text text, const char *name)
{
	return text.length == strlen(name) && strncasecmp(text.data, name, text.length) == 0;
}

oa1_text
oauth1_list_cut(oa1_text *rest)
{
	const char *comma = memchr(rest->data, ',', rest->length);
	oa1_text	element = {rest->data, comma ? (size_t) (comma - rest->data) : rest->length};
	size_t		cut = comma ? element.length + 1 : element.length;

	rest->data += cut;
	rest->length -= cut;
	while (element.length > 0 && is_blank(element.data[element.length - 1]))
		element.length--;
	while (element.length > 0 && is_blank(element.data[0]))
	{
		element.data++;
		element.length--;
	}
	return element;
}

/* The coding that an element of a Content-Encoding names; an empty one names none. */
static oauth1_coding
coding_of(oa1_text element)
{
	if (element.length == 0 || is_name(element, "identity"))
		return OAUTH1_CODING_NONE;
	if (is_name(element, "gzip") || is_name(element, "x-gzip"))
		return OAUTH1_CODING_GZIP;
	return is_name(element, "deflate") ? OAUTH1_CODING_DEFLATE : OAUTH1_CODING_OTHER;
}

oauth1_coding
oauth1_coding_add(oauth1_coding before, oa1_text value)
{
	while (value.length > 0)
	{
		oauth1_coding coding = coding_of(oauth1_list_cut(&value));

		if (coding != OAUTH1_CODING_NONE)
			before = before == OAUTH1_CODING_NONE ? coding : OAUTH1_CODING_OTHER;
	}
	return before;
}

/* ---------------------------------------------------------------- memory */

/* zlib's zalloc over the decoder's grow. */
static void *
take_memory(void *argument, unsigned count, unsigned size)
{
	oauth1_decoder *decoder = argument;
	size_t		length = (size_t) count * size + ROOM_FOR_SIZE;
	char	   *memory = decoder->grow(decoder->context, NULL, 0, length);

	if (memory == NULL)
		return NULL;
	memcpy(memory, &length, sizeof(length));
	return memory + ROOM_FOR_SIZE;
}

/* zlib's zfree: its window holds what was decoded, which can be a token's secret. */
static void
give_memory(void *argument, void *address)
{
	oauth1_decoder *decoder = argument;
	char	   *memory = (char *) address - ROOM_FOR_SIZE;
	size_t		length;

	memcpy(&length, memory, sizeof(length));
	OPENSSL_cleanse(memory, length);
	decoder->grow(decoder->context, memory, length, 0);
}

oauth1_decoder *
oauth1_decoder_new(oauth1_coding coding, oa1_grow grow, void *context, oauth1_sink sink,
				   void *argument)
{
	oauth1_decoder *decoder = grow(context, NULL, 0, sizeof(*decoder));

	if (decoder == NULL)
		return NULL;
	memset(decoder, 0, sizeof(*decoder));
	decoder->coding = coding;
	decoder->grow = grow;
	decoder->context = context;
	decoder->sink = sink;
	decoder->argument = argument;
	decoder->stream.zalloc = take_memory;
	decoder->stream.zfree = give_memory;
	decoder->stream.opaque = decoder;
	return decoder;
}

void
oauth1_decoder_free(oauth1_decoder *decoder)
{
	oa1_grow	grow;
	void	   *context;

	if (decoder == NULL)
		return;
	grow = decoder->grow;
	context = decoder->context;
	if (decoder->begun)
		inflateEnd(&decoder->stream);
	OPENSSL_cleanse(decoder, sizeof(*decoder));
	grow(context, decoder, sizeof(*decoder), 0);
}

/* ---------------------------------------------------------------- decoding */

/*
 * The form of a stream, for inflateInit2, by its first octet.  That of zlib's form
 * has 8 in its low half and at most 7 in the other (RFC 1950, 2.2).  Read as bare
 * deflate, this would be a stored block with a bit set in the padding after its
 * three bits (RFC 1951, 3.2.4), which nobody writes.
 */
static int
window_bits(oauth1_coding coding, unsigned char first)
{
	if (coding == OAUTH1_CODING_GZIP)
		return MAX_WBITS + 16;
	return (first & 0x0f) == 8 && first >> 4 <= 7 ? MAX_WBITS : -MAX_WBITS;
}

/* A stream is due, the first one or another member; octets of it are there. */
static oauth1_decoded
begin_stream(oauth1_decoder *decoder)
{
	z_stream   *stream = &decoder->stream;

	if (!decoder->begun)
	{
		if (inflateInit2(stream, window_bits(decoder->coding, *stream->next_in)) != Z_OK)
			return OAUTH1_DECODED_NO_MEMORY;
		decoder->begun = true;
		return OAUTH1_DECODED;
	}
	if (decoder->coding != OAUTH1_CODING_GZIP || inflateReset(stream) != Z_OK)
		return OAUTH1_DECODED_TOO_MUCH;
	return OAUTH1_DECODED;
}

/* What a code of zlib means, where it is none of success. */
static oauth1_decoded
failure(const oauth1_decoder *decoder, int code)
{
	if (code == Z_MEM_ERROR)
		return OAUTH1_DECODED_NO_MEMORY;
	return decoder->has_member && decoder->stream.total_out == 0 ?
		OAUTH1_DECODED_TOO_MUCH : OAUTH1_DECODED_BROKEN;
}

/* Decodes a piece, or up to the end of a stream, and hands it on. */
static oauth1_decoded
decode_piece(oauth1_decoder *decoder)
{
	z_stream   *stream = &decoder->stream;
	size_t		length;
	int			code;

	stream->next_out = (Bytef *) decoder->piece;
	stream->avail_out = PIECE;
	code = inflate(stream, Z_NO_FLUSH);
	/* Z_BUF_ERROR: the piece before took all that there was. */
	if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
		return failure(decoder, code);
	decoder->ended = code == Z_STREAM_END;
	decoder->has_member |= decoder->ended;
	length = PIECE - stream->avail_out;
	if (length > 0 && !decoder->sink(decoder->argument, decoder->piece, length))
		return OAUTH1_DECODED_REFUSED;
	return OAUTH1_DECODED;
}

oauth1_decoded
oauth1_decoder_put(oauth1_decoder *decoder, const char *octets, size_t length)
{
	z_stream   *stream = &decoder->stream;
	oauth1_decoded decoded = OAUTH1_DECODED;
	bool		more = length > 0;

	stream->next_in = (Bytef *) octets;
	stream->avail_in = (uInt) length;
	while (more && decoded == OAUTH1_DECODED)
	{
		if (!decoder->begun || decoder->ended)
			decoded = begin_stream(decoder);
		if (decoded == OAUTH1_DECODED)
			decoded = decode_piece(decoder);
		/* A piece that got full can have left something in zlib. */
		more = stream->avail_in > 0 || (stream->avail_out == 0 && !decoder->ended);
	}
	return decoded;
}

bool
oauth1_decoder_is_whole(const oauth1_decoder *decoder)
{
	return decoder->ended;
}
