/*
 * header.c
 *	  Header fields: finding one, and which may be set by a caller or a provider's
 *	  options.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/header.h"

static const char *const reserved[] = {
	"authorization", "connection", "content-length", "expect", "host", "keep-alive",
	"proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"
};

bool
oauth1_same_name(oa1_text a, oa1_text b)
{
	return a.length == b.length && pg_strncasecmp(a.data, b.data, a.length) == 0;
}

const oa1_pair *
oauth1_find_header(const oa1_pair *headers, size_t count, oa1_text name)
{
	for (size_t i = 0; i < count; i++)
		if (oauth1_same_name(headers[i].name, name))
			return &headers[i];
	return NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

oa1_text
oauth1_media_type(oa1_text content_type)
{
	const char *parameters = memchr(content_type.data, ';', content_type.length);
	oa1_text	type = content_type;

	if (parameters != NULL)
		type.length = parameters - type.data;
	for (; type.length > 0 && is_blank(type.data[0]); type.length--)
		type.data++;
	while (type.length > 0 && is_blank(type.data[type.length - 1]))
		type.length--;
	return type;
}

static bool
is_token(oa1_text text)
{
	for (size_t i = 0; i < text.length; i++)
	{
		unsigned char c = text.data[i];

		if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
			return false;
	}
	return text.length > 0;
}

void
oauth1_check_header_name(oa1_text name)
{
	if (!is_token(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid header name"),
				 errdetail("A header name is made of letters, digits and some punctuation, without spaces.")));
	for (int i = 0; i < lengthof(reserved); i++)
		if (oauth1_same_name(name, (oa1_text) {reserved[i], strlen(reserved[i])}))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("header \"%s\" cannot be set", reserved[i]),
					 errdetail("It is written by the extension or not sent at all.")));
}

void
oauth1_check_header_value(oa1_text name, oa1_text value)
{
	for (size_t i = 0; i < value.length; i++)
	{
		unsigned char c = value.data[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value of header \"%s\"", oauth1_cstring_from_utf8(name)),
					 errdetail("It has a line break or another control character.")));
	}
}
