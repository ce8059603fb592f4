/*
 * redirect.h
 *	  Where an answer sends a call instead.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_REDIRECT_H
#define OAUTH1_REDIRECT_H

#include "outside/transfer.h"
#include "stored/credential.h"

/*
 * True where the response is a redirect (RFC 9110, 15.4) of a GET or HEAD to a
 * URL that the credential may sign.  *target is that URL, parsed, in the current
 * memory context.  Otherwise the response is the answer.  Never throws but for
 * lack of memory.
 */
extern bool oauth1_redirect_find(const oauth1_credential *credential, oa1_text http_method,
								 const oa1_url *from, const oauth1_response *response,
								 oa1_url *target);

#endif							/* OAUTH1_REDIRECT_H */
