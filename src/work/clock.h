/*
 * clock.h
 *	  Which time a request is signed with: this server's, set right by what a
 *	  service's refusals tell of its own.
 *
 * What was learned is known to all sessions of the server (shared.h), and gone
 * when it restarts.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CLOCK_H
#define OAUTH1_CLOCK_H

#include "outside/transfer.h"
#include "stored/credential.h"

/*
 * The oauth_timestamp to sign with now, in seconds since 1970: the clock's time
 * and the provider's offset.  Never before one that the consumer was given
 * earlier (RFC 5849, 3.3, lets a service refuse that); where the clock was set
 * back the timestamps stand still, for 15 minutes at most.  Never throws.
 */
extern int64 oauth1_clock_timestamp(const oauth1_credential *credential);

/*
 * Looks at an answer to a request that was signed with that time.  True where it
 * was refused for its timestamp and the reason is found: the clock (then the
 * provider's offset is learned) or a timestamp that was overtaken by a later
 * one.  The call is worth one more try, signed anew.  False also where the clocks
 * are more than 15 minutes apart: that is to be mended, not bridged.
 */
extern bool oauth1_clock_learn(const oauth1_credential *credential,
							   const oauth1_response *response, int64 signed_timestamp);

/* The provider's offset in seconds, what its clock is ahead of this server's; 0: none learned. */
extern int64 oauth1_clock_offset(const char *provider);

#endif							/* OAUTH1_CLOCK_H */
