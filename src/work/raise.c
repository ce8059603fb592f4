/*
 * raise.c
 *	  raise_for_status: a response that says no, as an error that says why.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "work/problem.h"
#include "work/response.h"

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

/* Where the service does not say more than no. */
#define LOOK_YOURSELF "oauth1.explain_call shows what was signed, oauth1.check_consumer tries the credentials."

/* What the response's own fields tell, where its body tells nothing; NULL: they neither. */
static char *
detail_from_fields(HeapTupleHeader response, int status, const oauth1_problem *problem)
{
	oa1_text	retry_after = header_utf8(response, "retry-after");

	if (retry_after.data != NULL && (status == 429 || status == 503))
		return psprintf("The service asks to wait: Retry-After is \"%s\".",
						oauth1_problem_text(oauth1_problem_words(retry_after)));
	if (status == 429)
		return pstrdup("The service limits the rate of requests.");
	if (status == 401 && problem->challenge.data != NULL)
		return psprintf("The response names no oauth_problem. It asks for authentication by \"%s\", not by OAuth.",
						oauth1_problem_text(problem->challenge));
	if (status == 401)
		return pstrdup("The response names no oauth_problem.");
	if (status == 403)
		return pstrdup("The response names no oauth_problem. Most services mean by 403 that the signature is right and the rights do not suffice; some refuse a signature with it.");
	if (header_of(response, "location") != NULL)
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
		detail = detail_from_fields(response, status, &problem);
	if (hint == NULL && problem.problem.data == NULL && (status == 401 || status == 403))
		hint = LOOK_YOURSELF;
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
