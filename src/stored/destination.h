/*
 * destination.h
 *	  Where a consumer's secrets may go: the text that is bound to each of them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_DESTINATION_H
#define OAUTH1_DESTINATION_H

#include "stored/definition.h"

/*
 * The destination of a provider as this consumer sees it, one line of ASCII:
 * the sorted origins of its api_urls and token endpoints after placeholders,
 * the proxy, the CA's hash, and whether PLAINTEXT is allowed.  palloc'd in the
 * current context.
 */
extern char *oauth1_destination(const oauth1_provider *provider, const oauth1_consumer *consumer);

/*
 * One of the origins in a destination that is not the given one, palloc'd; NULL
 * where that is the only one.
 */
extern char *oauth1_destination_elsewhere(const oauth1_provider *provider,
										  const oauth1_consumer *consumer, oa1_text origin);

/*
 * The destination, read from the tables by name, inside an oauth1_query; OA007
 * where there is no such consumer.
 */
extern char *oauth1_destination_of(const char *consumer);

#endif							/* OAUTH1_DESTINATION_H */
