/*
 * queue_purge.c
 *	  Deleting calls that ended long ago, a slice at a time.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/timestamp.h"

#include "stored/queue_private.h"

/*
 * Goes by id, the one index; so that calls are deleted in the order they were made.  $4: a role,
 * whose own calls are meant and those of roles it is a member of; 0: all are.
 */
static oauth1_statement purge_slice = {
	.sql = "WITH slice AS MATERIALIZED ("
	"SELECT id, created_at FROM oauth1.call WHERE id > $1 ORDER BY id LIMIT $2), "
	"gone AS (DELETE FROM oauth1.call c WHERE c.id = ANY (ARRAY(SELECT id FROM slice)) "
	"AND c.state IS NOT NULL AND c.finished_at < $3 "
	"AND NOT EXISTS (SELECT FROM oauth1.follow_up f WHERE f.id = c.id OFFSET 0) "
	"AND ($4 = 0 OR pg_catalog.pg_has_role($4, c.enqueued_by, 'USAGE') AND EXISTS "
	"(SELECT FROM pg_catalog.pg_roles r WHERE r.oid = c.enqueued_by "
	"AND r.rolname = c.enqueued_by_name OFFSET 0)) "
	"RETURNING c.id) "
	"SELECT (SELECT count(*) FROM gone), "
	"CASE WHEN count(*) = $2 AND max(created_at) < $3 THEN max(id) ELSE 0 END FROM slice",
	.nargs = 4,
	.types = {INT8OID, INT4OID, TIMESTAMPTZOID, OIDOID},
};

/* role InvalidOid: whatever role's they are. */
static int
purge(Oid role, TimestampTz before, int count, int64 *after)
{
	(void) oauth1_query_write(&purge_slice, (Datum[]) {
		Int64GetDatum(*after), Int32GetDatum(count), TimestampTzGetDatum(before),
		ObjectIdGetDatum(role)
	}, NULL);
	*after = DatumGetInt64(oauth1_queue_value(0, 2));
	return (int) DatumGetInt64(oauth1_queue_value(0, 1));
}

int
oauth1_queue_purge(TimestampTz before, int count, int64 *after)
{
	oauth1_query query;
	int			deleted;

	oauth1_queue_begin(&query);
	deleted = purge(InvalidOid, before, count, after);
	oauth1_query_end(&query);
	return deleted;
}

int
oauth1_queue_purge_of(Oid role, TimestampTz before, int count, int64 *after)
{
	oauth1_query query;
	int			deleted;

	oauth1_queue_begin_patient(&query);
	deleted = purge(oauth1_is_owner(role) ? InvalidOid : role, before, count, after);
	oauth1_query_end(&query);
	return deleted;
}
