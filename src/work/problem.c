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

#include <time.h>

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/header.h"
#include "work/flat_json.h"
#include "work/problem.h"

/* What is shown of a server's own words, in octets. */
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
	{"version_rejected", "It does not accept the oauth_version.", NULL},
	{"parameter_absent", "It misses a parameter.", NULL},
	{"parameter_rejected", "It does not accept one of the parameters.", NULL},
	{"timestamp_refused", "The timestamp is outside its window or before an earlier one.",
	"Check this server's clock: oauth1.check_consumer compares it with the service's."},
	{"nonce_used", "It has seen the nonce before.", NULL},
	{"signature_method_rejected", "It does not accept the signature method.",
	"Set the provider's signature_method to one that the service documents."},
	{"signature_invalid", "It computed another signature.",
		"Compare the secrets, the realm, and the URL and parameters that the service sees: oauth1.explain_call shows ours, oauth1.check_consumer tries the credentials."},
	{"consumer_key_unknown", "It does not know the consumer key.",
	"Check the consumer key, and that it belongs to this environment of the service."},
	{"consumer_key_rejected", "It does not accept the consumer key.",
	"Check the consumer key, and that it belongs to this environment of the service."},
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
	const struct
	{
		const char *name;
		oa1_text   *place;
	}			fields[] = {
		{"oauth_problem", &problem->problem},
		{"oauth_problem_advice", &problem->advice},
		{"oauth_parameters_absent", &problem->parameters_absent},
		{"oauth_parameters_rejected", &problem->parameters_rejected},
		{"oauth_acceptable_versions", &problem->acceptable_versions},
		{"oauth_acceptable_timestamps", &problem->acceptable_timestamps},
		/* NetSuite, "RESTlets and REST Web Services Authentication Errors" in its help. */
		{"error", &problem->report.code},
		{"error_description", &problem->report.words},
	};

	for (int i = 0; i < lengthof(fields); i++)
		if (strlen(fields[i].name) == pair->name.length &&
			memcmp(fields[i].name, pair->name.data, pair->name.length) == 0)
			*fields[i].place = oauth1_problem_words(pair->value);
}

/* ---------------------------------------------------------------- WWW-Authenticate */

/* Where a word ends that began at from. */
static size_t
word_end(oa1_text header, size_t from)
{
	while (from < header.length && strchr(" \t,=\"", header.data[from]) == NULL)
		from++;
	return from;
}

/*
 * The next challenge from *from on: a word with a space and no "=" behind it, at
 * the start or behind a comma.  What stands in quotes begins none.  Moves *from
 * behind its scheme; data NULL: there is none.
 */
static oa1_text
next_challenge(oa1_text header, size_t *from)
{
	bool		in_quotes = false;
	bool		may_begin = *from == 0;

	for (size_t i = *from; i < header.length; i++)
	{
		char		c = header.data[i];
		size_t		end;

		if (c == '\\' && in_quotes)
			i++;
		else if (c == '"')
			in_quotes = !in_quotes;
		else if (in_quotes || c == ' ' || c == '\t')
			continue;
		else if (c == ',')
			may_begin = true;
		else if (may_begin)
		{
			end = word_end(header, i);
			may_begin = false;
			if (end > i && (end == header.length || header.data[end] == ' ' ||
							header.data[end] == ','))
			{
				*from = end;
				return (oa1_text) {header.data + i, end - i};
			}
			i = Max(end, i + 1) - 1;
		}
	}
	*from = header.length;
	return (oa1_text) {NULL, 0};
}

/* OAuth's challenge and all behind it; data NULL, and *other the first one, where there is none. */
static oa1_text
oauth_challenge(oa1_text header, oa1_text *other)
{
	size_t		from = 0;
	oa1_text	scheme;

	*other = (oa1_text) {NULL, 0};
	while (header.data != NULL && (scheme = next_challenge(header, &from)).data != NULL)
	{
		if (oauth1_same_name(scheme, OA1_TEXT("OAuth")))
			return (oa1_text) {scheme.data, header.data + header.length - scheme.data};
		if (other->data == NULL)
			*other = oauth1_problem_words(scheme);
	}
	return (oa1_text) {NULL, 0};
}

static void
look_into_header(oa1_text header, oauth1_problem *problem)
{
	oa1_text	challenge = oauth_challenge(header, &problem->challenge);
	oa1_authorization_reader reader;
	oa1_buffer	out;
	oa1_pair	pair;
	bool		more = true;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	if (challenge.data == NULL || oa1_authorization_begin(&reader, challenge, &out) != OA1_OK)
		return;
	problem->challenge = (oa1_text) {NULL, 0};
	/* Another challenge behind it ends the reading; what came before it counts. */
	while (oa1_authorization_next(&reader, &pair, &more) == OA1_OK && more)
		note_pair(problem, &pair);
	oa1_authorization_end(&reader);
}

/* ---------------------------------------------------------------- body */

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

/* NetSuite says error="token_rejected": a word of the extension, under another name. */
static void
take_word_of_header(oauth1_problem *problem)
{
	if (problem->report.code.data != NULL && problem->report.words.data == NULL)
		problem->report.words = problem->report.code;
	oauth1_service_report_explain(&problem->report);
}

static void
take_missing(oa1_text *field, oa1_text other)
{
	if (field->data == NULL)
		*field = other;
}

/* The body may say more of what the header named: services do not repeat all of it there. */
static void
add_from_body(oa1_text body, oauth1_problem *problem)
{
	oauth1_problem more = {{NULL, 0}};

	look_into_body(body, &more);
	if (problem->problem.data != NULL &&
		(more.problem.data == NULL || !oauth1_same_name(problem->problem, more.problem)))
		return;
	take_missing(&problem->problem, more.problem);
	take_missing(&problem->advice, more.advice);
	take_missing(&problem->parameters_absent, more.parameters_absent);
	take_missing(&problem->parameters_rejected, more.parameters_rejected);
	take_missing(&problem->acceptable_versions, more.acceptable_versions);
	take_missing(&problem->acceptable_timestamps, more.acceptable_timestamps);
	take_missing(&problem->report.code, more.report.code);
	take_missing(&problem->report.words, more.report.words);
}

oauth1_problem
oauth1_problem_find(oa1_text www_authenticate, oa1_text body)
{
	oauth1_problem problem = {{NULL, 0}};
	oauth1_service_report own;

	look_into_header(www_authenticate, &problem);
	add_from_body(body, &problem);
	if (problem.problem.data == NULL && oauth1_service_report_find(body, &own))
		problem.report = own;
	else
		take_word_of_header(&problem);
	return problem;
}

/* ---------------------------------------------------------------- what it means */

static const known_problem *
find_known(oa1_text word)
{
	for (int i = 0; i < lengthof(known_problems); i++)
		if (word.data != NULL && strlen(known_problems[i].word) == word.length &&
			memcmp(known_problems[i].word, word.data, word.length) == 0)
			return &known_problems[i];
	return NULL;
}

const char *
oauth1_problem_text(oa1_text words)
{
	size_t		length;
	char	   *text = oauth1_try_server(words, PG_UTF8, &length);

	return text ? text : "(no text)";
}

static void
append_words(StringInfo detail, const char *format, oa1_text words)
{
	if (words.length > 0)
		appendStringInfo(detail, format, oauth1_problem_text(words));
}

/* The range of timestamps that the service accepts, against this server's clock. */
static void
append_acceptable_timestamps(StringInfo detail, oa1_text range)
{
	int64		now = (int64) time(NULL);
	long long	from;
	long long	to;
	char	   *text = pnstrdup(range.data ? range.data : "", range.length);

	append_words(detail, " It accepts timestamps of %s.", range);
	if (sscanf(text, "%lld-%lld", &from, &to) == 2 && (now < from || now > to))
		appendStringInfo(detail, " This server's clock says %lld.", (long long) now);
}

static char *
detail_of_problem(const oauth1_problem *problem)
{
	const known_problem *known = find_known(problem->problem);
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "The provider says oauth_problem=%s.",
					 oauth1_problem_text(problem->problem));
	/* "It misses a parameter" is said better by its name. */
	if (known != NULL && problem->parameters_absent.length == 0 &&
		problem->parameters_rejected.length == 0)
		appendStringInfo(&detail, " %s", known->meaning);
	append_words(&detail, " It misses: %s.", problem->parameters_absent);
	append_words(&detail, " It rejects: %s.", problem->parameters_rejected);
	append_words(&detail, " It accepts the versions %s.", problem->acceptable_versions);
	append_acceptable_timestamps(&detail, problem->acceptable_timestamps);
	append_words(&detail, " Its advice: %s", problem->advice);
	return detail.data;
}

static char *
detail_of_report(const oauth1_service_report *report)
{
	const known_problem *known = find_known(report->code);
	StringInfoData detail;

	initStringInfo(&detail);
	appendStringInfo(&detail, "The service says \"%s\"", oauth1_problem_text(report->words));
	if (report->code.length > 0 && !oauth1_same_name(report->code, report->words))
		appendStringInfo(&detail, " (%s).", oauth1_problem_text(report->code));
	else if (report->words.data[report->words.length - 1] != '.')
		appendStringInfoChar(&detail, '.');
	if (report->meaning != NULL)
		appendStringInfo(&detail, " %s", report->meaning);
	else if (known != NULL)
		appendStringInfo(&detail, " %s", known->meaning);
	return detail.data;
}

char *
oauth1_problem_detail(const oauth1_problem *problem)
{
	if (problem->problem.data != NULL)
		return detail_of_problem(problem);
	if (problem->report.words.data != NULL)
		return detail_of_report(&problem->report);
	return NULL;
}

const char *
oauth1_problem_hint(const oauth1_problem *problem)
{
	const known_problem *known = find_known(problem->problem);

	if (problem->problem.data != NULL)
		return known ? known->hint : NULL;
	if (problem->report.hint == NULL)
		known = find_known(problem->report.code);
	return known ? known->hint : problem->report.hint;
}
