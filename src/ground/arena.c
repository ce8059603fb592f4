/*
 * arena.c
 *	  The core's allocator over a memory context, and text across the border.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"

/*
 * oa1_grow over palloc: the core must never be left by a longjmp in the middle
 * of a write, so a failure is a NULL and becomes an error at the border.
 */
void *
oauth1_arena_grow(void *context, void *old, size_t old_size, size_t new_size)
{
	if (new_size == 0)
	{
		if (old != NULL)
			pfree(old);
		return NULL;
	}
	if (new_size > MaxAllocSize)
		return NULL;
	return MemoryContextAllocExtended((MemoryContext) context, new_size, MCXT_ALLOC_NO_OOM);
}

void
oauth1_buffer_init(oa1_buffer *buffer, MemoryContext context)
{
	oa1_buffer_init(buffer, oauth1_arena_grow, context, OAUTH1_MAX_TEXT);
}

static void
wipe_buffer(void *buffer)
{
	oa1_buffer_reset((oa1_buffer *) buffer);
}

/*
 * Callbacks run before the context's memory goes away, on every path, and a
 * buffer freed earlier is empty by then: wiping it is harmless.
 */
oa1_buffer *
oauth1_secret_buffer(MemoryContext context)
{
	oa1_buffer *buffer = MemoryContextAllocZero(context, sizeof(oa1_buffer));
	MemoryContextCallback *callback = MemoryContextAlloc(context, sizeof(MemoryContextCallback));

	oauth1_buffer_init(buffer, context);
	callback->func = wipe_buffer;
	callback->arg = buffer;
	MemoryContextRegisterResetCallback(context, callback);
	return buffer;
}

/*
 * Most servers speak UTF-8 themselves: that path converts nothing.  A SQL_ASCII
 * server's octets have no encoding to check: what they are is the caller's
 * business.
 */
oa1_text
oauth1_utf8_from_server(char *data, size_t length)
{
	int			encoding = GetDatabaseEncoding();
	char	   *utf8;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return (oa1_text) {data, length};
	utf8 = pg_server_to_any(data, length, PG_UTF8);
	return (oa1_text) {utf8, utf8 == data ? length : strlen(utf8)};
}

oa1_text
oauth1_utf8_from_text(const text *value)
{
	text	   *plain = pg_detoast_datum_packed((struct varlena *) value);

	return oauth1_utf8_from_server(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
}

oa1_text
oauth1_utf8_from_cstring(const char *value)
{
	return oauth1_utf8_from_server(unconstify(char *, value), strlen(value));
}

/*
 * The octets in the server encoding, validated; *length is set.  The result is
 * the argument's own memory where no conversion is needed.
 */
static char *
server_from_utf8(oa1_text value, size_t *length)
{
	char	   *data = unconstify(char *, value.data);
	char	   *converted;

	*length = value.length;
	if (value.length == 0)
		return data;
	if (memchr(value.data, '\0', value.length) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("a NUL character cannot be text"),
				 errdetail("The value holds the octet 0x00.")));
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return data;
	converted = pg_any_to_server(data, value.length, PG_UTF8);
	if (converted != data)
		*length = strlen(converted);
	return converted;
}

text *
oauth1_text_from_utf8(oa1_text value)
{
	size_t		length;
	char	   *data = server_from_utf8(value, &length);

	return cstring_to_text_with_len(data, length);
}

char *
oauth1_cstring_from_utf8(oa1_text value)
{
	size_t		length;
	char	   *data = server_from_utf8(value, &length);

	return pnstrdup(data, length);
}

text *
oauth1_text_from_ascii(oa1_text value)
{
	return cstring_to_text_with_len(value.length > 0 ? value.data : "", value.length);
}

static bool
is_ascii(oa1_text text)
{
	unsigned char all = 0;

	for (size_t i = 0; i < text.length; i++)
	{
		all |= (unsigned char) text.data[i];
		if (text.data[i] == '\0')
			return false;
	}
	return all < 0x80;
}

/* From one encoding to another that has a conversion from it; NULL where a character has none. */
static char *
try_convert(oa1_text text, int from, int to, size_t *length)
{
	Oid			conversion = FindDefaultConversionProc(from, to);
	size_t		room = text.length * MAX_CONVERSION_GROWTH + 1;
	char	   *result;
	int			converted;

	if (!OidIsValid(conversion) || room > MaxAllocSize)
		return NULL;
	result = palloc(room);
	converted = pg_do_encoding_conversion_buf(conversion, from, to,
											  (unsigned char *) text.data, text.length,
											  (unsigned char *) result, room, true);
	if (converted != text.length)
	{
		pfree(result);
		return NULL;
	}
	*length = strlen(result);
	return result;
}

/* PostgreSQL has no conversion for each pair of encodings, but most have one with UTF-8. */
static char *
try_convert_by_utf8(oa1_text text, int from, int to, size_t *length)
{
	char	   *utf8;
	char	   *result;

	if (from == PG_UTF8 || to == PG_UTF8 || OidIsValid(FindDefaultConversionProc(from, to)))
		return try_convert(text, from, to, length);
	utf8 = try_convert(text, from, PG_UTF8, length);
	if (utf8 == NULL)
		return NULL;
	result = try_convert((oa1_text) {utf8, *length}, PG_UTF8, to, length);
	pfree(utf8);
	return result;
}

char *
oauth1_try_server(oa1_text text, int encoding, size_t *length)
{
	int			server = GetDatabaseEncoding();

	*length = text.length;
	if (server == encoding || server == PG_SQL_ASCII || is_ascii(text))
	{
		if (memchr(text.data, '\0', text.length) != NULL ||
			!pg_verify_mbstr(server, text.data, text.length, true))
			return NULL;
		return pnstrdup(text.data, text.length);
	}
	if (!pg_verify_mbstr(encoding, text.data, text.length, true))
		return NULL;
	return try_convert_by_utf8(text, encoding, server, length);
}

void
oauth1_secret_append(oa1_buffer *out, const char *data, size_t length)
{
	oa1_text	utf8 = oauth1_utf8_from_server(unconstify(char *, data), length);

	oa1_buffer_append_text(out, utf8);
	if (utf8.data != data)
		OPENSSL_cleanse(unconstify(char *, utf8.data), utf8.length);
	oauth1_check_core(out->status, "secret");
}
