/*
 * trial.c
 *	  A signed request sent as it is, and sent otherwise.
 *
 * A service that refuses without a reason still says yes to the request that is
 * right.  So what else could be meant is tried, one change at a time; each change
 * is one that a provider's or a consumer's definition can make, and none gives the
 * service anything that the first request did not.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/catch.h"
#include "work/call.h"
#include "work/clock.h"
#include "work/dry_run.h"
#include "work/problem.h"
#include "work/suspicion.h"
#include "work/trial.h"

/* A credential that can be changed without touching the session's. */
typedef struct variant
{
	oauth1_credential credential;
	oauth1_provider provider;
	oauth1_credential_token token;
	oauth1_transmission transmission;
} variant;

/* One request, and its answer; what oauth1_catch runs. */
typedef struct attempt
{
	const oauth1_trial *trial;
	const variant *variant;		/* NULL: as calls are signed */
	oauth1_verdict verdict;
} attempt;

/* ---------------------------------------------------------------- one request */

static bool
mentions(oa1_text text, const char *word)
{
	return text.data != NULL && memmem(text.data, text.length, word, strlen(word)) != NULL;
}

/*
 * Does it name a part?  "Another signature" does not, nor a refusal as such.  A
 * parameter that is missed does, unless it is one that every request has: then the
 * service did not see where it stands.
 */
static bool
names_a_part(const oauth1_problem *problem)
{
	if (oauth1_text_is(problem->problem, "parameter_absent"))
		return problem->parameters_absent.data != NULL &&
			!mentions(problem->parameters_absent, "oauth_consumer_key") &&
			!mentions(problem->parameters_absent, "oauth_signature");
	return problem->problem.data != NULL &&
		!oauth1_text_is(problem->problem, "signature_invalid") &&
		!oauth1_text_is(problem->problem, "permission_denied");
}

static oauth1_verdict
judge(const oauth1_response *response)
{
	oauth1_problem problem =
		oauth1_problem_find(oauth1_transfer_header(response, "www-authenticate"), response->body);
	const char *hint = oauth1_problem_hint(&problem);
	oauth1_verdict verdict = {
		.status = response->outcome.status,
		.detail = oauth1_problem_detail(&problem),
		.is_named = names_a_part(&problem),
	};

	if (verdict.detail != NULL && hint != NULL)
		verdict.detail = psprintf("%s %s", verdict.detail, hint);
	return verdict;
}

static int
time_left(const oauth1_trial *trial)
{
	return (int) Max((trial->deadline - oauth1_monotonic_us()) / 1000, 1);
}

static void
send_one(void *argument)
{
	attempt    *one = argument;
	const oauth1_trial *trial = one->trial;
	oauth1_composition composition = {
		.credential = trial->credential,
		.transmission = trial->credential->provider->transmission,
	};
	oauth1_call *call;

	if (one->variant != NULL)
	{
		composition.credential = unconstify(oauth1_credential *, &one->variant->credential);
		/* Another's token is signed with a signer of its own, which is not kept. */
		composition.token = &one->variant->token;
		composition.transmission = one->variant->transmission;
	}
	call = oauth1_call_begin_composed(&composition, trial->message, trial->url,
									  time_left(trial));
	one->verdict = judge(oauth1_call_run(call));
	oauth1_call_end(call);
}

oauth1_verdict
oauth1_trial_send(const oauth1_trial *trial)
{
	attempt		one = {.trial = trial};

	send_one(&one);
	return one.verdict;
}

/* ---------------------------------------------------------------- what can be changed */

/* Each returns what it changed, to be read after "it is accepted"; NULL: nothing to change. */

static char *
drop_token(variant *variant, const oauth1_trial *trial)
{
	if (variant->token.token.data == NULL || !trial->may_drop_token)
		return NULL;
	memset(&variant->token, 0, sizeof(variant->token));
	return "without the token: consumer key, consumer secret and the way to the service are right, so the token or its secret is wrong";
}

static char *
move_parameters(variant *variant, const oauth1_trial *trial)
{
	bool		to_header = variant->transmission != OAUTH1_HEADER;

	variant->transmission = to_header ? OAUTH1_HEADER : OAUTH1_QUERY;
	return to_header ?
		"with the oauth_ parameters in the Authorization header: set the provider's transmission to header" :
		"with the oauth_ parameters in the query: the service does not see the Authorization header, or does not take it; set the provider's transmission to query";
}

static char *
respell_realm(variant *variant, const oauth1_trial *trial)
{
	oa1_text	realm = oauth1_credential_realm(trial->credential, trial->url);
	char	   *respelled = oauth1_realm_respelled(trial->credential, realm);

	if (respelled == NULL || variant->transmission != OAUTH1_HEADER)
		return NULL;
	variant->credential.realm = (oa1_text) {respelled, strlen(respelled)};
	variant->credential.realm_has_url = false;
	return psprintf("with the realm spelled %s, in place of %s: change the consumer's vars",
					respelled, oauth1_shown(realm));
}

static char *
change_hash(variant *variant, const oauth1_trial *trial)
{
	oa1_method	method = variant->provider.signature_method;

	if (method == OA1_HMAC_SHA1)
		method = OA1_HMAC_SHA256;
	else if (method == OA1_HMAC_SHA256 || method == OA1_HMAC_SHA512)
		method = OA1_HMAC_SHA1;
	else if (method == OA1_RSA_SHA1)
		method = OA1_RSA_SHA256;
	else
		method = OA1_RSA_SHA1;
	variant->provider.signature_method = method;
	return psprintf("signed with %s: set the provider's signature_method to it",
					oa1_method_name(method).data);
}

typedef char *(*change) (variant *variant, const oauth1_trial *trial);

/* In the order of what is found wrong most often. */
static const change changes[] = {respell_realm, drop_token, move_parameters, change_hash};

static void
init_variant(variant *variant, const oauth1_trial *trial)
{
	variant->credential = *trial->credential;
	variant->provider = *trial->credential->provider;
	variant->token = trial->credential->token;
	variant->transmission = variant->provider.transmission;
	variant->credential.provider = &variant->provider;
	/* The original's memory is not this one's to free. */
	variant->credential.is_dropped = false;
	variant->credential.holders = 0;
}

static bool
is_accepted(const oauth1_trial *trial, const variant *variant)
{
	attempt		one = {.trial = trial, .variant = variant};

	return oauth1_catch(send_one, &one) == NULL && one.verdict.status >= 200 &&
		one.verdict.status < 300;
}

char *
oauth1_trial_vary(const oauth1_trial *trial)
{
	for (int i = 0; i < lengthof(changes); i++)
	{
		variant    *changed = palloc(sizeof(*changed));
		char	   *what;

		init_variant(changed, trial);
		what = changes[i] (changed, trial);
		if (what != NULL && is_accepted(trial, changed))
			return psprintf("The same request is accepted %s.", what);
	}
	return NULL;
}
