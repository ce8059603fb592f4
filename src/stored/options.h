/*
 * options.h
 *	  The options of create_provider and create_consumer: known keys, their types
 *	  and what each may hold.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_OPTIONS_H
#define OAUTH1_OPTIONS_H

#include "stored/registry.h"

/*
 * Fills *out, in the current context.  An unknown key (the hint lists the known)
 * and a value of the wrong type are 22023.
 */
extern void oauth1_provider_options_read(Jsonb *options, oauth1_provider_options *out);

/*
 * Raises 22023 where a value makes no sense as what its key says (a jsonpath
 * that does not parse: PostgreSQL's 42601).  Takes what _read has filled in.
 */
extern void oauth1_provider_options_check(const oauth1_provider_options *options);

/*
 * The options of a consumer are secrets, which are not stored as options:
 * client_key, and passphrase, of the keys that come with it.  Fills in those
 * that are given, in memory of the current context that is wiped with it.  An
 * unknown key is 22023.
 */
extern void oauth1_consumer_options_read(Jsonb *options, oauth1_consumer_secrets *secrets);

/* Has the object that key? */
extern bool oauth1_options_have(Jsonb *options, const char *key);

#endif							/* OAUTH1_OPTIONS_H */
