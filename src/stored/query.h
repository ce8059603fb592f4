/*
 * query.h
 *	  SPI as the extension's owner: how layer 3 reads and writes its tables.
 *
 * No role has a right on the tables; the functions of layer 3 judge for
 * themselves who may do what, with the caller's identity, and then look at the
 * rows between oauth1_query_begin and oauth1_query_end.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_QUERY_H
#define OAUTH1_QUERY_H

#include "executor/spi.h"

#define OAUTH1_MAX_ARGUMENTS 20

/*
 * A statement whose plan is kept for the session.  Define it static, with sql
 * and the argument types; names of tables are written with their schema.
 */
typedef struct oauth1_statement
{
	const char *sql;
	int			nargs;
	Oid			types[OAUTH1_MAX_ARGUMENTS];
	SPIPlanPtr	plan;
} oauth1_statement;

/* What begin changed and end puts back (an error's abort does it as well). */
typedef struct oauth1_query
{
	Oid			user;			/* the caller: whose rights count */
	int			context;
	int			nest_level;
	MemoryContext caller_memory;	/* where results go */
} oauth1_query;

/*
 * Becomes the tables' owner with search_path = pg_catalog, pg_temp and connects
 * SPI.  Between begin and end no code of anybody else may run.  Does not nest
 * over another begin of the same struct; pairs may nest.
 */
extern void oauth1_query_begin(oauth1_query *query);
extern void oauth1_query_end(oauth1_query *query);

/*
 * Runs a SELECT with the latest snapshot, whatever the transaction's isolation
 * level: rights and keys are judged as they are now, as PostgreSQL judges its
 * own catalogs.  Returns the number of rows; SPI_tuptable holds them until the
 * next statement.  Works in a read-only transaction and on a standby.
 */
extern uint64 oauth1_query_read(oauth1_statement *statement, Datum *values, const char *nulls);

/* Runs a statement that writes (or RETURNING: rows as above); its effect is seen by the next. */
extern uint64 oauth1_query_write(oauth1_statement *statement, Datum *values, const char *nulls);

/*
 * The same with the latest snapshot, as for oauth1_query_read: what others have
 * committed by now is there, whatever the transaction's isolation level.
 */
extern uint64 oauth1_query_write_latest(oauth1_statement *statement, Datum *values);

/*
 * Runs a statement that must change the one row that was just read.  Raises 40001
 * where it changes none: the row is newer than the transaction's own snapshot.
 */
extern void oauth1_query_write_row(oauth1_statement *statement, Datum *values);

/* Column n (from 1) of a row: as text in the given context, NULL where null. */
extern char *oauth1_column_cstring(uint64 row, int n, MemoryContext context);
/* As a datum, copied into the given context where by reference. */
extern Datum oauth1_column_datum(uint64 row, int n, MemoryContext context, bool *isnull);

/*
 * For a procedure that ends transactions: begin before anything else, with the
 * call's atomic flag known to be off; each commit or rollback begins the next
 * transaction, with no snapshot, as the caller's role.
 */
extern void oauth1_procedure_begin(void);
extern void oauth1_procedure_commit(void);
extern void oauth1_procedure_rollback(void);
extern void oauth1_procedure_end(void);

/* The owner of the extension's tables. */
extern Oid	oauth1_owner(void);

/* Is the current role the owner, a member of it, or a superuser? */
extern bool oauth1_is_owner(Oid role);

#endif							/* OAUTH1_QUERY_H */
