/*
 * next_page.c
 *	  Whether there is a further page, and what is to be sent for it.
 *
 * A service sends the next URL (in a Link field, or in the body), or what the next
 * request has to say in a parameter, or nothing, so that the parameter is counted
 * up until the list ends.  The rules are written down in docs/reference.md.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "ground/header.h"
#include "work/json_path.h"
#include "work/link.h"
#include "work/next_page.h"
#include "work/page_facts.h"
#include "work/url_query.h"

/* Numbers of pages and offsets have at most that many digits, so that none overflows. */
#define MAX_DIGITS 15

static bool
same_text(oa1_text a, oa1_text b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* ---------------------------------------------------------------- the parameter in a message */

/* The body where it is a JSON object with that key, else NULL. */
static Jsonb *
body_with_key(const oauth1_message *message, const char *key, JsonbValue *value)
{
	Jsonb	   *body;

	if (!message->has_body || oauth1_message_is_form(message))
		return NULL;
	body = oauth1_json_read(message->body);
	if (body == NULL || !JB_ROOT_IS_OBJECT(body) ||
		getKeyJsonValueFromContainer(&body->root, key, strlen(key), value) == NULL)
		return NULL;
	return body;
}

static oa1_text
body_with_value(Jsonb *body, const char *key, JsonbValue *value)
{
	JsonbParseState *state = NULL;
	JsonbValue	name = {.type = jbvString};
	Jsonb	   *changed;
	Datum		result;

	name.val.string.val = unconstify(char *, key);
	name.val.string.len = strlen(key);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &name);
	pushJsonbValue(&state, WJB_VALUE, value);
	changed = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	result = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(body), JsonbPGetDatum(changed));
	changed = DatumGetJsonbP(result);
	return oauth1_utf8_from_cstring(JsonbToCString(NULL, &changed->root, VARSIZE(changed)));
}

static bool
is_in_form(const oauth1_message *message, oa1_text parameter, oa1_text *value)
{
	return oauth1_message_is_form(message) &&
		oauth1_form_parameter(message->body, parameter, value);
}

/*
 * Sets the parameter where it stands (query, form, JSON), else in the query: in
 * JSON as item has it, elsewhere as text.
 */
static void
set_parameter(oauth1_message *next, const oauth1_next_form *form, JsonbValue *item,
			  oa1_text text)
{
	oa1_text	present;
	JsonbValue	old;
	Jsonb	   *body;

	if (oauth1_url_parameter(next->url, form->parameter, &present))
		next->url = oauth1_url_with_parameter(next->url, form->parameter, text);
	else if (is_in_form(next, form->parameter, &present))
		next->body = oauth1_form_with_parameter(next->body, form->parameter, text);
	else if ((body = body_with_key(next, form->key, &old)) != NULL)
		next->body = body_with_value(body, form->key, item);
	else
		next->url = oauth1_url_with_parameter(next->url, form->parameter, text);
}

/* A number, which JSON has as the string that it was before, if it was one. */
static void
set_number(oauth1_message *next, const oauth1_next_form *form, int64 number)
{
	char	   *digits = psprintf(INT64_FORMAT, number);
	JsonbValue	item = {.type = jbvNumeric};
	JsonbValue	old;

	if (body_with_key(next, form->key, &old) != NULL && old.type == jbvString)
	{
		item.type = jbvString;
		item.val.string.val = digits;
		item.val.string.len = strlen(digits);
	}
	else
		item.val.numeric = int64_to_numeric(number);
	set_parameter(next, form, &item, (oa1_text) {digits, strlen(digits)});
}

/* The parameter's value in the first message, as text; false where it is not there. */
static bool
find_parameter(const oauth1_message *first, const oauth1_next_form *form, oa1_text *value)
{
	JsonbValue	item;

	if (oauth1_url_parameter(first->url, form->parameter, value) ||
		is_in_form(first, form->parameter, value))
		return true;
	return body_with_key(first, form->key, &item) != NULL &&
		oauth1_jsonb_text(JsonbValueToJsonb(&item), value);
}

static int64
start_of(const oauth1_message *first, const oauth1_next_form *form)
{
	oa1_text	value;
	char	   *digits;

	if (!find_parameter(first, form, &value))
		return form->kind == OAUTH1_NEXT_PAGE ? 1 : 0;
	digits = pnstrdup(value.data, value.length);
	if (value.length == 0 || value.length > MAX_DIGITS ||
		strspn(digits, "0123456789") != value.length)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("parameter \"%s\" of the first page is no number", form->key),
				 errdetail("By next, it is counted up from page to page.")));
	return strtoll(digits, NULL, 10);
}

/* ---------------------------------------------------------------- a URL that was given */

static void
raise_endless(const oauth1_paging *paging)
{
	ereport(ERROR,
			(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
			 errmsg("list of pages does not end"),
			 errdetail("Page " INT64_FORMAT " says that it is followed by itself.",
					   paging->pages)));
}

/* Resolved beside the page's own URL, and without what was its request's own. */
static oa1_text
resolve(const oa1_url *url, oa1_text reference)
{
	oa1_buffer	out;

	oauth1_buffer_init(&out, CurrentMemoryContext);
	oauth1_check_core(oa1_url_resolve(url, reference, &out), "next URL");
	return oauth1_url_without_protocol(oa1_buffer_text(&out));
}

static bool
is_url_of(const oa1_url *url, oa1_text other)
{
	oa1_buffer	octets;
	oa1_url		parsed;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	return oa1_url_parse(other, &octets, &parsed) == OA1_OK && same_text(parsed.text, url->text);
}

static void
go_to(const oauth1_paging *paging, const oa1_url *url, oa1_text reference, oauth1_message *next)
{
	next->url = resolve(url, reference);
	if (is_url_of(url, next->url))
		raise_endless(paging);
}

/* A link with an anchor is of what that says (RFC 8288, 3.2); a part of the page is not it. */
static bool
is_of_page(const oauth1_link *link, const oa1_url *url)
{
	const char *mark;
	oa1_buffer	out;

	if (!link->has_anchor)
		return true;
	mark = memchr(link->anchor.data, '#', link->anchor.length);
	if (mark != NULL && mark + 1 < link->anchor.data + link->anchor.length)
		return false;
	oauth1_buffer_init(&out, CurrentMemoryContext);
	return oa1_url_resolve(url, link->anchor, &out) == OA1_OK &&
		is_url_of(url, oauth1_url_without_protocol(oa1_buffer_text(&out)));
}

static bool
find_link(const oauth1_response *response, const oa1_url *url, oa1_text *target)
{
	oauth1_link link;

	for (size_t i = 0; i < response->header_count; i++)
	{
		oa1_text	rest = response->headers[i].value;

		if (!oauth1_same_name(response->headers[i].name, OA1_TEXT("link")))
			continue;
		while (oauth1_link_next(&rest, &link))
			if (oauth1_link_has_relation(&link, OA1_TEXT("next")) && is_of_page(&link, url))
			{
				*target = link.target;
				return true;
			}
	}
	return false;
}

/* ---------------------------------------------------------------- what a body says */

/*
 * The item at path: NULL where it is missing, null, false or empty, by all of which
 * services say that there is no further page.
 */
static Jsonb *
find_item(const char *path, Jsonb *json, oa1_text *text)
{
	Jsonb	   *item = json != NULL ? oauth1_jsonb_path_first(path, json) : NULL;

	if (item == NULL || !oauth1_jsonb_text(item, text) || text->length == 0 ||
		oauth1_text_is(*text, "false"))
		return NULL;
	return item;
}

static bool
find_url(const char *path, Jsonb *json, oa1_text *reference)
{
	Jsonb	   *item = find_item(path, json, reference);
	JsonbValue	value;

	if (item == NULL)
		return false;
	if (!JsonbExtractScalar(&item->root, &value) || value.type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the jsonpath of next does not find a URL"),
				 errdetail("It finds a value that is no string."),
				 errhint("A cursor or a page number is sent back by cursor:PATH:PARAM.")));
	return true;
}

/* X's lists end with the cursor 0. */
static bool
go_to_cursor(const oauth1_paging *paging, const oauth1_message *message, Jsonb *json,
			 oauth1_message *next)
{
	oa1_text	text;
	Jsonb	   *item = find_item(paging->form.path, json, &text);
	JsonbValue	value;

	if (item == NULL || oauth1_text_is(text, "0"))
		return false;
	if (!JsonbExtractScalar(&item->root, &value))
	{
		value.type = jbvBinary;
		value.val.binary.data = &item->root;
		value.val.binary.len = VARSIZE(item) - VARHDRSZ;
	}
	set_parameter(next, &paging->form, &value, text);
	if (same_text(next->url, message->url) && same_text(next->body, message->body))
		raise_endless(paging);
	return true;
}

/* ---------------------------------------------------------------- counting up */

static void
count_page(oauth1_paging *paging, const oauth1_page_facts *facts)
{
	if (paging->pages == 1)
		paging->first_items = facts->items;
	if (paging->seen >= 0)
		paging->seen = facts->items < 0 ? -1 : paging->seen + facts->items;
}

/*
 * Has all been seen that the service announced?  Pages before the first one asked
 * for have what it has.
 */
static bool
all_seen(const oauth1_paging *paging, const oauth1_page_facts *facts)
{
	int64		before;

	if (paging->form.kind == OAUTH1_NEXT_OFFSET)
		return facts->total_items >= 0 &&
			paging->position + paging->form.size >= facts->total_items;
	if (facts->total_pages >= 0 && paging->position >= facts->total_pages)
		return true;
	if (facts->total_items < 0 || paging->seen < 0)
		return false;
	before = paging->first > 1 ? (paging->first - 1) * paging->first_items : 0;
	return before + paging->seen >= facts->total_items;
}

static bool
count_up(oauth1_paging *paging, const oauth1_page_facts *facts, oauth1_message *next)
{
	count_page(paging, facts);
	if (!facts->says_more && all_seen(paging, facts))
		return false;
	paging->position += paging->form.kind == OAUTH1_NEXT_PAGE ? 1 : paging->form.size;
	set_number(next, &paging->form, paging->position);
	return true;
}

/* ---------------------------------------------------------------- what the header promises */

/*
 * The body of a page that has to say itself what follows.  A page that cannot be read
 * is no end: the list would pass for whole, and records be missing without a word.
 */
static Jsonb *
body_of_page(const oauth1_paging *paging, const oauth1_response *response)
{
	Jsonb	   *json = oauth1_json_read(response->body);

	if (json == NULL && response->body.length > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_JSON_TEXT),
				 errmsg("page " INT64_FORMAT " cannot be read as JSON", paging->pages),
				 errdetail("Where the next page is, or whether there is one, is not known."),
				 errhint("Its row was the last one: LIMIT takes the rows up to it.")));
	return json;
}

void
oauth1_paging_begin(oauth1_paging *paging, const char *next, const oauth1_message *first)
{
	memset(paging, 0, sizeof(*paging));
	oauth1_next_form_read(next, &paging->form);
	if (paging->form.kind == OAUTH1_NEXT_OFFSET || paging->form.kind == OAUTH1_NEXT_PAGE)
		paging->first = paging->position = start_of(first, &paging->form);
}

/* The forms that look at what the page is, besides what it says. */
static bool
next_by_parameter(oauth1_paging *paging, const oauth1_message *message,
				  const oauth1_response *response, oauth1_message *next)
{
	bool		has_cursor = paging->form.kind == OAUTH1_NEXT_CURSOR;
	Jsonb	   *json = has_cursor ? body_of_page(paging, response) :
		oauth1_json_read(response->body);
	oauth1_page_facts facts;

	oauth1_page_facts_read(response, json, &facts);
	if (facts.empty || facts.says_last)
		return false;
	return has_cursor ? go_to_cursor(paging, message, json, next) :
		count_up(paging, &facts, next);
}

bool
oauth1_paging_next(oauth1_paging *paging, const oauth1_message *message, const oa1_url *url,
				   const oauth1_response *response, oauth1_message *next)
{
	oa1_text	reference;
	bool		found;

	paging->pages++;
	*next = *message;
	if (response->outcome.status < 200 || response->outcome.status > 299)
		return false;
	if (paging->form.kind != OAUTH1_NEXT_LINK && paging->form.kind != OAUTH1_NEXT_URL)
		return next_by_parameter(paging, message, response, next);
	found = paging->form.kind == OAUTH1_NEXT_LINK ?
		find_link(response, url, &reference) :
		find_url(paging->form.path, body_of_page(paging, response), &reference);
	if (found)
		go_to(paging, url, reference, next);
	return found;
}
