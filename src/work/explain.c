/*
 * explain.c
 *	  explain_call: how a call is signed, step by step, and nothing sent.
 *
 * What is shown is what oauth1_compose noted while it made the request; the
 * signature is masked in it, and of secrets only their lengths are told.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/header.h"
#include "work/clock.h"
#include "work/dry_run.h"
#include "work/suspicion.h"

typedef struct explanation
{
	ReturnSetInfo *result;
	int			step;
	oauth1_dry_run run;
} explanation;

/* ---------------------------------------------------------------- rows */

static void
put(explanation *explanation, const char *name, const char *value)
{
	Datum		values[] = {
		Int32GetDatum(++explanation->step), CStringGetTextDatum(name), CStringGetTextDatum(value)
	};
	bool		nulls[] = {false, false, false};

	tuplestore_putvalues(explanation->result->setResult, explanation->result->setDesc, values,
						 nulls);
}

static void
put_text(explanation *explanation, const char *name, oa1_text value)
{
	put(explanation, name, oauth1_shown(value));
}

static void
put_warning(void *context, const char *words)
{
	put(context, "warning", words);
}

/* ---------------------------------------------------------------- who and where */

static void
explain_credential(explanation *explanation)
{
	const oauth1_credential *credential = explanation->run.credential;

	put(explanation, "consumer", psprintf("%s (consumer key %s)", credential->consumer->name,
										  credential->consumer->consumer_key));
	put(explanation, "provider", credential->provider->name);
	if (credential->token.token.data == NULL)
		put(explanation, "token", "none: two-legged");
	else
		put(explanation, "token", psprintf("%s (%s)", credential->token_name,
										   oauth1_shown(credential->token.token)));
}

static void
explain_url(explanation *explanation)
{
	const oauth1_dry_run *run = &explanation->run;

	put_text(explanation, "method", run->message.http_method);
	put_text(explanation, "URL as sent", run->details.shown.url);
	put_text(explanation, "base string URI", run->url.base_uri);
}

/* ---------------------------------------------------------------- what is signed */

static const char *const source_names[] = {
	[OAUTH1_SOURCE_QUERY] = "parameter of the URL's query",
	[OAUTH1_SOURCE_FORM] = "parameter of the form",
	[OAUTH1_SOURCE_PROTOCOL] = "parameter of the protocol",
	[OAUTH1_SOURCE_OPTION] = "parameter of the option empty_token",
};

static void
explain_parameters(explanation *explanation)
{
	const oauth1_composition_details *details = &explanation->run.details;

	for (size_t i = 0; i < details->parameter_count; i++)
	{
		const oauth1_signed_parameter *parameter = &details->parameters[i];

		put(explanation, source_names[parameter->source],
			psprintf("%s = %s", oauth1_shown(parameter->pair.name),
					 oauth1_shown(parameter->pair.value)));
	}
	put_text(explanation, "normalized parameters", details->normalized);
	put_text(explanation, "base string", details->base_string);
}

static char *
key_text(oauth1_credential *credential)
{
	oauth1_key_shape shape;

	oauth1_credential_key_shape(credential, &shape);
	if (shape.rsa_bits > 0)
		return psprintf("RSA private key of %d bits", shape.rsa_bits);
	return psprintf("%zu octets & %zu octets", shape.consumer_secret, shape.token_secret);
}

static char *
timestamp_text(const oauth1_dry_run *run)
{
	int64		timestamp = run->composition.timestamp;
	int64		offset = oauth1_clock_offset(run->credential->provider->name);

	return psprintf("%lld (%s; %s)", (long long) timestamp,
					timestamptz_to_str(time_t_to_timestamptz((pg_time_t) timestamp)),
					offset == 0 ? "this server's clock" :
					psprintf("this server's clock and %+lld s, learned from the service",
							 (long long) offset));
}

static void
explain_signature(explanation *explanation)
{
	const oauth1_dry_run *run = &explanation->run;

	put_text(explanation, "signature method",
			 oa1_method_name(run->credential->provider->signature_method));
	put(explanation, "key", key_text(run->credential));
	put(explanation, "timestamp", timestamp_text(run));
	put_text(explanation, "nonce", run->details.nonce);
}

/* ---------------------------------------------------------------- what is sent */

static const char *
transmission_text(oauth1_transmission transmission)
{
	if (transmission == OAUTH1_HEADER)
		return "in the Authorization header";
	return transmission == OAUTH1_QUERY ? "in the query" : "in the form";
}

static char *
body_text(const oauth1_dry_run *run)
{
	const char *how = "not signed";

	if (!run->message.has_body)
		return "none";
	if (oauth1_message_is_form(&run->message))
		how = "signed: it is a form";
	else if (run->details.body_hash.data != NULL)
		how = psprintf("signed by its hash, oauth_body_hash %s",
					   oauth1_shown(run->details.body_hash));
	return psprintf("%zu octets of %s; %s", run->request.body.length,
					run->message.content_type.data ? oauth1_shown(run->message.content_type) :
					"no type", how);
}

static void
explain_sending(explanation *explanation)
{
	const oauth1_dry_run *run = &explanation->run;
	const oauth1_request *shown = &run->details.shown;

	put(explanation, "oauth_ parameters", transmission_text(run->details.transmission));
	for (size_t i = 0; i < shown->header_count; i++)
		put(explanation, "header", psprintf("%s: %s", oauth1_shown(shown->headers[i].name),
											oauth1_shown(shown->headers[i].value)));
	put(explanation, "body", body_text(run));
	if (run->details.transmission == OAUTH1_BODY)
		put_text(explanation, "form as sent", shown->body);
}

/* ---------------------------------------------------------------- what is not signed or known */

static bool
is_multipart(oa1_text content_type)
{
	return content_type.length > strlen("multipart/") &&
		oauth1_same_name((oa1_text) {content_type.data, strlen("multipart/")},
						 OA1_TEXT("multipart/"));
}

static void
explain_unsigned(explanation *explanation)
{
	const oauth1_dry_run *run = &explanation->run;
	const oauth1_message *message = &run->message;

	if (message->has_body && !oauth1_message_is_form(message))
		put(explanation, "not signed",
			psprintf("the body: %s (RFC 5849, section 3.4.1.3.1)%s",
					 is_multipart(message->content_type) ? "the parts of multipart are no form" :
					 "only a form's parameters are",
					 run->details.body_hash.data ? "; its hash is" : ""));
	put(explanation, "not signed", "the headers, but for the oauth_ parameters in Authorization");
	if (run->details.realm.data != NULL)
		put(explanation, "not signed", "the realm (RFC 5849, section 3.4.1.3.1)");
	if (memchr(run->given_url.data, '#', run->given_url.length) != NULL)
		put(explanation, "not signed", "the fragment of the URL: it is not sent either");
	if (run->credential->provider->signature_method == OA1_PLAINTEXT)
		put(explanation, "not signed",
			"anything: with PLAINTEXT the signature is the key itself (RFC 5849, section 3.4.4)");
}

static void
explain_unknown(explanation *explanation)
{
	const oauth1_dry_run *run = &explanation->run;

	put(explanation, "not known here", "whether the service has the same secrets or key");
	put(explanation, "not known here",
		psprintf("whether the service, behind its proxies, sees the base string URI %s, the same query%s",
				 oauth1_shown(run->url.base_uri),
				 oauth1_message_is_form(&run->message) ? " and the same form" : ""));
	put(explanation, "not known here",
		"whether the service accepts the signature method, and the oauth_ parameters where they stand");
}

PG_FUNCTION_INFO_V1(oauth1_explain_call);

/* explain_call(consumer, request, token) → rows (step, name, value) */
Datum
oauth1_explain_call(PG_FUNCTION_ARGS)
{
	explanation explanation = {.result = (ReturnSetInfo *) fcinfo->resultinfo};

	InitMaterializedSRF(fcinfo, 0);
	oauth1_dry_run_make(fcinfo, &explanation.run);
	explain_credential(&explanation);
	explain_url(&explanation);
	explain_parameters(&explanation);
	explain_signature(&explanation);
	explain_sending(&explanation);
	explain_unsigned(&explanation);
	oauth1_suspicions(&explanation.run, put_warning, &explanation);
	explain_unknown(&explanation);
	return (Datum) 0;
}
