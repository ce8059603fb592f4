/*
 * batch.c
 *	  http_batch: many calls at once, a row each, as they end.
 *
 * A value-per-call function: what is under way lives in the function's own memory
 * between two rows, and is dropped with it, when the query wants no more rows, is
 * closed or fails.  A call that fails is a row like the others; only what is
 * about the statement (a cancel, a timeout of the statement) ends it.
 *
 * At most concurrency calls exist at a time, each in a memory context of its own,
 * so memory follows the concurrency and not the number of requests.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/catch.h"
#include "work/call.h"
#include "work/response.h"

/* More descriptors than a backend is allowed by default; it is also a bound on our own memory. */
#define MAX_CONCURRENCY 1000

/* How long a query may take rows that are ready before those under way are looked after. */
#define NEGLECT_US INT64CONST(1000)

/* Columns of a row, from 0; those of the response stand between. */
enum
{
	COLUMN_N,
	COLUMN_RESPONSE,
	COLUMN_SQLSTATE = COLUMN_RESPONSE + OAUTH1_RESPONSE_COLUMNS,
	COLUMN_ERROR,
	COLUMNS
};

/* One call of the batch. */
typedef struct row_call
{
	int			n;				/* of its request, from 1 */
	MemoryContext memory;		/* its own: of this struct, the call and its message */
	oauth1_message message;
	oauth1_call *call;
	ErrorData  *error;			/* it is over with that; NULL: not, or with a response */
	bool		over;
} row_call;

typedef struct batch
{
	MemoryContext memory;		/* the function's own, until its last row */
	char	   *consumer;
	char	   *token;
	int			timeout_ms;
	ArrayIterator requests;
	int			taken;			/* how many requests were */
	bool		exhausted;
	int64		looked_after;	/* when those under way last were */
	int64		left;			/* when the last row was returned; 0: none was */

	int			concurrency;
	int			count;			/* of the calls that exist */
	row_call   *calls[FLEXIBLE_ARRAY_MEMBER];	/* in the order of n: who waits, waits in turn */
} batch;

/* ---------------------------------------------------------------- one call */

/* For oauth1_catch, which takes one argument. */
typedef struct step
{
	batch	   *batch;
	row_call   *row;
	Datum		request;
	bool		isnull;
} step;

/* An operation: makes the call of a row. */
static void
begin_call(void *argument)
{
	step	   *step = argument;
	row_call   *row = step->row;
	batch	   *batch = step->batch;

	if (step->isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("request must not be null")));
	oauth1_message_from_request(&row->message, DatumGetHeapTupleHeader(step->request));
	row->call = oauth1_call_begin(batch->consumer, batch->token, &row->message,
								  batch->timeout_ms);
}

/* An operation: lets a row's call go on, and sees that it has a response where it is over. */
static void
step_call(void *argument)
{
	row_call   *row = ((step *) argument)->row;

	row->over = oauth1_call_step(row->call);
	if (row->over)
		(void) oauth1_call_response(row->call);
}

/* Runs an operation on a row; its error is the call's end. */
static void
run(void (*operation) (void *), step *step)
{
	MemoryContext old = MemoryContextSwitchTo(step->row->memory);

	step->row->error = oauth1_catch(operation, step);
	if (step->row->error != NULL)
		step->row->over = true;
	MemoryContextSwitchTo(old);
}

/* Adds a row whose call does not exist yet. */
static row_call *
add_row(batch *batch)
{
	MemoryContext memory = AllocSetContextCreate(batch->memory, "oauth1 batch call",
												 ALLOCSET_DEFAULT_SIZES);
	row_call   *row = MemoryContextAllocZero(memory, sizeof(*row));

	row->n = batch->taken;
	row->memory = memory;
	batch->calls[batch->count++] = row;
	return row;
}

static void
free_row(row_call *row)
{
	if (row->call != NULL)
		oauth1_call_end(row->call);
	MemoryContextDelete(row->memory);
}

/* ---------------------------------------------------------------- all of them */

/* Takes the next request; false: there is none. */
static bool
next_request(batch *batch, step *step)
{
	if (!batch->exhausted)
		batch->exhausted = !array_iterate(batch->requests, &step->request, &step->isnull);
	if (batch->exhausted)
		return false;
	batch->taken++;
	return true;
}

/* Begins calls while there is room for them and there are requests. */
static void
fill(batch *batch)
{
	step		step = {.batch = batch};

	while (batch->count < batch->concurrency && next_request(batch, &step))
	{
		step.row = add_row(batch);
		run(begin_call, &step);
	}
}

/*
 * May the call be stepped?  An attempt needs a descriptor; while the server grants
 * none more, it waits for one that is under way to end.
 */
static bool
may_step(const oauth1_call *call)
{
	return oauth1_call_is_under_way(call) || oauth1_transfer_has_room();
}

/* Steps what is due; takes out a row whose call is over, or returns NULL. */
static row_call *
go_on(batch *batch)
{
	step		step = {.batch = batch};
	int64		now = oauth1_monotonic_us();

	for (int i = 0; i < batch->count; i++)
	{
		row_call   *row = batch->calls[i];

		step.row = row;
		if (!row->over && oauth1_call_is_due(row->call, now) && may_step(row->call))
			run(step_call, &step);
		if (!row->over)
			continue;
		batch->count--;
		memmove(&batch->calls[i], &batch->calls[i + 1],
				(batch->count - i) * sizeof(batch->calls[0]));
		return row;
	}
	return NULL;
}

/* When a call is to be stepped by itself. */
static int64
earliest(const batch *batch)
{
	int64		wakes = PG_INT64_MAX;

	if (!oauth1_transfer_has_room())
		return wakes;
	for (int i = 0; i < batch->count; i++)
		wakes = Min(wakes, oauth1_call_wakes(batch->calls[i]->call));
	return wakes;
}

/* Waits until there is something to do; not at all where until has passed. */
static void
look_after(batch *batch, int64 until)
{
	oauth1_transfer_wait(until);
	batch->looked_after = oauth1_monotonic_us();
}

/* What the query did since the last row took its time, not the calls'. */
static void
make_up_for_absence(batch *batch)
{
	int64		absence = batch->left ? oauth1_monotonic_us() - batch->left : 0;

	for (int i = 0; i < batch->count; i++)
		if (batch->calls[i]->call != NULL)
			oauth1_call_extend(batch->calls[i]->call, absence);
}

/* The next row whose call is over; NULL: there is none left. */
static row_call *
next_row(batch *batch)
{
	row_call   *row;

	make_up_for_absence(batch);
	if (oauth1_monotonic_us() - batch->looked_after > NEGLECT_US)
		look_after(batch, 0);
	for (;;)
	{
		fill(batch);
		row = go_on(batch);
		if (row != NULL || batch->count == 0)
			return row;
		look_after(batch, earliest(batch));
	}
}

/* ---------------------------------------------------------------- rows */

static Datum
make_row(const row_call *row, TupleDesc descriptor)
{
	Datum		values[COLUMNS];
	bool		nulls[COLUMNS];

	memset(nulls, true, sizeof(nulls));
	values[COLUMN_N] = Int32GetDatum(row->n);
	nulls[COLUMN_N] = false;
	if (row->error == NULL)
		oauth1_response_values(oauth1_call_response(row->call), values + COLUMN_RESPONSE,
							   nulls + COLUMN_RESPONSE);
	else
	{
		values[COLUMN_SQLSTATE] = CStringGetTextDatum(unpack_sql_state(row->error->sqlerrcode));
		values[COLUMN_ERROR] = CStringGetTextDatum(oauth1_error_line(row->error));
		nulls[COLUMN_SQLSTATE] = nulls[COLUMN_ERROR] = false;
	}
	return HeapTupleGetDatum(heap_form_tuple(descriptor, values, nulls));
}

/* ---------------------------------------------------------------- SQL function */

/* Where http_batch has its arguments. */
enum
{
	ARGUMENT_CONSUMER,
	ARGUMENT_REQUESTS,
	ARGUMENT_TOKEN,
	ARGUMENT_CONCURRENCY,
	ARGUMENT_TIMEOUT
};

static int
concurrency_argument(FunctionCallInfo fcinfo)
{
	int			concurrency = PG_GETARG_INT32(ARGUMENT_CONCURRENCY);

	if (concurrency < 1 || concurrency > MAX_CONCURRENCY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("concurrency must be from 1 to %d", MAX_CONCURRENCY)));
	return concurrency;
}

/* In the current memory context, the function's own.  OA007 where no call would be allowed. */
static batch *
make_batch(FunctionCallInfo fcinfo)
{
	int			concurrency;
	batch	   *batch;

	oauth1_require_argument(fcinfo, ARGUMENT_CONSUMER, "consumer");
	oauth1_require_argument(fcinfo, ARGUMENT_REQUESTS, "requests");
	oauth1_require_argument(fcinfo, ARGUMENT_CONCURRENCY, "concurrency");
	concurrency = concurrency_argument(fcinfo);
	batch = palloc0(offsetof(struct batch, calls) + concurrency * sizeof(row_call *));

	batch->memory = CurrentMemoryContext;
	batch->concurrency = concurrency;
	batch->consumer = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_CONSUMER));
	batch->token = PG_ARGISNULL(ARGUMENT_TOKEN) ? "" :
		text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_TOKEN));
	batch->timeout_ms = oauth1_timeout_argument(fcinfo, ARGUMENT_TIMEOUT);
	batch->requests = array_create_iterator(PG_GETARG_ARRAYTYPE_P(ARGUMENT_REQUESTS), 0, NULL);
	batch->looked_after = oauth1_monotonic_us();
	(void) oauth1_credential_find(batch->consumer, batch->token);
	return batch;
}

PG_FUNCTION_INFO_V1(oauth1_http_batch);

/* _http_batch(consumer, requests, token, concurrency, timeout_ms) */
Datum
oauth1_http_batch(PG_FUNCTION_ARGS)
{
	FuncCallContext *function;
	batch	   *batch;
	row_call   *over;
	Datum		row;

	if (SRF_IS_FIRSTCALL())
	{
		MemoryContext old;

		function = SRF_FIRSTCALL_INIT();
		old = MemoryContextSwitchTo(function->multi_call_memory_ctx);
		if (get_call_result_type(fcinfo, NULL, &function->tuple_desc) != TYPEFUNC_COMPOSITE)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("function must return rows")));
		function->tuple_desc = BlessTupleDesc(function->tuple_desc);
		function->user_fctx = make_batch(fcinfo);
		MemoryContextSwitchTo(old);
	}
	function = SRF_PERCALL_SETUP();
	batch = function->user_fctx;
	over = next_row(batch);
	if (over == NULL)
		SRF_RETURN_DONE(function);
	row = make_row(over, function->tuple_desc);
	free_row(over);
	batch->left = oauth1_monotonic_us();
	SRF_RETURN_NEXT(function, row);
}
