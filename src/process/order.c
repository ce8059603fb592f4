/*
 * order.c
 *	  Background processes of ours, as the postmaster is asked for them.
 *
 * None of them but the launcher is ever started again by the postmaster: one
 * whose database is gone would die at its connection, and be started again, for
 * ever.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "miscadmin.h"

#include "process/order.h"
#include "work/worker_entry.h"

/* After a failure of the launcher. */
#define LAUNCHER_RESTART_S 10

StaticAssertDecl(sizeof(oauth1_order) <= BGW_EXTRALEN, "an order fits");

/* On a standby none of them starts; all of them may, once it was promoted. */
static void
fill(BackgroundWorker *process, const char *type, const char *function, int restart_s)
{
	memset(process, 0, sizeof(*process));
	strlcpy(process->bgw_name, type, sizeof(process->bgw_name));
	strlcpy(process->bgw_type, type, sizeof(process->bgw_type));
	strlcpy(process->bgw_library_name, "oauth1", sizeof(process->bgw_library_name));
	strlcpy(process->bgw_function_name, function, sizeof(process->bgw_function_name));
	process->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	process->bgw_start_time = BgWorkerStart_RecoveryFinished;
	process->bgw_restart_time = restart_s;
}

static void
give_order(BackgroundWorker *process, const oauth1_order *order)
{
	memcpy(process->bgw_extra, order, sizeof(*order));
}

void
oauth1_order_worker(BackgroundWorker *process, Oid database, bool look)
{
	oauth1_order order = {.database = database, .look = look};

	fill(process, "oauth1 worker", "oauth1_worker_main", BGW_NEVER_RESTART);
	give_order(process, &order);
}

void
oauth1_order_successor(BackgroundWorker *process, Oid database, int delay_s)
{
	oauth1_order order = {.database = database, .delay_s = delay_s};

	fill(process, "oauth1 launcher", "oauth1_successor_main", BGW_NEVER_RESTART);
	give_order(process, &order);
}

void
oauth1_order_launcher(BackgroundWorker *process)
{
	fill(process, "oauth1 launcher", "oauth1_launcher_main", LAUNCHER_RESTART_S);
}

oauth1_order
oauth1_order_received(void)
{
	oauth1_order order;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	return order;
}

bool
oauth1_order_start(BackgroundWorker *process, Oid database, BackgroundWorkerHandle **handle)
{
	if (RegisterDynamicBackgroundWorker(process, handle))
		return true;
	oauth1_worker_note_failure(database, OAUTH1_START_NO_SLOT);
	return false;
}

void
oauth1_order_tell_failure(Oid database)
{
	if (!oauth1_worker_is_to_be_told(database))
		return;
	ereport(LOG,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start a worker for the queued calls of database %u", database),
			 errdetail("No background worker slot is free. The calls stay pending; the next enqueue or drain goes on."),
			 errhint("Consider increasing max_worker_processes, which is %d.",
					 max_worker_processes)));
}
