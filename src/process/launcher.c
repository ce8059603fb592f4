/*
 * launcher.c
 *	  Workers for calls of which no COMMIT tells: after the server's start, where
 *	  the library is preloaded, and some time after a worker made room for others.
 *
 * Both processes here are connected to no database, for which somebody might wait,
 * and read the catalogs that all databases share.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "ground/settings.h"
#include "ground/shared.h"
#include "outside/transfer.h"
#include "process/background.h"
#include "process/neighbours.h"
#include "process/order.h"
#include "work/worker_entry.h"

/* How often the launcher looks for databases whose worker did not start. */
#define ROUND_MS (60 * 1000)

/*
 * So long it waits for a worker that it started, which ends when nothing is
 * pending: workers come one after the other, and do not fill the server's slots.
 */
#define PATIENCE_MS 500
#define SLICE_MS 50

/* How often a successor looks whether a copy has been made. */
#define NEIGHBOUR_MS 1000

extern PGDLLEXPORT void oauth1_launcher_main(Datum argument);
extern PGDLLEXPORT void oauth1_successor_main(Datum argument);

/* ---------------------------------------------------------------- databases */

/*
 * May a worker sit in it?  Whoever makes a database copies a template, and would
 * have to wait for the worker each time.
 */
static bool
is_open(Form_pg_database database)
{
	return database->datallowconn && !database->datistemplate &&
		database->datconnlimit != DATCONNLIMIT_INVALID_DB;
}

/* Open databases, in the current memory context. */
static List *
open_databases(void)
{
	MemoryContext memory = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	catalog;
	SysScanDesc scan;
	HeapTuple	tuple;

	oauth1_background_transactions.begin();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!is_open(database))
			continue;
		old = MemoryContextSwitchTo(memory);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	oauth1_background_transactions.commit();
	return databases;
}

/* ---------------------------------------------------------------- both */

static void
connect_to_none(void)
{
	oauth1_background_begin();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	oauth1_background_settle("oauth1 launcher");
	oauth1_background_transactions.begin();
	(void) oauth1_shared_is_shared();
	oauth1_background_transactions.commit();
}

/*
 * Waits, however often it is woken, but not longer than oauth1.worker is as it is;
 * false: it was asked to leave.
 */
static bool
sleep_ms(int64 time_ms)
{
	int64		until = oauth1_monotonic_us() + time_ms * 1000;
	bool		was_on = oauth1_worker;
	int64		left = time_ms;

	while (!oauth1_asked_to_leave && left > 0 && oauth1_worker == was_on)
	{
		oauth1_background_wait(Min(left, 1000));
		(void) oauth1_background_reload();
		left = (until - oauth1_monotonic_us() + 999) / 1000;
	}
	return !oauth1_asked_to_leave;
}

/* Starts a worker that leaves at once where nothing is pending; false: it could not. */
static bool
start_looking(Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker process;

	oauth1_order_worker(&process, database, true);
	process.bgw_notify_pid = MyProcPid;
	if (oauth1_order_start(&process, database, handle))
		return true;
	oauth1_order_tell_failure(database);
	return false;
}

/* ---------------------------------------------------------------- the successor */

static bool
is_still_open(Oid database)
{
	List	   *databases = open_databases();
	bool		result = list_member_oid(databases, database);

	list_free(databases);
	return result;
}

/*
 * Comes when a worker had to leave calls behind.  It waits without being in the
 * way, so that a database that was dropped meanwhile is not even asked for.
 */
void
oauth1_successor_main(Datum argument)
{
	oauth1_order order = oauth1_order_received();

	connect_to_none();
	if (!sleep_ms(order.delay_s * INT64CONST(1000)))
		proc_exit(0);
	while (oauth1_look_for_neighbour(order.database) != OAUTH1_NEIGHBOUR_NONE)
		if (!sleep_ms(NEIGHBOUR_MS))
			proc_exit(0);
	if (oauth1_worker && is_still_open(order.database) &&
		oauth1_worker_entry_read(order.database).pid == 0 && oauth1_worker_ask(order.database, 0))
		(void) start_looking(order.database, NULL);
	proc_exit(0);
}

/* ---------------------------------------------------------------- the launcher */

/* Was a worker asked for that did not come? */
static bool
is_to_be_served(Oid database, bool everywhere)
{
	oauth1_worker_entry entry = oauth1_worker_entry_read(database);

	if (entry.pid != 0)
		return false;
	return everywhere || entry.asked_at != 0 || entry.failed_at > entry.started_at;
}

/* Waits until it ended, but not for long: what has calls to send stays. */
static void
be_patient(BackgroundWorkerHandle *handle)
{
	pid_t		pid;

	for (int ms = 0; ms < PATIENCE_MS; ms += SLICE_MS)
		if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED || !sleep_ms(SLICE_MS))
			break;
}

static void
make_round(bool everywhere)
{
	List	   *databases = open_databases();
	ListCell   *cell;

	foreach(cell, databases)
	{
		Oid			database = lfirst_oid(cell);
		BackgroundWorkerHandle *handle;

		if (oauth1_asked_to_leave)
			break;
		if (!is_to_be_served(database, everywhere) || !oauth1_worker_ask(database, 0) ||
			!start_looking(database, &handle))
			continue;
		be_patient(handle);
		pfree(handle);
	}
	list_free(databases);
}

/*
 * Looks at every database once, and again when oauth1.worker was switched on;
 * otherwise a COMMIT starts workers by itself, and what is left are those that
 * could not be started.  Ends with 1, so that it is started again where somebody
 * ended it alone.
 */
void
oauth1_launcher_main(Datum argument)
{
	bool		everywhere = true;

	connect_to_none();
	do
	{
		if (oauth1_worker)
			make_round(everywhere);
		everywhere = !oauth1_worker;
	} while (sleep_ms(ROUND_MS));
	proc_exit(1);
}
