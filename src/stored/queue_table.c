/*
 * queue_table.c
 *	  What all statements on the queue's tables have in common.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "stored/queue_private.h"

/* ---------------------------------------------------------------- statements */

static const char *const plan_settings[][2] = {
	{"plan_cache_mode", "force_generic_plan"},
	{"enable_indexscan", "on"},
	{"enable_indexonlyscan", "on"},
	{"enable_tidscan", "on"},
	{"enable_nestloop", "on"},
	{"enable_seqscan", "off"},
	{"enable_bitmapscan", "off"},
	{"enable_sort", "off"},
	{"enable_memoize", "off"},
	{"jit", "off"},
};

/* Until the GUC nest level ends, which oauth1_query_end does. */
static void
set_for_query(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
							 false);
}

void
oauth1_queue_begin_patient(oauth1_query *query)
{
	oauth1_query_begin(query);
	for (int i = 0; i < lengthof(plan_settings); i++)
		set_for_query(plan_settings[i][0], plan_settings[i][1]);
}

/* Whoever waits for a lock looks after no call that is under way. */
void
oauth1_queue_begin(oauth1_query *query)
{
	oauth1_queue_begin_patient(query);
	set_for_query("lock_timeout", "1s");
}

Datum
oauth1_queue_array(Oid type, const Datum *values, const bool *nulls, int count)
{
	int			lower_bound = 1;
	int16		length;
	bool		by_value;
	char		alignment;

	get_typlenbyvalalign(type, &length, &by_value, &alignment);
	return PointerGetDatum(construct_md_array((Datum *) values, (bool *) nulls, 1, &count,
											  &lower_bound, type, length, by_value, alignment));
}

Datum
oauth1_queue_value(uint64 row, int n)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n, &isnull);
}

int
oauth1_queue_place(uint64 row, const Datum *ids, int count)
{
	int64		id = DatumGetInt64(oauth1_queue_value(row, 1));

	for (int i = 0; i < count; i++)
		if (DatumGetInt64(ids[i]) == id)
			return i;
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg_internal("call %lld was not asked for", (long long) id)));
}

Datum
oauth1_queue_system_identifier(void)
{
	return Int64GetDatum((int64) GetSystemIdentifier());
}

Datum
oauth1_queue_database(void)
{
	return ObjectIdGetDatum(MyDatabaseId);
}

/* ---------------------------------------------------------------- foreign triggers */

static void
raise_foreign(Relation table, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"oauth1.%s\" has %s that is not the extension's",
					RelationGetRelationName(table), what),
			 errdetail("It would act as the extension's owner whenever a queued call is sent."),
			 errhint("Drop it; calls are then sent again.")));
}

/* The check of a foreign key is the server's own code, and reads only. */
static bool
is_key_check(const Trigger *trigger)
{
	return trigger->tgisinternal &&
		(trigger->tgfoid == F_RI_FKEY_CHECK_INS || trigger->tgfoid == F_RI_FKEY_CHECK_UPD);
}

static void
check_table(const char *name)
{
	RangeVar   *range = makeRangeVar("oauth1", (char *) name, -1);
	Relation	table = table_openrv(range, RowExclusiveLock);

	if (table->rd_rules != NULL)
		raise_foreign(table, "a rule");
	for (int i = 0; table->trigdesc != NULL && i < table->trigdesc->numtriggers; i++)
		if (!is_key_check(&table->trigdesc->triggers[i]))
			raise_foreign(table, psprintf("a trigger \"%s\"", table->trigdesc->triggers[i].tgname));
	table_close(table, NoLock);
	pfree(range);
}

void
oauth1_queue_check_tables(void)
{
	static const char *const names[] = {"call", "queue", "follow_up", "consumer_pause"};

	for (int i = 0; i < lengthof(names); i++)
		check_table(names[i]);
}
