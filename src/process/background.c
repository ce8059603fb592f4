/*
 * background.c
 *	  What the background processes of ours have in common.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"

#include "ground/compat.h"
#include "process/background.h"
#include "work/on_done.h"

volatile sig_atomic_t oauth1_asked_to_leave = false;

/* A commit may be waiting for a standby. */
static volatile sig_atomic_t is_committing = false;

/* ---------------------------------------------------------------- signals */

/*
 * pg_cancel_backend() has no statement to end here, and shall not end the process.
 * But the server's own timeouts, such as that of a lock, send the same signal.
 */
static void
handle_cancel(SIGNAL_ARGS)
{
	if (get_timeout_indicator(LOCK_TIMEOUT, false) ||
		get_timeout_indicator(STATEMENT_TIMEOUT, false))
		StatementCancelHandler(postgres_signal_arg);
}

/*
 * Instead of bgworker_die, which raises an error inside the handler, and of die,
 * which would end the process at its next wait: what is under way shall be
 * recorded first.  A commit that waits for a synchronous standby ends that wait
 * where it sees this flag, and is committed here; no other wait is ended, as long
 * as InterruptPending is not set with it.
 */
static void
handle_terminate(SIGNAL_ARGS)
{
	int			saved_errno = errno;

	oauth1_asked_to_leave = true;
	if (is_committing)
		QueryCancelPending = true;
	oauth1_on_done_stop();
	SetLatch(MyLatch);
	errno = saved_errno;
}

void
oauth1_background_begin(void)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGINT, handle_cancel);
	pqsignal(SIGTERM, handle_terminate);
	BackgroundWorkerUnblockSignals();
}

/* ---------------------------------------------------------------- settings */

/*
 * ALTER DATABASE ... SET means sessions.  Some of these would make every claim
 * fail.  Names that this server does not have are passed over.
 */
static const char *const fixed_settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"row_security", "off"},
	{"session_replication_role", "origin"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"transaction_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
};

void
oauth1_background_settle(const char *name)
{
	for (int i = 0; i < lengthof(fixed_settings); i++)
		if (GetConfigOption(fixed_settings[i][0], true, false) != NULL)
			SetConfigOption(fixed_settings[i][0], fixed_settings[i][1], PGC_SUSET,
							PGC_S_OVERRIDE);
	SetConfigOption("application_name", name, PGC_USERSET, PGC_S_OVERRIDE);
}

bool
oauth1_background_reload(void)
{
	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

/* ---------------------------------------------------------------- waiting */

void
oauth1_background_wait(long timeout_ms)
{
	static uint32 event = 0;

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
					 oauth1_wait_event("Oauth1Launcher", &event));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* ---------------------------------------------------------------- transactions */

static MemoryContext caller_memory;

/*
 * Nothing may be sent before its claim is on disk, so a commit waits for that,
 * whatever the configuration says of others; it may ask for more than that.
 */
static void
commit_durably(void)
{
	if (synchronous_commit < SYNCHRONOUS_COMMIT_ON)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, 0, false);
}

static void
begin(void)
{
	caller_memory = CurrentMemoryContext;
	/* now() would stand still else. */
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	commit_durably();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* The server's shutdown waits for us, and not for a standby. */
static void
commit_begins(void)
{
	is_committing = true;
	if (oauth1_asked_to_leave)
		QueryCancelPending = true;
}

static void
commit_ends(void)
{
	is_committing = false;
	QueryCancelPending = false;
}

/* What fails here is raised on, after everything was put back to no transaction. */
static void
commit(void)
{
	commit_begins();
	PG_TRY();
	{
		PopActiveSnapshot();
		CommitTransactionCommand();
	}
	PG_CATCH();
	{
		commit_ends();
		AbortOutOfAnyTransaction();
		PG_RE_THROW();
	}
	PG_END_TRY();
	commit_ends();
	MemoryContextSwitchTo(caller_memory);
	/* At most once a second, so that autovacuum learns of our dead rows. */
	(void) pgstat_report_stat(false);
}

const oauth1_transactions oauth1_background_transactions = {begin, commit};
