/*
 * encoding_sql.c
 *	  The SQL face of the core's encodings: percent, form, URL, header.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/jsonb_params.h"
#include "ground/random.h"

PG_FUNCTION_INFO_V1(oauth1_percent_encode);
PG_FUNCTION_INFO_V1(oauth1_percent_decode);
PG_FUNCTION_INFO_V1(oauth1_form_encode);
PG_FUNCTION_INFO_V1(oauth1_form_decode);
PG_FUNCTION_INFO_V1(oauth1_base_string_uri);
PG_FUNCTION_INFO_V1(oauth1_parse_authorization_header);
PG_FUNCTION_INFO_V1(oauth1_nonce);

/* percent_encode(value text): RFC 5849, 3.6. */
Datum
oauth1_percent_encode(PG_FUNCTION_ARGS)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oa1_percent_encode(&out, oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0)));
	oauth1_check_core(out.status, "value");
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(oa1_buffer_text(&out)));
}

/* percent_decode(value text): "+" stays; the octets must be text. */
Datum
oauth1_percent_decode(PG_FUNCTION_ARGS)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_percent_decode(&out, oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0))),
					  "value");
	PG_RETURN_TEXT_P(oauth1_text_from_utf8(oa1_buffer_text(&out)));
}

/* form_encode(params jsonb): in jsonb's order, a space as "+". */
Datum
oauth1_form_encode(PG_FUNCTION_ARGS)
{
	Jsonb	   *params = PG_GETARG_JSONB_P(0);
	oauth1_pairs pairs;
	oa1_buffer	out;

	oauth1_pairs_init(&pairs, JB_ROOT_COUNT(params));
	oauth1_pairs_from_jsonb(&pairs, params, "params");
	oauth1_buffer_init(&out, CurrentMemoryContext);
	for (size_t i = 0; i < pairs.count; i++)
	{
		if (i > 0)
			oa1_buffer_append_char(&out, '&');
		oa1_form_encode(&out, pairs.data[i].name);
		oa1_buffer_append_char(&out, '=');
		oa1_form_encode(&out, pairs.data[i].value);
	}
	oauth1_check_core(out.status, "params");
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(oa1_buffer_text(&out)));
}

/* Decodes one name or value behind out's contents, which must not move: out has the room. */
static oa1_text
form_decoded(oa1_buffer *out, oa1_text encoded)
{
	size_t		start = out->length;

	oauth1_check_core(oa1_form_decode(out, encoded), "form");
	return (oa1_text) {out->data + start, out->length - start};
}

/* form_decode(form text): a name that repeats becomes an array. */
Datum
oauth1_form_decode(PG_FUNCTION_ARGS)
{
	oa1_text	rest = oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0));
	oa1_buffer	out;
	oa1_pair	encoded;
	oauth1_pairs pairs;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	(void) oa1_buffer_reserve(&out, rest.length);
	oauth1_check_core(out.status, "form");
	oauth1_pairs_init(&pairs, 0);
	while (oa1_form_next(&rest, &encoded))
	{
		oa1_text	name = form_decoded(&out, encoded.name);

		oauth1_pairs_add(&pairs, name, form_decoded(&out, encoded.value));
	}
	PG_RETURN_JSONB_P(oauth1_pairs_to_jsonb(&pairs));
}

/* base_string_uri(url text): RFC 5849, 3.4.1.2. */
Datum
oauth1_base_string_uri(PG_FUNCTION_ARGS)
{
	oa1_buffer	out;
	oa1_url		url;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_url_parse(oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0)), &out, &url),
					  "URL");
	PG_RETURN_TEXT_P(oauth1_text_from_ascii(url.base_uri));
}

/* parse_authorization_header(header text): RFC 5849, 3.5.1. */
Datum
oauth1_parse_authorization_header(PG_FUNCTION_ARGS)
{
	oa1_authorization_reader reader;
	oa1_buffer	out;
	oa1_pair	pair;
	oa1_status	status;
	bool		more;
	oauth1_pairs pairs;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_pairs_init(&pairs, 0);
	status = oa1_authorization_begin(&reader, oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0)), &out);
	while (status == OA1_OK)
	{
		status = oa1_authorization_next(&reader, &pair, &more);
		if (status != OA1_OK || !more)
			break;
		oauth1_pairs_add(&pairs, pair.name, pair.value);
	}
	oa1_authorization_end(&reader);
	oauth1_check_core(status, "Authorization header");
	PG_RETURN_JSONB_P(oauth1_pairs_to_jsonb(&pairs));
}

/* nonce(). */
Datum
oauth1_nonce(PG_FUNCTION_ARGS)
{
	char		nonce[OA1_NONCE_LENGTH];

	oauth1_draw_nonce(nonce);
	PG_RETURN_TEXT_P(oauth1_text_from_ascii((oa1_text) {nonce, OA1_NONCE_LENGTH}));
}
