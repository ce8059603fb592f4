/*
 * token_reply.c
 *	  The answer to a token request (RFC 5849, 2.1 and 2.3): a form.
 *
 * Services answer with other things too, an HTML page above all; what cannot be
 * a form is refused as a whole, before anything of it is used.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "core/internal.h"

/*
 * False for an octet that stands in no form, however carelessly it was written:
 * controls, spaces, what markup and JSON are made of, anything not ASCII.
 */
static bool
may_stand_in_form(unsigned char c)
{
	static const char never[] = "\"<>[\\]{}`^|";

	return c > 0x20 && c < 0x7f && memchr(never, c, sizeof(never) - 1) == NULL;
}

/*
 * A form has at least one '=', and no octet that no form has.
 */
static oa1_status
check_form(oa1_text body)
{
	if (body.length == 0)
		return OA1_REPLY_EMPTY;
	for (size_t i = 0; i < body.length; i++)
		if (!may_stand_in_form((unsigned char) body.data[i]))
			return OA1_REPLY_SYNTAX;
	return memchr(body.data, '=', body.length) != NULL ? OA1_OK : OA1_REPLY_SYNTAX;
}

/*
 * Decodes one text into out.  A malformed escape is a malformed reply here.
 */
static oa1_status
decode(oa1_buffer *out, oa1_text encoded, oa1_text *decoded)
{
	size_t		start = out->length;
	oa1_status	status = oa1_form_decode(out, encoded);

	if (status != OA1_OK)
		return status == OA1_BAD_ESCAPE ? OA1_REPLY_SYNTAX : status;
	*decoded = (oa1_text) {out->data + start, out->length - start};
	return OA1_OK;
}

/*
 * Decodes all pairs into out and lists them in pairs (an array of oa1_pair).
 */
static oa1_status
decode_pairs(oa1_text body, oa1_buffer *out, oa1_buffer *pairs)
{
	oa1_pair	pair;

	/* decoding never makes a text longer, so the pairs stay where they are */
	if (oa1_buffer_reserve(out, body.length) == NULL)
		return out->status;
	while (oa1_form_next(&body, &pair))
	{
		oa1_status	status = decode(out, pair.name, &pair.name);

		if (status == OA1_OK)
			status = decode(out, pair.value, &pair.value);
		if (status != OA1_OK)
			return status;
		oa1_buffer_append(pairs, (const char *) &pair, sizeof(pair));
	}
	return pairs->status;
}

/*
 * OA1_REPLY_REPEATED where a name occurs twice (2.1 and 2.3 name each once).
 */
static oa1_status
check_names(const oa1_buffer *pairs)
{
	const oa1_pair *pair = (const oa1_pair *) pairs->data;
	size_t		count = pairs->length / sizeof(oa1_pair);
	oa1_buffer	names;
	oa1_status	status;

	oa1_buffer_init(&names, pairs->grow, pairs->context, pairs->maximum);
	for (size_t i = 0; i < count; i++)
		oa1_buffer_append(&names, (const char *) &pair[i].name, sizeof(oa1_text));
	status = names.status;
	if (status == OA1_OK && oa1_names_repeat((oa1_text *) names.data, count))
		status = OA1_REPLY_REPEATED;
	oa1_buffer_free(&names);
	return status;
}

/*
 * Calls each for every pair of the reply, decoded in out, once the whole was
 * found good.  OA1_REPLY_EMPTY, _SYNTAX or _REPEATED, or a failure of memory: then
 * each was not called, and out may hold pieces, which can be secrets.
 */
oa1_status
oa1_token_reply_read(oa1_text body, oa1_buffer *out, oa1_pair_visitor each, void *context)
{
	oa1_buffer	pairs;
	oa1_status	status;

	while (body.length > 0 && (body.data[body.length - 1] == '\n' ||
							   body.data[body.length - 1] == '\r'))
		body.length--;
	oa1_buffer_init(&pairs, out->grow, out->context, out->maximum);
	status = check_form(body);
	if (status == OA1_OK)
		status = decode_pairs(body, out, &pairs);
	if (status == OA1_OK)
		status = check_names(&pairs);
	if (status == OA1_OK)
		for (size_t i = 0; i < pairs.length / sizeof(oa1_pair); i++)
			each(context, (const oa1_pair *) pairs.data + i);
	oa1_buffer_free(&pairs);
	return status;
}
