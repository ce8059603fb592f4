/*
 * url_query.h
 *	  Parameters in the query of a URL, and in a form body, read and set without
 *	  touching another octet.
 *
 * What a service put into a link is sent back as it wrote it: its own spelling of
 * escapes, its order, its empty pieces.  Names are compared decoded, so that
 * oauth%5Fnonce is oauth_nonce.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_URL_QUERY_H
#define OAUTH1_URL_QUERY_H

#include "core/core.h"

/*
 * All results are in the current memory context, or are the argument itself where
 * nothing changes; none of them raises anything but a lack of memory.
 */

/*
 * The URL without the oauth_ parameters that calls send (RFC 5849, 3.1, and
 * oauth_body_hash): services echo the whole query in Location and Link, and each
 * request has its own.  Other names that begin with oauth_ stay.
 */
extern oa1_text oauth1_url_without_protocol(oa1_text url);

/* The decoded value of the first parameter of that name; false where there is none. */
extern bool oauth1_url_parameter(oa1_text url, oa1_text name, oa1_text *value);
extern bool oauth1_form_parameter(oa1_text form, oa1_text name, oa1_text *value);

/*
 * With the parameter, name and value given raw: the first of that name gets the
 * value, others go, and where there is none it is added at the end.
 */
extern oa1_text oauth1_url_with_parameter(oa1_text url, oa1_text name, oa1_text value);
extern oa1_text oauth1_form_with_parameter(oa1_text form, oa1_text name, oa1_text value);

#endif							/* OAUTH1_URL_QUERY_H */
