/*
 * base_string.c
 *	  The signature base string (RFC 5849, 3.4.1.1).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/*
 * Appends the method in upper case, encoded: a method of one's own may hold
 * what separates the base string's parts (3.4.1.1).
 */
static oa1_status
append_method(oa1_buffer *out, oa1_text http_method)
{
	char	   *to;

	if (!oa1_is_token(http_method))
		return OA1_BAD_METHOD;
	to = oa1_buffer_reserve(out, 3 * http_method.length);
	if (to == NULL)
		return out->status;
	for (size_t i = 0; i < http_method.length; i++)
	{
		char		c = http_method.data[i];

		to = oa1_put(to, oa1_encoded_once,
					 (unsigned char) (c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
	}
	out->length = (size_t) (to - out->data);
	return OA1_OK;
}

/*
 * Appends METHOD&uri&parameters, each encoded.  parameters holds all that is
 * signed: the URL's query is there only where the caller added it.
 * OA1_BAD_METHOD, or out's failure; out may then hold a piece.
 */
oa1_status
oa1_base_string(oa1_buffer *out, oa1_text http_method, const oa1_url *url,
				oa1_parameters *parameters)
{
	oa1_status	status = append_method(out, http_method);

	if (status != OA1_OK)
		return status;
	oa1_buffer_append_char(out, '&');
	oa1_percent_encode(out, url->base_uri);
	oa1_buffer_append_char(out, '&');
	return oa1_parameters_write_encoded(parameters, out);
}
