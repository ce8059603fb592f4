/*
 * token_times.c
 *	  When a token was last used and refused, for the view oauth1.tokens.
 *
 * A view calls its functions as whoever reads it, so PUBLIC may call this one,
 * and it judges for itself: a stranger must not learn that a token exists.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "ground/shared.h"
#include "stored/grants.h"

PG_FUNCTION_INFO_V1(oauth1_token_times);

/* _token_times(consumer, name) → (last_used, last_refusal), NULL where not known. */
Datum
oauth1_token_times(PG_FUNCTION_ARGS)
{
	char	   *consumer = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	TimestampTz last_used = 0;
	TimestampTz last_refusal = 0;
	TupleDesc	row;
	Datum		values[2];
	bool		nulls[2];

	if (get_call_result_type(fcinfo, NULL, &row) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function returning record called in context that cannot accept type record")));
	if (oauth1_may_use(GetUserId(), consumer, name))
		oauth1_shared_token_times(consumer, name, &last_used, &last_refusal);
	values[0] = TimestampTzGetDatum(last_used);
	values[1] = TimestampTzGetDatum(last_refusal);
	nulls[0] = last_used == 0;
	nulls[1] = last_refusal == 0;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(row), values, nulls)));
}
