/*
 * accept.c
 *	  accept_credentials: what a service pushed becomes a consumer that works.
 *
 * Magento tells its verifier in the same breath as the consumer's key, before
 * there is a request token; so one function goes the whole way.  Its store has
 * committed the verifier before it posts it, and looks at the exchange in other
 * processes, so it can be made while the store still waits for the answer to its
 * POST (5 s by default), or later (300 s after it, by default).
 *
 * Consumer, secret and token are one transaction: where the exchange is refused,
 * a consumer that was there is as it was.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "ground/arena.h"
#include "stored/registry.h"
#include "work/message.h"
#include "work/pushed_body.h"
#include "work/token_flow.h"

/* accept_credentials's arguments. */
enum
{
	ARGUMENT_PROVIDER,
	ARGUMENT_BODY,
	ARGUMENT_CONTENT_TYPE,
	ARGUMENT_NAME
};

/* Its length is looked at before it is copied or decompressed.  In memory that is wiped. */
static oa1_text
body_argument(FunctionCallInfo fcinfo)
{
	oa1_buffer *body = oauth1_secret_buffer(CurrentMemoryContext);

	oauth1_require_argument(fcinfo, ARGUMENT_BODY, "body");
	if (toast_raw_datum_size(PG_GETARG_DATUM(ARGUMENT_BODY)) - VARHDRSZ > OAUTH1_MAX_PUSHED_BODY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid body"),
				 errdetail("It is longer than %d kB.", OAUTH1_MAX_PUSHED_BODY / 1024)));
	(void) oa1_buffer_reserve(body, 1);
	oauth1_secret_append_argument(body, fcinfo, ARGUMENT_BODY);
	return oa1_buffer_text(body);
}

PG_FUNCTION_INFO_V1(oauth1_accept_credentials);

/*
 * accept_credentials(provider, body, content_type, name) → the consumer's name.
 * The errors of oauth1_pushed_body_read, oauth1_pushed_store and, where there is
 * a verifier, of the exchange; after any of them nothing has changed here.
 */
Datum
oauth1_accept_credentials(PG_FUNCTION_ARGS)
{
	char	   *provider = oauth1_required_argument(fcinfo, ARGUMENT_PROVIDER, "provider");
	oa1_text	body = body_argument(fcinfo);
	char	   *content_type = oauth1_required_argument(fcinfo, ARGUMENT_CONTENT_TYPE,
														"content_type");
	char	   *name = oauth1_required_argument(fcinfo, ARGUMENT_NAME, "name");
	oauth1_pushed pushed;

	oauth1_prevent_read_only("oauth1.accept_credentials()");
	oauth1_check_name(name, "name");
	oauth1_pushed_body_read(body, content_type, &pushed);
	oauth1_pushed_store(name, provider, &pushed);
	if (pushed.verifier.data != NULL)
		oauth1_token_flow_exchange_pushed(name, "default", pushed.verifier);
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
