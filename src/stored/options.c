/*
 * options.c
 *	  The options of create_provider and create_consumer.
 *
 * A provider's keys:
 *
 *	  authorize_params		object: parameters added to the authorize URL
 *	  body_hash_method		SHA-1, SHA-256 or SHA-512: the hash of oauth_body_hash,
 *							where it is not the signature method's
 *	  ca					PEM: the certificates that the service's must lead to,
 *							in place of the system's
 *	  client_certificate	PEM: the certificate that we show the service
 *	  empty_token			boolean: calls without a token send oauth_token=""
 *	  headers				object: header fields of every request; values are
 *							templates
 *	  idempotency_header	the field that carries one UUID a call over all attempts
 *	  proxy					URL of an HTTP proxy, without user name
 *	  retry_when			object: status -> jsonpath; an answer of that status is
 *							tried again where the path finds something in its body
 *	  test_url				the URL that check_consumer gets; may begin with a slash
 *	  user_agent			the User-Agent field
 *
 * All of it may be read by everybody, in the view oauth1.providers: nothing of
 * it may be a secret.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonpath.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "ground/jsonb_params.h"
#include "stored/options.h"
#include "stored/placeholder.h"

typedef enum option_type
{
	TYPE_BOOLEAN,				/* bool */
	TYPE_TEXT,					/* char * */
	TYPE_OBJECT,				/* Jsonb * */
	TYPE_HASH					/* has_body_hash_method and body_hash_method */
} option_type;

/* A key, and where its value goes in oauth1_provider_options. */
typedef struct option
{
	const char *key;
	option_type type;
	size_t		offset;
} option;

#define AT(field) offsetof(oauth1_provider_options, field)

static const option provider_options[] = {
	{"authorize_params", TYPE_OBJECT, AT(authorize_params)},
	{"body_hash_method", TYPE_HASH, AT(body_hash_method)},
	{"ca", TYPE_TEXT, AT(ca)},
	{"client_certificate", TYPE_TEXT, AT(client_certificate)},
	{"empty_token", TYPE_BOOLEAN, AT(empty_token)},
	{"headers", TYPE_OBJECT, AT(headers)},
	{"idempotency_header", TYPE_TEXT, AT(idempotency_header)},
	{"proxy", TYPE_TEXT, AT(proxy)},
	{"retry_when", TYPE_OBJECT, AT(retry_when)},
	{"test_url", TYPE_TEXT, AT(test_url)},
	{"user_agent", TYPE_TEXT, AT(user_agent)},
};

/* ---------------------------------------------------------------- reading */

static void
raise_unknown_key(const JsonbValue *key)
{
	StringInfoData known;

	initStringInfo(&known);
	for (int i = 0; i < lengthof(provider_options); i++)
		appendStringInfo(&known, "%s%s", i > 0 ? ", " : "", provider_options[i].key);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%.*s\"", key->val.string.len, key->val.string.val),
			 errhint("The options of a provider are %s.", known.data)));
}

static void
raise_wrong_type(const char *key, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" must be %s", key, wanted)));
}

static const option *
find_option(const JsonbValue *key)
{
	for (int i = 0; i < lengthof(provider_options); i++)
		if (strlen(provider_options[i].key) == key->val.string.len &&
			memcmp(provider_options[i].key, key->val.string.val, key->val.string.len) == 0)
			return &provider_options[i];
	raise_unknown_key(key);
	return NULL;
}

/* SHA-1 or SHA1, and so on, as the HMAC method with that hash; 22023 for any other word. */
static oa1_method
hash_method(const char *key, const JsonbValue *value)
{
	static const struct
	{
		const char *name;
		oa1_method	method;
	}			hashes[] = {
		{"SHA-1", OA1_HMAC_SHA1}, {"SHA1", OA1_HMAC_SHA1},
		{"SHA-256", OA1_HMAC_SHA256}, {"SHA256", OA1_HMAC_SHA256},
		{"SHA-512", OA1_HMAC_SHA512}, {"SHA512", OA1_HMAC_SHA512},
	};

	if (value->type == jbvString)
		for (int i = 0; i < lengthof(hashes); i++)
			if (strlen(hashes[i].name) == value->val.string.len &&
				pg_strncasecmp(hashes[i].name, value->val.string.val,
							   value->val.string.len) == 0)
				return hashes[i].method;
	raise_wrong_type(key, "SHA-1, SHA-256 or SHA-512");
	return OA1_HMAC_SHA1;
}

/* Puts a value where its option says; 22023 where it is of another type. */
static void
read_option(const option *option, const JsonbValue *value, oauth1_provider_options *out)
{
	char	   *place = (char *) out + option->offset;

	switch (option->type)
	{
		case TYPE_BOOLEAN:
			if (value->type != jbvBool)
				raise_wrong_type(option->key, "true or false");
			*(bool *) place = value->val.boolean;
			break;
		case TYPE_TEXT:
			if (value->type != jbvString)
				raise_wrong_type(option->key, "a string");
			*(char **) place = pnstrdup(value->val.string.val, value->val.string.len);
			break;
		case TYPE_OBJECT:
			if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
				raise_wrong_type(option->key, "an object");
			*(Jsonb **) place = JsonbValueToJsonb(unconstify(JsonbValue *, value));
			break;
		case TYPE_HASH:
			out->body_hash_method = hash_method(option->key, value);
			out->has_body_hash_method = true;
			break;
	}
}

void
oauth1_provider_options_read(Jsonb *options, oauth1_provider_options *out)
{
	JsonbIterator *iterator;
	JsonbValue	key;
	JsonbValue	value;

	memset(out, 0, sizeof(*out));
	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	iterator = JsonbIteratorInit(&options->root);
	(void) JsonbIteratorNext(&iterator, &key, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		read_option(find_option(&key), &value, out);
	}
}

/* ---------------------------------------------------------------- checking */

static void
raise_unfit(const char *key, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value of option \"%s\"", key),
			 errdetail("%s", detail)));
}

/*
 * Certificates in PEM, one or more, and nothing else: a private key would stand
 * where everybody can read it.
 */
static void
check_certificates(const char *key, const char *pem)
{
	BIO		   *bio;
	X509	   *certificate;
	int			count = 0;
	bool		at_end;

	if (strstr(pem, "PRIVATE KEY") != NULL)
		raise_unfit(key, "It holds a private key, and options can be read by everybody.");
	bio = BIO_new_mem_buf(pem, -1);
	if (bio == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
	{
		X509_free(certificate);
		count++;
	}
	at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	if (count == 0 || !at_end)
		raise_unfit(key, "It is no list of certificates in PEM.");
}

static void
check_field_text(const char *key, const char *value)
{
	if (value[0] == '\0')
		raise_unfit(key, "It is empty.");
	for (const char *c = value; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			raise_unfit(key, "It has a control character.");
}

/* Calls each for the object's keys and values, as C strings; 22023 for any value but a string. */
static void
for_each_string(const char *key, Jsonb *object, void (*each) (const char *, const char *))
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbValue	name;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &name, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &name, true) == WJB_KEY)
	{
		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		if (value.type != jbvString)
			raise_wrong_type(key, "an object of strings");
		each(pnstrdup(name.val.string.val, name.val.string.len),
			 pnstrdup(value.val.string.val, value.val.string.len));
	}
}

/* The content type is each request's own: it decides what of the body is signed. */
static void
check_header(const char *name, const char *value)
{
	oauth1_check_header_name((oa1_text) {name, strlen(name)});
	if (pg_strcasecmp(name, "content-type") == 0)
		raise_unfit("headers", "The content type is each request's own.");
	oauth1_template_check(value, OAUTH1_PLACE_HEADER, "option \"headers\"");
}

static void
check_authorize_param(const char *name, const char *value)
{
	if (name[0] == '\0')
		raise_unfit("authorize_params", "A parameter has no name.");
	if (strncmp(name, "oauth_", strlen("oauth_")) == 0)
		raise_unfit("authorize_params", "Parameters that begin with oauth_ are the protocol's own.");
}

/* A status that is an error, and a jsonpath; what does not parse is PostgreSQL's own error. */
static void
check_retry(const char *status, const char *path)
{
	if (strlen(status) != 3 || strspn(status, "0123456789") != 3 ||
		(status[0] != '4' && status[0] != '5'))
		raise_unfit("retry_when", "A key is a status from 400 to 599.");
	(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
}

/* What follows the first api_url is checked as a URL with some origin before it. */
static void
check_test_url(const char *url)
{
	const char *whole = url[0] == '/' ? psprintf("https://x%s", url) : url;

	oauth1_template_check(whole, OAUTH1_PLACE_URL, "option \"test_url\"");
}

static void
check_proxy(const char *proxy)
{
	oa1_text	utf8 = oauth1_utf8_from_cstring(proxy);
	oa1_buffer	octets;
	oa1_url		url;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_check_core(oa1_url_parse(utf8, &octets, &url), "option \"proxy\"");
	if (url.has_userinfo)
		raise_unfit("proxy", "It has a user name or password, and options can be read by everybody.");
	if (url.has_query || url.path.length > 1 || strchr(proxy, '#') || strchr(proxy, '{'))
		raise_unfit("proxy", "A proxy is a scheme, a host and a port.");
	oa1_buffer_free(&octets);
}

void
oauth1_provider_options_check(const oauth1_provider_options *options)
{
	if (options->authorize_params != NULL)
		for_each_string("authorize_params", options->authorize_params, check_authorize_param);
	if (options->ca != NULL)
		check_certificates("ca", options->ca);
	if (options->client_certificate != NULL)
		check_certificates("client_certificate", options->client_certificate);
	if (options->headers != NULL)
		for_each_string("headers", options->headers, check_header);
	if (options->idempotency_header != NULL)
		oauth1_check_header_name((oa1_text) {options->idempotency_header,
											 strlen(options->idempotency_header)});
	if (options->proxy != NULL)
		check_proxy(options->proxy);
	if (options->retry_when != NULL)
		for_each_string("retry_when", options->retry_when, check_retry);
	if (options->test_url != NULL)
		check_test_url(options->test_url);
	if (options->user_agent != NULL)
		check_field_text("user_agent", options->user_agent);
}

/* ---------------------------------------------------------------- a consumer's */

/* Where the option's value goes; 22023 for any other key. */
static oa1_text *
consumer_option(const JsonbValue *key, oauth1_consumer_secrets *secrets)
{
	oa1_text	name = {key->val.string.val, key->val.string.len};

	if (oauth1_text_is(name, "client_key"))
		return &secrets->client_key;
	if (oauth1_text_is(name, "passphrase"))
		return &secrets->passphrase;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option \"%.*s\"", key->val.string.len, key->val.string.val),
			 errhint("The options of a consumer are client_key and passphrase.")));
	return NULL;
}

void
oauth1_consumer_options_read(Jsonb *options, oauth1_consumer_secrets *secrets)
{
	JsonbIterator *iterator;
	JsonbValue	key;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object")));
	iterator = JsonbIteratorInit(&options->root);
	(void) JsonbIteratorNext(&iterator, &key, true);	/* WJB_BEGIN_OBJECT */
	while (JsonbIteratorNext(&iterator, &key, true) == WJB_KEY)
	{
		oa1_text   *place = consumer_option(&key, secrets);
		oa1_buffer *buffer = oauth1_secret_buffer(CurrentMemoryContext);

		(void) JsonbIteratorNext(&iterator, &value, true);	/* WJB_VALUE */
		if (value.type != jbvString)
			raise_wrong_type(pnstrdup(key.val.string.val, key.val.string.len), "a string");
		(void) oa1_buffer_reserve(buffer, 1);	/* so that an empty one is given */
		oauth1_secret_append(buffer, value.val.string.val, value.val.string.len);
		*place = oa1_buffer_text(buffer);
	}
}

bool
oauth1_options_have(Jsonb *options, const char *key)
{
	JsonbValue	value;

	return JB_ROOT_IS_OBJECT(options) &&
		getKeyJsonValueFromContainer(&options->root, key, strlen(key), &value) != NULL;
}
