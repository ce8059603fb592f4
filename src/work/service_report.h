/*
 * service_report.h
 *	  What a service says in its own words about a request that it refused.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SERVICE_REPORT_H
#define OAUTH1_SERVICE_REPORT_H

#include "core/core.h"

/* data NULL: not said.  Texts are bounded and without control characters. */
typedef struct oauth1_service_report
{
	oa1_text	code;			/* what it calls the error */
	oa1_text	words;			/* its sentence about it */
	const char *meaning;		/* what is known about that code; NULL: nothing */
	const char *hint;			/* what cures it; NULL: nothing is known */
} oauth1_service_report;

/*
 * Looks for a report in the ways in which living services write them, in a JSON
 * body in UTF-8: those of X, NetSuite, Mastercard, WooCommerce, Magento and RFC
 * 9457.  False where there is none.  In the current memory context; never throws
 * for what the body holds.
 */
extern bool oauth1_service_report_find(oa1_text body, oauth1_service_report *report);

/*
 * Fills in meaning and hint for a code or words that are known, wherever they
 * were said.
 */
extern void oauth1_service_report_explain(oauth1_service_report *report);

#endif							/* OAUTH1_SERVICE_REPORT_H */
