/*
 * fuzz_percent.c
 *	  Decoding undoes encoding; encoding what was decoded is one spelling for good;
 *	  encoded text has only unreserved octets and upper-case escapes (RFC 5849, 3.6).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

static bool
is_encoded(oa1_text text)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (size_t i = 0; i < text.length; i++)
	{
		if (text.data[i] == '%')
		{
			if (text.length - i < 3 || memchr("0123456789ABCDEF", text.data[i + 1], 16) == NULL ||
				memchr("0123456789ABCDEF", text.data[i + 2], 16) == NULL)
				return false;
			i += 2;
		}
		else if (memchr(unreserved, text.data[i], sizeof(unreserved) - 1) == NULL)
			return false;
	}
	return true;
}

static void
encode_then_decode(oa1_text input)
{
	oa1_buffer	encoded = fuzz_buffer();
	oa1_buffer	decoded = fuzz_buffer();

	oa1_percent_encode(&encoded, input);
	MUST(encoded.status == OA1_OK && is_encoded(oa1_buffer_text(&encoded)));
	MUST(oa1_percent_decode(&decoded, oa1_buffer_text(&encoded)) == OA1_OK);
	MUST(fuzz_same(oa1_buffer_text(&decoded), input));
	oa1_buffer_free(&encoded);
	oa1_buffer_free(&decoded);
}

static void
decode_then_encode(oa1_text input)
{
	oa1_buffer	decoded = fuzz_buffer();
	oa1_buffer	encoded = fuzz_buffer();
	oa1_status	status = oa1_percent_decode(&decoded, input);

	MUST(status == OA1_OK || (status == OA1_BAD_ESCAPE && decoded.length == 0));
	MUST(status == OA1_OK || (input.length > 0 && memchr(input.data, '%', input.length) != NULL));
	if (status == OA1_OK)
	{
		oa1_percent_encode(&encoded, oa1_buffer_text(&decoded));
		MUST(decoded.length <= input.length);
		MUST(!is_encoded(input) || encoded.length <= input.length);
	}
	oa1_buffer_free(&decoded);
	oa1_buffer_free(&encoded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};

	encode_then_decode(input);
	decode_then_encode(input);
	return 0;
}
