/*
 * pushed_body.h
 *	  The body of a request by which a service sends credentials.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PUSHED_BODY_H
#define OAUTH1_PUSHED_BODY_H

#include "stored/pushed.h"

/* Magento's is a fourth of a kilobyte; bounds the work on a hostile one. */
#define OAUTH1_MAX_PUSHED_BODY (16 * 1024)

/*
 * Reads a body in UTF-8: a form is read as Magento's activation, JSON as
 * WooCommerce's wc-auth.  Raises 22023 where it is malformed, names something
 * twice, or lacks what it must have; no message quotes it.  The secrets of the
 * result are in secret buffers of the current memory context.
 */
extern void oauth1_pushed_body_read(oa1_text body, const char *content_type,
									oauth1_pushed *pushed);

#endif							/* OAUTH1_PUSHED_BODY_H */
