/*
 * token_flow.c
 *	  The three-legged flow (RFC 5849, 2): request token, the user's approval,
 *	  access token; and what may become of that later.
 *
 * Each step is one signed request to a token endpoint and one write.  The write
 * comes last and in the caller's transaction: a failed exchange leaves nothing,
 * and a rolled-back one leaves the request token as it was, though the provider
 * may count it as used.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/access.h"
#include "stored/registry.h"
#include "stored/token_store.h"
#include "work/call.h"
#include "work/token_flow.h"
#include "work/token_reply.h"

/* One request to a token endpoint. */
typedef struct token_step
{
	const char *what;			/* "request token", in messages */
	oauth1_credential *credential;
	const oauth1_credential_token *token;	/* whose token and secret sign */
	const char *endpoint;		/* template; NULL: the provider has none */
	const char *endpoint_name;
	oauth1_pairs protocol;		/* oauth_ parameters besides the usual */
	oauth1_pairs others;		/* parameters in the form, or the query of a GET */
	bool		reply_is_optional;	/* a status of 2xx says enough */
} token_step;

/* For the first step, which has no token yet. */
static const oauth1_credential_token no_token;

static void
init_step(token_step *step, const char *what, oauth1_credential *credential,
		  const oauth1_credential_token *token, const char *endpoint, const char *endpoint_name)
{
	memset(step, 0, sizeof(*step));
	step->what = what;
	step->credential = credential;
	step->token = token;
	step->endpoint = endpoint;
	step->endpoint_name = endpoint_name;
	oauth1_pairs_init(&step->protocol, 2);
	oauth1_pairs_init(&step->others, 0);
	if (endpoint == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("provider \"%s\" has no %s", credential->provider->name, endpoint_name),
				 errhint("Set it with oauth1.alter_provider.")));
}

/* Where the parameters of a step go: a GET has only its query, others a form. */
static void
write_message(const token_step *step, oa1_text url, oauth1_message *message)
{
	const oauth1_provider *provider = step->credential->provider;

	memset(message, 0, sizeof(*message));
	message->http_method = (oa1_text) {provider->token_method, strlen(provider->token_method)};
	message->url = url;
	oauth1_pairs_init(&message->headers, 0);
	if (strcmp(provider->token_method, "GET") == 0)
		message->url = oauth1_url_with_pairs(url, &step->others);
	else if (step->others.count > 0 || provider->token_transmission == OAUTH1_BODY)
		oauth1_message_set_form(message, &step->others);
}

/* Signs, sends and reads the reply, whose texts live in the current memory context. */
static void
take_step(const token_step *step, oauth1_token_reply *reply)
{
	const oauth1_credential *credential = step->credential;
	oauth1_composition composition = {
		.credential = step->credential,
		.token = step->token,
		.transmission = credential->provider->token_transmission,
		.protocol = &step->protocol,
	};
	char	   *expanded = oauth1_credential_expand(credential, step->endpoint,
													step->token->token.data, step->endpoint_name);
	oauth1_message message;
	oauth1_call *call;
	oa1_buffer	octets;
	oa1_url		url;

	write_message(step, (oa1_text) {expanded, strlen(expanded)}, &message);
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_token_url(credential, message.url, step->endpoint_name, &octets, &url);
	call = oauth1_call_begin_composed(&composition, &message, &url, oauth1_timeout);
	oauth1_token_reply_read(oauth1_call_run(call), step->what, step->reply_is_optional, reply);
	oauth1_call_end(call);
}

/* The oauth_ ones are protocol parameters, the others go with the request. */
static void
add_params(token_step *step, Jsonb *params)
{
	oauth1_pairs pairs;

	oauth1_pairs_init(&pairs, 0);
	oauth1_pairs_from_jsonb(&pairs, params, "params");
	for (size_t i = 0; i < pairs.count; i++)
	{
		bool		is_protocol = pairs.data[i].name.length > 6 &&
		memcmp(pairs.data[i].name.data, "oauth_", 6) == 0;

		oauth1_pairs_add(is_protocol ? &step->protocol : &step->others,
						 pairs.data[i].name, pairs.data[i].value);
	}
}

static Datum
result_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return a row")));
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* ---------------------------------------------------------------- request token (2.1) */

/* The callback that is given, else the consumer's, else out of band. */
static oa1_text
callback_of(oa1_text given, const oauth1_credential *credential)
{
	if (given.data != NULL)
		return given;
	if (credential->consumer->callback != NULL)
		return oauth1_utf8_from_cstring(credential->consumer->callback);
	return OA1_TEXT("oob");
}

/*
 * RFC 5849, 2.1: a provider that does not say oauth_callback_confirmed=true speaks
 * the older protocol, in which an attacker can finish another user's flow.
 */
static void
check_confirmed(const oauth1_provider *provider, const oauth1_token_reply *reply)
{
	if (provider->callback_mode != OAUTH1_CALLBACK_REQUEST || !provider->callback_confirmed ||
		oauth1_text_is(reply->callback_confirmed, "true"))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_REFUSED),
			 errmsg("the provider did not confirm the callback"),
			 errdetail("Its reply has no oauth_callback_confirmed=true (RFC 5849, section 2.1)."),
			 errhint("For a service known not to say so, set callback_confirmed => false.")));
}

/* The URL that the user opens (2.2). */
static oa1_text
authorize_url(const oauth1_credential *credential, oa1_text token, oa1_text callback)
{
	const oauth1_provider *provider = credential->provider;
	char	   *expanded = oauth1_credential_expand(credential, provider->authorize_url,
													pnstrdup(token.data, token.length),
													"authorize_url");
	oauth1_pairs pairs;

	oauth1_pairs_init(&pairs, 4);
	if (strstr(provider->authorize_url, "{oauth_token}") == NULL)
		oauth1_pairs_add(&pairs, OA1_TEXT("oauth_token"), token);
	if (provider->callback_mode == OAUTH1_CALLBACK_AUTHORIZE_URL)
		oauth1_pairs_add(&pairs, OA1_TEXT("oauth_callback"), callback);
	if (provider->options.authorize_params != NULL)
		oauth1_pairs_from_jsonb(&pairs, provider->options.authorize_params, "authorize_params");
	return oauth1_url_with_pairs((oa1_text) {expanded, strlen(expanded)}, &pairs);
}

/* Asks for one; callback with data NULL: none is sent.  The names must live as long as *asked. */
static void
ask(oauth1_credential *credential, const char *name, oa1_text callback, Jsonb *params,
	oauth1_asked_token *asked, oauth1_token_reply *reply)
{
	token_step	step;

	init_step(&step, "request token", credential, &no_token,
			  credential->provider->request_token_url, "request_token_url");
	if (callback.data != NULL)
		oauth1_pairs_add(&step.protocol, OA1_TEXT("oauth_callback"), callback);
	if (params != NULL)
		add_params(&step, params);
	take_step(&step, reply);
	oauth1_token_reply_require_token(reply, step.what);
	*asked = (oauth1_asked_token) {
		.consumer = pstrdup(credential->consumer->name),
		.name = name,
		.token = reply->token,
		.secret = reply->token_secret,
		.expires_in = reply->expires_in,
		.destination = pstrdup(credential->destination),
	};
}

void
oauth1_token_flow_ask(const char *consumer, const char *name, oa1_text callback, Jsonb *params,
					  oauth1_asked_token *asked)
{
	oauth1_credential *credential = oauth1_credential_find_consumer(consumer, name);
	const oauth1_provider *provider = credential->provider;
	oauth1_token_reply reply;

	callback = callback_of(callback, credential);
	ask(credential, name,
		provider->callback_mode == OAUTH1_CALLBACK_REQUEST ? callback : (oa1_text) {NULL, 0},
		params, asked, &reply);
	check_confirmed(provider, &reply);
	if (provider->authorize_url != NULL)
		asked->authorize_url = authorize_url(credential, asked->token, callback);
}

static void
save_request_token(const oauth1_asked_token *asked)
{
	oauth1_new_token token = {
		.consumer = asked->consumer,
		.name = asked->name,
		.token = oauth1_cstring_from_utf8(asked->token),
		.secret = asked->secret,
		.expires_in = asked->expires_in,
	};

	oauth1_request_token_save(&token, asked->destination);
}

PG_FUNCTION_INFO_V1(oauth1_request_token_sql);

/* request_token(consumer, callback, params, name) → (oauth_token, authorize_url) */
Datum
oauth1_request_token_sql(PG_FUNCTION_ARGS)
{
	char	   *consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	char	   *name = oauth1_required_argument(fcinfo, 3, "name");
	oa1_text	callback = {NULL, 0};
	oauth1_asked_token asked;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	oauth1_prevent_read_only("oauth1.request_token()");
	oauth1_check_name(name, "name");
	if (!PG_ARGISNULL(1))
		callback = oauth1_utf8_from_text(PG_GETARG_TEXT_PP(1));
	oauth1_token_flow_ask(consumer, name, callback,
						  PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), &asked);
	save_request_token(&asked);

	values[0] = PointerGetDatum(oauth1_text_from_utf8(asked.token));
	nulls[1] = asked.authorize_url.data == NULL;
	if (!nulls[1])
		values[1] = PointerGetDatum(oauth1_text_from_utf8(asked.authorize_url));
	return result_row(fcinfo, values, nulls);
}

/* ---------------------------------------------------------------- access token (2.3) */

static void
save_access_token(const oauth1_credential *credential, const char *name,
				  const oauth1_token_reply *reply, bool is_renewal)
{
	oauth1_new_token token = {
		.consumer = credential->consumer->name,
		.name = name,
		.token = oauth1_cstring_from_utf8(reply->token),
		.secret = reply->token_secret,
		.session_handle = reply->session_handle,
		.is_renewal = is_renewal,
		.expires_in = reply->expires_in,
	};

	oauth1_access_token_save(&token, credential->destination);
}

static void
raise_denied(const char *detail, bool by_user)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_REFUSED),
			 by_user ? errmsg("the user did not allow the access") :
			 errmsg("the provider did not let the user allow the access"),
			 errdetail("%s", detail),
			 errhint("Ask for a new request token to try again.")));
}

/* A provider of RFC 5849 gives a verifier; the older protocol has none. */
static void
check_verifier(const oauth1_provider *provider, oa1_text verifier, bool from_redirect)
{
	bool		is_missing = verifier.data == NULL && provider->callback_confirmed &&
		provider->callback_mode == OAUTH1_CALLBACK_REQUEST;

	if (is_missing && from_redirect)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid callback URL"),
				 errdetail("It has no oauth_verifier (RFC 5849, section 2.2).")));
	if (is_missing)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("oauth_verifier must not be null"),
				 errdetail("The provider \"%s\" gives one with the redirect, or shows it to the user.",
						   provider->name)));
	if (verifier.data != NULL && verifier.length == 0)
		raise_denied("The oauth_verifier is empty.", true);
}

/* A request token that is to be exchanged, and for what. */
typedef struct pending_token
{
	const char *consumer;
	const char *name;			/* of the access token */
	oauth1_credential_token token;
} pending_token;

/* Of one that was stored, which is taken out: OA007 where it cannot be. */
static pending_token
stored_token(const char *oauth_token)
{
	oauth1_request_token *request = oauth1_request_token_take(oauth_token);

	return (pending_token) {
		.consumer = request->consumer,
		.name = request->name,
		.token = {
			.token = oauth1_utf8_from_cstring(request->token),
			.secret_id = {request->consumer, request->token, OAUTH1_REQUEST_TOKEN_SECRET},
			.secret = request->secret,
		},
	};
}

/* Of one that this very statement asked for. */
static pending_token
asked_token(const oauth1_asked_token *asked)
{
	return (pending_token) {
		.consumer = asked->consumer,
		.name = asked->name,
		.token = {
			.token = asked->token,
			.secret_id = {
				asked->consumer, oauth1_cstring_from_utf8(asked->token),
				OAUTH1_REQUEST_TOKEN_SECRET
			},
			.fresh = asked->secret,
			.fresh_for = asked->destination,
		},
	};
}

/* Exchanges a request token and stores the access token; verifier with data NULL: none. */
static void
exchange(const pending_token *pending, oauth1_credential *credential, oa1_text verifier,
		 oauth1_token_reply *reply)
{
	token_step	step;

	init_step(&step, "access token", credential, &pending->token,
			  credential->provider->access_token_url, "access_token_url");
	if (verifier.data != NULL)
		oauth1_pairs_add(&step.protocol, OA1_TEXT("oauth_verifier"), verifier);
	take_step(&step, reply);
	oauth1_token_reply_require_token(reply, step.what);
	save_access_token(credential, pending->name, reply, false);
}

/* Exchanges a request token for who asked for it.  The row (consumer, name, params). */
static Datum
exchange_token(FunctionCallInfo fcinfo, const pending_token *pending, oa1_text verifier,
			   bool from_redirect)
{
	oauth1_credential *credential = oauth1_credential_find_consumer(pending->consumer,
																	pending->name);
	oauth1_token_reply reply;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	check_verifier(credential->provider, verifier, from_redirect);
	exchange(pending, credential, verifier, &reply);
	values[0] = CStringGetTextDatum(pending->consumer);
	values[1] = CStringGetTextDatum(pending->name);
	values[2] = JsonbPGetDatum(oauth1_pairs_to_jsonb(&reply.others));
	return result_row(fcinfo, values, nulls);
}

PG_FUNCTION_INFO_V1(oauth1_access_token);

/* access_token(oauth_token, oauth_verifier) → (consumer, name, params) */
Datum
oauth1_access_token(PG_FUNCTION_ARGS)
{
	char	   *oauth_token = oauth1_required_argument(fcinfo, 0, "oauth_token");
	oa1_text	verifier = {NULL, 0};
	pending_token pending;

	oauth1_prevent_read_only("oauth1.access_token()");
	if (!PG_ARGISNULL(1))
		verifier = oauth1_utf8_from_text(PG_GETARG_TEXT_PP(1));
	pending = stored_token(oauth_token);
	return exchange_token(fcinfo, &pending, verifier, false);
}

/* ---------------------------------------------------------------- a pushed verifier */

void
oauth1_token_flow_exchange_pushed(const char *consumer, const char *name, oa1_text verifier)
{
	oauth1_asked_token asked;
	oauth1_token_reply reply;
	pending_token pending;

	ask(oauth1_credential_find_as_owner(consumer, name), name, (oa1_text) {NULL, 0}, NULL,
		&asked, &reply);
	pending = asked_token(&asked);
	exchange(&pending, oauth1_credential_find_as_owner(consumer, name), verifier, &reply);
}

/* ---------------------------------------------------------------- the redirect (2.2) */

/* The parameters of a redirect; data NULL: not there. */
typedef struct redirect
{
	oa1_text	token;
	oa1_text	verifier;
	oa1_text	denied;
	oauth1_problem problem;
} redirect;

static void
note_redirect_parameter(redirect *found, oa1_text name, oa1_text value)
{
	oa1_text   *place;

	if (oauth1_text_is(name, "oauth_token"))
		place = &found->token;
	else if (oauth1_text_is(name, "oauth_verifier"))
		place = &found->verifier;
	else if (oauth1_text_is(name, "denied"))
		place = &found->denied;
	else if (oauth1_text_is(name, "oauth_problem"))
	{
		place = &found->problem.problem;
		value = oauth1_problem_words(value);
	}
	else
		return;
	if (place->data != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid callback URL"),
				 errdetail("It names one of its OAuth parameters more than once.")));
	*place = value;
}

/* The query of the URL the browser was sent to, whatever its scheme and host. */
static oa1_text
query_of(oa1_text url)
{
	const char *hash = memchr(url.data, '#', url.length);
	const char *question;

	if (hash != NULL)
		url.length = hash - url.data;
	question = memchr(url.data, '?', url.length);
	if (question == NULL)
		return (oa1_text) {url.data, 0};
	return (oa1_text) {question + 1, url.length - (question + 1 - url.data)};
}

static oa1_text
form_decoded(oa1_text encoded)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_form_decode(&out, encoded), "callback URL");
	return out.data ? oa1_buffer_text(&out) : OA1_TEXT("");
}

static redirect
read_redirect(oa1_text url)
{
	redirect	found = {{NULL, 0}};
	oa1_text	rest = query_of(url);
	oa1_pair	pair;

	while (oa1_form_next(&rest, &pair))
		note_redirect_parameter(&found, form_decoded(pair.name), form_decoded(pair.value));
	return found;
}

/* Raises an error for a redirect that says no, or that gives no token. */
static void
check_redirect(const redirect *found)
{
	if (found->problem.problem.data != NULL)
		raise_denied(oauth1_problem_detail(&found->problem),
					 oauth1_text_is(found->problem.problem, "user_refused") ||
					 oauth1_text_is(found->problem.problem, "permission_denied"));
	if (found->denied.data != NULL)
		raise_denied("The redirect says that it was denied.", true);
	if (found->token.length == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid callback URL"),
				 errdetail("It has no oauth_token."),
				 errhint("Give the whole URL that the browser was sent to.")));
}

static void
check_same_token(oa1_text redirected, oa1_text asked)
{
	if (redirected.length == asked.length &&
		memcmp(redirected.data, asked.data, asked.length) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid callback URL"),
			 errdetail("Its oauth_token is not the one that was asked for.")));
}

Datum
oauth1_token_flow_finish(FunctionCallInfo fcinfo, oa1_text redirect_url,
						 const oauth1_asked_token *asked)
{
	redirect	found = read_redirect(redirect_url);
	pending_token pending;

	check_redirect(&found);
	if (asked != NULL)
		check_same_token(found.token, asked->token);
	pending = asked ? asked_token(asked) : stored_token(oauth1_cstring_from_utf8(found.token));
	return exchange_token(fcinfo, &pending, found.verifier, true);
}

PG_FUNCTION_INFO_V1(oauth1_handle_callback);

/* handle_callback(callback_url) → (consumer, name, params) */
Datum
oauth1_handle_callback(PG_FUNCTION_ARGS)
{
	oauth1_prevent_read_only("oauth1.handle_callback()");
	return oauth1_token_flow_finish(fcinfo, oauth1_utf8_from_text(PG_GETARG_TEXT_PP(0)), NULL);
}

/* ---------------------------------------------------------------- renew and revoke */

/* The session handle that came with a token goes into its renewal, and nowhere else. */
static void
add_session_handle(token_step *step)
{
	oa1_buffer *handle = oauth1_secret_buffer(CurrentMemoryContext);

	if (oauth1_credential_session_handle(step->credential, handle))
		oauth1_pairs_add(&step->protocol, OA1_TEXT("oauth_session_handle"),
						 oa1_buffer_text(handle));
}

PG_FUNCTION_INFO_V1(oauth1_renew_token);

/*
 * renew_token(consumer, name).  Some services answer with a new token, some
 * (E*TRADE) only say that the old one lives on.
 */
Datum
oauth1_renew_token(PG_FUNCTION_ARGS)
{
	char	   *consumer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	oauth1_credential *credential;
	oauth1_token_reply reply;
	token_step	step;

	oauth1_prevent_read_only("oauth1.renew_token()");
	oauth1_check_name(name, "name");
	credential = oauth1_credential_find(consumer, name);
	init_step(&step, "token renewal", credential, &credential->token,
			  credential->provider->renew_url, "renew_url");
	add_session_handle(&step);
	step.reply_is_optional = true;
	take_step(&step, &reply);
	if (reply.token.data != NULL)
	{
		oauth1_token_reply_require_token(&reply, step.what);
		save_access_token(credential, name, &reply, true);
	}
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_revoke_token);

/* revoke_token(consumer, name): at the provider, then here. */
Datum
oauth1_revoke_token(PG_FUNCTION_ARGS)
{
	char	   *consumer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	oauth1_credential *credential;
	oauth1_token_reply reply;
	token_step	step;

	oauth1_prevent_read_only("oauth1.revoke_token()");
	oauth1_check_name(name, "name");
	credential = oauth1_credential_find(consumer, name);
	init_step(&step, "token revocation", credential, &credential->token,
			  credential->provider->revoke_url, "revoke_url");
	step.reply_is_optional = true;
	take_step(&step, &reply);
	oauth1_access_token_delete(consumer, name);
	PG_RETURN_VOID();
}
