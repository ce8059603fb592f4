/*
 * private_key.h
 *	  A private key as people have it, as the one form that is stored.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PRIVATE_KEY_H
#define OAUTH1_PRIVATE_KEY_H

#include "core/core.h"

/*
 * Appends the RSA key as PKCS#8 PEM, not encrypted, to out (a secret buffer).
 * given is PEM (PKCS#1 or PKCS#8, perhaps encrypted) or a PKCS#12 file in
 * Base64; passphrase with data NULL: none.  OA001 where it is no key that can
 * sign, or the passphrase does not open it.
 */
extern void oauth1_private_key_normalize(oa1_text given, oa1_text passphrase, oa1_buffer *out);

/*
 * The same for a TLS client's key, of any kind that OpenSSL reads: PEM alone.
 * certificates (PEM; NULL: none is known) is the chain to be shown with it:
 * OA001 where the key is not that of its first certificate.
 */
extern void oauth1_client_key_normalize(oa1_text given, oa1_text passphrase,
										const char *certificates, oa1_buffer *out);

#endif							/* OAUTH1_PRIVATE_KEY_H */
