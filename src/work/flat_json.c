/*
 * flat_json.c
 *	  The scalar members of a JSON object, without ever throwing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "ground/arena.h"
#include "ground/compat.h"
#include "work/flat_json.h"

typedef struct flat_state
{
	oauth1_pairs *members;
	int			depth;			/* of objects and arrays */
	bool		is_object;		/* the outermost value is one */
	char	   *name;			/* of the outermost object's member being read */
} flat_state;

static OAUTH1_JSON_ACTION
object_start(void *state)
{
	flat_state *flat = state;

	if (flat->depth++ == 0)
		flat->is_object = true;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
array_start(void *state)
{
	((flat_state *) state)->depth++;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
nested_end(void *state)
{
	((flat_state *) state)->depth--;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
field_start(void *state, char *name, bool isnull)
{
	flat_state *flat = state;

	if (flat->depth == 1)
		flat->name = name;
	OAUTH1_JSON_ACTION_DONE;
}

static OAUTH1_JSON_ACTION
scalar(void *state, char *value, JsonTokenType type)
{
	flat_state *flat = state;

	if (flat->depth == 1 && flat->is_object && flat->name != NULL && type != JSON_TOKEN_NULL)
		oauth1_pairs_add(flat->members, oauth1_utf8_from_cstring(flat->name),
						 oauth1_utf8_from_cstring(value));
	OAUTH1_JSON_ACTION_DONE;
}

bool
oauth1_flat_json_read(oa1_text json, oauth1_pairs *members)
{
	flat_state	flat = {.members = members};
	JsonSemAction action = {
		.semstate = &flat,
		.object_start = object_start,
		.object_end = nested_end,
		.array_start = array_start,
		.array_end = nested_end,
		.object_field_start = field_start,
		.scalar = scalar,
	};
	size_t		length;
	char	   *text = oauth1_try_server(json, PG_UTF8, &length);

	if (text == NULL)
		return false;
	return pg_parse_json(oauth1_json_lexer(text, length), &action) == JSON_SUCCESS &&
		flat.is_object;
}
