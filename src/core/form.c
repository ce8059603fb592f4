/*
 * form.c
 *	  application/x-www-form-urlencoded: queries, bodies and token replies
 *	  (RFC 5849, 3.4.1.3.1, which cites HTML 4.01, 17.13.4).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/*
 * Appends value's encoding, a space as '+'.  Failures stick in out.
 */
void
oa1_form_encode(oa1_buffer *out, oa1_text value)
{
	char	   *to = oa1_room(out, oa1_encoded_room(oa1_encoded_once, value,
													out->maximum - out->length));

	if (to == NULL)
		return;
	for (size_t i = 0; i < value.length; i++)
	{
		if (value.data[i] == ' ')
			*to++ = '+';
		else
			to = oa1_put(to, oa1_encoded_once, (unsigned char) value.data[i]);
	}
	out->length = (size_t) (to - out->data);
}

/*
 * Appends what value stands for: '+' is a space, then escapes are decoded.
 * OA1_BAD_ESCAPE, or out's failure; nothing is appended then.
 */
oa1_status
oa1_form_decode(oa1_buffer *out, oa1_text value)
{
	return oa1_decode(out, value, ' ');
}

/*
 * Cuts the next pair, still encoded, off the front of *rest; false at the end.
 * Only '&' separates: ';' is an ordinary character, as it is for the services.
 */
bool
oa1_form_next(oa1_text *rest, oa1_pair *pair)
{
	while (rest->length > 0)
	{
		const char *start = rest->data;
		const char *end = memchr(start, '&', rest->length);
		size_t		length = end != NULL ? (size_t) (end - start) : rest->length;
		size_t		used = end != NULL ? length + 1 : length;
		const char *equals;

		rest->data += used;
		rest->length -= used;
		if (length == 0)
			continue;
		equals = memchr(start, '=', length);
		pair->name.data = start;
		pair->name.length = equals != NULL ? (size_t) (equals - start) : length;
		pair->value.data = equals != NULL ? equals + 1 : start + length;
		pair->value.length = equals != NULL ? length - pair->name.length - 1 : 0;
		return true;
	}
	return false;
}
