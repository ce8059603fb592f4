/*
 * base_string.c
 *	  The signature base string (RFC 5849, 3.4.1.1).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/*
 * Appends METHOD&uri&parameters, each encoded.  parameters holds all that is
 * signed: the URL's query is there only where the caller added it.
 * OA1_BAD_METHOD, or out's failure; out may then hold a piece.
 */
oa1_status
oa1_base_string(oa1_buffer *out, oa1_text http_method, const oa1_url *url,
				oa1_parameters *parameters)
{
	char	   *to;

	if (!oa1_is_token(http_method))
		return OA1_BAD_METHOD;
	to = oa1_buffer_reserve(out, http_method.length);
	if (to == NULL)
		return out->status;
	for (size_t i = 0; i < http_method.length; i++)
	{
		char		c = http_method.data[i];

		to[i] = c >= 'a' && c <= 'z' ? (char) (c - 'a' + 'A') : c;
	}
	out->length += http_method.length;
	oa1_buffer_append_char(out, '&');
	oa1_percent_encode(out, url->base_uri);
	oa1_buffer_append_char(out, '&');
	return oa1_parameters_write_encoded(parameters, out);
}
