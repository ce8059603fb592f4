/*
 * settings.c
 *	  The configuration parameters: a sentence on each, and who may set it.
 *
 * What decides where a secret may go, and with which protection, belongs to the
 * superuser (PGC_SUSET) or to the configuration file (PGC_SIGHUP).  What a role
 * may choose for its own calls is PGC_USERSET.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "ground/settings.h"

/* The file with the master keys; relative to the data directory. */
char	   *oauth1_key_file;

/* A program that prints the master keys, instead of the file. */
char	   *oauth1_key_command;

/* Time for name, connection and TLS together. */
int			oauth1_connect_timeout;

/* Time for a whole call, where timeout_ms is not given. */
int			oauth1_timeout;

/* Cap on a reply's body, decoded. */
int			oauth1_max_response_size;

/* Octets of reply bodies a session holds at once, all its exchanges together. */
int			oauth1_max_memory;

/* How often a call is tried again, and how often it follows a redirect. */
int			oauth1_retries;
int			oauth1_max_redirects;

/* CA certificates to trust, instead of libcurl's default. */
char	   *oauth1_ca_file;

/* A proxy for every call whose provider names none. */
char	   *oauth1_proxy;

char	   *oauth1_user_agent;

/* The token's name that calls use where none is given. */
char	   *oauth1_token;

/* May a call go to loopback, private and other special-purpose addresses? */
bool		oauth1_allow_private_addresses;

/* May a provider with allow_http be called without TLS? */
bool		oauth1_allow_http;

/* Do background workers send queued calls?  Off, only drains do. */
bool		oauth1_worker;

/* Does a call's end send NOTIFY oauth1_call? */
bool		oauth1_notify;

/* Calls of one consumer that a worker has under way at once, and half of what it claims. */
int			oauth1_worker_concurrency;

/* How long a worker stays where no call is pending. */
int			oauth1_worker_idle_timeout;

/* How long calls that ended are kept. */
int			oauth1_call_retention;

bool		oauth1_is_preloaded;

static void
define_key_settings(void)
{
	DefineCustomStringVariable("oauth1.key_file",
							   "File that holds the master keys.",
							   "A relative path is taken from the data directory.",
							   &oauth1_key_file, "oauth1.key",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("oauth1.key_command",
							   "Shell command that prints the master keys.",
							   "Where it is set, oauth1.key_file is neither read nor written.",
							   &oauth1_key_command, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

static void
define_limit_settings(void)
{
	DefineCustomIntVariable("oauth1.connect_timeout",
							"Time a call may take to look up a name, connect and agree on TLS.",
							NULL,
							&oauth1_connect_timeout, 10 * 1000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.timeout",
							"Time a call may take in all, where timeout_ms is not given.",
							NULL,
							&oauth1_timeout, 30 * 1000, 1, INT_MAX,
							PGC_USERSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.max_response_size",
							"Largest body of a reply, decoded.",
							NULL,
							&oauth1_max_response_size, 64 * 1024, 1, 512 * 1024,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.max_memory",
							"Memory of a session for the bodies of replies that are under way.",
							NULL,
							&oauth1_max_memory, 256 * 1024, 1, MAX_KILOBYTES,
							PGC_USERSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.retries",
							"How often a call that failed is tried again.",
							"Which failures are: connections that could not be made, answers that ask to wait, and for idempotent methods every failure.",
							&oauth1_retries, 0, 0, 100,
							PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.max_redirects",
							"How many redirects a GET or HEAD follows, inside its provider's api_urls.",
							"0: none; the redirect is then the answer.",
							&oauth1_max_redirects, 5, 0, 100,
							PGC_USERSET, 0, NULL, NULL, NULL);
}

static void
define_network_settings(void)
{
	DefineCustomStringVariable("oauth1.ca_file",
							   "File of CA certificates to trust.",
							   "Empty: libcurl's default.",
							   &oauth1_ca_file, "",
							   PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("oauth1.proxy",
							   "Proxy for calls whose provider names none.",
							   "Empty: none; the environment's proxy variables are never read.",
							   &oauth1_proxy, "",
							   PGC_SUSET, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomBoolVariable("oauth1.allow_private_addresses",
							 "Allows calls to loopback, private and other special-purpose addresses.",
							 NULL,
							 &oauth1_allow_private_addresses, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("oauth1.allow_http",
							 "Allows calls without TLS, to providers with allow_http.",
							 NULL,
							 &oauth1_allow_http, false,
							 PGC_SUSET, 0, NULL, NULL, NULL);
}

/* It becomes a line of the request's header. */
static bool
check_user_agent(char **value, void **extra, GucSource source)
{
	for (const char *c = *value; *c; c++)
		if ((unsigned char) *c < 0x20 || *c == 0x7f)
		{
			GUC_check_errdetail("It has a line break or another control character.");
			return false;
		}
	return true;
}

static void
define_call_settings(void)
{
	DefineCustomStringVariable("oauth1.user_agent",
							   "User-Agent header of calls whose provider names none.",
							   NULL,
							   &oauth1_user_agent, "oauth1/1.0 (PostgreSQL)",
							   PGC_USERSET, 0, check_user_agent, NULL, NULL);
	DefineCustomStringVariable("oauth1.token",
							   "Name of the token that calls use where none is given.",
							   "An empty name signs without a token.",
							   &oauth1_token, "default",
							   PGC_USERSET, 0, NULL, NULL, NULL);
}

/*
 * PGC_SIGHUP: they are read by processes that belong to no session, and a worker
 * serves all of its database.
 */
static void
define_queue_settings(void)
{
	DefineCustomBoolVariable("oauth1.worker",
							 "Sends queued calls by background workers.",
							 "Off: none is started, and those that run leave; only drain() sends.",
							 &oauth1_worker, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("oauth1.notify",
							 "Sends NOTIFY oauth1_call when a queued call ends.",
							 NULL,
							 &oauth1_notify, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.worker_concurrency",
							"Queued calls of one consumer that a worker has under way at once.",
							"It claims at most twice as many in all.",
							&oauth1_worker_concurrency, 32, 1, 500,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.worker_idle_timeout",
							"How long a worker stays where no call is pending.",
							"0: it leaves at once. A process that is connected to a database is in the way of DROP DATABASE.",
							&oauth1_worker_idle_timeout, 5 * 1000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("oauth1.call_retention",
							"How long a queued call is kept after its end, with its result.",
							"-1: for ever, until purge_calls() deletes it.",
							&oauth1_call_retention, 7 * 24 * 60 * 60, -1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

void
oauth1_define_settings(void)
{
	oauth1_is_preloaded = process_shared_preload_libraries_in_progress;
	define_key_settings();
	define_limit_settings();
	define_network_settings();
	define_call_settings();
	define_queue_settings();
	MarkGUCPrefixReserved("oauth1");
}
