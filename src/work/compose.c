/*
 * compose.c
 *	  One message and one credential made into the request that is sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "ground/protocol.h"
#include "ground/random.h"
#include "ground/settings.h"
#include "work/compose.h"

/* The oauth_body_hash extension: which bodies have one is the provider's choice. */
static oa1_text
body_hash(const oauth1_provider *provider, const oauth1_message *message)
{
	oa1_method	method = provider->signature_method;
	oa1_buffer	hash;

	if (provider->body_hash == OAUTH1_BODY_HASH_OFF || oauth1_message_is_form(message))
		return (oa1_text) {NULL, 0};
	if (provider->body_hash == OAUTH1_BODY_HASH_AUTO && !message->has_body)
		return (oa1_text) {NULL, 0};
	if (provider->options.has_body_hash_method)
		method = provider->options.body_hash_method;
	oauth1_buffer_init(&hash, CurrentMemoryContext);
	oauth1_check_core(oa1_body_hash(method, message->body, &hash), "body");
	return oa1_buffer_text(&hash);
}

/* The oauth_ parameters to be sent, but for the signature (3.1). */
static void
protocol_parameters(const oauth1_composition *composition, const oauth1_message *message,
					oauth1_pairs *sent)
{
	const oauth1_credential *credential = composition->credential;
	const oauth1_credential_token *token =
		composition->token ? composition->token : &credential->token;
	char	   *nonce = palloc(OA1_NONCE_LENGTH);
	oauth1_protocol protocol = {
		.consumer_key = credential->consumer_key,
		.token = token->token,
		.method = credential->provider->signature_method,
		.timestamp = (int64) time(NULL),
		.nonce = {nonce, OA1_NONCE_LENGTH},
		.body_hash = body_hash(credential->provider, message),
	};
	oauth1_pairs none;
	oauth1_pairs signed_only;

	oauth1_draw_nonce(nonce);
	if (protocol.token.data == NULL && credential->provider->options.empty_token)
		protocol.token = OA1_TEXT("");
	oauth1_pairs_init(&none, 0);
	oauth1_pairs_init(&signed_only, 0);
	oauth1_pairs_init(sent, OAUTH1_PROTOCOL_COUNT + 2);
	oauth1_protocol_parameters(&protocol,
							   composition->protocol ? composition->protocol : &none,
							   sent, &signed_only);
}

/* Could it be oauth_something, however it is encoded? */
static bool
may_be_protocol_name(oa1_text encoded)
{
	return encoded.length >= strlen("oauth_") &&
		(encoded.data[0] == 'o' || encoded.data[0] == '%');
}

static bool
is_sent(oa1_text name, const oauth1_pairs *sent)
{
	for (size_t i = 0; i < sent->count; i++)
		if (sent->data[i].name.length == name.length &&
			memcmp(sent->data[i].name.data, name.data, name.length) == 0)
			return true;
	return oauth1_text_is(name, "oauth_signature");
}

/*
 * Each protocol parameter stands in a request once (3.1): of two, the service
 * may verify one and act on the other.  A signature of the caller's would even
 * be sent without being signed (3.4.1.3.1).
 */
static void
check_names(oa1_text form, const oauth1_pairs *sent, const char *what)
{
	oa1_pair	pair;
	oa1_buffer	name;

	oauth1_buffer_init(&name, CurrentMemoryContext);
	while (oa1_form_next(&form, &pair))
	{
		if (!may_be_protocol_name(pair.name))
			continue;
		oa1_buffer_reset(&name);
		oauth1_check_core(oa1_form_decode(&name, pair.name), what);
		if (is_sent(oa1_buffer_text(&name), sent))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s cannot have a parameter \"%s\"", what,
							oauth1_cstring_from_utf8(oa1_buffer_text(&name))),
					 errdetail("Every request has one already, and may have no two (RFC 5849, section 3.1).")));
	}
	oa1_buffer_free(&name);
}

/* The base string over the URL's query, the form and the oauth_ parameters (3.4.1). */
static oa1_text
base_string(const oauth1_message *message, const oa1_url *url, const oauth1_pairs *sent)
{
	oa1_parameters parameters;
	oa1_buffer	out;
	oa1_status	status;

	oa1_parameters_init(&parameters, oauth1_arena_grow, CurrentMemoryContext, OAUTH1_MAX_TEXT);
	oauth1_check_core(oa1_parameters_add_form(&parameters, url->query), "query of the URL");
	if (oauth1_message_is_form(message))
		oauth1_check_core(oa1_parameters_add_form(&parameters, message->body), "form");
	for (size_t i = 0; i < sent->count; i++)
		oauth1_check_core(oa1_parameters_add(&parameters, sent->data[i].name,
											 sent->data[i].value), "parameter");
	oauth1_buffer_init(&out, CurrentMemoryContext);
	status = oa1_base_string(&out, message->http_method, url, &parameters);
	oauth1_check_core(status, status == OA1_BAD_METHOD ? "http_method" : "base string");
	oa1_parameters_free(&parameters);
	return oa1_buffer_text(&out);
}

static void
send_in_header(const oauth1_composition *composition, const oa1_url *url,
			   const oauth1_pairs *sent, oauth1_pairs *headers)
{
	/* With PLAINTEXT the field holds the secrets. */
	oa1_buffer *field = oauth1_secret_buffer(CurrentMemoryContext);

	oauth1_check_core(oa1_authorization_write(field,
											  oauth1_credential_realm(composition->credential,
																	  url),
											  sent->data, sent->count), "realm");
	oauth1_pairs_add(headers, OA1_TEXT("Authorization"), oa1_buffer_text(field));
}

static void
send_in_query(const oa1_url *url, const oauth1_pairs *sent, oauth1_request *request)
{
	oa1_buffer *out = oauth1_secret_buffer(CurrentMemoryContext);

	oa1_buffer_append_text(out, url->text);
	if (!url->has_query)
		oa1_buffer_append_char(out, '?');
	oauth1_append_pairs(out, sent, url->query.length == 0);
	oauth1_check_core(out->status, "URL");
	request->url = oa1_buffer_text(out);
}

static void
send_in_body(const oauth1_message *message, const oauth1_pairs *sent, oauth1_request *request)
{
	oa1_buffer *out = oauth1_secret_buffer(CurrentMemoryContext);

	oa1_buffer_append_text(out, message->body);
	oauth1_append_pairs(out, sent, message->body.length == 0);
	oauth1_check_core(out->status, "form");
	request->body = oa1_buffer_text(out);
}

static void
add_default_header(oauth1_pairs *headers, oa1_text name, const char *value)
{
	if (value != NULL && value[0] != '\0' &&
		oauth1_find_header(headers->data, headers->count, name) == NULL)
		oauth1_pairs_add(headers, name, oauth1_utf8_from_cstring(value));
}

/* The caller's fields first; a provider's stands back where the caller has that name. */
static void
collect_headers(const oauth1_composition *composition, const oauth1_message *message,
				oauth1_pairs *headers)
{
	const oauth1_credential *credential = composition->credential;
	const char *user_agent = credential->provider->options.user_agent;

	oauth1_pairs_init(headers, message->headers.count + credential->header_count + 4);
	for (size_t i = 0; i < message->headers.count; i++)
		oauth1_pairs_add(headers, message->headers.data[i].name, message->headers.data[i].value);
	for (size_t i = 0; i < credential->header_count; i++)
		if (oauth1_find_header(message->headers.data, message->headers.count,
							   credential->headers[i].name) == NULL)
			oauth1_pairs_add(headers, credential->headers[i].name, credential->headers[i].value);
	add_default_header(headers, OA1_TEXT("User-Agent"),
					   user_agent ? user_agent : oauth1_user_agent);
	add_default_header(headers, OA1_TEXT("Accept"), "*/*");
	if (message->content_type.data != NULL)
		oauth1_pairs_add(headers, OA1_TEXT("Content-Type"), message->content_type);
}

void
oauth1_compose(const oauth1_composition *composition, const oauth1_message *message,
			   const oa1_url *url, oauth1_request *request)
{
	oauth1_transmission transmission = composition->transmission;
	oa1_buffer *signature = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_pairs sent;
	oauth1_pairs headers;

	if (transmission == OAUTH1_BODY && !oauth1_message_is_form(message))
		transmission = OAUTH1_QUERY;
	protocol_parameters(composition, message, &sent);
	check_names(url->query, &sent, "query of the URL");
	if (oauth1_message_is_form(message))
		check_names(message->body, &sent, "form");
	oauth1_credential_sign(composition->credential, composition->token,
						   base_string(message, url, &sent), signature);
	oauth1_pairs_add(&sent, OA1_TEXT("oauth_signature"), oa1_buffer_text(signature));

	collect_headers(composition, message, &headers);
	request->http_method = message->http_method;
	request->url = url->text;
	request->body = message->body;
	request->has_body = message->has_body;
	if (transmission == OAUTH1_HEADER)
		send_in_header(composition, url, &sent, &headers);
	else if (transmission == OAUTH1_QUERY)
		send_in_query(url, &sent, request);
	else
		send_in_body(message, &sent, request);
	request->headers = headers.data;
	request->header_count = headers.count;
}
