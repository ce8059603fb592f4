/*
 * multipart.h
 *	  A multipart/form-data body (RFC 7578) from a form and files, made while it
 *	  is sent.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_MULTIPART_H
#define OAUTH1_MULTIPART_H

#include "utils/jsonb.h"

#include "ground/jsonb_params.h"
#include "outside/transfer.h"

/*
 * The fields of form, then the files: an object of {"filename":
 * ..., "content_type": ..., "base64": ...} by the part's name, or of arrays of
 * such.  Sets *content_type to that of the body, with its boundary.
 *
 * The body belongs to the current memory context, and so does what it is made
 * from: the files' Base64 is not copied, but decoded where it stands in files,
 * each time the body is read.  It was checked here: reading cannot fail.
 *
 * Raises 22023, which names the part, for a file that is none.
 */
extern oauth1_body_source *oauth1_multipart(const oauth1_pairs *form, Jsonb *files,
											oa1_text *content_type);

#endif							/* OAUTH1_MULTIPART_H */
