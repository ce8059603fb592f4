/*
 * problem.c
 *	  Why a provider refused: oauth_problem, wherever the reply has it.
 *
 * The words are the OAuth Problem Reporting extension's; services put them into
 * a WWW-Authenticate field, a form or a JSON object, and some add their own.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/flat_json.h"
#include "work/problem.h"
#include "work/response.h"

/* What is shown of a server's own words. */
#define MAX_WORDS 200

/* A report is a few lines; taking a body apart costs many times its size. */
#define MAX_REPORT_LENGTH (64 * 1024)

typedef struct known_problem
{
	const char *word;
	const char *meaning;
	const char *hint;			/* NULL: none */
} known_problem;

static const known_problem known_problems[] = {
	{"version_rejected", "It does not accept oauth_version 1.0.", NULL},
	{"parameter_absent", "It misses a parameter.", NULL},
	{"parameter_rejected", "It does not accept one of the parameters.", NULL},
	{"timestamp_refused", "The timestamp is outside its window or before an earlier one.",
	"Check this server's clock."},
	{"nonce_used", "It has seen the nonce before.", NULL},
	{"signature_method_rejected", "It does not accept the signature method.",
	"Set the provider's signature_method to one that the service documents."},
	{"signature_invalid", "It computed another signature.",
	"Compare the secrets, the realm, and the URL and parameters that the service sees."},
	{"consumer_key_unknown", "It does not know the consumer key.",
	"Check the consumer key, and that it belongs to this environment of the service."},
	{"consumer_key_rejected", "It does not accept the consumer key.", NULL},
	{"consumer_key_refused", "It refuses the consumer key for now.", NULL},
	{"token_used", "The token has been used already.", "Ask for a new request token."},
	{"token_expired", "The token has expired.", "Ask for a new token."},
	{"token_revoked", "The token was revoked by the user or the service.",
	"Ask for a new token."},
	{"token_rejected", "It does not accept the token.",
	"Check that the token belongs to this consumer and this environment of the service."},
	{"additional_authorization_required", "The token's access is too narrow.", NULL},
	{"permission_unknown", "The user has not decided yet.", NULL},
	{"permission_denied", "The user did not allow it.", NULL},
	{"user_refused", "The user did not allow it.", NULL},
};

oa1_text
oauth1_problem_words(oa1_text words)
{
	/* Up to a NUL, and between two characters: half of one would make the whole no text. */
	size_t		length = pg_encoding_mbcliplen(PG_UTF8, words.data, words.length, MAX_WORDS);
	char	   *copy = pnstrdup(words.data, length);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char) copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = ' ';
	return (oa1_text) {copy, length};
}

static void
note_pair(void *context, const oa1_pair *pair)
{
	oauth1_problem *problem = context;

	if (oauth1_text_is(pair->name, "oauth_problem"))
		problem->problem = oauth1_problem_words(pair->value);
	else if (oauth1_text_is(pair->name, "oauth_problem_advice"))
		problem->advice = oauth1_problem_words(pair->value);
	else if (oauth1_text_is(pair->name, "oauth_acceptable_timestamps"))
		problem->acceptable_timestamps = oauth1_problem_words(pair->value);
}

static void
look_into_header(oa1_text header, oauth1_problem *problem)
{
	oa1_authorization_reader reader;
	oa1_buffer	out;
	oa1_pair	pair;
	bool		more = true;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	if (header.data == NULL || oa1_authorization_begin(&reader, header, &out) != OA1_OK)
		return;
	while (oa1_authorization_next(&reader, &pair, &more) == OA1_OK && more)
		note_pair(problem, &pair);
	oa1_authorization_end(&reader);
}

static void
look_into_body(oa1_text body, oauth1_problem *problem)
{
	oa1_buffer	out;
	oauth1_pairs members;

	if (body.length > MAX_REPORT_LENGTH)
		return;
	oauth1_pairs_init(&members, 0);
	if (body.length > 0 && body.data[0] == '{' && oauth1_flat_json_read(body, &members))
		for (size_t i = 0; i < members.count; i++)
			note_pair(problem, &members.data[i]);
	oauth1_buffer_init(&out, CurrentMemoryContext);
	(void) oa1_token_reply_read(body, &out, note_pair, problem);
	oa1_buffer_free(&out);
}

oauth1_problem
oauth1_problem_find(oa1_text www_authenticate, oa1_text body)
{
	oauth1_problem problem = {{NULL, 0}, {NULL, 0}, {NULL, 0}};

	look_into_header(www_authenticate, &problem);
	if (problem.problem.data == NULL)
		look_into_body(body, &problem);
	return problem;
}

static const known_problem *
find_known(const oauth1_problem *problem)
{
	for (int i = 0; i < lengthof(known_problems); i++)
		if (problem->problem.data != NULL &&
			strlen(known_problems[i].word) == problem->problem.length &&
			memcmp(known_problems[i].word, problem->problem.data, problem->problem.length) == 0)
			return &known_problems[i];
	return NULL;
}

/* The server's words in our encoding; what is not text is left out. */
static const char *
words_text(oa1_text words)
{
	size_t		length;
	char	   *text = oauth1_try_server(words, PG_UTF8, &length);

	return text ? text : "(no text)";
}

char *
oauth1_problem_detail(const oauth1_problem *problem)
{
	const known_problem *known = find_known(problem);
	StringInfoData detail;

	if (problem->problem.data == NULL)
		return NULL;
	initStringInfo(&detail);
	appendStringInfo(&detail, "The provider says oauth_problem=%s.",
					 words_text(problem->problem));
	if (known != NULL)
		appendStringInfo(&detail, " %s", known->meaning);
	if (problem->advice.length > 0)
		appendStringInfo(&detail, " Its advice: %s", words_text(problem->advice));
	return detail.data;
}

const char *
oauth1_problem_hint(const oauth1_problem *problem)
{
	const known_problem *known = find_known(problem);

	return known ? known->hint : NULL;
}

/* ---------------------------------------------------------------- raise_for_status */

/* A header of a response value, as text in the current context; NULL where it has none. */
static char *
header_of(HeapTupleHeader response, const char *name)
{
	bool		isnull;
	Datum		headers = GetAttributeByNum(response, OAUTH1_RESPONSE_HEADERS, &isnull);
	JsonbValue	buffer;
	JsonbValue *value;

	if (isnull)
		return NULL;
	value = getKeyJsonValueFromContainer(&DatumGetJsonbP(headers)->root, name, strlen(name),
										 &buffer);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static oa1_text
header_utf8(HeapTupleHeader response, const char *name)
{
	char	   *value = header_of(response, name);

	return value ? oauth1_utf8_from_cstring(value) : (oa1_text) {NULL, 0};
}

static oa1_text
body_utf8(HeapTupleHeader response)
{
	bool		isnull;
	Datum		body = GetAttributeByNum(response, OAUTH1_RESPONSE_BODY, &isnull);

	return isnull ? (oa1_text) {"", 0} : oauth1_utf8_from_text(DatumGetTextPP(body));
}

/* What the response's own fields tell, where the provider gave no oauth_problem. */
static char *
detail_from_fields(HeapTupleHeader response, int status)
{
	char	   *retry_after = header_of(response, "retry-after");
	char	   *location = header_of(response, "location");

	if (retry_after != NULL && (status == 429 || status == 503))
		return psprintf("The service asks to wait: Retry-After is \"%.*s\".",
						pg_mbcliplen(retry_after, strlen(retry_after), MAX_WORDS), retry_after);
	if (status == 429)
		return pstrdup("The service limits the rate of requests.");
	if (status == 401)
		return pstrdup("The response names no oauth_problem.");
	if (location != NULL)
		return pstrdup("The response points to another URL, in its Location header.");
	return NULL;
}

static void
raise_status(HeapTupleHeader response, int status)
{
	oauth1_problem problem = oauth1_problem_find(header_utf8(response, "www-authenticate"),
												 body_utf8(response));
	char	   *detail = oauth1_problem_detail(&problem);
	const char *hint = oauth1_problem_hint(&problem);

	if (detail == NULL)
		detail = detail_from_fields(response, status);
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_HTTP_STATUS),
			 errmsg("the service answered with HTTP status %d", status),
			 detail ? errdetail("%s", detail) : 0,
			 hint ? errhint("%s", hint) : 0));
}

PG_FUNCTION_INFO_V1(oauth1_raise_for_status);

/* raise_for_status(response): the response itself where its status is below 400 */
Datum
oauth1_raise_for_status(PG_FUNCTION_ARGS)
{
	HeapTupleHeader response = PG_GETARG_HEAPTUPLEHEADER(0);
	bool		isnull;
	Datum		status = GetAttributeByNum(response, OAUTH1_RESPONSE_STATUS, &isnull);

	if (!isnull && DatumGetInt32(status) >= 400)
		raise_status(response, DatumGetInt32(status));
	PG_RETURN_HEAPTUPLEHEADER(response);
}
