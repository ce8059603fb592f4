/*
 * check.c
 *	  check_consumer: whether a consumer can make calls, and what is wrong where it
 *	  cannot.
 *
 * Each question is asked for itself; an error is the answer to it, and a row, so
 * that one call tells all.  Only who may not use the consumer gets an error.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <time.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/arena.h"
#include "ground/catch.h"
#include "ground/errors.h"
#include "ground/settings.h"
#include "stored/access.h"
#include "stored/grants.h"
#include "stored/token_times.h"
#include "work/call.h"
#include "work/clock.h"
#include "work/dry_run.h"
#include "work/http_date.h"
#include "work/trial.h"

/* Seconds between two clocks that no service minds. */
#define CLOCK_TOLERANCE 60

typedef struct checkup
{
	ReturnSetInfo *result;
	char	   *name;
	oauth1_credential *credential;	/* NULL until it was found */
	int64		deadline;		/* on oauth1_monotonic_us's clock */
	bool		key_is_good;
	bool		has_way;		/* the service answers */
	oa1_url		test_url;
	oauth1_message message;
} checkup;

/* ---------------------------------------------------------------- rows */

typedef enum answer
{
	ANSWER_NO,
	ANSWER_YES,
	ANSWER_OPEN					/* it could not be asked */
} answer;

static void
put(checkup *checkup, const char *item, answer ok, const char *detail)
{
	Datum		values[] = {
		CStringGetTextDatum(item), BoolGetDatum(ok == ANSWER_YES), CStringGetTextDatum(detail)
	};
	bool		nulls[] = {false, ok == ANSWER_OPEN, false};

	tuplestore_putvalues(checkup->result->setResult, checkup->result->setDesc, values, nulls);
}

static void
put_error(checkup *checkup, const char *item, const ErrorData *error)
{
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "%s: %s.", unpack_sql_state(error->sqlerrcode), error->message);
	if (error->detail != NULL)
		appendStringInfo(&detail, " %s", error->detail);
	if (error->hint != NULL)
		appendStringInfo(&detail, " %s", error->hint);
	put(checkup, item, ANSWER_NO, detail.data);
}

/* Asks one question; where it raises an error, that is the answer. */
static void
ask(checkup *checkup, const char *item, void (*question) (void *))
{
	ErrorData  *error = oauth1_catch(question, checkup);

	if (error != NULL)
		put_error(checkup, item, error);
}

/* ---------------------------------------------------------------- consumer and provider */

static void
find_with_token(void *argument)
{
	checkup    *checkup = argument;

	checkup->credential = oauth1_credential_find(checkup->name, oauth1_token);
}

static void
find_without_token(void *argument)
{
	checkup    *checkup = argument;

	checkup->credential = oauth1_credential_find(checkup->name, "");
}

/*
 * The consumer with the token that calls use, else without one.  Raises OA007
 * where the role may use neither; any other error is a row.
 */
static void
find_consumer(checkup *checkup)
{
	ErrorData  *error = oauth1_catch(find_with_token, checkup);

	if (error != NULL && error->sqlerrcode == ERRCODE_OAUTH1_NO_CONSUMER)
	{
		error = oauth1_catch(find_without_token, checkup);
		if (error != NULL && error->sqlerrcode == ERRCODE_OAUTH1_NO_CONSUMER)
			ReThrowError(error);
	}
	if (error != NULL)
		put_error(checkup, "consumer", error);
	else
		put(checkup, "consumer", ANSWER_YES,
			psprintf("Known, and the current role may use it. Its consumer key is %s.",
					 checkup->credential->consumer->consumer_key));
}

static void
check_provider(checkup *checkup)
{
	const oauth1_provider *provider = checkup->credential->provider;

	put(checkup, "provider", ANSWER_YES,
		psprintf("%s%s: %s, oauth_ parameters in the %s, realm %s.", provider->name,
				 provider->builtin ? " (a preset)" : "",
				 oa1_method_name(provider->signature_method).data,
				 provider->transmission == OAUTH1_HEADER ? "header" :
				 provider->transmission == OAUTH1_QUERY ? "query" : "body",
				 checkup->credential->realm.data == NULL ? "none" :
				 psprintf("\"%s\"", oauth1_shown(checkup->credential->realm))));
}

/* ---------------------------------------------------------------- key, token, certificate */

static void
check_key(void *argument)
{
	checkup    *checkup = argument;
	oauth1_key_shape shape;

	oauth1_credential_key_shape(checkup->credential, &shape);
	checkup->key_is_good = true;
	if (shape.consumer_has_space || shape.token_has_space)
		put(checkup, "key", ANSWER_NO,
			psprintf("The %s secret begins or ends with white space: a slip of copying, as a rule. Set it again.",
					 shape.consumer_has_space ? "consumer" : "token"));
	else if (shape.rsa_bits > 0)
		put(checkup, "key", ANSWER_YES,
			psprintf("An RSA private key of %d bits, which opens. Whether the service has its public key is not known here.",
					 shape.rsa_bits));
	else
		put(checkup, "key", ANSWER_YES,
			psprintf("Secrets of %zu octets & %zu octets, which open. Whether they are the service's is not known here.",
					 shape.consumer_secret, shape.token_secret));
}

static void
check_no_token(checkup *checkup)
{
	bool		gives_tokens = checkup->credential->provider->access_token_url != NULL;

	if (oauth1_token[0] == '\0')
		put(checkup, "token", ANSWER_YES, "None: oauth1.token is empty.");
	else if (gives_tokens)
		put(checkup, "token", ANSWER_NO,
			psprintf("There is no token \"%s\". Get one with oauth1.request_token or oauth1.authorize, or store one with oauth1.set_token.",
					 oauth1_token));
	else
		put(checkup, "token", ANSWER_YES,
			psprintf("There is no token \"%s\", and the provider gives none. Calls need token => '', or the setting oauth1.token = ''.",
					 oauth1_token));
}

static void
check_token(void *argument)
{
	checkup    *checkup = argument;
	const oauth1_credential *credential = checkup->credential;
	TimestampTz expires_at = credential->token_expires_at;
	TimestampTz last_used;
	TimestampTz last_refusal;

	if (credential->token.token.data == NULL)
	{
		check_no_token(checkup);
		return;
	}
	oauth1_token_last(checkup->name, credential->token_name, &last_used, &last_refusal);
	if (expires_at != 0 && expires_at <= GetCurrentTimestamp())
		put(checkup, "token", ANSWER_NO,
			psprintf("\"%s\" expired at %s. Ask for a new one, or renew it with oauth1.renew_token.",
					 credential->token_name, timestamptz_to_str(expires_at)));
	else
		put(checkup, "token", ANSWER_YES,
			psprintf("\"%s\"; %s. %s", credential->token_name,
					 expires_at == 0 ? "when it expires was not said" :
					 psprintf("it expires at %s", timestamptz_to_str(expires_at)),
					 last_refusal == 0 ? "No refusal of it is remembered." :
					 psprintf("The service refused it at %s.",
							  timestamptz_to_str(last_refusal))));
}

static void
check_certificate(void *argument)
{
	checkup    *checkup = argument;
	const oauth1_credential *credential = checkup->credential;
	oa1_buffer *key;

	if (credential->provider->options.client_certificate == NULL)
		return;
	key = oauth1_secret_buffer(CurrentMemoryContext);
	if (oauth1_credential_client_key(credential, key))
		put(checkup, "client certificate", ANSWER_YES, "Given, and its key opens.");
	else
		put(checkup, "client certificate", ANSWER_NO,
			"The provider has a client_certificate, and the consumer no client key.");
	oa1_buffer_free(key);
}

/* ---------------------------------------------------------------- the way to the service */

/* The rows that the exchange allows: what it passed, and where it ended. */
static void
put_stages(checkup *checkup, const oa1_url *url, const oauth1_response *response)
{
	static const char *const items[] = {"name", "connection", "TLS", "answer"};
	static const oauth1_stage stages[] = {
		OAUTH1_STAGE_RESOLVE, OAUTH1_STAGE_CONNECT, OAUTH1_STAGE_TLS, OAUTH1_STAGE_SEND
	};
	/* The name led to addresses, and none was spoken to. */
	bool		is_refused = response->outcome.kind == OAUTH1_ADDRESS_REFUSED;
	oauth1_stage reached = is_refused ? OAUTH1_STAGE_CONNECT : response->stage;
	char	   *host = oauth1_shown(url->host);
	const char *const passed[] = {
		psprintf("%s has an address.", host),
		psprintf("To %s, port %u.", response->address[0] ? response->address : host, url->port),
		"The certificate is trusted and names the host.",
		psprintf("To an unsigned HEAD: status %d.", response->outcome.status)
	};

	for (int i = 0; i < lengthof(items); i++)
	{
		bool		is_tls = stages[i] == OAUTH1_STAGE_TLS;

		if (is_tls && url->scheme.length == strlen("http"))
			put(checkup, items[i], ANSWER_OPEN, "None: the URL is http.");
		else if (reached > stages[i])
			put(checkup, items[i], ANSWER_YES, passed[i]);
		else
		{
			put(checkup, items[i], ANSWER_NO,
				response->outcome.reason[0] ? response->outcome.reason :
				response->outcome.kind == OAUTH1_TIMED_OUT ? "No end of it came in time." :
				"It failed.");
			return;
		}
	}
}

static void
check_clock(checkup *checkup, const oauth1_response *response)
{
	int64		now = (int64) time(NULL);
	int64		offset = oauth1_clock_offset(checkup->credential->provider->name);
	int64		theirs;
	int64		difference;
	char	   *learned = offset == 0 ? "" :
		psprintf(" Calls are signed with %+lld s, as learned from a refusal.", (long long) offset);

	if (!oauth1_http_date_read(oauth1_transfer_header(response, "date"), now, &theirs))
	{
		put(checkup, "clock", ANSWER_OPEN,
			psprintf("The service sends no Date to compare with.%s", learned));
		return;
	}
	difference = theirs - now;
	if (difference > -CLOCK_TOLERANCE && difference < CLOCK_TOLERANCE)
		put(checkup, "clock", ANSWER_YES,
			psprintf("The service's Date is %+lld s from this server's.%s",
					 (long long) difference, learned));
	else
		put(checkup, "clock", ANSWER_NO,
			psprintf("The service's Date is %lld s %s this server's clock. Set this server's clock: services refuse timestamps that are more than some minutes off.%s",
					 (long long) (difference < 0 ? -difference : difference),
					 difference < 0 ? "behind" : "ahead of", learned));
}

/* An unsigned HEAD of the first api_url: any status will do. */
static void
check_way(void *argument)
{
	checkup    *checkup = argument;
	const oauth1_credential *credential = checkup->credential;
	const oa1_url *url = &credential->api_urls[0];
	oa1_buffer	octets;
	oa1_url		allowed;
	oauth1_request request = {.http_method = OA1_TEXT("HEAD")};
	oauth1_exchange *exchange;
	const oauth1_response *response;
	oa1_pair	user_agent = {OA1_TEXT("User-Agent"), oauth1_utf8_from_cstring(oauth1_user_agent)};

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(credential, url->text, &octets, &allowed);
	request.url = allowed.text;
	request.headers = &user_agent;
	request.header_count = 1;
	oauth1_call_transport(credential, checkup->deadline,
						  oauth1_secret_buffer(CurrentMemoryContext), &request);
	if (request.proxy != NULL && request.proxy[0] != '\0')
		put(checkup, "proxy", ANSWER_OPEN,
			"Calls go through a proxy: name and connection below are the proxy's.");
	exchange = oauth1_transfer_run(&request);
	response = oauth1_transfer_response(exchange);
	checkup->has_way = response->outcome.status != 0;
	put_stages(checkup, &allowed, response);
	if (checkup->has_way)
		check_clock(checkup, response);
	oauth1_transfer_end(exchange);
}

/* ---------------------------------------------------------------- a signed call */

static void
expand_test_url(checkup *checkup, const char *test_url)
{
	const oauth1_credential *credential = checkup->credential;
	oa1_text	base = credential->api_urls[0].base_uri;
	char	   *whole = unconstify(char *, test_url);
	oa1_buffer	octets;

	if (base.length > 0 && base.data[base.length - 1] == '/')
		base.length--;
	if (test_url[0] == '/')
		whole = psprintf("%.*s%s", (int) base.length, base.data, test_url);
	whole = oauth1_credential_expand(credential, whole, credential->token.token.data,
									 "option \"test_url\"");
	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_access_api_url(credential, (oa1_text) {whole, strlen(whole)}, &octets,
						  &checkup->test_url);
	memset(&checkup->message, 0, sizeof(checkup->message));
	checkup->message.http_method = OA1_TEXT("GET");
	checkup->message.url = checkup->test_url.text;
	oauth1_pairs_init(&checkup->message.headers, 0);
}

/* Refused: where the service does not name the part it refuses, the parts are tried. */
static void
put_refusal(checkup *checkup, const oauth1_trial *trial, const oauth1_verdict *verdict)
{
	const char *said = verdict->detail ? verdict->detail : "It does not say why.";
	char	   *found = NULL;

	put(checkup, "signed call", ANSWER_NO,
		psprintf("GET of the test_url: status %d. %s", verdict->status, said));
	if (verdict->is_named)
		return;
	if (checkup->credential->provider->signature_method == OA1_PLAINTEXT)
	{
		put(checkup, "cause", ANSWER_OPEN,
			"Not looked for: with PLAINTEXT every request holds the secrets. Nothing is signed, so a secret, the consumer key or the token is not the service's, or it does not take PLAINTEXT.");
		return;
	}
	found = oauth1_trial_vary(trial);
	if (found != NULL)
		put(checkup, "cause", ANSWER_NO, found);
	else
		put(checkup, "cause", ANSWER_OPEN,
			"Not found: no other form of the request was accepted either. What remains cannot be seen from here: a wrong consumer secret or key, a consumer key of another environment, or a service that computes another base string URI than is signed. Compare oauth1.explain_call with what the service sees.");
}

static void
check_call(void *argument)
{
	checkup    *checkup = argument;
	const char *test_url = checkup->credential->provider->options.test_url;
	oauth1_trial trial = {
		.credential = checkup->credential,
		.message = &checkup->message,
		.url = &checkup->test_url,
		.deadline = checkup->deadline,
		.may_drop_token = oauth1_may_use(GetUserId(), checkup->name, ""),
	};
	oauth1_verdict verdict;

	expand_test_url(checkup, test_url);
	verdict = oauth1_trial_send(&trial);
	if (verdict.status >= 200 && verdict.status < 300)
		put(checkup, "signed call", ANSWER_YES,
			psprintf("GET of the test_url: status %d. The signature is accepted.",
					 verdict.status));
	else if (verdict.status == 400 || verdict.status == 401 || verdict.status == 403)
		put_refusal(checkup, &trial, &verdict);
	else
		put(checkup, "signed call", ANSWER_OPEN,
			psprintf("GET of the test_url: status %d, which says nothing about the signature. %s",
					 verdict.status, verdict.detail ? verdict.detail : ""));
}

static void
check_signed_call(checkup *checkup)
{
	if (checkup->credential->provider->options.test_url == NULL)
		put(checkup, "signed call", ANSWER_OPEN,
			psprintf("Not tried: the provider has no test_url. Name one that any token may GET: oauth1.alter_provider('%s', options => '{\"test_url\": \"/...\"}').",
					 checkup->credential->provider->name));
	else if (!checkup->key_is_good || !checkup->has_way)
		put(checkup, "signed call", ANSWER_OPEN, "Not tried: see above.");
	else
		ask(checkup, "signed call", check_call);
}

PG_FUNCTION_INFO_V1(oauth1_check_consumer);

/* check_consumer(name) → rows (item, ok, detail) */
Datum
oauth1_check_consumer(PG_FUNCTION_ARGS)
{
	checkup		checkup = {.result = (ReturnSetInfo *) fcinfo->resultinfo};

	oauth1_require_argument(fcinfo, 0, "name");
	checkup.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	checkup.deadline = oauth1_monotonic_us() + (int64) oauth1_timeout * 1000;
	InitMaterializedSRF(fcinfo, 0);
	find_consumer(&checkup);
	if (checkup.credential == NULL)
		return (Datum) 0;
	check_provider(&checkup);
	ask(&checkup, "key", check_key);
	ask(&checkup, "token", check_token);
	ask(&checkup, "client certificate", check_certificate);
	ask(&checkup, "connection", check_way);
	check_signed_call(&checkup);
	return (Datum) 0;
}
