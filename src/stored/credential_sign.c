/*
 * credential_sign.c
 *	  Signing with a credential: its secrets opened, or its private key read.
 *
 * Keying an HMAC costs several times the signature itself: two secrets are
 * decrypted and the hash starts anew twice.  So the last signer is kept for the
 * calls that follow in the same transaction, and wiped with its end, or as soon
 * as another credential signs or this one is out of date.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "access/xact.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/credential.h"

/* ---------------------------------------------------------------- the last signer */

static const oauth1_credential *kept_for = NULL;	/* NULL: no signer is kept */
static oa1_signer kept_signer;

/* OpenSSL wipes what it frees. */
static void
forget_signer(void)
{
	oa1_signer_free(&kept_signer);
	kept_for = NULL;
}

void
oauth1_credential_forget_signer(const oauth1_credential *credential)
{
	if (kept_for == credential)
		forget_signer();
}

/* Whatever happens to a transaction, its end is the signer's; nothing here can throw. */
static void
transaction_happens(XactEvent event, void *unused)
{
	if (kept_for == NULL || event == XACT_EVENT_PRE_COMMIT ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		return;
	forget_signer();
}

/* Takes over a signer that holds nothing but OpenSSL's own memory. */
static void
keep_signer(const oauth1_credential *credential, const oa1_signer *signer)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(transaction_happens, NULL);
	registered = true;
	kept_signer = *signer;
	kept_for = credential;
}

/* ---------------------------------------------------------------- making one */

static void
open_secret(const oauth1_credential *credential, const oauth1_secret_id *id,
			const oauth1_sealed *sealed, oa1_buffer *out)
{
	if (sealed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_KEY),
				 errmsg("consumer \"%s\" has no %s", credential->consumer->name,
						strcmp(id->kind, OAUTH1_PRIVATE_KEY) == 0 ? "private key" : "secret"),
				 errdetail("The signature method is %s.",
						   oa1_method_name(credential->provider->signature_method).data),
				 errhint("Set it with oauth1.alter_consumer or COPY oauth1.secrets_in.")));
	oauth1_secret_open(id, sealed, credential->destination, out);
}

/* Reads the private key once a session; it is freed with the credential. */
static EVP_PKEY *
private_key(oauth1_credential *credential)
{
	oauth1_secret_id id = {credential->consumer->name, "", OAUTH1_PRIVATE_KEY};
	oa1_buffer *pem;
	oa1_status	status;

	if (credential->key != NULL)
		return credential->key;
	pem = oauth1_secret_buffer(CurrentMemoryContext);
	open_secret(credential, &id, credential->private_key, pem);
	status = oa1_private_key_read(oa1_buffer_text(pem), (oa1_text) {NULL, 0}, &credential->key);
	oa1_buffer_free(pem);
	oauth1_check_core(status, "private key");
	return credential->key;
}

static void
open_secrets(const oauth1_credential *credential, const oauth1_credential_token *token,
			 oa1_buffer *consumer_secret, oa1_buffer *token_secret)
{
	oauth1_secret_id id = {credential->consumer->name, "", OAUTH1_CONSUMER_SECRET};

	open_secret(credential, &id, credential->consumer_secret, consumer_secret);
	if (token->secret != NULL)
		oauth1_secret_open(&token->secret_id, token->secret, credential->destination,
						   token_secret);
	else if (token->fresh.data != NULL)
	{
		oauth1_secret_check_destination(&token->secret_id, token->fresh_for,
										credential->destination);
		oa1_buffer_append_text(token_secret, token->fresh);
		oauth1_check_core(token_secret->status, "token secret");
	}
}

static oa1_status
init_with_secrets(oauth1_credential *credential, const oauth1_credential_token *token,
				  oa1_signer *signer)
{
	oa1_buffer *consumer_secret = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_buffer *token_secret = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_status	status;

	open_secrets(credential, token, consumer_secret, token_secret);
	status = oa1_signer_init_secret(signer, credential->provider->signature_method,
									oa1_buffer_text(consumer_secret),
									oa1_buffer_text(token_secret),
									oauth1_arena_grow, CurrentMemoryContext);
	oa1_buffer_free(consumer_secret);
	oa1_buffer_free(token_secret);
	return status;
}

static oa1_status
init_signer(oauth1_credential *credential, const oauth1_credential_token *token,
			oa1_signer *signer)
{
	oa1_method	method = credential->provider->signature_method;

	if (oa1_method_is_rsa(method))
		return oa1_signer_init_key(signer, method, private_key(credential));
	return init_with_secrets(credential, token, signer);
}

/* ---------------------------------------------------------------- signing */

/* With a signer that is gone afterwards. */
static oa1_status
sign_once(oauth1_credential *credential, const oauth1_credential_token *token,
		  oa1_text base_string, oa1_buffer *signature)
{
	oa1_signer	signer = {0};
	oa1_status	status = init_signer(credential, token, &signer);

	/* From here to the free nothing throws. */
	if (status == OA1_OK)
		status = oa1_signer_sign(&signer, base_string, signature);
	oa1_signer_free(&signer);
	return status;
}

/* With the kept signer, which is made where it is another's. */
static oa1_status
sign_again(oauth1_credential *credential, oa1_text base_string, oa1_buffer *signature)
{
	oa1_signer	signer = {0};
	oa1_status	status = OA1_OK;

	if (kept_for != credential)
	{
		forget_signer();
		status = init_signer(credential, &credential->token, &signer);
		if (status == OA1_OK)
			keep_signer(credential, &signer);
	}
	if (status == OA1_OK)
		status = oa1_signer_sign(&kept_signer, base_string, signature);
	if (status != OA1_OK)
		forget_signer();
	return status;
}

/*
 * PLAINTEXT's signer is the secrets themselves, in memory of this call.  Another
 * token is a request token, which signs once.
 */
void
oauth1_credential_sign(oauth1_credential *credential, const oauth1_credential_token *other,
					   oa1_text base_string, oa1_buffer *signature)
{
	oa1_status	status;

	if (other != NULL || credential->provider->signature_method == OA1_PLAINTEXT)
		status = sign_once(credential, other ? other : &credential->token, base_string,
						   signature);
	else
		status = sign_again(credential, base_string, signature);
	oauth1_check_core(status, "key");
}

/* ---------------------------------------------------------------- looking at the key */

static bool
has_space_at_end(const oa1_buffer *secret)
{
	static const char spaces[] = " \t\r\n";

	return secret->length > 0 &&
		(memchr(spaces, secret->data[0], sizeof(spaces) - 1) != NULL ||
		 memchr(spaces, secret->data[secret->length - 1], sizeof(spaces) - 1) != NULL);
}

void
oauth1_credential_key_shape(oauth1_credential *credential, oauth1_key_shape *shape)
{
	oa1_buffer *consumer_secret;
	oa1_buffer *token_secret;

	memset(shape, 0, sizeof(*shape));
	if (oa1_method_is_rsa(credential->provider->signature_method))
	{
		shape->rsa_bits = oa1_key_bits(private_key(credential));
		return;
	}
	consumer_secret = oauth1_secret_buffer(CurrentMemoryContext);
	token_secret = oauth1_secret_buffer(CurrentMemoryContext);
	open_secrets(credential, &credential->token, consumer_secret, token_secret);
	shape->consumer_secret = consumer_secret->length;
	shape->token_secret = token_secret->length;
	shape->consumer_has_space = has_space_at_end(consumer_secret);
	shape->token_has_space = has_space_at_end(token_secret);
	oa1_buffer_free(consumer_secret);
	oa1_buffer_free(token_secret);
}
