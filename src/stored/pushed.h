/*
 * pushed.h
 *	  Credentials that a service sends us by itself: Magento when an integration
 *	  is activated, WooCommerce when its user allowed an application.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PUSHED_H
#define OAUTH1_PUSHED_H

#include "core/core.h"

/* What was pushed, in UTF-8; each value is known to be one, and free of control characters. */
typedef struct oauth1_pushed
{
	oa1_text	consumer_key;
	oa1_text	consumer_secret;	/* in memory that is wiped */
	oa1_text	base_url;		/* Magento's store_base_url; data NULL: not said which shop it is */
	oa1_text	verifier;		/* Magento's, wiped likewise; data NULL: no token follows */
} oauth1_pushed;

/*
 * Makes the consumer, with vars from the base URL; or gives the one of that name
 * and provider its new key and secret, and changes nothing else of it: a push
 * points no consumer elsewhere.  42704 where there is no such provider, 42710
 * where the consumer is another provider's, 22023 where the provider's kind or
 * its placeholders do not go with what was pushed, 55000 where a verifier has
 * nowhere to go, OA003 where the base URL is not where the consumer's requests
 * go.  Not inside an oauth1_query.
 */
extern void oauth1_pushed_store(const char *name, const char *provider,
								const oauth1_pushed *pushed);

#endif							/* OAUTH1_PUSHED_H */
