/*
 * test_token_reply.c
 *	  Token replies (RFC 5849, 2.1 and 2.3).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

static void
list_pair(void *context, const oa1_pair *pair)
{
	oa1_buffer *list = context;

	oa1_buffer_append_char(list, '[');
	oa1_buffer_append_text(list, pair->name);
	oa1_buffer_append_char(list, '|');
	oa1_buffer_append_text(list, pair->value);
	oa1_buffer_append_char(list, ']');
}

static void
check_reply(const char *body, size_t length, oa1_status expected, const char *pairs)
{
	guarded		copy = guard((oa1_text) {body, length});
	oa1_buffer	list = new_buffer();
	oa1_buffer	out = new_buffer();

	about("%s", body);
	CHECK_STATUS(oa1_token_reply_read(copy.text, &out, list_pair, &list), expected);
	/* nothing is handed out of a reply that is refused */
	CHECK_TEXT(oa1_buffer_text(&list), text_of(pairs));
	free_buffer(&list);
	free_buffer(&out);
	unguard(&copy);
}

#define READ(literal, pairs) check_reply(literal, sizeof(literal) - 1, OA1_OK, pairs)
#define REFUSED(literal, status) check_reply(literal, sizeof(literal) - 1, status, "")

static void
test_read(void)
{
	/* RFC 5849, 2.1 and 2.3 */
	READ("oauth_token=hdk48Djdsa&oauth_token_secret=xyz4992k83j47x0b&oauth_callback_confirmed=true",
		 "[oauth_token|hdk48Djdsa][oauth_token_secret|xyz4992k83j47x0b]"
		 "[oauth_callback_confirmed|true]");
	READ("oauth_token=j49ddk933skd9dks&oauth_token_secret=ll399dj47dskfjdk",
		 "[oauth_token|j49ddk933skd9dks][oauth_token_secret|ll399dj47dskfjdk]");
	READ("oauth_token=a&oauth_token_secret=b\n", "[oauth_token|a][oauth_token_secret|b]");
	READ("oauth_token=a&oauth_token_secret=b\r\n", "[oauth_token|a][oauth_token_secret|b]");
	READ("a=%2B+%c3%a9&b=", "[a|+ \xc3\xa9][b|]");
	READ("&a=1&&b&", "[a|1][b|]");
	READ("a=b=c", "[a|b=c]");
	READ("a=/:@!$'()*,;?-._~", "[a|/:@!$'()*,;?-._~]");
	READ("a=1&A=2", "[a|1][A|2]");
	READ("oauth_problem=token_rejected&oauth_problem_advice=no%20such%20token",
		 "[oauth_problem|token_rejected][oauth_problem_advice|no such token]");
}

static void
test_refused(void)
{
	REFUSED("", OA1_REPLY_EMPTY);
	REFUSED("\n", OA1_REPLY_EMPTY);
	REFUSED("\r\n\r\n", OA1_REPLY_EMPTY);
	REFUSED("a=1&a=2", OA1_REPLY_REPEATED);
	REFUSED("a=1&b=2&%61=1", OA1_REPLY_REPEATED);
	REFUSED("a=1&b&b", OA1_REPLY_REPEATED);
	REFUSED("&&", OA1_REPLY_SYNTAX);
	REFUSED("token", OA1_REPLY_SYNTAX);
	REFUSED("Failed to validate oauth signature and token", OA1_REPLY_SYNTAX);
	REFUSED("<html lang=\"en\">", OA1_REPLY_SYNTAX);
	REFUSED("<p>a=b</p>", OA1_REPLY_SYNTAX);
	REFUSED("{\"oauth_token\":\"a=\"}", OA1_REPLY_SYNTAX);
	REFUSED("[a=b]", OA1_REPLY_SYNTAX);
	REFUSED("a=b c=d", OA1_REPLY_SYNTAX);
	REFUSED("a=b\nc=d", OA1_REPLY_SYNTAX);
	REFUSED("\na=b", OA1_REPLY_SYNTAX);
	REFUSED("a=\0", OA1_REPLY_SYNTAX);
	REFUSED("a=\xff", OA1_REPLY_SYNTAX);
	REFUSED("a=%", OA1_REPLY_SYNTAX);
	REFUSED("a=1&b=%zz", OA1_REPLY_SYNTAX);
	REFUSED("%4=1", OA1_REPLY_SYNTAX);
}

static void
count_pair(void *context, const oa1_pair *pair)
{
	*(size_t *) context += pair->value.length;
}

static void
test_large(void)
{
	oa1_buffer	body = new_buffer();
	oa1_buffer	out = new_buffer();
	size_t		octets = 0;

	about("100,000 pairs");
	for (int i = 0; i < 100000; i++)
	{
		oa1_buffer_append_number(&body, i);
		oa1_buffer_append_text(&body, OA1_TEXT("=%41&"));
	}
	CHECK_STATUS(oa1_token_reply_read(oa1_buffer_text(&body), &out, count_pair, &octets), OA1_OK);
	CHECK_SIZE(octets, 100000);
	free_buffer(&body);
	free_buffer(&out);
}

void
test_token_reply(void)
{
	test_read();
	test_refused();
	test_large();
}
