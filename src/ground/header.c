/*
 * header.c
 *	  Which header fields may be set by a caller or a provider's options.
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
		if (name.length == strlen(reserved[i]) &&
			pg_strncasecmp(name.data, reserved[i], name.length) == 0)
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
