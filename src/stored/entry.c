/*
 * entry.c
 *	  The write-only views secrets_in and tokens_in: secrets by COPY, so that
 *	  they stand in no statement.
 *
 * While COPY hands over a row, an error's CONTEXT has the whole line in it.  So
 * the row trigger judges nothing: it copies the row into memory of ours.  The
 * statement trigger comes after COPY's loop, and there the rows are checked,
 * sealed and stored.  What PostgreSQL itself says of a malformed line, or when
 * it is cancelled in the loop, has the line in it, and is beyond us.
 *
 * No message of ours shows a value of a row either: where columns were mixed
 * up, what stands in the place of a name is a secret.
 *
 * A statement's rows are wiped at its end, or when its transaction or
 * subtransaction is aborted.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <openssl/crypto.h>

#include "access/xact.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/query.h"
#include "stored/registry.h"

#define MAX_COLUMNS 4

/* One row: where its values begin in the entry's octets. */
typedef struct entry_row
{
	size_t		offset[MAX_COLUMNS];
	bool		isnull[MAX_COLUMNS];
} entry_row;

/*
 * What one statement has handed over to one of the views so far.  A statement
 * can run inside of another, and one with WITH can write to both views.
 */
typedef struct entry
{
	struct entry *outer;		/* begun before */
	Oid			view;
	int			nest_level;		/* of the transaction it runs in */
	MemoryContext memory;		/* this struct and all that belongs to it */
	oa1_buffer *octets;			/* the values, each ended by a NUL; wiped with memory */
	entry_row  *rows;
	size_t		count;
	size_t		capacity;
} entry;

static entry *innermost = NULL;

/* ---------------------------------------------------------------- life of an entry */

/* Wipes and frees an entry. */
static void
leave(entry *left)
{
	entry	  **link = &innermost;

	while (*link != left)
		link = &(*link)->outer;
	*link = left->outer;
	MemoryContextDelete(left->memory);
}

/* However a transaction ends, no entry outlives it. */
static void
transaction_ended(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		while (innermost != NULL)
			leave(innermost);
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId subtransaction,
					 SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		while (innermost != NULL && innermost->nest_level >= GetCurrentTransactionNestLevel())
			leave(innermost);
}

static void
watch_transactions(void)
{
	static bool watching = false;

	if (watching)
		return;
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
	watching = true;
}

static void
enter(Oid view)
{
	MemoryContext memory = AllocSetContextCreate(TopTransactionContext, "oauth1 entry",
												 ALLOCSET_DEFAULT_SIZES);
	entry	   *entered = MemoryContextAllocZero(memory, sizeof(entry));

	entered->view = view;
	entered->memory = memory;
	entered->nest_level = GetCurrentTransactionNestLevel();
	entered->octets = oauth1_secret_buffer(memory);
	entered->capacity = 16;
	entered->rows = MemoryContextAlloc(memory, entered->capacity * sizeof(entry_row));
	entered->outer = innermost;
	innermost = entered;
}

/* ---------------------------------------------------------------- taking in a row */

static entry_row *
add_row(entry *entry)
{
	if (entry->count == entry->capacity)
	{
		entry->capacity *= 2;
		entry->rows = repalloc_huge(entry->rows, entry->capacity * sizeof(entry_row));
	}
	return &entry->rows[entry->count++];
}

/*
 * Copies a value as it is, in the server encoding.  Lack of memory sticks in the
 * buffer's status and is told at the end.
 */
static void
add_value(entry *entry, Datum value)
{
	struct varlena *given = (struct varlena *) DatumGetPointer(value);
	struct varlena *plain = pg_detoast_datum_packed(given);

	oa1_buffer_append(entry->octets, VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain));
	oa1_buffer_append_char(entry->octets, '\0');
	if (plain != given)
		OPENSSL_cleanse(plain, VARSIZE_ANY(plain));
}

static void
take_row(entry *entry, HeapTuple tuple, TupleDesc descriptor)
{
	entry_row  *row = add_row(entry);

	for (int i = 0; i < descriptor->natts; i++)
	{
		Datum		value = heap_getattr(tuple, i + 1, descriptor, &row->isnull[i]);

		row->offset[i] = entry->octets->length;
		if (!row->isnull[i])
			add_value(entry, value);
	}
}

/* ---------------------------------------------------------------- storing the rows */

/* A value as a C string in the entry's memory; NULL where it is null. */
static const char *
value_of(const entry *entry, size_t row, int column)
{
	if (entry->rows[row].isnull[column])
		return NULL;
	return entry->octets->data + entry->rows[row].offset[column];
}

/* A value as UTF-8 in a buffer that is wiped; data NULL where it is null. */
static oa1_text
secret_of(const entry *entry, size_t row, int column)
{
	const char *value = value_of(entry, row, column);
	oa1_buffer *buffer;

	if (value == NULL)
		return (oa1_text) {NULL, 0};
	buffer = oauth1_secret_buffer(CurrentMemoryContext);
	(void) oa1_buffer_reserve(buffer, 1);	/* so that an empty secret is one */
	oauth1_secret_append(buffer, value, strlen(value));
	return oa1_buffer_text(buffer);
}

static void
raise_missing(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
			 errmsg("%s is missing", what)));
}

/* The consumer's name, in the first column. */
static const char *
consumer_of(const entry *entry, size_t row)
{
	const char *consumer = value_of(entry, row, 0);
	oauth1_query query;

	if (consumer == NULL)
		raise_missing("consumer");
	oauth1_query_begin(&query);
	if (oauth1_consumer_read(consumer, CurrentMemoryContext) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("the column consumer names no consumer"),
				 errhint("Create it with oauth1.create_consumer; its secrets can come later.")));
	oauth1_query_end(&query);
	return consumer;
}

/* secrets_in: consumer, consumer_secret, private_key, client_key. */
static void
store_consumer_secrets(const entry *entry, size_t row)
{
	const char *consumer = consumer_of(entry, row);
	oauth1_consumer_secrets secrets = {
		.consumer_secret = secret_of(entry, row, 1),
		.private_key = secret_of(entry, row, 2),
		.client_key = secret_of(entry, row, 3),
	};
	oauth1_query query;

	if (secrets.consumer_secret.data == NULL && secrets.private_key.data == NULL &&
		secrets.client_key.data == NULL)
		raise_missing("consumer_secret, private_key or client_key");
	oauth1_query_begin(&query);
	oauth1_consumer_secrets_store(consumer, &secrets);
	oauth1_query_end(&query);
}

/* tokens_in: consumer, name, token, token_secret. */
static void
store_token(const entry *entry, size_t row)
{
	const char *consumer = consumer_of(entry, row);
	const char *name = value_of(entry, row, 1);
	const char *token = value_of(entry, row, 2);
	oa1_text	secret = secret_of(entry, row, 3);

	if (token == NULL)
		raise_missing("token");
	if (secret.data == NULL)
		raise_missing("token_secret");
	oauth1_token_enter(consumer, name ? name : "default", token, secret);
}

/* Which row an error is about, by number alone. */
typedef struct position
{
	const char *view;
	size_t		row;
} position;

static void
name_position(void *argument)
{
	position   *at = argument;

	errcontext("row %zu of oauth1.%s", at->row + 1, at->view);
}

static void
store_rows(const entry *entry, const char *view)
{
	position	at = {view, 0};
	ErrorContextCallback context = {error_context_stack, name_position, &at};
	MemoryContext memory = AllocSetContextCreate(entry->memory, "oauth1 entry row",
												 ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(memory);

	error_context_stack = &context;
	for (; at.row < entry->count; at.row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (strcmp(view, "secrets_in") == 0)
			store_consumer_secrets(entry, at.row);
		else
			store_token(entry, at.row);
		MemoryContextReset(memory);
	}
	error_context_stack = context.previous;
	MemoryContextSwitchTo(old);
}

/* ---------------------------------------------------------------- triggers */

static TriggerData *
trigger_data(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as a trigger", function)));
	return (TriggerData *) fcinfo->context;
}

/* The entry that the statement at work began. */
static entry *
entry_of(Relation view)
{
	entry	   *found = innermost;

	while (found != NULL && found->view != RelationGetRelid(view))
		found = found->outer;
	if (found == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("no statement has begun"),
				 errhint("Create the extension again: its triggers are incomplete.")));
	return found;
}

PG_FUNCTION_INFO_V1(oauth1_entry_begin);

/* BEFORE INSERT FOR EACH STATEMENT. */
Datum
oauth1_entry_begin(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, "_entry_begin");

	watch_transactions();
	enter(RelationGetRelid(trigger->tg_relation));
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(oauth1_entry_row);

/* INSTEAD OF INSERT FOR EACH ROW: the row counts as inserted. */
Datum
oauth1_entry_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, "_entry_row");

	take_row(entry_of(trigger->tg_relation), trigger->tg_trigtuple,
			 RelationGetDescr(trigger->tg_relation));
	return PointerGetDatum(trigger->tg_trigtuple);
}

PG_FUNCTION_INFO_V1(oauth1_entry_end);

/* AFTER INSERT FOR EACH STATEMENT. */
Datum
oauth1_entry_end(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = trigger_data(fcinfo, "_entry_end");
	entry	   *entry = entry_of(trigger->tg_relation);

	oauth1_check_core(entry->octets->status, "rows");
	store_rows(entry, RelationGetRelationName(trigger->tg_relation));
	leave(entry);
	return PointerGetDatum(NULL);
}
