/*
 * url_query.h
 *	  Parameters in the query of a URL, and in a form body: the core's functions, in
 *	  memory contexts.
 *
 * All results are in the current memory context.  None of these raises anything
 * but a lack of memory, and a result too long for a text (54000).
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_URL_QUERY_H
#define OAUTH1_URL_QUERY_H

#include "core/core.h"

/*
 * The URL without the oauth_ parameters that calls send (RFC 5849, 3.1, and
 * oauth_body_hash): services echo the whole query in Location and Link, and each
 * request has its own.  Other names that begin with oauth_ stay.
 */
extern oa1_text oauth1_url_without_protocol(oa1_text url);

/*
 * The decoded value of the first parameter of that name; false where there is
 * none, or where its escapes are malformed.
 */
extern bool oauth1_url_parameter(oa1_text url, oa1_text name, oa1_text *value);
extern bool oauth1_form_parameter(oa1_text form, oa1_text name, oa1_text *value);

/*
 * With the parameter, name and value given raw: the first of that name gets the
 * value, others go, and where there is none it is added at the end.
 */
extern oa1_text oauth1_url_with_parameter(oa1_text url, oa1_text name, oa1_text value);
extern oa1_text oauth1_form_with_parameter(oa1_text form, oa1_text name, oa1_text value);

#endif							/* OAUTH1_URL_QUERY_H */
