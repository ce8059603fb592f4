/*
 * query.c
 *	  SPI as the extension's owner.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "stored/query.h"

Oid
oauth1_owner(void)
{
	Oid			schema = get_namespace_oid("oauth1", false);
	Oid			relation = get_relname_relid("consumer", schema);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table oauth1.consumer does not exist"),
				 errhint("Create the extension again: its objects are incomplete.")));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

bool
oauth1_is_owner(Oid role)
{
	return has_privs_of_role(role, oauth1_owner());
}

/*
 * The path is set by a GUC nest level of our own, not by PushOverrideSearchPath:
 * a kept plan is analysed again under the path that is current when it runs.
 */
void
oauth1_query_begin(oauth1_query *query)
{
	query->caller_memory = CurrentMemoryContext;
	GetUserIdAndSecContext(&query->user, &query->context);
	SetUserIdAndSecContext(oauth1_owner(), query->context | SECURITY_LOCAL_USERID_CHANGE);
	query->nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	(void) set_config_option("row_security", "off",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not connect to SPI")));
}

void
oauth1_query_end(oauth1_query *query)
{
	SPI_finish();
	AtEOXact_GUC(true, query->nest_level);
	SetUserIdAndSecContext(query->user, query->context);
	MemoryContextSwitchTo(query->caller_memory);
}

void
oauth1_procedure_begin(void)
{
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not connect to SPI")));
}

void
oauth1_procedure_commit(void)
{
	SPI_commit();
}

void
oauth1_procedure_rollback(void)
{
	SPI_rollback();
}

void
oauth1_procedure_end(void)
{
	SPI_finish();
}

static SPIPlanPtr
kept_plan(oauth1_statement *statement)
{
	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->sql, statement->nargs, statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not prepare a statement of the extension"),
					 errdetail("%s", SPI_result_code_string(SPI_result))));
		statement->plan = plan;
	}
	return statement->plan;
}

static uint64
execute(oauth1_statement *statement, Datum *values, const char *nulls, Snapshot snapshot,
		bool read_only)
{
	MemoryContext memory = CurrentMemoryContext;
	int			result = SPI_execute_snapshot(kept_plan(statement), values, nulls, snapshot,
											  InvalidSnapshot, read_only, true, 0);

	/* SPI leaves its own as the current one: what is palloc'd next would end with it. */
	MemoryContextSwitchTo(memory);
	if (result < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run a statement of the extension"),
				 errdetail("%s", SPI_result_code_string(result))));
	return SPI_processed;
}

uint64
oauth1_query_read(oauth1_statement *statement, Datum *values, const char *nulls)
{
	return execute(statement, values, nulls, GetLatestSnapshot(), true);
}

uint64
oauth1_query_write(oauth1_statement *statement, Datum *values, const char *nulls)
{
	uint64		rows = execute(statement, values, nulls, InvalidSnapshot, false);

	CommandCounterIncrement();
	return rows;
}

uint64
oauth1_query_write_latest(oauth1_statement *statement, Datum *values)
{
	uint64		rows = execute(statement, values, NULL, GetLatestSnapshot(), false);

	CommandCounterIncrement();
	return rows;
}

void
oauth1_query_write_row(oauth1_statement *statement, Datum *values)
{
	if (oauth1_query_write(statement, values, NULL) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update")));
}

char *
oauth1_column_cstring(uint64 row, int n, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n);

	return value ? MemoryContextStrdup(context, value) : NULL;
}

Datum
oauth1_column_datum(uint64 row, int n, MemoryContext context, bool *isnull)
{
	Datum		value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n, isnull);
	Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, n - 1);
	MemoryContext old;

	if (*isnull)
		return (Datum) 0;
	old = MemoryContextSwitchTo(context);
	if (attribute->attlen == -1)
		value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	else
		value = datumCopy(value, attribute->attbyval, attribute->attlen);
	MemoryContextSwitchTo(old);
	return value;
}
