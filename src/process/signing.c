/*
 * signing.c
 *	  What a call of a signing function leaves for the next one of the same
 *	  statement.
 *
 * Making a key ready costs more than a signature: twice an HMAC for its context,
 * twice an RSA signature for reading the PEM, and as much again for what OpenSSL
 * prepares at a key's first use.  A query signs with one key for many rows, so
 * the signer stays in fn_extra until the secrets change.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/evp.h>

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "process/signing.h"

/* The context's reset callback: runs before its memory goes, on every path. */
static void
wipe_signing(void *arg)
{
	oauth1_signing *signing = arg;

	oa1_signer_free(&signing->signer);
	oa1_buffer_reset(&signing->secrets);
	oa1_buffer_reset(&signing->url_octets);
	oa1_buffer_reset(&signing->base_string);
	oa1_buffer_reset(&signing->signature);
	oa1_parameters_reset(&signing->parameters);
}

static oauth1_signing *
make_signing(MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "oauth1 signing",
												  ALLOCSET_DEFAULT_SIZES);
	oauth1_signing *signing = MemoryContextAllocZero(context, sizeof(oauth1_signing));

	signing->context = context;
	oauth1_buffer_init(&signing->secrets, context);
	oauth1_buffer_init(&signing->url_octets, context);
	oauth1_buffer_init(&signing->base_string, context);
	oauth1_buffer_init(&signing->signature, context);
	oa1_parameters_init(&signing->parameters, oauth1_arena_grow, context, OAUTH1_MAX_TEXT);
	signing->callback.func = wipe_signing;
	signing->callback.arg = signing;
	MemoryContextRegisterResetCallback(context, &signing->callback);
	return signing;
}

oauth1_signing *
oauth1_signing_of(FunctionCallInfo fcinfo)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		fcinfo->flinfo->fn_extra = make_signing(fcinfo->flinfo->fn_mcxt);
	return fcinfo->flinfo->fn_extra;
}

/* ---------------------------------------------------------------- method and key */

/* Raises 22023 for a value somebody added to the enum. */
oa1_method
oauth1_method_from_oid(Oid method_oid)
{
	HeapTuple	tuple = SearchSysCache1(ENUMOID, ObjectIdGetDatum(method_oid));
	oa1_method	method;
	bool		known = false;

	if (HeapTupleIsValid(tuple))
	{
		const char *label = NameStr(((Form_pg_enum) GETSTRUCT(tuple))->enumlabel);

		known = oa1_method_from_name((oa1_text) {label, strlen(label)}, &method);
		ReleaseSysCache(tuple);
	}
	if (!known)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown signature method")));
	return method;
}

oa1_method
oauth1_signing_method(oauth1_signing *signing, Oid method_oid)
{
	if (signing->method_oid != method_oid)
	{
		signing->method = oauth1_method_from_oid(method_oid);
		signing->method_oid = method_oid;
	}
	return signing->method;
}

/* True where the signer was made of these. */
static bool
is_keyed_with(const oauth1_signing *signing, oa1_method method,
			  oa1_text consumer_secret, oa1_text token_secret)
{
	size_t		length = consumer_secret.length + token_secret.length;

	if (!signing->keyed || signing->signer_method != method ||
		signing->consumer_secret_length != consumer_secret.length ||
		signing->secrets.length != length)
		return false;
	return length == 0 ||
		(memcmp(signing->secrets.data, consumer_secret.data, consumer_secret.length) == 0 &&
		 memcmp(signing->secrets.data + consumer_secret.length,
				token_secret.data, token_secret.length) == 0);
}

/* Initializes signer from a PEM key, which is read here and nowhere else. */
static oa1_status
init_rsa_signer(oa1_signer *signer, oauth1_key_use use, oa1_method method, oa1_text pem)
{
	EVP_PKEY   *key = NULL;
	oa1_status	status;

	if (use == OAUTH1_TO_VERIFY)
		return oa1_signer_init_public_key(signer, method, pem);
	status = oa1_private_key_read(pem, (oa1_text) {NULL, 0}, &key);
	if (status == OA1_OK)
	{
		status = oa1_signer_init_key(signer, method, key);
		EVP_PKEY_free(key);
	}
	return status;
}

void
oauth1_signing_set_key(oauth1_signing *signing, oauth1_key_use use, oa1_method method,
					   oa1_text consumer_secret, oa1_text token_secret)
{
	bool		rsa = oa1_method_is_rsa(method);
	oa1_status	status;

	if (rsa)
		token_secret.length = 0;
	if (is_keyed_with(signing, method, consumer_secret, token_secret))
		return;

	signing->keyed = false;
	oa1_signer_free(&signing->signer);
	if (rsa)
		status = init_rsa_signer(&signing->signer, use, method, consumer_secret);
	else
		status = oa1_signer_init_secret(&signing->signer, method, consumer_secret, token_secret,
										oauth1_arena_grow, signing->context);
	oauth1_check_core(status, use == OAUTH1_TO_SIGN ? "signing key" : "verification key");

	oa1_buffer_reset(&signing->secrets);
	oa1_buffer_append_text(&signing->secrets, consumer_secret);
	oa1_buffer_append_text(&signing->secrets, token_secret);
	oauth1_check_core(signing->secrets.status, "signing key");
	signing->consumer_secret_length = consumer_secret.length;
	signing->signer_method = method;
	signing->keyed = true;
}

/* ---------------------------------------------------------------- base string and signature */

void
oauth1_signing_parse_url(oauth1_signing *signing, oa1_text url, oa1_url *parsed)
{
	oa1_buffer_reset(&signing->url_octets);
	oauth1_check_core(oa1_url_parse(url, &signing->url_octets, parsed), "URL");
}

void
oauth1_signing_collect(oauth1_signing *signing, const oa1_url *url,
					   const oauth1_pairs *const *lists, int count)
{
	oa1_parameters_reset(&signing->parameters);
	oauth1_check_core(oa1_parameters_add_form(&signing->parameters, url->query), "URL");
	for (int i = 0; i < count; i++)
	{
		for (size_t j = 0; j < lists[i]->count; j++)
		{
			const oa1_pair *pair = &lists[i]->data[j];

			if (!oauth1_text_is(pair->name, "realm"))
				oauth1_check_core(oa1_parameters_add(&signing->parameters,
													 pair->name, pair->value), "parameters");
		}
	}
}

oa1_text
oauth1_signing_base_string(oauth1_signing *signing, oa1_text http_method, const oa1_url *url)
{
	oa1_buffer_reset(&signing->base_string);
	oauth1_check_core(oa1_base_string(&signing->base_string, http_method, url,
									  &signing->parameters), "HTTP method");
	return oa1_buffer_text(&signing->base_string);
}

oa1_text
oauth1_signing_sign(oauth1_signing *signing, oa1_text base_string)
{
	oa1_buffer_reset(&signing->signature);
	oauth1_check_core(oa1_signer_sign(&signing->signer, base_string, &signing->signature),
					  "signing key");
	return oa1_buffer_text(&signing->signature);
}
