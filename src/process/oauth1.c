/*
 * oauth1.c
 *	  Module entry.
 *
 * Under shared_preload_libraries this runs in the postmaster, so nothing here
 * may start libcurl, OpenSSL or a thread: those begin with a backend's first
 * use.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "ground/settings.h"
#include "process/discard.h"
#include "process/order.h"
#include "process/wakeup.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

/* Not under pg_upgrade: the server that it starts is nobody's to send from. */
static void
register_launcher(void)
{
	BackgroundWorker launcher;

	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	oauth1_order_launcher(&launcher);
	RegisterBackgroundWorker(&launcher);
}

void
_PG_init(void)
{
	oauth1_define_settings();
	oauth1_watch_discard();
	oauth1_watch_transactions();
	register_launcher();
}
