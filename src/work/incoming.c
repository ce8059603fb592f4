/*
 * incoming.c
 *	  A request that somebody sent us, taken apart (RFC 5849, 3.2).
 *
 * Whatever its sender can write is a reason to refuse it, never an error: an error
 * would be the sender's to raise in the caller's transaction.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/client_nonce.h"
#include "work/incoming.h"

/* Where oauth_ parameters can stand: in one of these places (3.5). */
typedef enum place
{
	NOWHERE,
	IN_HEADER,
	IN_QUERY,
	IN_FORM
} place;

/* More than any request has; so that a sender cannot have us compare for ever. */
#define MOST_PROTOCOL_PARAMETERS 32

typedef struct reading
{
	oa1_parameters signed_ones;	/* all that is signed */
	oauth1_pairs protocol;		/* the oauth_ ones, each once */
	place		where;			/* where they stand */
} reading;

/*
 * The reason in a status of the core; NULL where it is OA1_OK.  Raises what is no
 * fault of the sender: want of memory, a URL that the caller put together wrongly.
 */
static const char *
reason_of(oa1_status status, const char *argument)
{
	switch (status)
	{
		case OA1_OK:
			return NULL;
		case OA1_BAD_ESCAPE:
			return "a percent sign without two hexadecimal digits";
		case OA1_BAD_METHOD:
			return "no HTTP method";
		case OA1_URL_BACKSLASH:
		case OA1_URL_CONTROL:
			return "a character that no URL can have";
		case OA1_HEADER_SYNTAX:
			return "a malformed Authorization header";
		case OA1_HEADER_REPEATED:
			return "a parameter twice in the Authorization header";
		default:
			oauth1_check_core(status, argument);
			return NULL;
	}
}

/* ---------------------------------------------------------------- parameters (3.1, 3.5) */

static bool
is_protocol_name(oa1_text name)
{
	return name.length >= 6 && memcmp(name.data, "oauth_", 6) == 0;
}

/* Notes an oauth_ parameter, which may be there once, and in one place with all others. */
static const char *
note_protocol(reading *reading, place where, const oa1_pair *pair)
{
	if (!is_protocol_name(pair->name))
		return NULL;
	if (reading->where != NOWHERE && reading->where != where)
		return "oauth_ parameters in more than one place";
	if (reading->protocol.count == MOST_PROTOCOL_PARAMETERS)
		return "too many oauth_ parameters";
	for (size_t i = 0; i < reading->protocol.count; i++)
	{
		oa1_text	name = reading->protocol.data[i].name;

		if (name.length == pair->name.length &&
			memcmp(name.data, pair->name.data, name.length) == 0)
			return "an oauth_ parameter twice";
	}
	reading->where = where;
	oauth1_pairs_add(&reading->protocol, pair->name, pair->value);
	return NULL;
}

static const char *
take(reading *reading, place where, const oa1_pair *pair)
{
	const char *reason = note_protocol(reading, where, pair);

	if (reason != NULL)
		return reason;
	return reason_of(oa1_parameters_add(&reading->signed_ones, pair->name, pair->value), "params");
}

static const char *
take_header_pairs(reading *reading, oa1_authorization_reader *reader)
{
	const char *reason = NULL;
	oa1_pair	pair;
	bool		more = true;

	while (reason == NULL)
	{
		reason = reason_of(oa1_authorization_next(reader, &pair, &more), "authorization_header");
		if (!more)
			break;
		if (reason == NULL && !oauth1_text_is(pair.name, "realm"))
			reason = take(reading, IN_HEADER, &pair);
	}
	return reason;
}

/* 3.5.1.  A header of another scheme is none of ours: the parameters stand elsewhere. */
static const char *
take_header(reading *reading, oa1_text header)
{
	oa1_authorization_reader reader;
	oa1_buffer	octets;
	oa1_status	status;
	const char *reason = NULL;

	if (header.data == NULL)
		return NULL;
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	status = oa1_authorization_begin(&reader, header, &octets);
	if (status != OA1_HEADER_SCHEME)
		reason = reason_of(status, "authorization_header");
	if (status == OA1_OK)
		reason = take_header_pairs(reading, &reader);
	oa1_authorization_end(&reader);
	return reason;
}

/* 3.5.3.  The query is signed as a whole; here its oauth_ parameters are looked for. */
static const char *
take_query(reading *reading, oa1_text query)
{
	const char *reason = reason_of(oa1_parameters_add_form(&reading->signed_ones, query), "URL");
	oa1_buffer	octets;
	oa1_pair	pair;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	/* Decoding makes nothing longer: what was decoded before does not move. */
	oa1_buffer_reserve(&octets, query.length);
	oauth1_check_core(octets.status, "URL");
	while (reason == NULL && oa1_form_next(&query, &pair))
	{
		oa1_pair	decoded;
		size_t		start = octets.length;

		reason = reason_of(oa1_form_decode(&octets, pair.name), "URL");
		decoded.name = (oa1_text) {octets.data + start, octets.length - start};
		start = octets.length;
		if (reason == NULL)
			reason = reason_of(oa1_form_decode(&octets, pair.value), "URL");
		decoded.value = (oa1_text) {octets.data + start, octets.length - start};
		if (reason == NULL)
			reason = note_protocol(reading, IN_QUERY, &decoded);
	}
	return reason;
}

/* 3.5.2. */
static const char *
take_form(reading *reading, Jsonb *params)
{
	oauth1_pairs pairs;
	const char *reason = NULL;

	if (params == NULL)
		return NULL;
	oauth1_pairs_init(&pairs, JB_ROOT_COUNT(params));
	oauth1_pairs_from_jsonb(&pairs, params, "params");
	for (size_t i = 0; i < pairs.count && reason == NULL; i++)
		reason = take(reading, IN_FORM, &pairs.data[i]);
	return reason;
}

/* ---------------------------------------------------------------- what they say (3.2) */

/* The parameter of that name; data NULL where there is none. */
static oa1_text
find(const reading *reading, oa1_text name)
{
	for (size_t i = 0; i < reading->protocol.count; i++)
	{
		const oa1_pair *pair = &reading->protocol.data[i];

		if (pair->name.length == name.length &&
			memcmp(pair->name.data, name.data, name.length) == 0)
			return pair->value;
	}
	return (oa1_text) {NULL, 0};
}

/* Without these there is nothing to check; an empty one is as good as none. */
static const char *
find_required(const reading *reading, oauth1_incoming *incoming)
{
	incoming->consumer_key = find(reading, OA1_TEXT("oauth_consumer_key"));
	incoming->signature = find(reading, OA1_TEXT("oauth_signature"));
	incoming->nonce = find(reading, OA1_TEXT("oauth_nonce"));
	if (reading->where == NOWHERE)
		return "no oauth_ parameters";
	if (incoming->consumer_key.length == 0)
		return "no oauth_consumer_key";
	if (incoming->signature.length == 0)
		return "no oauth_signature";
	if (incoming->nonce.length == 0)
		return "no oauth_nonce";
	return NULL;
}

/* Absent or 1.0 (3.1). */
static const char *
check_version(const reading *reading)
{
	oa1_text	version = find(reading, OA1_TEXT("oauth_version"));

	if (version.data != NULL && !oauth1_text_is(version, "1.0"))
		return "an oauth_version other than 1.0";
	return NULL;
}

/*
 * PLAINTEXT is refused, over https too: its signature is the secret, for every
 * proxy and log on the way to keep, and covers neither the method nor the URL nor
 * a parameter.  Our clients are ours to choose, and each can hash.
 */
static const char *
check_method(const reading *reading, oauth1_incoming *incoming)
{
	if (!oa1_method_from_name(find(reading, OA1_TEXT("oauth_signature_method")),
							  &incoming->method))
		return "no oauth_signature_method that is known";
	if (incoming->method == OA1_PLAINTEXT)
		return "the signature method PLAINTEXT";
	return NULL;
}

/* Digits alone (3.3); 15 are more than any time that can be near now. */
static const char *
check_timestamp(const reading *reading, int64 now, oauth1_incoming *incoming)
{
	oa1_text	digits = find(reading, OA1_TEXT("oauth_timestamp"));
	int64		timestamp = 0;

	if (digits.length == 0 || digits.length > 15)
		return "no oauth_timestamp";
	for (size_t i = 0; i < digits.length; i++)
	{
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return "an oauth_timestamp that is no number";
		timestamp = timestamp * 10 + (digits.data[i] - '0');
	}
	if (timestamp < now - OAUTH1_TIMESTAMP_WINDOW)
		return "an oauth_timestamp that is too old";
	if (timestamp > now + OAUTH1_TIMESTAMP_WINDOW)
		return "an oauth_timestamp in the future";
	incoming->timestamp = timestamp;
	return NULL;
}

static const char *
judge(const reading *reading, int64 now, oauth1_incoming *incoming)
{
	const char *reason = find_required(reading, incoming);

	if (reason == NULL)
		reason = check_version(reading);
	if (reason == NULL)
		reason = check_method(reading, incoming);
	if (reason == NULL)
		reason = check_timestamp(reading, now, incoming);
	incoming->token = find(reading, OA1_TEXT("oauth_token"));
	incoming->body_hash = find(reading, OA1_TEXT("oauth_body_hash"));
	return reason;
}

const char *
oauth1_incoming_read(const oauth1_arrived *arrived, int64 now, oauth1_incoming *incoming)
{
	reading		reading = {.where = NOWHERE};
	oa1_buffer	url_octets;
	oa1_url		url;
	const char *reason;

	memset(incoming, 0, sizeof(*incoming));
	oauth1_buffer_init(&url_octets, CurrentMemoryContext);
	oauth1_buffer_init(&incoming->base_string, CurrentMemoryContext);
	oa1_parameters_init(&reading.signed_ones, oauth1_arena_grow, CurrentMemoryContext,
						OAUTH1_MAX_TEXT);
	oauth1_pairs_init(&reading.protocol, 0);

	reason = reason_of(oa1_url_parse(arrived->url, &url_octets, &url), "URL");
	if (reason == NULL)
		reason = take_header(&reading, arrived->authorization);
	if (reason == NULL)
		reason = take_query(&reading, url.query);
	if (reason == NULL)
		reason = take_form(&reading, arrived->params);
	if (reason == NULL)
		reason = judge(&reading, now, incoming);
	if (reason == NULL)
		reason = reason_of(oa1_base_string(&incoming->base_string, arrived->http_method, &url,
										   &reading.signed_ones), "HTTP method");
	oa1_parameters_free(&reading.signed_ones);
	return reason;
}
