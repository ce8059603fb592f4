/*
 * options.h
 *	  The options of create_provider and create_consumer: known keys, their types
 *	  and what each may hold.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_OPTIONS_H
#define OAUTH1_OPTIONS_H

#include "stored/definition.h"

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
 * The one consumer option there is: passphrase, of the private key that comes
 * with it.  It is appended to out, never stored, and true is returned; false
 * where it is not given.  An unknown key is 22023.
 */
extern bool oauth1_consumer_options_passphrase(Jsonb *options, oa1_buffer *out);

#endif							/* OAUTH1_OPTIONS_H */
