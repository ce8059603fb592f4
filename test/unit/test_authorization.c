/*
 * test_authorization.c
 *	  The Authorization header, written and read (RFC 5849, 3.5.1).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "harness.h"

#include <stdlib.h>

static void
test_written(void)
{
	oa1_pair	pairs[] = {
		{OA1_TEXT("oauth_token"), OA1_TEXT("a b\"c\xc3\xa9")},
		{OA1_TEXT("x/y"), OA1_TEXT("")},
		{OA1_TEXT("oauth_signature"), OA1_TEXT("wdfdHUKXHbOnOGZP8WFAWMSAmWzN3EVBWWgXGlC/Eo4=")},
	};
	oa1_buffer	b = new_buffer();

	about("written");
	CHECK_STATUS(oa1_authorization_write(&b, OA1_TEXT("a \"b\"\\c\xc3\xa9"), pairs, 3), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b),
			   OA1_TEXT("OAuth realm=\"a \\\"b\\\"\\\\c\xc3\xa9\", oauth_token=\"a%20b%22c%C3%A9\", "
						"x%2Fy=\"\", oauth_signature="
						"\"wdfdHUKXHbOnOGZP8WFAWMSAmWzN3EVBWWgXGlC%2FEo4%3D\""));
	oa1_buffer_reset(&b);
	CHECK_STATUS(oa1_authorization_write(&b, (oa1_text) {NULL, 0}, pairs + 1, 1), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("OAuth x%2Fy=\"\""));
	oa1_buffer_reset(&b);
	CHECK_STATUS(oa1_authorization_write(&b, OA1_TEXT(""), NULL, 0), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("OAuth realm=\"\""));
	oa1_buffer_reset(&b);
	CHECK_STATUS(oa1_authorization_write(&b, (oa1_text) {NULL, 0}, NULL, 0), OA1_OK);
	CHECK_TEXT(oa1_buffer_text(&b), OA1_TEXT("OAuth"));
	for (int c = 0; c < 128; c++)
	{
		char		realm = (char) c;

		about("realm with %02x", c);
		oa1_buffer_reset(&b);
		CHECK_STATUS(oa1_authorization_write(&b, (oa1_text) {&realm, 1}, NULL, 0),
					 c < 0x20 || c == 0x7f ? OA1_REALM : OA1_OK);
	}
	free_buffer(&b);
}

/*
 * Reads header and writes the parameters as [name|value].
 */
static oa1_status
read_header(oa1_text header, oa1_buffer *list, oa1_buffer *out)
{
	oa1_authorization_reader reader;
	oa1_pair	pair;
	bool		more = true;
	oa1_status	status = oa1_authorization_begin(&reader, header, out);

	while (status == OA1_OK)
	{
		status = oa1_authorization_next(&reader, &pair, &more);
		if (status != OA1_OK || !more)
			break;
		oa1_buffer_append_char(list, '[');
		oa1_buffer_append_text(list, pair.name);
		oa1_buffer_append_char(list, '|');
		oa1_buffer_append_text(list, pair.value);
		oa1_buffer_append_char(list, ']');
	}
	oa1_authorization_end(&reader);
	return status;
}

static void
check_read(const char *header, size_t length, oa1_status expected, const char *pairs)
{
	guarded		copy = guard((oa1_text) {header, length});
	oa1_buffer	list = new_buffer();
	oa1_buffer	out = new_buffer();

	about("%s", header);
	CHECK_STATUS(read_header(copy.text, &list, &out), expected);
	if (expected == OA1_OK)
		CHECK_TEXT(oa1_buffer_text(&list), text_of(pairs));
	free_buffer(&list);
	free_buffer(&out);
	unguard(&copy);
}

#define READ(literal, pairs) check_read(literal, sizeof(literal) - 1, OA1_OK, pairs)
#define REFUSED(literal, status) check_read(literal, sizeof(literal) - 1, status, "")

static void
test_read(void)
{
	READ("OAuth", "");
	READ("OAuth ", "");
	READ("OAuth ,, ,", "");
	READ("OAuth a=\"b\"", "[a|b]");
	READ("oauth a=\"b\"", "[a|b]");
	READ("  OAUTH\ta=\"b\"  ", "[a|b]");
	READ("OAuth a=\"b\",c=\"d\" ,\te=\"f\" , , g=\"\",", "[a|b][c|d][e|f][g|]");
	READ("OAuth a%20b=\"c%2Bd+e%7e\"", "[a b|c+d+e~]");
	READ("OAuth realm=\"a%20\\\"b\\\\\"", "[realm|a%20\"b\\]");
	READ("OAuth Realm=\"a%20b\"", "[Realm|a b]");
	READ("OAuth a=\"x\\\"y\"", "[a|x\"y]");
	READ("OAuth a=\",=\"", "[a|,=]");
	READ("OAuth a=\"1\", A=\"2\"", "[a|1][A|2]");
}

static void
test_refused(void)
{
	REFUSED("", OA1_HEADER_SCHEME);
	REFUSED("OAut", OA1_HEADER_SCHEME);
	REFUSED("Basic abc", OA1_HEADER_SCHEME);
	REFUSED("OAuthx a=\"b\"", OA1_HEADER_SCHEME);
	REFUSED("OAuth2 a=\"b\"", OA1_HEADER_SCHEME);
	REFUSED("OAuth,a=\"b\"", OA1_HEADER_SCHEME);
	REFUSED("OAuth\na=\"b\"", OA1_HEADER_SCHEME);
	REFUSED("OAuth a", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=b", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a='b'", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\\", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\\\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth =\"b\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a =\"b\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a= \"b\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\"c=\"d\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\" c=\"d\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\";c=\"d\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\n\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"b\0\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a(b=\"c\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth \xc3\xa9=\"c\"", OA1_HEADER_SYNTAX);
	REFUSED("OAuth a=\"%\"", OA1_BAD_ESCAPE);
	REFUSED("OAuth a=\"%4\"", OA1_BAD_ESCAPE);
	REFUSED("OAuth a%=\"b\"", OA1_BAD_ESCAPE);
	REFUSED("OAuth a=\"1\", a=\"1\"", OA1_HEADER_REPEATED);
	REFUSED("OAuth a=\"1\", b=\"2\", %61=\"3\"", OA1_HEADER_REPEATED);
	REFUSED("OAuth realm=\"1\", realm=\"2\"", OA1_HEADER_REPEATED);
}

/*
 * A header of many parameters: earlier pairs stay where they are, the end comes
 * soon, and a repeated name is found.
 */
static void
test_many(void)
{
	enum {COUNT = 20000};
	oa1_buffer	header = new_buffer();
	oa1_buffer	out = new_buffer();
	oa1_buffer	list;
	oa1_authorization_reader reader;
	oa1_pair   *pairs = malloc(COUNT * sizeof(oa1_pair));
	bool		more = true;
	size_t		wrong = 0;

	about("%d parameters", (int) COUNT);
	oa1_buffer_append_text(&header, OA1_TEXT("OAuth "));
	for (int i = 0; i < COUNT; i++)
	{
		oa1_buffer_append_text(&header, OA1_TEXT("name"));
		oa1_buffer_append_number(&header, i);
		oa1_buffer_append_text(&header, OA1_TEXT("=\"%20\","));
	}
	CHECK_STATUS(oa1_authorization_begin(&reader, oa1_buffer_text(&header), &out), OA1_OK);
	for (int i = 0; i < COUNT; i++)
		wrong += oa1_authorization_next(&reader, &pairs[i], &more) != OA1_OK || !more;
	for (int i = 0; i < COUNT; i++)
		wrong += memcmp(pairs[i].name.data, "name", 4) != 0 || pairs[i].value.length != 1;
	CHECK_SIZE(wrong, 0);
	CHECK_STATUS(oa1_authorization_next(&reader, &pairs[0], &more), OA1_OK);
	CHECK(!more);
	oa1_authorization_end(&reader);

	oa1_buffer_append_text(&header, OA1_TEXT("name12345=\"\""));
	oa1_buffer_reset(&out);
	list = new_buffer();
	CHECK_STATUS(read_header(oa1_buffer_text(&header), &list, &out), OA1_HEADER_REPEATED);
	free_buffer(&list);
	free(pairs);
	free_buffer(&header);
	free_buffer(&out);
}

void
test_authorization(void)
{
	test_written();
	test_read();
	test_refused();
	test_many();
}
