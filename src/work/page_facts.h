/*
 * page_facts.h
 *	  What a page says about itself and the whole list, in the words that services
 *	  have for it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PAGE_FACTS_H
#define OAUTH1_PAGE_FACTS_H

#include "utils/jsonb.h"

#include "outside/transfer.h"

typedef struct oauth1_page_facts
{
	bool		empty;			/* nothing is on it: see docs/reference.md for the rule */
	bool		says_more;		/* hasMore or has_more is true */
	bool		says_last;		/* it is false */
	int64		items;			/* on this page; -1: not known */
	int64		total_items;	/* in the whole list; -1: not announced */
	int64		total_pages;
} oauth1_page_facts;

/* json is the body, NULL where it is none.  Never throws for what was sent. */
extern void oauth1_page_facts_read(const oauth1_response *response, Jsonb *json,
								   oauth1_page_facts *facts);

#endif							/* OAUTH1_PAGE_FACTS_H */
