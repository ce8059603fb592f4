/*
 * fuzz_token_reply.c
 *	  A reply that was read, written as a form and read again has the same pairs;
 *	  of one that is refused, none was handed out.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "fuzz.h"

typedef struct written
{
	oa1_buffer	form;
	size_t		count;
} written;

static void
write_pair(void *context, const oa1_pair *pair)
{
	written    *w = context;

	if (w->count++ > 0)
		oa1_buffer_append_char(&w->form, '&');
	oa1_form_encode(&w->form, pair->name);
	oa1_buffer_append_char(&w->form, '=');
	oa1_form_encode(&w->form, pair->value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	oa1_text	input = {(const char *) data, size};
	oa1_buffer	out = fuzz_buffer();
	written		first = {fuzz_buffer(), 0};
	written		second = {fuzz_buffer(), 0};
	oa1_status	status = oa1_token_reply_read(input, &out, write_pair, &first);

	MUST(status == OA1_OK || status == OA1_REPLY_EMPTY || status == OA1_REPLY_SYNTAX ||
		 status == OA1_REPLY_REPEATED);
	MUST((status == OA1_OK) == (first.count > 0));
	if (status == OA1_OK)
	{
		oa1_buffer_reset(&out);
		MUST(oa1_token_reply_read(oa1_buffer_text(&first.form), &out, write_pair, &second) ==
			 OA1_OK);
		MUST(fuzz_same(oa1_buffer_text(&first.form), oa1_buffer_text(&second.form)));
	}
	oa1_buffer_free(&out);
	oa1_buffer_free(&first.form);
	oa1_buffer_free(&second.form);
	return 0;
}
