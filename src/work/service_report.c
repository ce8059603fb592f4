/*
 * service_report.c
 *	  What a service says in its own words about a request that it refused.
 *
 * Few services name an oauth_problem.  What others write instead was looked up in
 * their documentation, or in their source; each entry has where.  None was tried
 * against a living service.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "ground/jsonb_params.h"
#include "work/flat_json.h"
#include "work/problem.h"
#include "work/service_report.h"

/* A report is a few lines; taking a body apart costs many times its size. */
#define MAX_REPORT_LENGTH (64 * 1024)

/* Where a report stands: paths as oauth1_nested_json_read writes them; NULL: not in this shape. */
typedef struct report_shape
{
	const char *code;
	const char *words;
} report_shape;

static const report_shape shapes[] = {
	/* X, API v1.1: developer.x.com, "Response codes and errors" */
	{"errors.code", "errors.message"},
	/* NetSuite REST: its help, "Error Handling in REST Web Services" */
	{"o:errorDetails.o:errorCode", "o:errorDetails.detail"},
	/* NetSuite RESTlets: its help, "SuiteScript 2.x RESTlet Error Handling" */
	{"error.code", "error.message"},
	/* Mastercard's gateway: developer.mastercard.com, "OAuth 1.0a and mTLS Error Codes" */
	{"Errors.Error.ReasonCode", "Errors.Error.Description"},
	/* WordPress and WooCommerce: class-wc-rest-authentication.php */
	{"code", "message"},
	/* RFC 9457, and X's API v2 */
	{"title", "detail"},
	{NULL, "title"},
	/* Magento: Adobe's commerce-webapi, "OAuth error codes"; others */
	{NULL, "message"},
	{"error", "error_description"},
	{NULL, "error"},
};

/* code, or else how its words begin, and what that means. */
typedef struct known_report
{
	const char *code;			/* NULL: any */
	const char *words;			/* NULL: any */
	const char *meaning;
	const char *hint;			/* NULL: none */
} known_report;

#define CHECK_SECRETS "Enter both secrets again, and compare what oauth1.explain_call shows with what the service sees."
#define CHECK_CLOCK "Check this server's clock: oauth1.check_consumer compares it with the service's."
#define AUDIT_TRAIL "The reason stands in NetSuite under Setup > Users/Roles > View Login Audit Trail, column Detail."

static const known_report known_reports[] = {
	/* developer.x.com, "Response codes and errors" */
	{"32", "Could not authenticate", "X does not tell which: the signature, a secret, or the consumer key is wrong.", CHECK_SECRETS},
	{"89", "Invalid or expired token", "The token is not, or no longer, good for this consumer.", "Ask for a new token."},
	{"135", "Timestamp out of bounds", "The timestamp is too far from the service's clock.", CHECK_CLOCK},
	{"215", "Bad Authentication data", "The service saw no OAuth parameters that it could use, or the method that it wants is another.", NULL},
	{"220", "Your credentials do not allow", "The token's access is too narrow for this endpoint.", NULL},

	/* NetSuite help, "Error Handling in REST Web Services" and "TBA and the Login Audit Trail" */
	{"INVALID_LOGIN", NULL, "NetSuite answers so whatever is wrong: a secret, the realm, the token, the role, and also too many calls at once.", AUDIT_TRAIL},
	{"INVALID_LOGIN_ATTEMPT", NULL, "NetSuite answers so whatever is wrong: a secret, the realm, the token, the role, and also too many calls at once.", AUDIT_TRAIL},
	{NULL, "Invalid login attempt", "NetSuite answers so whatever is wrong: a secret, the realm, the token, the role, and also too many calls at once.", AUDIT_TRAIL},
	/* NetSuite help, "Error Messages for RESTlets, SOAP Web Services, and REST Web Services" */
	{"FeatureDisabled", NULL, "Token-based authentication is not enabled in that account.", NULL},
	{"INVALID_REQUEST", NULL, "The service could not read the Authorization header or the request.", NULL},
	/* NetSuite help, "Errors Related to Concurrency Violations" */
	{"SSS_REQUEST_LIMIT_EXCEEDED", NULL, "Too many calls at once for the account; the credentials are not at fault.", "Set the consumer's max_concurrency, and one limit_group for all consumers of the account."},

	/* developer.mastercard.com, "OAuth 1.0a and mTLS Error Codes"; github.com/Mastercard/oauth1-signer-python/issues/37 */
	{"AUTHENTICATION_FAILED", NULL, "The signature is another than the service's.", "Where the service shows its base string, compare it with the row \"base string\" of oauth1.explain_call."},
	/* github.com/Mastercard/client-encryption-python/issues/11 */
	{"INVALID_BODY_HASH", NULL, "oauth_body_hash is not the hash of the body that arrived.", "Look at the provider's body_hash and the option body_hash_method."},
	/* github.com/Mastercard/oauth1-signer-java/issues/5 */
	{"INVALID_INPUT_FORMAT", "Body hash parameter missing", "The service wants oauth_body_hash.", "Set the provider's body_hash to always."},

	/* woocommerce: plugins/woocommerce/includes/class-wc-rest-authentication.php */
	{NULL, "Invalid signature - signature method", "The shop takes HMAC-SHA1 and HMAC-SHA256.", "Set the provider's signature_method to one of them."},
	{NULL, "Invalid signature", "The shop computed another signature: over its configured home URL, and over parameters as PHP reads them.", "Compare scheme and host with the shop's own address, and the consumer secret; write a list as a[0]=..&a[1]=.."},
	{NULL, "Invalid timestamp", "The timestamp is more than 15 minutes from the shop's clock.", CHECK_CLOCK},
	{NULL, "Invalid nonce", "It has seen the nonce before.", NULL},
	{NULL, "Consumer key is invalid", "The shop does not know the consumer key.", "Check the consumer key, and that it belongs to this shop."},
	{NULL, "Consumer secret is invalid", "The shop took the request for Basic authentication.", NULL},
	{NULL, "Missing OAuth parameter", "The shop did not see all oauth_ parameters: web servers in front of PHP may drop the Authorization header.", "Set the provider's transmission to query."},
	{NULL, "The API key provided does not have", "The key's permissions are too narrow; the signature is right.", NULL},

	/* developer.adobe.com/commerce/webapi, "OAuth error codes"; github.com/magento/magento2/issues/37913 */
	{NULL, "The signature is invalid", "The shop computed another signature.", CHECK_SECRETS},
	/* github.com/magento/magento2/issues/5110, 35744 */
	{NULL, "The consumer isn't authorized", "The integration's access does not cover this resource, or the shop did not see an OAuth request.", NULL},
	{NULL, "Consumer is not authorized", "The integration's access does not cover this resource, or the shop did not see an OAuth request.", NULL},
};

/* ---------------------------------------------------------------- finding */

static bool
is_named(const oa1_pair *pair, const char *path)
{
	return path != NULL && pair->name.length == strlen(path) &&
		memcmp(pair->name.data, path, pair->name.length) == 0;
}

/* The first value at the path; data NULL: there is none, or it is empty. */
static oa1_text
value_at(const oauth1_pairs *members, const char *path)
{
	for (size_t i = 0; i < members->count; i++)
		if (is_named(&members->data[i], path) && members->data[i].value.length > 0)
			return oauth1_problem_words(members->data[i].value);
	return (oa1_text) {NULL, 0};
}

bool
oauth1_service_report_find(oa1_text body, oauth1_service_report *report)
{
	oauth1_pairs members;

	memset(report, 0, sizeof(*report));
	oauth1_pairs_init(&members, 0);
	if (body.length == 0 || body.length > MAX_REPORT_LENGTH || body.data[0] != '{' ||
		!oauth1_nested_json_read(body, &members))
		return false;
	for (int i = 0; i < lengthof(shapes); i++)
	{
		report->code = value_at(&members, shapes[i].code);
		report->words = value_at(&members, shapes[i].words);
		if ((shapes[i].code == NULL || report->code.data != NULL) && report->words.data != NULL)
			break;
		report->code = report->words = (oa1_text) {NULL, 0};
	}
	oauth1_service_report_explain(report);
	return report->words.data != NULL;
}

/* ---------------------------------------------------------------- explaining */

static bool
is_code(oa1_text code, const char *known)
{
	return code.data != NULL && code.length == strlen(known) &&
		memcmp(code.data, known, code.length) == 0;
}

static bool
begins_with(oa1_text words, const char *known)
{
	return words.data != NULL && words.length >= strlen(known) &&
		memcmp(words.data, known, strlen(known)) == 0;
}

/* A code that is only a number says little alone: its words must fit too. */
static bool
is_known(const oauth1_service_report *report, const known_report *known)
{
	if (known->code != NULL && !is_code(report->code, known->code))
		return false;
	return known->words == NULL || begins_with(report->words, known->words);
}

void
oauth1_service_report_explain(oauth1_service_report *report)
{
	for (int i = 0; i < lengthof(known_reports); i++)
	{
		if (!is_known(report, &known_reports[i]))
			continue;
		report->meaning = known_reports[i].meaning;
		report->hint = known_reports[i].hint;
		return;
	}
}
