/*
 * credential.h
 *	  A consumer and one of its tokens made ready to sign, kept for the session.
 *
 * What is kept in the clear is what any grantee may know; secrets stay sealed
 * and are opened for each signature (an RSA key is kept parsed: OpenSSL takes
 * longer to read one than to sign with it).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CREDENTIAL_H
#define OAUTH1_CREDENTIAL_H

#include "datatype/timestamp.h"

#include "stored/definition.h"
#include "stored/secret.h"

/* The token's half of a credential. */
typedef struct oauth1_credential_token
{
	oa1_text	token;			/* data NULL: two-legged */
	oauth1_secret_id secret_id;
	oauth1_sealed *secret;		/* NULL: none stored */
	oa1_text	fresh;			/* else one that never was, in the clear; data NULL: none */
	const char *fresh_for;		/* where that one may go */
} oauth1_credential_token;

typedef struct oauth1_credential
{
	MemoryContext memory;		/* this struct and everything it points to */
	oauth1_provider *provider;	/* templates as stored */
	oauth1_consumer *consumer;
	const char *token_name;		/* '': two-legged */

	/* After placeholders, in UTF-8. */
	oa1_text	consumer_key;
	oa1_url    *api_urls;		/* provider->api_url_count of them */
	oa1_text	realm;			/* data NULL: none; a template while realm_has_url */
	bool		realm_has_url;
	oa1_pair   *headers;		/* the provider's own */
	size_t		header_count;

	oauth1_credential_token token;
	TimestampTz token_expires_at;	/* 0: not said */
	oauth1_sealed *consumer_secret; /* NULL: none stored */
	oauth1_sealed *private_key;
	oauth1_sealed *session_handle;	/* of the access token */
	oauth1_sealed *client_key;	/* read only where the provider has a client_certificate */
	char	   *destination;	/* where its secrets may go, now */
	EVP_PKEY   *key;			/* parsed at the first RSA signature */

	int			holders;		/* who still needs it */
	bool		is_dropped;		/* out of the table: the last holder's release frees it */
} oauth1_credential;

/*
 * The credential of a consumer and an access token's name ('' : two-legged) for
 * the current role, which must be allowed to use both: OA007 where it is not, or
 * where one of them does not exist.  It is the session's: good until the next
 * call of a find function, or for as long as it is held.
 */
extern oauth1_credential *oauth1_credential_find(const char *consumer, const char *token_name);

/*
 * The credential of a consumer whatever its tokens: for a request token.  The
 * role must be allowed to use the consumer for token_name, which need not exist.
 */
extern oauth1_credential *oauth1_credential_find_consumer(const char *consumer,
														  const char *token_name);

/*
 * The same with the rights of the extension's owner: for a function that is
 * itself a right, and whose caller need have no grant.
 */
extern oauth1_credential *oauth1_credential_find_as_owner(const char *consumer,
														  const char *token_name);

/* Each hold needs its release, which never throws. */
extern void oauth1_credential_hold(oauth1_credential *credential);
extern void oauth1_credential_release(oauth1_credential *credential);

/*
 * Signs with the credential's own method and, in place of its own token's
 * secret, another's where other is not NULL.  Appends to signature.  OA001 where
 * the secret or key that the method needs was never set, OA005 where it cannot
 * be opened.
 */
extern void oauth1_credential_sign(oauth1_credential *credential,
								   const oauth1_credential_token *other,
								   oa1_text base_string, oa1_buffer *signature);

/* What a signature is keyed with, as far as anybody may know it. */
typedef struct oauth1_key_shape
{
	int			rsa_bits;		/* 0: the two secrets sign */
	size_t		consumer_secret;	/* octets, before they are encoded for the key (3.4.2) */
	size_t		token_secret;
	bool		consumer_has_space; /* white space at an end: a slip of copying, as a rule */
	bool		token_has_space;
} oauth1_key_shape;

/* Opens what would sign, to measure it.  Raises what oauth1_credential_sign raises. */
extern void oauth1_credential_key_shape(oauth1_credential *credential, oauth1_key_shape *shape);

/* Wipes what is kept to sign again with a credential, which is going away.  Never throws. */
extern void oauth1_credential_forget_signer(const oauth1_credential *credential);

/*
 * Opens the session handle of the credential's token into out, a secret buffer;
 * false where it has none.  OA005 where it cannot be opened.
 */
extern bool oauth1_credential_session_handle(const oauth1_credential *credential,
											 oa1_buffer *out);

/*
 * Opens the key of the provider's client_certificate into out, a secret buffer;
 * false where the provider has none, so that no certificate is shown.  OA001
 * where the consumer has no such key, OA005 where it cannot be opened.
 */
extern bool oauth1_credential_client_key(const oauth1_credential *credential, oa1_buffer *out);

/* Forgets all credentials of the session, and wipes what they hold.  Never throws. */
extern void oauth1_credential_forget_all(void);

/* A URL template of the provider for this consumer and token, palloc'd in UTF-8. */
extern char *oauth1_credential_expand(const oauth1_credential *credential, const char *template,
									  const char *token, const char *what);

/* The realm to send for this URL (its base_uri is {url}); data NULL: none. */
extern oa1_text oauth1_credential_realm(const oauth1_credential *credential, const oa1_url *url);

#endif							/* OAUTH1_CREDENTIAL_H */
