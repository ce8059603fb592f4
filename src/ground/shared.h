/*
 * shared.h
 *	  What the server's sessions know together, in memory: it needs no write, so
 *	  calls on a standby or in a read-only transaction share it too.  It is gone
 *	  when the server restarts.
 *
 * Tables of a fixed size: where a set of entries is full, the one that was not
 * used for longest makes room.  What is in an entry is known to the file that
 * the table is for; it starts as zeros.
 *
 * Nothing here ever fails a call.  Where there is not enough shared memory, a
 * session has the same tables for itself.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SHARED_H
#define OAUTH1_SHARED_H

#include "core/core.h"

typedef enum oauth1_table
{
	OAUTH1_TABLE_TOKEN_TIMES,	/* stored/token_times.c */
	OAUTH1_TABLE_CLOCKS,		/* work/clock.c */
	OAUTH1_TABLE_PAUSES,		/* work/limits_pause.c */
	OAUTH1_TABLE_LINES,			/* work/limits_line.c */
	OAUTH1_TABLE_WINDOWS,		/* work/limits_rate.c */
	OAUTH1_TABLE_WORKERS		/* work/worker_entry.c */
} oauth1_table;

#define OAUTH1_TABLES 6

/*
 * Octets of an entry, multiples of eight.  Whoever changes one, or what the
 * octets mean, raises the number of the layout in shared.c.
 */
#define OAUTH1_TOKEN_TIMES_SIZE 16
#define OAUTH1_CLOCKS_SIZE 24
#define OAUTH1_PAUSES_SIZE 8
#define OAUTH1_LINES_SIZE 1024
#define OAUTH1_WINDOWS_SIZE 2080
#define OAUTH1_WORKERS_SIZE 48

/* Names stand as digests, so that an entry has one size; the database is in it. */
typedef struct oauth1_key
{
	uint8		digest[16];
} oauth1_key;

/* The key of these words, one after the other, in this database. */
extern oauth1_key oauth1_shared_key(const oa1_text *words, int count);

/*
 * The content of an entry, which this session now holds for itself; until
 * oauth1_shared_unlock it does nothing but read and write it, and locks no
 * other.  With make an entry that is not there is made; else NULL is returned,
 * and nothing is held.  NULL with make where there is no memory at all.  Never
 * throws, but for a cancel while the tables are taken for the first time.
 */
extern void *oauth1_shared_lock(oauth1_table table, const oauth1_key *key, bool make);
extern void oauth1_shared_unlock(oauth1_table table, const oauth1_key *key);

/* Do all sessions see the tables, or this one alone? */
extern bool oauth1_shared_is_shared(void);

#endif							/* OAUTH1_SHARED_H */
