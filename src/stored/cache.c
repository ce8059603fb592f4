/*
 * cache.c
 *	  When what a session keeps of the tables is out of date.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "stored/cache.h"

/* The tables whose rows are kept in some form. */
static const char *const watched_tables[] = {
	"preset", "provider", "consumer", "token", "secret", "data_key", "consumer_grant"
};

static Oid	watched[lengthof(watched_tables)];

static uint64 generation = 0;

/* Nothing here may throw, or look anything up: it runs while invalidations are processed. */
static void
relation_changed(Datum argument, Oid relation)
{
	for (int i = 0; i < lengthof(watched); i++)
		if (relation == InvalidOid || relation == watched[i])
		{
			generation++;
			return;
		}
}

static void
role_changed(Datum argument, int cache, uint32 hash)
{
	generation++;
}

static void
watch(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
		CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
		registered = true;
	}
}

/*
 * The extension may have been created again since, with other oids: the drop
 * was a change, so looking them up once a generation is enough.
 */
static void
find_tables(void)
{
	static uint64 found_for = UINT64_MAX;
	uint64		before = generation;

	if (found_for == before)
		return;
	for (int i = 0; i < lengthof(watched_tables); i++)
		watched[i] = get_relname_relid(watched_tables[i], get_namespace_oid("oauth1", false));
	found_for = before;
}

uint64
oauth1_cache_generation(void)
{
	watch();
	AcceptInvalidationMessages();
	find_tables();
	return generation;
}

PG_FUNCTION_INFO_V1(oauth1_invalidate);

/*
 * Trigger on each of the tables: tells all sessions at commit, this one at the
 * next command.
 */
Datum
oauth1_invalidate(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", "_invalidate")));
	CacheInvalidateRelcache(trigger->tg_relation);
	return PointerGetDatum(NULL);
}
