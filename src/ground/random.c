/*
 * random.c
 *	  Random octets drawn by the page: asking the source for each nonce by
 *	  itself costs five times the signature the nonce is for.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "miscadmin.h"

#include "ground/random.h"

#define PAGE_SIZE 4096

static unsigned char page[PAGE_SIZE];	/* unused octets from page_used on, the rest is wiped */
static size_t page_used = PAGE_SIZE;
static int	page_owner = 0;		/* the process that drew it: a fork must not repeat its parent */

static void
draw_page(void)
{
	page_used = PAGE_SIZE;
	if (!pg_strong_random(page, PAGE_SIZE))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	page_used = 0;
	page_owner = MyProcPid;
}

void
oauth1_draw_nonce(char nonce[OA1_NONCE_LENGTH])
{
	StaticAssertStmt(PAGE_SIZE % OA1_NONCE_RANDOM == 0, "a page must be whole nonces");

	if (page_used == PAGE_SIZE || page_owner != MyProcPid)
		draw_page();
	oa1_nonce_write(page + page_used, nonce);
	OPENSSL_cleanse(page + page_used, OA1_NONCE_RANDOM);
	page_used += OA1_NONCE_RANDOM;
}
