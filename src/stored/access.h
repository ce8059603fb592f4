/*
 * access.h
 *	  Which URLs a credential may sign, judged before a byte is sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ACCESS_H
#define OAUTH1_ACCESS_H

#include "stored/credential.h"

/*
 * The URL of a call, parsed into octets: one that starts with '/' is taken under
 * the provider's first api_url.  Raises 22023 or 22P02 where it is malformed or
 * has a user name or dot segments, OA003 where it lies under none of the
 * provider's api_urls, or needs TLS and has none.
 */
extern void oauth1_access_api_url(const oauth1_credential *credential, oa1_text url,
								  oa1_buffer *octets, oa1_url *parsed);

/*
 * The same judgement on an absolute URL that a server named, without an error:
 * false where the URL of a call could not be that.
 */
extern bool oauth1_access_allows(const oauth1_credential *credential, oa1_text url,
								 oa1_buffer *octets, oa1_url *parsed);

/*
 * A token endpoint of the provider, expanded: allowed because it is part of what
 * the secrets are bound to.  what names it in the message.  The same errors.
 */
extern void oauth1_access_token_url(const oauth1_credential *credential, oa1_text url,
									const char *what, oa1_buffer *octets, oa1_url *parsed);

#endif							/* OAUTH1_ACCESS_H */
