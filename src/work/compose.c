/*
 * compose.c
 *	  One message and one credential made into the request that is sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "ground/protocol.h"
#include "ground/random.h"
#include "ground/settings.h"
#include "work/compose.h"

/* oa1_read over the source of a body. */
static size_t
read_source(void *source, char *to, size_t room)
{
	return ((oauth1_body_source *) source)->read(source, to, room);
}

/* A body that has a source is read once for its hash, and again when it is sent. */
static oa1_status
hash_body(oa1_method method, const oauth1_message *message, oa1_buffer *out)
{
	if (message->source == NULL)
		return oa1_body_hash(method, message->body, out);
	message->source->rewind(message->source);
	return oa1_body_hash_read(method, read_source, message->source, out);
}

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
	oauth1_check_core(hash_body(method, message, &hash), "body");
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
		.timestamp = composition->timestamp,
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

/* All that is signed: the URL's query, the form and the oauth_ parameters (3.4.1.3.1). */
static void
collect_parameters(const oauth1_message *message, const oa1_url *url, const oauth1_pairs *sent,
				   oa1_parameters *parameters)
{
	oa1_parameters_init(parameters, oauth1_arena_grow, CurrentMemoryContext, OAUTH1_MAX_TEXT);
	oauth1_check_core(oa1_parameters_add_form(parameters, url->query), "query of the URL");
	if (oauth1_message_is_form(message))
		oauth1_check_core(oa1_parameters_add_form(parameters, message->body), "form");
	for (size_t i = 0; i < sent->count; i++)
		oauth1_check_core(oa1_parameters_add(parameters, sent->data[i].name,
											 sent->data[i].value), "parameter");
}

static oa1_text
base_string(const oauth1_message *message, const oa1_url *url, oa1_parameters *parameters)
{
	oa1_buffer	out;
	oa1_status	status;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	status = oa1_base_string(&out, message->http_method, url, parameters);
	oauth1_check_core(status, status == OA1_BAD_METHOD ? "http_method" : "base string");
	return oa1_buffer_text(&out);
}

/* ---------------------------------------------------------------- what is sent (3.5) */

static void
send_in_header(oa1_text realm, const oauth1_pairs *sent, oauth1_pairs *headers)
{
	/* With PLAINTEXT the field holds the secrets. */
	oa1_buffer *field = oauth1_secret_buffer(CurrentMemoryContext);

	oauth1_check_core(oa1_authorization_write(field, realm, sent->data, sent->count), "realm");
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

static oauth1_transmission
transmission_of(const oauth1_composition *composition, const oauth1_message *message)
{
	if (composition->transmission == OAUTH1_BODY && !oauth1_message_is_form(message))
		return OAUTH1_QUERY;
	return composition->transmission;
}

/* The request with sent, which includes the signature, in its place. */
static void
write_request(const oauth1_composition *composition, const oauth1_message *message,
			  const oa1_url *url, const oauth1_pairs *sent, oauth1_request *request)
{
	oauth1_transmission transmission = transmission_of(composition, message);
	oauth1_pairs headers;

	collect_headers(composition, message, &headers);
	request->http_method = message->http_method;
	request->url = url->text;
	request->body = message->body;
	request->has_body = message->has_body;
	request->body_source = message->source;
	if (transmission == OAUTH1_HEADER)
		send_in_header(oauth1_credential_realm(composition->credential, url), sent, &headers);
	else if (transmission == OAUTH1_QUERY)
		send_in_query(url, sent, request);
	else
		send_in_body(message, sent, request);
	request->headers = headers.data;
	request->header_count = headers.count;
}

/* ---------------------------------------------------------------- how it was made */

static void
note_parameter(oauth1_composition_details *details, oa1_pair pair, oauth1_source source)
{
	details->parameters[details->parameter_count++] = (oauth1_signed_parameter) {pair, source};
}

static oa1_text
form_decoded(oa1_text encoded)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_form_decode(&out, encoded), "form");
	return out.data ? oa1_buffer_text(&out) : OA1_TEXT("");
}

static void
note_form(oauth1_composition_details *details, oa1_text form, oauth1_source source)
{
	oa1_pair	pair;

	while (oa1_form_next(&form, &pair))
		note_parameter(details, (oa1_pair) {form_decoded(pair.name), form_decoded(pair.value)},
					   source);
}

static void
note_protocol(oauth1_composition_details *details, const oa1_pair *pair, bool has_token)
{
	oauth1_source source = OAUTH1_SOURCE_PROTOCOL;

	if (oauth1_text_is(pair->name, "oauth_token") && !has_token)
		source = OAUTH1_SOURCE_OPTION;
	if (oauth1_text_is(pair->name, "oauth_nonce"))
		details->nonce = pair->value;
	if (oauth1_text_is(pair->name, "oauth_body_hash"))
		details->body_hash = pair->value;
	note_parameter(details, *pair, source);
}

/* sent is without the signature; parameters and base string are what was signed. */
static void
note_details(const oauth1_composition *composition, const oauth1_message *message,
			 const oa1_url *url, const oauth1_pairs *sent, oa1_parameters *parameters,
			 oa1_text base_string, oauth1_composition_details *details)
{
	const oauth1_credential_token *token =
		composition->token ? composition->token : &composition->credential->token;
	oauth1_pairs masked;
	oa1_buffer	normalized;

	memset(details, 0, sizeof(*details));
	details->parameters = palloc(sizeof(oauth1_signed_parameter) * parameters->count);
	note_form(details, url->query, OAUTH1_SOURCE_QUERY);
	if (oauth1_message_is_form(message))
		note_form(details, message->body, OAUTH1_SOURCE_FORM);
	for (size_t i = 0; i < sent->count; i++)
		note_protocol(details, &sent->data[i], token->token.data != NULL);

	oauth1_buffer_init(&normalized, CurrentMemoryContext);
	oauth1_check_core(oa1_parameters_write(parameters, &normalized), "parameter");
	details->normalized = oa1_buffer_text(&normalized);
	details->base_string = base_string;
	details->transmission = transmission_of(composition, message);
	if (details->transmission == OAUTH1_HEADER)
		details->realm = oauth1_credential_realm(composition->credential, url);

	oauth1_pairs_init(&masked, sent->count + 1);
	for (size_t i = 0; i < sent->count; i++)
		oauth1_pairs_add(&masked, sent->data[i].name, sent->data[i].value);
	oauth1_pairs_add(&masked, OA1_TEXT("oauth_signature"), OA1_TEXT(OAUTH1_MASK));
	write_request(composition, message, url, &masked, &details->shown);
}

/* ---------------------------------------------------------------- putting it together */

/* Base string, and what it is made of; sent is without the signature. */
static oa1_text
prepare(const oauth1_composition *composition, const oauth1_message *message,
		const oa1_url *url, oauth1_pairs *sent, oa1_parameters *parameters)
{
	protocol_parameters(composition, message, sent);
	check_names(url->query, sent, "query of the URL");
	if (oauth1_message_is_form(message))
		check_names(message->body, sent, "form");
	collect_parameters(message, url, sent, parameters);
	return base_string(message, url, parameters);
}

void
oauth1_compose_check(const oauth1_composition *composition, const oauth1_message *message,
					 const oa1_url *url)
{
	oa1_parameters parameters;
	oauth1_pairs sent;

	(void) prepare(composition, message, url, &sent, &parameters);
	oa1_parameters_free(&parameters);
}

void
oauth1_compose(const oauth1_composition *composition, const oauth1_message *message,
			   const oa1_url *url, oauth1_request *request, oauth1_composition_details *details)
{
	oa1_buffer *signature = oauth1_secret_buffer(CurrentMemoryContext);
	oa1_parameters parameters;
	oauth1_pairs sent;
	oa1_text	base = prepare(composition, message, url, &sent, &parameters);

	oauth1_credential_sign(composition->credential, composition->token, base, signature);
	if (details != NULL)
		note_details(composition, message, url, &sent, &parameters, base, details);
	oa1_parameters_free(&parameters);

	oauth1_pairs_add(&sent, OA1_TEXT("oauth_signature"), oa1_buffer_text(signature));
	write_request(composition, message, url, &sent, request);
}
