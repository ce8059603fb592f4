/*
 * access.c
 *	  Which URLs a credential may sign, judged before a byte is sent.
 *
 * The address is judged again when the socket is opened (outside/address.c).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/access.h"

/*
 * Well-formed, and yet not where they seem to go: servers resolve dot segments
 * after they have looked at the path, and a user name makes a second set of
 * credentials, or looks like a host.
 */
static void
check_form(const oa1_url *url, const char *what)
{
	if (!url->has_userinfo && !url->has_dot_segments)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s", what),
			 url->has_userinfo ?
			 errdetail("The URL of a call cannot have a user name or password. Nothing was sent.") :
			 errdetail("The path of a call cannot have a segment \".\" or \"..\". Nothing was sent.")));
}

static bool
is_plain_http(const oa1_url *url)
{
	return url->scheme.length == strlen("http");
}

static bool
may_be_plain(const oauth1_provider *provider)
{
	return provider->signature_method != OA1_PLAINTEXT && provider->allow_http &&
		oauth1_allow_http;
}

static void
check_scheme(const oauth1_credential *credential, const oa1_url *url)
{
	const oauth1_provider *provider = credential->provider;

	if (!is_plain_http(url) || may_be_plain(provider))
		return;
	if (provider->signature_method == OA1_PLAINTEXT)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
				 errmsg("PLAINTEXT needs https"),
				 errdetail("Over http it would send the secrets in the clear (RFC 5849, section 3.4.4).")));
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
			 errmsg("calls of consumer \"%s\" need https", credential->consumer->name),
			 errhint("Plain http needs allow_http of the provider and the setting oauth1.allow_http.")));
}

/* '/path' becomes what it is under the first api_url; anything else stays. */
static oa1_text
absolute(const oauth1_credential *credential, oa1_text url, oa1_buffer *joined)
{
	const oa1_url *base;
	size_t		base_length;

	if (url.length == 0 || url.data[0] != '/' || credential->provider->api_url_count == 0)
		return url;
	base = &credential->api_urls[0];
	base_length = base->base_uri.length;
	if (base->base_uri.data[base_length - 1] == '/')
		base_length--;
	oa1_buffer_append(joined, base->base_uri.data, base_length);
	oa1_buffer_append_text(joined, url);
	oauth1_check_core(joined->status, "URL");
	return oa1_buffer_text(joined);
}

static bool
is_under_an_api_url(const oauth1_credential *credential, const oa1_url *url)
{
	for (int i = 0; i < credential->provider->api_url_count; i++)
		if (oa1_url_is_under(url, &credential->api_urls[i]))
			return true;
	return false;
}

void
oauth1_access_api_url(const oauth1_credential *credential, oa1_text url, oa1_buffer *octets,
					  oa1_url *parsed)
{
	oa1_buffer	joined;

	oauth1_buffer_init(&joined, CurrentMemoryContext);
	oauth1_check_core(oa1_url_parse(absolute(credential, url, &joined), octets, parsed), "URL");
	oa1_buffer_free(&joined);
	check_form(parsed, "URL");
	if (!is_under_an_api_url(credential, parsed))
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
				 errmsg("URL is not allowed for consumer \"%s\"", credential->consumer->name),
				 errdetail("It lies under none of the api_urls of provider \"%s\". Nothing was sent.",
						   credential->provider->name),
				 errhint("The view oauth1.providers shows them.")));
	check_scheme(credential, parsed);
}

bool
oauth1_access_allows(const oauth1_credential *credential, oa1_text url, oa1_buffer *octets,
					 oa1_url *parsed)
{
	return oa1_url_parse(url, octets, parsed) == OA1_OK &&
		!parsed->has_userinfo && !parsed->has_dot_segments &&
		is_under_an_api_url(credential, parsed) &&
		(!is_plain_http(parsed) || may_be_plain(credential->provider));
}

void
oauth1_access_token_url(const oauth1_credential *credential, oa1_text url, const char *what,
						oa1_buffer *octets, oa1_url *parsed)
{
	oauth1_check_core(oa1_url_parse(url, octets, parsed), what);
	check_form(parsed, what);
	check_scheme(credential, parsed);
}
