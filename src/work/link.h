/*
 * link.h
 *	  Link header fields (RFC 8288, 3), read as its appendix B reads them.  Pure: the
 *	  core's texts and nothing of the server.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LINK_H
#define OAUTH1_LINK_H

#include "core/core.h"

/* One link; the texts are parts of the field's value, what was quoted still with backslashes. */
typedef struct oauth1_link
{
	oa1_text	target;			/* a URI reference, beside the URL of the answer */
	oa1_text	rel;			/* the first one's value: relation types with spaces between */
	oa1_text	anchor;			/* a URI reference; what the link is of, where has_anchor */
	bool		has_rel;
	bool		has_anchor;
} oauth1_link;

/*
 * Cuts the next well-formed link off the front of a field's value, passing over
 * malformed ones; false at the end.
 */
extern bool oauth1_link_next(oa1_text *value, oauth1_link *link);

/* Is relation, in lower case, among the link's relation types (compared without case, 3.3)? */
extern bool oauth1_link_has_relation(const oauth1_link *link, oa1_text relation);

#endif							/* OAUTH1_LINK_H */
