/*
 * pages.c
 *	  A list that a service gives page by page: http_pages.
 *
 * One row a call of the function, and the next page's request is worked out when
 * its row is asked for: whoever wants two pages makes two calls.  A page's memory
 * goes when the next one has been asked for, so a session's does not grow with a
 * list.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/registry.h"
#include "work/call.h"
#include "work/next_page.h"
#include "work/response.h"

/* Where an argument stands. */
enum
{
	ARGUMENT_CONSUMER,
	ARGUMENT_URL,
	ARGUMENT_PARAMS,
	ARGUMENT_HEADERS,
	ARGUMENT_NEXT,
	ARGUMENT_MAX_PAGES,
	ARGUMENT_REQUEST,
	ARGUMENT_TOKEN,
	ARGUMENT_TIMEOUT_MS
};

/* A list being read; in the memory of the function's whole run. */
typedef struct page_list
{
	char	   *consumer;
	char	   *token;
	int			timeout_ms;
	int			max_pages;
	TupleDesc	descriptor;
	oauth1_paging paging;

	oauth1_message message;		/* of the page that was asked for last */
	MemoryContext page;			/* that page's: its URL and body, its call; NULL: none yet */
	oauth1_call *call;
} page_list;

/* ---------------------------------------------------------------- arguments */

static int
max_pages_argument(FunctionCallInfo fcinfo)
{
	oauth1_require_argument(fcinfo, ARGUMENT_MAX_PAGES, "max_pages");
	if (PG_GETARG_INT32(ARGUMENT_MAX_PAGES) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_pages must be greater than zero")));
	return PG_GETARG_INT32(ARGUMENT_MAX_PAGES);
}

/* The first page's message: of url, params and headers, or of a request. */
static void
first_message(FunctionCallInfo fcinfo, oauth1_message *message)
{
	if (PG_ARGISNULL(ARGUMENT_URL) == PG_ARGISNULL(ARGUMENT_REQUEST))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 PG_ARGISNULL(ARGUMENT_URL) ?
				 errmsg("neither url nor request is given") :
				 errmsg("url and request are both given"),
				 errhint("Give one of them.")));
	if (PG_ARGISNULL(ARGUMENT_REQUEST))
	{
		oauth1_message_without_body(message, "GET", fcinfo, ARGUMENT_URL);
		return;
	}
	if (!PG_ARGISNULL(ARGUMENT_PARAMS) || !PG_ARGISNULL(ARGUMENT_HEADERS))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("params and headers belong to url"),
				 errdetail("A request has its own."),
				 errhint("Give them to oauth1.request.")));
	oauth1_message_from_request(message, PG_GETARG_HEAPTUPLEHEADER(ARGUMENT_REQUEST));
}

/*
 * In the current memory context.  The message may point into arguments: the
 * executor keeps those of a function that returns a set until its last row.
 */
static page_list *
begin_list(FunctionCallInfo fcinfo)
{
	page_list  *list = palloc0(sizeof(*list));
	TupleDesc	descriptor;

	list->consumer = oauth1_required_argument(fcinfo, ARGUMENT_CONSUMER, "consumer");
	list->token = "";
	if (!PG_ARGISNULL(ARGUMENT_TOKEN))
		list->token = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_TOKEN));
	list->timeout_ms = oauth1_timeout_argument(fcinfo, ARGUMENT_TIMEOUT_MS);
	list->max_pages = max_pages_argument(fcinfo);
	first_message(fcinfo, &list->message);
	oauth1_paging_begin(&list->paging, oauth1_required_argument(fcinfo, ARGUMENT_NEXT, "next"),
						&list->message);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("function must return oauth1.http_response")));
	list->descriptor = BlessTupleDesc(CreateTupleDescCopy(descriptor));
	return list;
}

/* ---------------------------------------------------------------- page after page */

static oa1_text
copy_text(oa1_text text)
{
	char	   *copy = palloc(text.length + 1);

	if (text.length > 0)
		memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	return (oa1_text) {copy, text.length};
}

/*
 * What is to be sent for the page after the present one, moved into the memory
 * given; false where there is none.
 */
static bool
find_next(page_list *list, MemoryContext memory)
{
	MemoryContext old = MemoryContextSwitchTo(list->page);
	oauth1_message next;
	bool		found = oauth1_paging_next(&list->paging, &list->message,
										   oauth1_call_url(list->call),
										   oauth1_call_response(list->call), &next);

	MemoryContextSwitchTo(memory);
	if (found)
	{
		next.url = copy_text(next.url);
		if (next.has_body)
			next.body = copy_text(next.body);
		list->message = next;
	}
	MemoryContextSwitchTo(old);
	return found;
}

static void
check_count(const page_list *list)
{
	if (list->paging.pages >= list->max_pages)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("list has more than %d pages", list->max_pages),
				 errdetail("That many were read, which is max_pages, and a further one is announced."),
				 errhint("Raise max_pages, or read the first ones with LIMIT.")));
}

/* Gets the next page, or the first; false where the last one has been had. */
static bool
get_page(page_list *list, MemoryContext memory)
{
	MemoryContext page = AllocSetContextCreate(memory, "oauth1 page", ALLOCSET_DEFAULT_SIZES);

	if (list->page != NULL)
	{
		if (!find_next(list, page))
			return false;
		check_count(list);
		oauth1_call_end(list->call);
		MemoryContextDelete(list->page);
	}
	list->page = page;
	MemoryContextSwitchTo(page);
	list->call = oauth1_call_begin(list->consumer, list->token, &list->message,
								   list->timeout_ms);
	oauth1_call_run(list->call);
	return true;
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_http_pages);

/*
 * consumer, url, params, headers, next, max_pages, request, token, timeout_ms.  What
 * is left of a list that is read no further goes with its memory, at the end of
 * the query at the latest.
 */
Datum
oauth1_http_pages(PG_FUNCTION_ARGS)
{
	MemoryContext row = CurrentMemoryContext;
	FuncCallContext *context;
	page_list  *list;
	bool		found;

	if (SRF_IS_FIRSTCALL())
	{
		context = SRF_FIRSTCALL_INIT();
		MemoryContextSwitchTo(context->multi_call_memory_ctx);
		context->user_fctx = begin_list(fcinfo);
	}
	context = SRF_PERCALL_SETUP();
	list = context->user_fctx;
	found = get_page(list, context->multi_call_memory_ctx);
	MemoryContextSwitchTo(row);
	if (!found)
		SRF_RETURN_DONE(context);
	SRF_RETURN_NEXT(context, oauth1_response_datum(oauth1_call_response(list->call),
												   list->descriptor));
}
