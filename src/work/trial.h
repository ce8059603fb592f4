/*
 * trial.h
 *	  A signed request sent as it is, and sent otherwise, to find out what in it
 *	  the service refuses.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_TRIAL_H
#define OAUTH1_TRIAL_H

#include "work/compose.h"

/* What is tried: a request without a body, of a credential, to a URL found allowed. */
typedef struct oauth1_trial
{
	oauth1_credential *credential;
	const oauth1_message *message;
	const oa1_url *url;
	int64		deadline;		/* on oauth1_monotonic_us's clock, for all requests together */
	bool		may_drop_token; /* may the role sign without a token? */
} oauth1_trial;

/* What the service answered to one request. */
typedef struct oauth1_verdict
{
	int			status;
	char	   *detail;			/* what it said, and what that means; NULL: nothing */
	bool		is_named;		/* it said which part of the request it refuses */
} oauth1_verdict;

/* Sends it signed as calls are.  Raises the error of a call that gets no answer. */
extern oauth1_verdict oauth1_trial_send(const oauth1_trial *trial);

/*
 * Sends it again, otherwise each time: without the token, with the parameters in
 * another place, with the realm spelled otherwise, with another hash; at most four
 * requests.  Returns a sentence on the first that is accepted, palloc'd; or NULL
 * where none is.  What gets no answer counts as not accepted.  Not for PLAINTEXT,
 * whose every request holds the secrets.
 */
extern char *oauth1_trial_vary(const oauth1_trial *trial);

#endif							/* OAUTH1_TRIAL_H */
