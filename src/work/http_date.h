/*
 * http_date.h
 *	  Dates and numbers of header fields; no server needed.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_HTTP_DATE_H
#define OAUTH1_HTTP_DATE_H

#include <stdint.h>

#include "core/core.h"

/*
 * Reads an HTTP-date in any of its three forms (RFC 9110, 5.6.7), white space
 * around it aside, as seconds since 1970.  now tells which century a year of two
 * digits is in.  False, and *seconds untouched, for anything else.
 */
extern bool oauth1_http_date_read(oa1_text text, int64_t now, int64_t *seconds);

/*
 * Reads digits, white space around them aside; a number above max is read as max.
 * False, and *number untouched, for anything else.
 */
extern bool oauth1_digits_read(oa1_text text, int64_t max, int64_t *number);

#endif							/* OAUTH1_HTTP_DATE_H */
