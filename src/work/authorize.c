/*
 * authorize.c
 *	  The three-legged flow in one call: asks for a request token, shows the user
 *	  where to allow it, waits for the browser to come back, exchanges.
 *
 * The request token stays in memory: the only write is the access token's, at the
 * end.  A session that waits for minutes for its user thus holds no lock that
 * others need (a rotation of keys would wait for whoever stores a secret, and
 * everybody else for the rotation), and leaves nothing behind where nobody comes.
 *
 * The browser gets its page when the exchange is over, so that the page knows what
 * became of it.  It tells no more than the primary message of an error of ours:
 * details, which may hold a provider's words, are for the session.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "common/string.h"
#include "mb/pg_wchar.h"
#include "tcop/tcopprot.h"
#include "utils/elog.h"
#include "utils/guc.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "outside/loopback.h"
#include "outside/transfer.h"
#include "stored/registry.h"
#include "work/call.h"
#include "work/message.h"
#include "work/token_flow.h"

/* What the caller wants. */
typedef struct wish
{
	char	   *consumer;
	char	   *name;
	Jsonb	   *params;			/* NULL: none */
	int			port;			/* 0: any */
	int			timeout_ms;
} wish;

static void
raise_not_possible(const oauth1_provider *provider, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("provider \"%s\" cannot be used with oauth1.authorize", provider->name),
			 errdetail("%s", detail),
			 errhint("Use oauth1.request_token, and oauth1.handle_callback or oauth1.access_token.")));
}

/* Raises an error where nobody could be sent anywhere, or could come back. */
static void
check_possible(const wish *wish)
{
	const oauth1_provider *provider =
		oauth1_credential_find_consumer(wish->consumer, wish->name)->provider;

	if (provider->authorize_url == NULL)
		raise_not_possible(provider, "It has no authorize_url.");
	if (provider->callback_mode == OAUTH1_CALLBACK_NONE)
		raise_not_possible(provider,
						   "Its callback_mode is none: it redirects only to the URL that is registered there.");
	if (whereToSendOutput != DestRemote || client_min_messages > NOTICE)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the URL to be opened could not be shown"),
				 errdetail("It comes as a NOTICE, which this session does not show."),
				 errhint("Set client_min_messages to notice.")));
}

static void
show_url(const oauth1_asked_token *asked, const oauth1_loopback *loopback, int timeout_ms)
{
	int			port = oauth1_loopback_port(loopback);

	ereport(NOTICE,
			(errmsg("open this URL in a browser: %s", oauth1_cstring_from_utf8(asked->authorize_url)),
			 errdetail("The browser is awaited on 127.0.0.1, port %d, for %d s.", port,
					   timeout_ms / 1000 + (timeout_ms % 1000 > 0)),
			 errhint("Where it runs on another machine than the server, first run there: ssh -L %d:127.0.0.1:%d SERVER",
					 port, port)));
}

/* The URL that the browser was sent to; OA006 where it does not come. */
static oa1_text
await_redirect(oauth1_loopback *loopback, int64 started, int timeout_ms)
{
	oa1_text	url = oauth1_loopback_wait(loopback, started + (int64) timeout_ms * 1000);

	if (url.data == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_TIMED_OUT),
				 errmsg("the browser did not come back within %d ms", timeout_ms),
				 errdetail("Nobody allowed or denied the access in that time, or the browser could not reach 127.0.0.1, port %d, of the server.",
						   oauth1_loopback_port(loopback))));
	return url;
}

/* Asks, waits and exchanges; the row (consumer, name, params). */
static Datum
run_flow(FunctionCallInfo fcinfo, const wish *wish, oauth1_loopback *loopback)
{
	int64		started = oauth1_monotonic_us();
	oa1_text	callback = {oauth1_loopback_url(loopback), strlen(oauth1_loopback_url(loopback))};
	oauth1_asked_token asked;
	oa1_text	redirect;

	oauth1_token_flow_ask(wish->consumer, wish->name, callback, wish->params, &asked);
	show_url(&asked, loopback, wish->timeout_ms);
	redirect = await_redirect(loopback, started, wish->timeout_ms);
	return oauth1_token_flow_finish(fcinfo, redirect, &asked);
}

/*
 * Tells the browser, if it waits, what the error is that is being handled.  Other
 * errors than our own are not for it, nor what would have to be converted, for
 * which an aborted transaction is no place.
 */
static void
answer_failure(oauth1_loopback *loopback, MemoryContext memory)
{
	MemoryContext old = MemoryContextSwitchTo(memory);
	ErrorData  *error = CopyErrorData();
	const char *said = error->message;
	bool		is_ours = ERRCODE_TO_CATEGORY(error->sqlerrcode) ==
		ERRCODE_TO_CATEGORY(ERRCODE_OAUTH1_REFUSED);

	if (!is_ours || !(GetDatabaseEncoding() == PG_UTF8 || pg_is_ascii(said)))
		said = "an error occurred";
	oauth1_loopback_answer(loopback, false, "No access",
						   psprintf("It did not work: %s. The database session that asked for it says more. You can close this window.",
									said));
	oauth1_loopback_close(loopback);
	FreeErrorData(error);
	MemoryContextSwitchTo(old);
}

static int
port_argument(FunctionCallInfo fcinfo, int n)
{
	oauth1_require_argument(fcinfo, n, "port");
	if (PG_GETARG_INT32(n) < 0 || PG_GETARG_INT32(n) > 65535)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("port must be between 0 and 65535")));
	return PG_GETARG_INT32(n);
}

static wish
read_wish(FunctionCallInfo fcinfo)
{
	wish		wish = {
		.consumer = oauth1_required_argument(fcinfo, 0, "consumer"),
		.name = oauth1_required_argument(fcinfo, 1, "name"),
		.params = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2),
		.port = port_argument(fcinfo, 3),
	};

	oauth1_require_argument(fcinfo, 4, "timeout_ms");
	wish.timeout_ms = oauth1_timeout_argument(fcinfo, 4);
	oauth1_check_name(wish.name, "name");
	return wish;
}

PG_FUNCTION_INFO_V1(oauth1_authorize);

/* authorize(consumer, name, params, port, timeout_ms) → (consumer, name, params) */
Datum
oauth1_authorize(PG_FUNCTION_ARGS)
{
	MemoryContext memory = CurrentMemoryContext;
	wish		wish = read_wish(fcinfo);
	oauth1_loopback *loopback;
	Datum		row;

	oauth1_prevent_read_only("oauth1.authorize()");
	check_possible(&wish);
	loopback = oauth1_loopback_open(wish.port);
	PG_TRY();
	{
		row = run_flow(fcinfo, &wish, loopback);
		oauth1_loopback_answer(loopback, true, "Access allowed",
							   "It worked. You can close this window.");
	}
	PG_CATCH();
	{
		answer_failure(loopback, memory);
		PG_RE_THROW();
	}
	PG_END_TRY();
	oauth1_loopback_close(loopback);
	return row;
}
