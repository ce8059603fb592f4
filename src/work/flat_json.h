/*
 * flat_json.h
 *	  The scalar members of a JSON object, without ever throwing.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_FLAT_JSON_H
#define OAUTH1_FLAT_JSON_H

#include "ground/jsonb_params.h"

/*
 * Appends the members of the outermost object that are strings, numbers or
 * booleans, in UTF-8 and in the current memory context; nested values are passed
 * over.  Returns false where the text is no JSON object.  PostgreSQL's own JSON
 * parser does the work, below jsonb, whose errors would quote the text: a token
 * reply is a secret.
 */
extern bool oauth1_flat_json_read(oa1_text json, oauth1_pairs *members);

/*
 * The same with the members of nested objects, at most four deep, whose names are
 * then paths: errors.code.  Arrays stand for what is in them, so that a path can
 * come more than once.
 */
extern bool oauth1_nested_json_read(oa1_text json, oauth1_pairs *members);

#endif							/* OAUTH1_FLAT_JSON_H */
