/*
 * header.h
 *	  Header fields: finding one, and which may be set by a caller or a provider's
 *	  options.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_HEADER_H
#define OAUTH1_HEADER_H

#include "core/core.h"

/* Is it the same name?  Those of fields and media types know no case (RFC 9110, 5.1 and 8.3.1). */
extern bool oauth1_same_name(oa1_text a, oa1_text b);

/* The first field of that name; NULL where there is none. */
extern const oa1_pair *oauth1_find_header(const oa1_pair *headers, size_t count, oa1_text name);

/* The media type in a Content-Type: without parameters, and white space around it. */
extern oa1_text oauth1_media_type(oa1_text content_type);

/*
 * Raises 22023 where the name is no token (RFC 9110, 5.6.2), or is one of the
 * fields that say how the message is framed, where it goes or who signed it:
 * they are ours to write, or nobody's.
 */
extern void oauth1_check_header_name(oa1_text name);

/* Raises 22023 for a control character other than the tab (RFC 9110, 5.5). */
extern void oauth1_check_header_value(oa1_text name, oa1_text value);

#endif							/* OAUTH1_HEADER_H */
