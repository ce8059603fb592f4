/*
 * suspicion.c
 *	  What is known to make services refuse a signature that is right.
 *
 * A service that refuses has computed something else, and seldom says what.  Each
 * function here looks for one thing that others' reports showed to be the cause;
 * docs/refused.md has where they stand.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <ctype.h>

#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/header.h"
#include "work/clock.h"
#include "work/suspicion.h"

typedef struct search
{
	const oauth1_dry_run *run;
	oauth1_tell tell;
	void	   *context;
} search;

static void tell(const search *found, const char *format,...) pg_attribute_printf(2, 3);

static void
tell(const search *found, const char *format,...)
{
	StringInfoData words;
	va_list		arguments;
	int			needed;

	initStringInfo(&words);
	do
	{
		va_start(arguments, format);
		needed = appendStringInfoVA(&words, format, arguments);
		va_end(arguments);
		if (needed > 0)
			enlargeStringInfo(&words, needed);
	} while (needed > 0);
	found->tell(found->context, words.data);
}

static bool
has_octet(oa1_text text, char octet)
{
	return text.length > 0 && memchr(text.data, octet, text.length) != NULL;
}

/* ---------------------------------------------------------------- the body */

/* name=value&name=value, with nothing that a form has not. */
static bool
looks_like_form(oa1_text body)
{
	if (!has_octet(body, '='))
		return false;
	for (size_t i = 0; i < body.length; i++)
		if (!isalnum((unsigned char) body.data[i]) &&
			memchr("-._~%+&=[]*@:/?,", body.data[i], strlen("-._~%+&=[]*@:/?,")) == NULL)
			return false;
	return true;
}

static bool
looks_like_json(oa1_text body)
{
	size_t		i = 0;

	while (i < body.length && memchr(" \t\r\n", body.data[i], 4) != NULL)
		i++;
	return i < body.length && (body.data[i] == '{' || body.data[i] == '[');
}

static void
look_at_body(const search *found)
{
	const oauth1_message *message = &found->run->message;
	const oauth1_provider *provider = found->run->credential->provider;
	bool		is_form = oauth1_message_is_form(message);

	if (!message->has_body)
		return;
	if (!is_form && looks_like_form(message->body))
		tell(found, "The body looks like a form, and its type is %s: its parameters are not signed. A service that reads it as a form signs them; give it as form, or with the content type application/x-www-form-urlencoded.",
			 oauth1_shown(message->content_type));
	if (is_form && looks_like_json(message->body))
		tell(found, "The body looks like JSON, and its type says form: it is signed as the parameters of a form. Give it as body_json.");
	if (!is_form && provider->body_hash == OAUTH1_BODY_HASH_OFF)
		tell(found, "The body is not signed, and there is no oauth_body_hash, because the provider's body_hash is off. Some services refuse without one (Mastercard, LTI outcomes).");
	if (provider->options.has_body_hash_method && found->run->details.body_hash.data != NULL)
		tell(found, "oauth_body_hash is made with the option body_hash_method, not with the signature's hash: a service that takes another refuses.");
}

/* ---------------------------------------------------------------- the realm */

static bool
same_account(const char *a, oa1_text b)
{
	if (strlen(a) != b.length)
		return false;
	for (size_t i = 0; i < b.length; i++)
		if ((a[i] == '-' ? '_' : pg_ascii_toupper(a[i])) !=
			(b.data[i] == '-' ? '_' : pg_ascii_toupper(b.data[i])))
			return false;
	return true;
}

/* Has one of the vars this value, whatever its spelling? */
static bool
is_of_vars(const Jsonb *vars, oa1_text value)
{
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;

	if (vars == NULL)
		return false;
	iterator = JsonbIteratorInit((JsonbContainer *) &vars->root);
	while ((token = JsonbIteratorNext(&iterator, &item, false)) != WJB_DONE)
		if (token == WJB_VALUE && item.type == jbvString &&
			same_account(pnstrdup(item.val.string.val, item.val.string.len), value))
			return true;
	return false;
}

char *
oauth1_realm_respelled(const oauth1_credential *credential, oa1_text realm)
{
	char	   *respelled = pnstrdup(realm.data ? realm.data : "", realm.length);
	bool		has_digit = false;

	for (char *c = respelled; *c != '\0'; c++)
	{
		has_digit = has_digit || isdigit((unsigned char) *c);
		*c = *c == '-' ? '_' : pg_ascii_toupper(*c);
	}
	if (!has_digit || memcmp(respelled, realm.data, realm.length) == 0 ||
		!is_of_vars(credential->consumer->vars, realm))
		return NULL;
	return respelled;
}

static void
look_at_realm(const search *found)
{
	oa1_text	realm = found->run->details.realm;
	char	   *respelled = oauth1_realm_respelled(found->run->credential, realm);

	if (respelled != NULL)
		tell(found, "The realm is sent as \"%s\". Where it is a NetSuite account, it is spelled \"%s\": upper case, with an underscore. It is not signed, so nothing else shows a wrong spelling.",
			 oauth1_shown(realm), respelled);
}

/* ---------------------------------------------------------------- the URL */

/* The authority as the caller wrote it; data NULL: a path alone. */
static oa1_text
given_authority(oa1_text url)
{
	const char *start = memmem(url.data, url.length, "://", 3);
	size_t		length = 0;

	if (start == NULL)
		return (oa1_text) {NULL, 0};
	start += 3;
	while (start + length < url.data + url.length && strchr("/?#", start[length]) == NULL)
		length++;
	return (oa1_text) {start, length};
}

static void
look_at_host(const search *found)
{
	const oa1_url *url = &found->run->url;
	oa1_text	authority = given_authority(found->run->given_url);
	bool		is_http = url->scheme.length == strlen("http");
	const char *port = is_http ? ":80" : ":443";

	if (authority.length > strlen(port) &&
		memcmp(authority.data + authority.length - strlen(port), port, strlen(port)) == 0)
		tell(found, "The URL was given with its default port: it is signed and sent without it (RFC 5849, section 3.4.1.2). A service that signs with the port computes another signature.");
	if (url->port != (is_http ? 80 : 443))
		tell(found, "The port %u is part of what is signed. A service behind a proxy that does not know its public port computes another signature.",
			 url->port);
	if (is_http)
		tell(found, "The URL is http. A service that is reached by https too, or whose proxy sends http on to it as https, may sign with the other scheme.");
}

static void
look_at_query(const search *found)
{
	const oauth1_dry_run *run = found->run;
	oa1_text	query = run->url.query;

	if (has_octet(query, '+'))
		tell(found, "A + in the query is signed as the space that it means in forms. A service that takes it as a plus computes another signature; write %%20 for a space, %%2B for a plus.");
	if (has_octet(run->url.path, '+') || memmem(run->url.path.data, run->url.path.length, "%20", 3))
		tell(found, "The path has a space or a plus. Services differ in whether they decode it before they sign.");
	if (query.length > 0 && run->details.transmission == OAUTH1_HEADER)
		tell(found, "The query is signed together with the header's parameters (RFC 5849, section 3.4.1.3.1). Where only requests with a query are refused, the service, or a proxy that rewrites queries, leaves it out of its signature.");
	if (run->composition.transmission == OAUTH1_BODY && run->details.transmission == OAUTH1_QUERY)
		tell(found, "The provider's transmission is body, and this request has no form: the oauth_ parameters are in the query.");
	if (has_octet(run->url.path, '{') || memmem(run->url.path.data, run->url.path.length, "%7B", 3))
		tell(found, "The path has a brace. Placeholders are filled in the provider's URLs only, not in the URL of a call.");
}

/* ---------------------------------------------------------------- parameters */

static bool
same_text(oa1_text a, oa1_text b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static bool
came_before(const oauth1_composition_details *details, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (same_text(details->parameters[i].pair.name, details->parameters[n].pair.name))
			return true;
	return false;
}

/* Far more than any request that a person looks at; the search is quadratic. */
#define MAX_COMPARED 1000

static void
look_at_parameters(const search *found)
{
	const oauth1_composition_details *details = &found->run->details;
	size_t		count = Min(details->parameter_count, MAX_COMPARED);

	for (size_t i = 0; i < count; i++)
	{
		oa1_text	name = details->parameters[i].pair.name;

		if (came_before(details, i))
			tell(found, "The parameter \"%s\" comes more than once, and each is signed. Services in PHP keep the last one only and compute another signature; they want %s[0]=, %s[1]= and so on.",
				 oauth1_shown(name), oauth1_shown(name), oauth1_shown(name));
		else if (name.length > 2 && memcmp(name.data + name.length - 2, "[]", 2) == 0)
			tell(found, "The parameter \"%s\" ends in []. Services in PHP make a list of it, and sign it as %.*s[0].",
				 oauth1_shown(name), (int) (strlen(oauth1_shown(name)) - 2), oauth1_shown(name));
	}
}

/* ---------------------------------------------------------------- credential */

static void
look_at_secrets(const search *found)
{
	oauth1_key_shape shape;

	oauth1_credential_key_shape(found->run->credential, &shape);
	if (shape.consumer_has_space)
		tell(found, "The consumer secret begins or ends with white space: a slip of copying, as a rule.");
	if (shape.token_has_space)
		tell(found, "The token secret begins or ends with white space: a slip of copying, as a rule.");
}

static void
look_at_token(const search *found)
{
	const oauth1_credential *credential = found->run->credential;
	const oauth1_provider *provider = credential->provider;

	if (credential->token.token.data == NULL && provider->options.empty_token)
		tell(found, "There is no token, and an empty oauth_token is sent and signed, because of the option empty_token.");
	else if (credential->token.token.data == NULL && provider->access_token_url != NULL)
		tell(found, "There is no token, though the provider gives tokens: a service that wants one refuses.");
	if (credential->token.token.data != NULL && credential->token.secret == NULL)
		tell(found, "The token has no secret: the key ends with its ampersand.");
	if (credential->token_expires_at != 0 &&
		credential->token_expires_at <= GetCurrentTimestamp())
		tell(found, "The token expired at %s.",
			 timestamptz_to_str(credential->token_expires_at));
}

static void
look_at_clock(const search *found)
{
	int64		offset = oauth1_clock_offset(found->run->credential->provider->name);

	if (offset != 0)
		tell(found, "The service's clock was found to be %lld s %s this server's, and the timestamp is the service's time.",
			 (long long) (offset < 0 ? -offset : offset), offset < 0 ? "behind" : "ahead of");
}

void
oauth1_suspicions(const oauth1_dry_run *run, oauth1_tell tell_one, void *context)
{
	search		found = {run, tell_one, context};

	look_at_secrets(&found);
	look_at_token(&found);
	look_at_clock(&found);
	look_at_realm(&found);
	look_at_host(&found);
	look_at_query(&found);
	look_at_parameters(&found);
	look_at_body(&found);
}
