/*
 * json_path.h
 *	  One value out of a JSON text that a service sent, by a jsonpath; whatever the
 *	  text is, without an error.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_JSON_PATH_H
#define OAUTH1_JSON_PATH_H

#include "utils/jsonb.h"

#include "core/core.h"

/*
 * A UTF-8 text as jsonb, in the current memory context; NULL where it is none:
 * malformed, too deep or too large for PostgreSQL, with an escape that it has no
 * character for, or not to be had in the server encoding.  Raises nothing but a
 * lack of memory and what ends the statement (a cancel).
 */
extern Jsonb *oauth1_json_read(oa1_text json);

/*
 * The first item that the jsonpath (in the server encoding) finds, in lax mode
 * unless it says otherwise, in the current memory context; NULL where there is
 * none or path is malformed.  Raises what oauth1_json_read raises.
 */
extern Jsonb *oauth1_jsonb_path_first(const char *path, Jsonb *json);

/*
 * An item as UTF-8 text in the current memory context: a string without its
 * quotes, anything else as jsonb prints it; false for null.
 */
extern bool oauth1_jsonb_text(Jsonb *item, oa1_text *found);

/*
 * The text of the first item found in a JSON text; false where nothing is found, or
 * null, or where json or path are none.
 */
extern bool oauth1_json_path_find(const char *path, oa1_text json, oa1_text *found);

/* NULL where the jsonpath is well-formed, else why not, in the current memory context. */
extern const char *oauth1_json_path_refusal(const char *path);

#endif							/* OAUTH1_JSON_PATH_H */
