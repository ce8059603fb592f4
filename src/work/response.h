/*
 * response.h
 *	  What came back, as a value of type oauth1.http_response.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_RESPONSE_H
#define OAUTH1_RESPONSE_H

#include "funcapi.h"

#include "outside/transfer.h"

/*
 * The composite value, in the current memory context; descriptor is that of
 * oauth1.http_response, blessed.  Never throws for what a server sent: a body
 * that is no text in the server encoding goes into body_bytes.
 */
extern Datum oauth1_response_datum(const oauth1_response *response, TupleDesc descriptor);

/*
 * The same as the values of its attributes, in order, for a row that has them
 * beside others.
 */
extern void oauth1_response_values(const oauth1_response *response, Datum *values, bool *nulls);

/* The descriptor of the calling function's result, kept for the expression's life. */
extern TupleDesc oauth1_response_descriptor(FunctionCallInfo fcinfo);

/* Attributes of oauth1.http_response, from 1. */
enum
{
	OAUTH1_RESPONSE_STATUS = 1,
	OAUTH1_RESPONSE_CONTENT_TYPE,
	OAUTH1_RESPONSE_HEADERS,
	OAUTH1_RESPONSE_BODY,
	OAUTH1_RESPONSE_BODY_BYTES,
	OAUTH1_RESPONSE_ELAPSED_MS,
	OAUTH1_RESPONSE_COLUMNS = OAUTH1_RESPONSE_ELAPSED_MS
};

#endif							/* OAUTH1_RESPONSE_H */
