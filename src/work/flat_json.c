/*
 * flat_json.c
 *	  The scalar members of a JSON object, without ever throwing.
 *
 * PostgreSQL's parser reports what is wrong as a result, but for two things,
 * which are an ERROR from deep within: nesting that exhausts the stack, and (up
 * to 15) an escape of a character that the server encoding has not.  Both are
 * dealt with before it sees the text.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/compat.h"
#include "work/flat_json.h"

/* Of objects and arrays within each other; what is flat needs one. */
#define MAX_DEPTH 100

/* Of objects whose members are read, and of members: a report on an error has few. */
#define MAX_PATH 4
#define MAX_MEMBERS 1000

typedef struct flat_state
{
	oauth1_pairs *members;
	bool		nested;			/* read what lies in nested objects and arrays too */
	int			depth;			/* of objects and arrays */
	int			objects;		/* of objects alone */
	bool		is_object;		/* the outermost value is one */
	char	   *names[MAX_PATH];	/* of the members being read, from the outermost object on */
} flat_state;

/* ---------------------------------------------------------------- before parsing */

static bool
is_shallow(oa1_text json)
{
	bool		in_string = false;
	int			depth = 0;

	for (size_t i = 0; i < json.length && depth <= MAX_DEPTH; i++)
	{
		char		c = json.data[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\')
			i++;
		else if (!in_string && (c == '[' || c == '{'))
			depth++;
		else if (!in_string && (c == ']' || c == '}'))
			depth--;
	}
	return depth <= MAX_DEPTH;
}

/* The number of four hexadecimal digits behind \u at here; -1 where they do not stand there. */
static int
escaped_unit(oa1_text json, size_t here)
{
	int			unit = 0;

	if (json.length < 6 || here > json.length - 6 ||
		json.data[here] != '\\' || json.data[here + 1] != 'u')
		return -1;
	for (size_t i = here + 2; i < here + 6; i++)
	{
		const char *digit = strchr("0123456789abcdef", pg_ascii_tolower(json.data[i]));

		if (digit == NULL || *digit == '\0')
			return -1;
		unit = unit * 16 + (digit - "0123456789abcdef");
	}
	return unit;
}

/*
 * The character outside ASCII that is escaped at here, and how long its escape
 * is; 0 where there is none.  Half of a surrogate pair is left to the parser,
 * which refuses it.
 */
static pg_wchar
escaped_character(oa1_text json, size_t here, size_t *length)
{
	int			unit = escaped_unit(json, here);
	int			second;

	*length = 6;
	if (unit < 0x80)
		return 0;
	if (!is_utf16_surrogate_first(unit))
		return is_utf16_surrogate_second(unit) ? 0 : unit;
	*length = 12;
	second = escaped_unit(json, here + 6);
	return second >= 0 && is_utf16_surrogate_second(second) ?
		surrogate_pair_to_codepoint(unit, second) : 0;
}

/*
 * A copy of JSON in UTF-8 with the escaped characters outside ASCII as they are,
 * so that they are converted with the rest.
 */
static oa1_text
unescaped(oa1_text json)
{
	unsigned char *copy = palloc(json.length + 1);
	unsigned char *to = copy;
	size_t		length;

	for (size_t i = 0; i < json.length; i += length)
	{
		pg_wchar	character = escaped_character(json, i, &length);

		if (character != 0)
		{
			unicode_to_utf8(character, to);
			to += pg_utf_mblen(to);
			continue;
		}
		/* What a backslash stands before is copied with it: it may be another one. */
		length = json.data[i] == '\\' && i + 1 < json.length ? 2 : 1;
		memcpy(to, json.data + i, length);
		to += length;
	}
	return (oa1_text) {(char *) copy, to - copy};
}

/* In the server encoding, palloc'd; NULL where it cannot be. */
static char *
in_server_encoding(oa1_text json, size_t *length)
{
	oa1_text	plain;
	char	   *text;

	if (GetDatabaseEncoding() == PG_UTF8)
		return oauth1_try_server(json, PG_UTF8, length);
	plain = unescaped(json);
	text = oauth1_try_server(plain, PG_UTF8, length);
	OPENSSL_cleanse(unconstify(char *, plain.data), plain.length);
	return text;
}

/* ---------------------------------------------------------------- what the parser calls */

static OAUTH1_JSON_ACTION
object_start(void *state)
{
	flat_state *flat = state;

	if (flat->depth++ == 0)
		flat->is_object = true;
	flat->objects++;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
object_end(void *state)
{
	flat_state *flat = state;

	flat->depth--;
	flat->objects--;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
array_start(void *state)
{
	((flat_state *) state)->depth++;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
array_end(void *state)
{
	((flat_state *) state)->depth--;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
field_start(void *state, char *name, bool isnull)
{
	flat_state *flat = state;

	if (flat->objects <= MAX_PATH)
		flat->names[flat->objects - 1] = name;
	OAUTH1_JSON_ACTION_DONE;
}

/* The names from the outermost object to the member being read, joined by dots. */
static char *
member_path(const flat_state *flat)
{
	char	   *path = flat->names[0];

	for (int i = 1; i < flat->objects; i++)
		path = psprintf("%s.%s", path, flat->names[i]);
	return path;
}

static OAUTH1_JSON_ACTION
scalar(void *state, char *value, JsonTokenType type)
{
	flat_state *flat = state;
	bool		is_wanted = flat->is_object && type != JSON_TOKEN_NULL;

	if (flat->nested)
		is_wanted = is_wanted && flat->objects >= 1 && flat->objects <= MAX_PATH &&
			flat->members->count < MAX_MEMBERS;
	else
		is_wanted = is_wanted && flat->depth == 1;
	if (is_wanted)
		oauth1_pairs_add(flat->members, oauth1_utf8_from_cstring(member_path(flat)),
						 oauth1_utf8_from_cstring(value));
	OAUTH1_JSON_ACTION_DONE;
}

/* ---------------------------------------------------------------- reading */

static bool
read_members(oa1_text json, bool nested, oauth1_pairs *members)
{
	flat_state	flat = {.members = members, .nested = nested};
	JsonSemAction action = {
		.semstate = &flat,
		.object_start = object_start,
		.object_end = object_end,
		.array_start = array_start,
		.array_end = array_end,
		.object_field_start = field_start,
		.scalar = scalar,
	};
	size_t		length;
	char	   *text;
	bool		good;

	if (!is_shallow(json) || (text = in_server_encoding(json, &length)) == NULL)
		return false;
	good = pg_parse_json(oauth1_json_lexer(text, length), &action) == JSON_SUCCESS;
	/* It may be a token reply, half of which is a secret. */
	OPENSSL_cleanse(text, length);
	return good && flat.is_object;
}

bool
oauth1_flat_json_read(oa1_text json, oauth1_pairs *members)
{
	return read_members(json, false, members);
}

bool
oauth1_nested_json_read(oa1_text json, oauth1_pairs *members)
{
	return read_members(json, true, members);
}
