/*
 * token.c
 *	  Access tokens: set_token, drop_token.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/builtins.h"

#include "ground/arena.h"
#include "ground/errors.h"
#include "stored/destination.h"
#include "stored/query.h"
#include "stored/registry.h"
#include "stored/token_store.h"

void
oauth1_token_enter(const char *consumer, const char *name, const char *token,
				   oa1_text token_secret)
{
	oauth1_new_token new_token = {
		.consumer = consumer, .name = name, .token = token, .secret = token_secret
	};
	char	   *destination;
	oauth1_query query;

	oauth1_check_name(name, "name");
	oauth1_check_foreign_name(token, "token");
	oauth1_query_begin(&query);
	destination = MemoryContextStrdup(query.caller_memory, oauth1_destination_of(consumer));
	oauth1_query_end(&query);
	oauth1_access_token_save(&new_token, destination);
}

/* ---------------------------------------------------------------- SQL functions */

PG_FUNCTION_INFO_V1(oauth1_set_token);

/* set_token(consumer, token, token_secret, name): OA007 where there is no such consumer. */
Datum
oauth1_set_token(PG_FUNCTION_ARGS)
{
	char	   *consumer;
	char	   *token;
	char	   *name;
	oa1_buffer *secret;

	oauth1_prevent_read_only("oauth1.set_token()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	token = oauth1_required_argument(fcinfo, 1, "token");
	name = oauth1_required_argument(fcinfo, 3, "name");
	if (PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("token_secret must not be null")));
	secret = oauth1_secret_buffer(CurrentMemoryContext);
	oauth1_secret_append_argument(secret, fcinfo, 2);
	oauth1_token_enter(consumer, name, token, oa1_buffer_text(secret));
	oa1_buffer_free(secret);
	PG_RETURN_VOID();
}

PG_FUNCTION_INFO_V1(oauth1_drop_token);

/*
 * drop_token(consumer, name): with its secrets and grants.  OA007 where there is
 * none.
 */
Datum
oauth1_drop_token(PG_FUNCTION_ARGS)
{
	char	   *consumer;
	char	   *name;

	oauth1_prevent_read_only("oauth1.drop_token()");
	consumer = oauth1_required_argument(fcinfo, 0, "consumer");
	name = oauth1_required_argument(fcinfo, 1, "name");
	if (!oauth1_access_token_delete(consumer, name))
		ereport(ERROR,
				(errcode(ERRCODE_OAUTH1_NO_CONSUMER),
				 errmsg("token \"%s\" of consumer \"%s\" does not exist", name, consumer)));
	PG_RETURN_VOID();
}
