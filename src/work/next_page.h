/*
 * next_page.h
 *	  Whether there is a further page, and what is to be sent for it.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_NEXT_PAGE_H
#define OAUTH1_NEXT_PAGE_H

#include "outside/transfer.h"
#include "work/message.h"
#include "work/next_form.h"

/* How far a list has been read. */
typedef struct oauth1_paging
{
	oauth1_next_form form;
	int64		pages;			/* received */
	int64		position;		/* an offset, or the number of a page: of the present one */
	int64		first;			/* what position was at first */
	int64		first_items;	/* on the first page; -1: not known */
	int64		seen;			/* items on all pages; -1: not known */
} oauth1_paging;

/*
 * Reads next, in the server encoding, and from the first message where an offset
 * or a page number starts.  In the current memory context.  Raises 22023 where
 * either is malformed.
 */
extern void oauth1_paging_begin(oauth1_paging *paging, const char *next,
								const oauth1_message *first);

/*
 * After a page, which was asked for by message and came from url: false where it is
 * the last, else what is to be sent for the next one, which shares with message
 * all but URL and body; these are in the current memory context.
 *
 * Raises 54000 where the next page is the same as this one, 22023 where next finds
 * something that can be no URL.
 */
extern bool oauth1_paging_next(oauth1_paging *paging, const oauth1_message *message,
							   const oa1_url *url, const oauth1_response *response,
							   oauth1_message *next);

#endif							/* OAUTH1_NEXT_PAGE_H */
