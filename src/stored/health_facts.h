/*
 * health_facts.h
 *	  What health() asks the tables.
 *
 * Each function opens an oauth1_query of its own, reads with the latest snapshot,
 * and writes nothing, so a standby can be asked too.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_HEALTH_FACTS_H
#define OAUTH1_HEALTH_FACTS_H

#include "datatype/timestamp.h"

/* Calls that ended lately are those of the last day, among so many of the newest. */
#define OAUTH1_FACTS_NEWEST 100000

typedef struct oauth1_queue_facts
{
	int64		running;		/* calls that are claimed */
	TimestampTz oldest_claim;	/* 0: none is */
	int64		orphaned;		/* of these, by processes that are gone */
	int64		foreign;		/* calls that another server or database enqueued */
} oauth1_queue_facts;

/* Takes the locks of dead claims for a moment, as recovery does. */
extern void oauth1_queue_facts_read(oauth1_queue_facts *facts);

typedef struct oauth1_ended_facts
{
	int64		uncertain;		/* of those that ended lately */
	int64		given_up;		/* whose on_done is given up, likewise */
	int64		failing;		/* on_done that failed and are to be run again */
	TimestampTz oldest_on_done; /* since when one is due; 0: none is */
} oauth1_ended_facts;

/* Of calls that ended. */
extern void oauth1_ended_facts_read(oauth1_ended_facts *facts);

/* The consumers that are paused now, as a list in words, in the current context; NULL: none is. */
extern char *oauth1_paused_consumers(void);

/* The providers that have consumers, *count of them, in the current context. */
extern char **oauth1_used_providers(int *count);

/* Raises 55000 where a table of the queue has a trigger or a rule that is not ours. */
extern void oauth1_queue_tables_check(void);

#endif							/* OAUTH1_HEALTH_FACTS_H */
