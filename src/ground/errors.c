/*
 * errors.c
 *	  A core status, or the outcome of an exchange, as a PostgreSQL error.
 *
 * Messages name the argument or the host, never its contents: a URL can hold a
 * token, a form a secret.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/errors.h"
#include "ground/settings.h"

/* What a status of the core is to the user: the class, the reason, the cure. */
typedef struct core_error
{
	int			sqlstate;
	const char *detail;
	const char *hint;			/* NULL: none */
} core_error;

static const core_error core_errors[] = {
	[OA1_OUT_OF_MEMORY] = {ERRCODE_OUT_OF_MEMORY, "Memory ran out while it was processed.", NULL},
	[OA1_TOO_LONG] = {ERRCODE_PROGRAM_LIMIT_EXCEEDED, "The result would exceed 1 GB.", NULL},
	[OA1_BAD_ESCAPE] = {ERRCODE_INVALID_TEXT_REPRESENTATION,
		"A percent sign must be followed by two hexadecimal digits.",
	"Write a literal percent sign as %25."},
	[OA1_BAD_METHOD] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"An HTTP method is a token such as GET or POST.", NULL},
	[OA1_URL_SCHEME] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"The URL must begin with http:// or https://.", NULL},
	[OA1_URL_NO_HOST] = {ERRCODE_INVALID_PARAMETER_VALUE, "The URL names no host.", NULL},
	[OA1_URL_HOST] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"The host has a character that no host name or address has.", NULL},
	[OA1_URL_HOST_NOT_ASCII] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"The host has a character outside ASCII.",
	"Write an internationalized name in its xn-- form."},
	[OA1_URL_PORT] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"A port is a number from 1 to 65535.", NULL},
	[OA1_URL_TWO_AT] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"There is more than one \"@\" before the path.",
	"Write an \"@\" in a user name as %40."},
	[OA1_URL_BACKSLASH] = {ERRCODE_INVALID_PARAMETER_VALUE,
		"A URL cannot contain a backslash.",
	"Write a literal backslash as %5C."},
	[OA1_URL_CONTROL] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"A URL cannot contain a control character.", NULL},
	[OA1_HEADER_SCHEME] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"The authorization scheme is not OAuth.", NULL},
	[OA1_HEADER_SYNTAX] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"Expected name=\"value\" pairs separated by commas.", NULL},
	[OA1_HEADER_REPEATED] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"A parameter is given more than once.", NULL},
	[OA1_REALM] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"A realm cannot contain a control character.", NULL},
	[OA1_PLAINTEXT_BODY_HASH] = {ERRCODE_INVALID_PARAMETER_VALUE,
	"The method PLAINTEXT has no hash, so there is no oauth_body_hash with it.", NULL},
	[OA1_KEY_UNREADABLE] = {ERRCODE_OAUTH1_KEY,
		"There is no PEM key of the kind that is needed in it.",
	"A signature needs a private key (PKCS#1 or PKCS#8); to verify one takes a public key or an X.509 certificate."},
	[OA1_KEY_NOT_RSA] = {ERRCODE_OAUTH1_KEY, "The key is not an RSA key.", NULL},
	[OA1_KEY_TOO_SHORT] = {ERRCODE_OAUTH1_KEY,
	"The RSA key is too short; it needs at least 1024 bits.", NULL},
	[OA1_KEY_PASSPHRASE] = {ERRCODE_OAUTH1_KEY,
		"The key is encrypted, and the passphrase is missing or wrong.", NULL},
	[OA1_CRYPTO] = {ERRCODE_OAUTH1_KEY, "OpenSSL could not carry out the operation.", NULL},
	[OA1_REPLY_EMPTY] = {ERRCODE_OAUTH1_REFUSED, "The reply holds no parameter.", NULL},
	[OA1_REPLY_REPEATED] = {ERRCODE_OAUTH1_REFUSED,
	"The reply names a parameter more than once.", NULL},
	[OA1_REPLY_SYNTAX] = {ERRCODE_OAUTH1_REFUSED, "The reply is no form of names and values.", NULL},
};

/*
 * Raises the error that a status of the core is; returns only for OA1_OK.
 * argument names what could not be used ("url", "private key").
 */
void
oauth1_check_core(oa1_status status, const char *argument)
{
	const core_error *error = &core_errors[status];

	if (status == OA1_OK)
		return;
	ereport(ERROR,
			(errcode(error->sqlstate),
			 status == OA1_OUT_OF_MEMORY ? errmsg("out of memory") : errmsg("invalid %s", argument),
			 errdetail("%s", error->detail),
			 error->hint ? errhint("%s", error->hint) : 0));
}

/* A sentence on what is known of the other side. */
static const char *
what_is_known(const oauth1_outcome *outcome)
{
	if (outcome->status != 0)
		return "The server had begun to answer.";
	if (outcome->sent)
		return "The request was sent; whether it was received is not known.";
	return "Nothing was sent.";
}

static void
raise_timed_out(const oauth1_outcome *outcome, const char *host, int timeout_ms,
				const char *tried)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_TIMED_OUT),
			 errmsg("call to \"%s\" timed out", host),
			 errdetail("No complete answer came within %d ms. %s%s",
					   timeout_ms, what_is_known(outcome), tried)));
}

static void
raise_no_place(const oauth1_outcome *outcome, const char *host, int timeout_ms,
			   const char *tried)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_TIMED_OUT),
			 errmsg("call to \"%s\" timed out", host),
			 errdetail("It could not begin within %d ms. %s Nothing was sent.%s",
					   timeout_ms, outcome->reason, tried)));
}

static void
raise_too_large(const oauth1_outcome *outcome, const char *host, const char *tried)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_RESPONSE_TOO_LARGE),
			 errmsg("response of \"%s\" is too large", host),
			 errdetail("%s %s%s", outcome->reason, what_is_known(outcome), tried),
			 outcome->all_too_large ?
			 errhint("The limit on all of a session is oauth1.max_memory; a lower concurrency needs less.") :
			 errhint("The limit on a body is oauth1.max_response_size.")));
}

/* What stays refused with the setting on needs no word about it. */
static void
raise_address_refused(const oauth1_outcome *outcome, const char *host, const char *tried)
{
	ereport(ERROR,
			(errcode(ERRCODE_OAUTH1_URL_NOT_ALLOWED),
			 errmsg("address of \"%s\" is not allowed", host),
			 errdetail("%s. Nothing was sent.%s", outcome->reason, tried),
			 oauth1_allow_private_addresses ? 0 :
			 errhint("A superuser can set oauth1.allow_private_addresses.")));
}

/*
 * With TLS 1.3 a server looks at the client's certificate after the handshake, so
 * its refusal can come before the request was sent or after.
 */
static int
hint_of_certificate(const oauth1_outcome *outcome)
{
	if (!outcome->wants_certificate)
		return 0;
	return errhint("The service may want a client certificate: "
				   "the provider's option client_certificate, and the consumer's client_key.");
}

void
oauth1_check_outcome(const oauth1_outcome *outcome, const char *host, int timeout_ms,
					 const char *tried)
{
	const char *reason = outcome->reason[0] ? outcome->reason : "The transfer failed.";

	switch (outcome->kind)
	{
		case OAUTH1_ANSWERED:
			return;
		case OAUTH1_TIMED_OUT:
			raise_timed_out(outcome, host, timeout_ms, tried);
			break;
		case OAUTH1_NO_PLACE:
			raise_no_place(outcome, host, timeout_ms, tried);
			break;
		case OAUTH1_TOO_LARGE:
			raise_too_large(outcome, host, tried);
			break;
		case OAUTH1_ADDRESS_REFUSED:
			raise_address_refused(outcome, host, tried);
			break;
		case OAUTH1_NOT_SENT:
			ereport(ERROR,
					(errcode(ERRCODE_OAUTH1_TRANSFER),
					 errmsg("could not connect to \"%s\"", host),
					 errdetail("%s: nothing was sent.%s", reason, tried),
					 hint_of_certificate(outcome)));
			break;
		case OAUTH1_CUT:
			ereport(ERROR,
					(errcode(ERRCODE_OAUTH1_TRANSFER),
					 errmsg("could not receive the whole response of \"%s\"", host),
					 errdetail("%s: the server answered with status %d, then the transfer broke.%s",
							   reason, outcome->status, tried)));
			break;
		case OAUTH1_TOO_MANY_REDIRECTS:
			ereport(ERROR,
					(errcode(ERRCODE_OAUTH1_TRANSFER),
					 errmsg("too many redirects of \"%s\"", host),
					 errdetail("It answered with status %d and another URL once more than oauth1.max_redirects allows.%s",
							   outcome->status, tried)));
			break;
		case OAUTH1_UNANSWERED:
			ereport(ERROR,
					(errcode(ERRCODE_OAUTH1_NO_ANSWER),
					 errmsg("no answer from \"%s\"", host),
					 errdetail("%s: the request was sent; whether it was received is not known.%s",
							   reason, tried),
					 hint_of_certificate(outcome)));
			break;
		case OAUTH1_NO_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory"),
					 errdetail("Memory ran out during the call to \"%s\". %s%s",
							   host, what_is_known(outcome), tried)));
			break;
	}
}
