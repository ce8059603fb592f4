/*
 * placeholder.c
 *	  {name}, {name:host}, {consumer_key}, {oauth_token} and {url} in templates.
 *
 * No value can change more than its place.  In a URL the place is told from the
 * template alone, before any value is looked at:
 *
 *	  the whole authority	https://{shop}/rest			host or host:port
 *	  a part of it			https://{account:host}.x	one DNS label
 *	  the path				/accounts/{account}/		one segment, encoded
 *	  {base_path}			https://{shop}{base_path}/	segments, or nothing
 *	  the query				?key={consumer_key}			encoded
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/placeholder.h"

typedef enum url_part
{
	PART_SCHEME,
	PART_WHOLE_AUTHORITY,
	PART_AUTHORITY,
	PART_PATH,
	PART_QUERY
} url_part;

/* One placeholder as it stands in a template. */
typedef struct placeholder
{
	const char *start;			/* of the brace */
	const char *end;			/* after the closing brace */
	char		name[NAMEDATALEN];
	bool		as_host;		/* {name:host} */
} placeholder;

/* The errors' words. */
static void
malformed_template(const char *what, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid %s", what),
			 errdetail("%s", detail),
			 errhint("A placeholder is {name} or {name:host}.")));
}

static void
unfit_value(const char *name, const char *what, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value of \"%s\" does not fit into %s", name, what),
			 errdetail("%s", detail)));
}

static void
moving_value(const char *name, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
			 errmsg("value of \"%s\" would change the host of %s", name, what),
			 errdetail("It has a character that ends or extends a host name.")));
}

/* Reads the placeholder that begins at start, a '{'; 22023 where it is none. */
static placeholder
read_placeholder(const char *start, const char *what)
{
	placeholder result = {.start = start};
	const char *close = strchr(start, '}');
	size_t		length;

	if (close == NULL)
		malformed_template(what, "A brace is not closed.");
	result.end = close + 1;
	length = strspn(start + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	if (length == 0 || length >= NAMEDATALEN)
		malformed_template(what, "Between braces stands no name of a placeholder.");
	memcpy(result.name, start + 1, length);
	result.as_host = start + 1 + length + strlen(":host") == close &&
		memcmp(start + 1 + length, ":host", strlen(":host")) == 0;
	if (!result.as_host && start + 1 + length != close)
		malformed_template(what, "After a placeholder's name stands something other than :host.");
	return result;
}

/* The var's value as text, in the server encoding; NULL where it is not set. */
static char *
var_value(const Jsonb *vars, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value;

	if (vars == NULL)
		return NULL;
	value = getKeyJsonValueFromContainer((JsonbContainer *) &vars->root, name, strlen(name),
										 &buffer);
	if (value == NULL)
		return NULL;
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

/* The value a placeholder takes, in UTF-8. */
static char *
placeholder_value(const placeholder *holder, const oauth1_values *values, const char *what)
{
	const char *value;
	char	   *utf8;
	oa1_text	text;

	if (strcmp(holder->name, "oauth_token") == 0)
		return pstrdup(values->token ? values->token : "");
	if (strcmp(holder->name, "consumer_key") == 0)
		value = values->consumer_key;
	else if (strcmp(holder->name, "url") == 0)
		value = values->url;
	else
		value = var_value(values->vars, holder->name);
	if (value == NULL && strcmp(holder->name, "base_path") == 0)
		value = "";
	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("no value for the placeholder \"%s\" of %s", holder->name, what),
				 errhint("Set it in the consumer's vars.")));
	text = oauth1_utf8_from_cstring(value);
	utf8 = pnstrdup(text.data, text.length);
	if (holder->as_host)
		for (char *c = utf8; *c; c++)
			*c = *c == '_' ? '-' : pg_ascii_tolower(*c);
	return utf8;
}

#define LABEL_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-"

/*
 * A label is RFC 1123's: letters, digits and inner hyphens, 63 at most.  What
 * has a meaning to a URL's reader is an attempt on the host; anything else is a
 * mistake.
 */
static void
append_label(StringInfo out, const placeholder *holder, const char *value, const char *what)
{
	size_t		length = strlen(value);

	if (strpbrk(value, ".:/?#@\\[]%") != NULL)
		moving_value(holder->name, what);
	if (length == 0 || length > 63 || strspn(value, LABEL_CHARACTERS) != length ||
		value[0] == '-' || value[length - 1] == '-')
		unfit_value(holder->name, what,
					"A part of a host name is made of letters, digits and inner hyphens.");
	appendStringInfoString(out, value);
}

/*
 * host or host:port, where a template leaves the whole authority to a value.
 * The parsed URL must be that authority and nothing else.
 */
static void
append_authority(StringInfo out, const placeholder *holder, const char *value, const char *what)
{
	oa1_buffer	octets;
	oa1_url		url;
	char	   *whole = psprintf("https://%s", value);
	oa1_status	status;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	if (value[0] == '\0' || strpbrk(value, "/?#@\\%") != NULL)
		moving_value(holder->name, what);
	status = oa1_url_parse((oa1_text) {whole, strlen(whole)}, &octets, &url);
	if (status != OA1_OK)
		unfit_value(holder->name, what, "It is no host and no host:port.");
	oa1_buffer_free(&octets);
	appendStringInfoString(out, value);
}

static void
append_encoded(StringInfo out, const char *value)
{
	oa1_buffer	encoded;

	oauth1_buffer_init(&encoded, CurrentMemoryContext);
	oa1_percent_encode(&encoded, (oa1_text) {value, strlen(value)});
	oauth1_check_core(encoded.status, "placeholder");
	appendBinaryStringInfo(out, encoded.data, encoded.length);
	oa1_buffer_free(&encoded);
}

static void
append_segment(StringInfo out, const placeholder *holder, const char *value, const char *what)
{
	if (value[0] == '\0' || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		unfit_value(holder->name, what, "A path segment cannot be empty, \".\" or \"..\".");
	append_encoded(out, value);
}

/*
 * The folder that a self-hosted service lives in: "", "shop" or "/shop/en/".
 * What is written has a slash before each segment and none at the end, and a
 * slash of the template's just before the placeholder is not doubled.
 */
static void
append_base_path(StringInfo out, const placeholder *holder, char *value, const char *what)
{
	char	   *position = value;
	char	   *segment;

	if (out->len > 0 && out->data[out->len - 1] == '/')
		out->data[--out->len] = '\0';
	while ((segment = strsep(&position, "/")) != NULL)
	{
		if (segment[0] == '\0' && (position == NULL || segment == value))
			continue;			/* a leading or trailing slash */
		appendStringInfoChar(out, '/');
		append_segment(out, holder, segment, what);
	}
}

/* Which part of the URL does the octet at here, in template, belong to? */
static url_part
part_at(const char *template, const char *here)
{
	const char *authority = strstr(template, "://");
	const char *authority_end;
	const char *query = strchr(template, '?');

	if (authority == NULL || here < authority + 3)
		return PART_SCHEME;
	authority += 3;
	authority_end = authority + strcspn(authority, "/?");
	if (query != NULL && here > query)
		return PART_QUERY;
	if (here >= authority_end)
		return PART_PATH;
	if (here == authority)
	{
		const char *after = strchr(here, '}');

		if (after != NULL &&
			(after + 1 == authority_end ||
			 strncmp(after + 1, "{base_path}", strlen("{base_path}")) == 0))
			return PART_WHOLE_AUTHORITY;
	}
	return PART_AUTHORITY;
}

static void
append_in_url(StringInfo out, const placeholder *holder, char *value, const char *template,
			  const char *what)
{
	url_part	part = part_at(template, holder->start);

	if (strcmp(holder->name, "base_path") == 0 && part != PART_QUERY)
	{
		/* Anything but a path after it would join the host where the value is empty. */
		if (*holder->end != '\0' && *holder->end != '/' && *holder->end != '?')
			malformed_template(what, "After {base_path} comes a slash, a query or nothing.");
		append_base_path(out, holder, value, what);
		return;
	}
	switch (part)
	{
		case PART_SCHEME:
			malformed_template(what, "The scheme cannot be a placeholder.");
			break;
		case PART_WHOLE_AUTHORITY:
			append_authority(out, holder, value, what);
			break;
		case PART_AUTHORITY:
			append_label(out, holder, value, what);
			break;
		case PART_PATH:
			append_segment(out, holder, value, what);
			break;
		case PART_QUERY:
			append_encoded(out, value);
			break;
	}
}

/* In a realm or a header field: nothing that could end the field or its quotes. */
static void
append_in_field(StringInfo out, const placeholder *holder, const char *value, const char *what)
{
	for (const char *c = value; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\')
			unfit_value(holder->name, what,
						"It has a control character, a double quote or a backslash.");
	appendStringInfoString(out, value);
}

char *
oauth1_expand(const char *template, oauth1_place place, const oauth1_values *values,
			  const char *what)
{
	oa1_text	utf8 = oauth1_utf8_from_cstring(template);
	char	   *whole = pnstrdup(utf8.data, utf8.length);
	const char *rest = whole;
	const char *brace;
	StringInfoData out;

	initStringInfo(&out);
	while ((brace = strchr(rest, '{')) != NULL)
	{
		placeholder holder = read_placeholder(brace, what);
		char	   *value = placeholder_value(&holder, values, what);

		appendBinaryStringInfo(&out, rest, brace - rest);
		if (place == OAUTH1_PLACE_URL)
			append_in_url(&out, &holder, value, whole, what);
		else
			append_in_field(&out, &holder, value, what);
		rest = holder.end;
	}
	appendStringInfoString(&out, rest);
	return out.data;
}

/* The same template with values that fit, so that what is left to fail is the template's own. */
static char *
expand_with_samples(const char *template, const char *what)
{
	const char *rest = template;
	const char *brace;
	StringInfoData out;

	initStringInfo(&out);
	while ((brace = strchr(rest, '{')) != NULL)
	{
		placeholder holder = read_placeholder(brace, what);
		char		sample[] = "x";

		appendBinaryStringInfo(&out, rest, brace - rest);
		append_in_url(&out, &holder, sample, template, what);
		rest = holder.end;
	}
	appendStringInfoString(&out, rest);
	return out.data;
}

static void
check_url_template(const char *template, const char *what)
{
	oa1_text	utf8 = oauth1_utf8_from_cstring(template);
	char	   *sample = expand_with_samples(pnstrdup(utf8.data, utf8.length), what);
	oa1_buffer	octets;
	oa1_url		url;

	oauth1_buffer_init(&octets, CurrentMemoryContext);
	oauth1_check_core(oa1_url_parse((oa1_text) {sample, strlen(sample)}, &octets, &url), what);
	if (url.has_userinfo || url.has_dot_segments)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid %s", what),
				 errdetail("The URL has a user name, or a path segment \".\" or \"..\".")));
	oa1_buffer_free(&octets);
}

bool
oauth1_template_authority(const char *template, char *name, const char *what)
{
	const char *authority = strstr(template, "://");

	if (authority == NULL || authority[3] != '{' ||
		part_at(template, authority + 3) != PART_WHOLE_AUTHORITY)
		return false;
	strlcpy(name, read_placeholder(authority + 3, what).name, NAMEDATALEN);
	return true;
}

void
oauth1_template_check(const char *template, oauth1_place place, const char *what)
{
	const char *brace = template;

	if (place == OAUTH1_PLACE_URL)
	{
		check_url_template(template, what);
		return;
	}
	while ((brace = strchr(brace, '{')) != NULL)
		brace = read_placeholder(brace, what).end;
	for (const char *c = template; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid %s", what),
					 errdetail("It has a control character.")));
}
