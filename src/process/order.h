/*
 * order.h
 *	  Background processes of ours, as the postmaster is asked for them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_ORDER_H
#define OAUTH1_ORDER_H

#include "postmaster/bgworker.h"

/* What a process is started for; it travels in bgw_extra. */
typedef struct oauth1_order
{
	Oid			database;
	bool		look;			/* worker: leave at once where nothing is pending */
	int			delay_s;		/* successor: how long it waits first */
} oauth1_order;

/* Fill in a process: worker.c, successor.c, and the launcher of launcher.c. */
extern void oauth1_order_worker(BackgroundWorker *process, Oid database, bool look);
extern void oauth1_order_successor(BackgroundWorker *process, Oid database, int delay_s);
extern void oauth1_order_launcher(BackgroundWorker *process);

/* In that process: its order. */
extern oauth1_order oauth1_order_received(void);

/*
 * Asks the postmaster for it, on behalf of a database; where no slot is free that
 * is noted in the database's entry, and false returned.  With handle NULL it
 * neither allocates nor throws.
 */
extern bool oauth1_order_start(BackgroundWorker *process, Oid database,
							   BackgroundWorkerHandle **handle);

/* Writes to the log that no slot was free, unless that was done a moment ago. */
extern void oauth1_order_tell_failure(Oid database);

#endif							/* OAUTH1_ORDER_H */
