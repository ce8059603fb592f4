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
#define DRAWN 16					/* octets at a time */

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

/* The next octets of the page: to be copied, and wiped. */
static unsigned char *
draw(void)
{
	unsigned char *drawn;

	StaticAssertStmt(PAGE_SIZE % DRAWN == 0, "a page must be whole draws");
	if (page_used == PAGE_SIZE || page_owner != MyProcPid)
		draw_page();
	drawn = page + page_used;
	page_used += DRAWN;
	return drawn;
}

void
oauth1_draw_nonce(char nonce[OA1_NONCE_LENGTH])
{
	unsigned char *drawn = draw();

	StaticAssertStmt(OA1_NONCE_RANDOM == DRAWN, "a nonce must be a draw");
	oa1_nonce_write(drawn, nonce);
	OPENSSL_cleanse(drawn, DRAWN);
}

void
oauth1_draw_uuid(unsigned char uuid[OAUTH1_UUID_LENGTH])
{
	unsigned char *drawn = draw();

	StaticAssertStmt(OAUTH1_UUID_LENGTH == DRAWN, "a UUID must be a draw");
	memcpy(uuid, drawn, DRAWN);
	OPENSSL_cleanse(drawn, DRAWN);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;	/* version 4: random */
	uuid[8] = (uuid[8] & 0x3f) | 0x80;	/* of this variant */
}
