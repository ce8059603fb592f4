/*
 * discard.c
 *	  DISCARD ALL: a session as good as new.
 *
 * Poolers say it between one client and the next.  The server forgets what it
 * keeps for the session, and so do we: connections to services and their TLS
 * sessions, credentials made ready with their parsed keys, the data keys.  The
 * next call is as slow as a session's first.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "tcop/utility.h"

#include "outside/transfer.h"
#include "process/discard.h"
#include "stored/credential.h"
#include "stored/data_key.h"

/* Who had the hook before us, or NULL. */
static ProcessUtility_hook_type next_hook = NULL;

/* Nothing here throws. */
static void
forget_session(void)
{
	oauth1_transfer_drop_connections();
	oauth1_credential_forget_all();
	oauth1_data_key_forget_all();
}

/* After the server's own work, which refuses the command in a transaction block. */
static void
process_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *environment, DestReceiver *destination,
				QueryCompletion *completion)
{
	const Node *statement = planned->utilityStmt;
	bool		is_discard_all = IsA(statement, DiscardStmt) &&
		((const DiscardStmt *) statement)->target == DISCARD_ALL;

	(next_hook ? next_hook : standard_ProcessUtility) (planned, query, read_only_tree, context,
													   params, environment, destination,
													   completion);
	if (is_discard_all)
		forget_session();
}

void
oauth1_watch_discard(void)
{
	next_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
