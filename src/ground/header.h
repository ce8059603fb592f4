/*
 * header.h
 *	  Which header fields may be set by a caller or a provider's options.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_HEADER_H
#define OAUTH1_HEADER_H

#include "core/core.h"

/*
 * Raises 22023 where the name is no token (RFC 9110, 5.6.2), or is one of the
 * fields that say how the message is framed, where it goes or who signed it:
 * they are ours to write, or nobody's.
 */
extern void oauth1_check_header_name(oa1_text name);

/* Raises 22023 for a control character other than the tab (RFC 9110, 5.5). */
extern void oauth1_check_header_value(oa1_text name, oa1_text value);

#endif							/* OAUTH1_HEADER_H */
