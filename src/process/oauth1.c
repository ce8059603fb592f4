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

#include "ground/settings.h"
#include "process/discard.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	oauth1_define_settings();
	oauth1_watch_discard();
}
