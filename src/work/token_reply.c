/*
 * token_reply.c
 *	  What a provider answered to a token request.
 *
 * No message quotes the reply: half of one that is well-formed is a secret.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/flat_json.h"
#include "work/token_reply.h"

/* A token is kept in an index, whose entries have to fit a third of a page. */
#define MAX_TOKEN_LENGTH 2000

/* Far above any real one; bounds the work on a hostile one. */
#define MAX_REPLY_LENGTH (32 * 1024)

static void
raise_unreadable(const char *what, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_REFUSED),
			 errmsg("could not read the provider's reply to the %s request", what),
			 errdetail("%s", detail)));
}

static oa1_text
without_leading_space(oa1_text text)
{
	while (text.length > 0 && strchr(" \t\r\n", text.data[0]) != NULL)
	{
		text.data++;
		text.length--;
	}
	return text;
}

static void
raise_refused(const oauth1_response *response, const oauth1_problem *problem, const char *what)
{
	char	   *detail = oauth1_problem_detail(problem);
	const char *hint = oauth1_problem_hint(problem);

	if (detail == NULL)
		detail = psprintf("The provider answered with HTTP status %d and no oauth_problem.",
						  response->outcome.status);
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_REFUSED),
			 errmsg("the provider refused the %s request", what),
			 errdetail("%s", detail),
			 hint ? errhint("%s", hint) : 0));
}

static void
check_refusal(const oauth1_response *response, const char *what)
{
	int			status = response->outcome.status;
	oauth1_problem problem =
		oauth1_problem_find(oauth1_transfer_header(response, "www-authenticate"),
							without_leading_space(response->body));

	if (status < 200 || status > 299 || problem.problem.data != NULL)
		raise_refused(response, &problem, what);
}

/* A copy in a buffer that is wiped with the context. */
static oa1_text
secret_copy(oa1_text value)
{
	oa1_buffer *copy = oauth1_secret_buffer(CurrentMemoryContext);

	oa1_buffer_append_text(copy, value);
	oauth1_check_core(copy->status, "token reply");
	return copy->data ? oa1_buffer_text(copy) : OA1_TEXT("");
}

static int64
seconds_of(oa1_text value)
{
	char	   *digits = pnstrdup(value.data, Min(value.length, 18));
	char	   *end;
	int64		seconds = strtoll(digits, &end, 10);

	return *end == '\0' && seconds > 0 && seconds < INT64CONST(100) * 366 * 86400 ? seconds : 0;
}

static bool
is_secret(oa1_text name)
{
	return oauth1_text_is(name, "oauth_token_secret") ||
		oauth1_text_is(name, "oauth_session_handle");
}

/*
 * A name or value as it can be shown: where the server encoding has not all of
 * it, its ASCII alone.  A user's name is no reason to lose a token.
 */
static oa1_text
showable(oa1_text value)
{
	size_t		length;
	char	   *copy;

	if (oauth1_try_server(value, PG_UTF8, &length) != NULL)
		return value;
	copy = palloc(value.length + 1);
	for (size_t i = 0; i < value.length; i++)
		copy[i] = value.data[i] == '\0' || IS_HIGHBIT_SET(value.data[i]) ? '?' : value.data[i];
	return (oa1_text) {copy, value.length};
}

/* Sorts one parameter of the reply; the names are RFC 5849's and the session extension's. */
static void
note_parameter(void *context, const oa1_pair *pair)
{
	oauth1_token_reply *reply = context;

	if (oauth1_text_is(pair->name, "oauth_token"))
		reply->token = pair->value;
	else if (oauth1_text_is(pair->name, "oauth_token_secret"))
		reply->token_secret = secret_copy(pair->value);
	else if (oauth1_text_is(pair->name, "oauth_callback_confirmed"))
		reply->callback_confirmed = pair->value;
	else if (oauth1_text_is(pair->name, "oauth_session_handle"))
	{
		if (pair->value.length > 0)
			reply->session_handle = secret_copy(pair->value);
	}
	else if (oauth1_text_is(pair->name, "oauth_expires_in"))
		reply->expires_in = seconds_of(pair->value);
	else
		oauth1_pairs_add(&reply->others, showable(pair->name), showable(pair->value));
}

/* The first of a repeated name could be what was signed, the second what is used: refuse. */
static void
check_unique(const oauth1_pairs *members, const char *what)
{
	for (size_t i = 0; i < members->count; i++)
		for (size_t j = 0; j < i; j++)
			if (members->data[i].name.length == members->data[j].name.length &&
				memcmp(members->data[i].name.data, members->data[j].name.data,
					   members->data[i].name.length) == 0)
				raise_unreadable(what, "It names a parameter more than once.");
}

static void
read_json(oa1_text body, const char *what, oauth1_token_reply *reply)
{
	oauth1_pairs members;

	oauth1_pairs_init(&members, 0);
	if (!oauth1_flat_json_read(body, &members))
		raise_unreadable(what, "It begins as a JSON object and is none.");
	check_unique(&members, what);
	for (size_t i = 0; i < members.count; i++)
	{
		note_parameter(reply, &members.data[i]);
		if (is_secret(members.data[i].name))
			OPENSSL_cleanse(unconstify(char *, members.data[i].value.data),
							members.data[i].value.length);
	}
}

static void
read_form(oa1_text body, const char *what, oauth1_token_reply *reply)
{
	/* The pairs point into it; it is wiped with the context. */
	oa1_buffer *decoded = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_status	status = oa1_token_reply_read(body, decoded, note_parameter, reply);

	if (status == OA1_REPLY_REPEATED)
		raise_unreadable(what, "It names a parameter more than once.");
	if (status == OA1_REPLY_EMPTY)
		raise_unreadable(what, "It is empty.");
	if (status == OA1_REPLY_SYNTAX || status == OA1_BAD_ESCAPE)
		raise_unreadable(what, "It is neither a form nor JSON.");
	oauth1_check_core(status, "token reply");
}

static bool
names_a_token(oa1_text body)
{
	return memmem(body.data, body.length, "oauth_token", strlen("oauth_token")) != NULL;
}

void
oauth1_token_reply_read(const oauth1_response *response, const char *what, bool optional,
						oauth1_token_reply *reply)
{
	oa1_text	body = without_leading_space(response->body);

	memset(reply, 0, sizeof(*reply));
	oauth1_pairs_init(&reply->others, 0);
	check_refusal(response, what);
	if (optional && !names_a_token(body))
		return;
	if (body.length > MAX_REPLY_LENGTH)
		raise_unreadable(what, "It is longer than 32 kB.");
	if (body.length > 0 && body.data[0] == '<')
		raise_unreadable(what, "It is a page of HTML or XML.");
	if (body.length > 0 && body.data[0] == '{')
		read_json(body, what, reply);
	else
		read_form(body, what, reply);
}

void
oauth1_token_reply_require_token(const oauth1_token_reply *reply, const char *what)
{
	size_t		length;

	if (reply->token.length == 0)
		raise_unreadable(what, "It has no oauth_token.");
	if (reply->token_secret.data == NULL)
		raise_unreadable(what, "It has no oauth_token_secret.");
	if (reply->token.length > MAX_TOKEN_LENGTH)
		raise_unreadable(what, "Its oauth_token is longer than 2000 octets.");
	for (size_t i = 0; i < reply->token.length; i++)
		if ((unsigned char) reply->token.data[i] <= 0x20 || reply->token.data[i] == 0x7f)
			raise_unreadable(what, "Its oauth_token has a space or a control character.");
	if (oauth1_try_server(reply->token, PG_UTF8, &length) == NULL)
		raise_unreadable(what, "Its oauth_token is no text in the server encoding.");
}
