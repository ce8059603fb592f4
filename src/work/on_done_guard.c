/*
 * on_done_guard.c
 *	  What an on_done is refused beyond what a security-restricted operation is,
 *	  because it would outlive it in the session.
 *
 * Advisory locks of the session: it could free those of a drain's session, or
 * leave its own.  Which are whose could not be told afterwards.  Temporary
 * objects: PostgreSQL refuses it tables, and late minor releases types, which in a
 * session's temporary schema stand before all others of their names and bring
 * CHECK constraints along; but not functions and the like.
 *
 * A hook that is there while an on_done runs sees both.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_proc.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "work/on_done_guard.h"

static object_access_hook_type next_hook;

static bool
is_session_lock_function(Oid function)
{
	switch (function)
	{
		case F_PG_ADVISORY_LOCK_INT8:
		case F_PG_ADVISORY_LOCK_SHARED_INT8:
		case F_PG_ADVISORY_LOCK_INT4_INT4:
		case F_PG_ADVISORY_LOCK_SHARED_INT4_INT4:
		case F_PG_TRY_ADVISORY_LOCK_INT8:
		case F_PG_TRY_ADVISORY_LOCK_SHARED_INT8:
		case F_PG_TRY_ADVISORY_LOCK_INT4_INT4:
		case F_PG_TRY_ADVISORY_LOCK_SHARED_INT4_INT4:
		case F_PG_ADVISORY_UNLOCK_INT8:
		case F_PG_ADVISORY_UNLOCK_SHARED_INT8:
		case F_PG_ADVISORY_UNLOCK_INT4_INT4:
		case F_PG_ADVISORY_UNLOCK_SHARED_INT4_INT4:
		case F_PG_ADVISORY_UNLOCK_ALL:
			return true;
		default:
			return false;
	}
}

/* The schema of an object that was just made, which no cache has yet; InvalidOid: it has none. */
static Oid
schema_of(Oid class, Oid object)
{
	Oid			schema = InvalidOid;
	Relation	catalog;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple	tuple;
	bool		isnull;

	if (!is_objectclass_supported(class) ||
		get_object_attnum_namespace(class) == InvalidAttrNumber)
		return InvalidOid;
	catalog = table_open(class, AccessShareLock);
	ScanKeyInit(&key, get_object_attnum_oid(class), BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(object));
	scan = systable_beginscan(catalog, get_object_oid_index(class), true, SnapshotSelf, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = DatumGetObjectId(heap_getattr(tuple, get_object_attnum_namespace(class),
											   RelationGetDescr(catalog), &isnull));
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return schema;
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int part, void *argument)
{
	if (access == OAT_FUNCTION_EXECUTE && is_session_lock_function(object))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("an on_done cannot take or release advisory locks of the session"),
				 errhint("Those of the transaction, such as pg_advisory_xact_lock(), can be taken.")));
	if (access == OAT_POST_CREATE && isAnyTempNamespace(schema_of(class, object)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("an on_done cannot create temporary objects")));
	if (next_hook)
		next_hook(access, class, object, part, argument);
}

void
oauth1_on_done_guard_begin(void)
{
	next_hook = object_access_hook;
	object_access_hook = object_access;
}

void
oauth1_on_done_guard_end(void)
{
	object_access_hook = next_hook;
}
