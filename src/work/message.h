/*
 * message.h
 *	  What a caller wants to be sent, before it is signed: a method, a URL with
 *	  its query, header fields, and a body: octets, or what makes them.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_MESSAGE_H
#define OAUTH1_MESSAGE_H

#include "access/htup.h"
#include "fmgr.h"

#include "ground/jsonb_params.h"
#include "outside/transfer.h"

typedef struct oauth1_message
{
	oa1_text	http_method;	/* upper case */
	oa1_text	url;			/* absolute, or beginning with '/'; no fragment */
	oauth1_pairs headers;		/* the caller's; checked */
	oa1_text	content_type;	/* data NULL: none */
	oa1_text	body;
	oauth1_body_source *source; /* of a body with files, in its place; NULL: body */
	bool		has_body;
} oauth1_message;

/*
 * From the arguments url, body_json, form, body, body_bytes, content_type,
 * files, params, headers of a SQL function, which stand in this order from
 * position first on.  In the current memory context; the files stay where they
 * are in their argument.  Raises 22023 (or 22004, 22P02) for what cannot be sent.
 */
extern void oauth1_message_from_arguments(oauth1_message *message, const char *http_method,
										  FunctionCallInfo fcinfo, int first);

/* From url, params and headers, which follow each other: a request without a body. */
extern void oauth1_message_without_body(oauth1_message *message, const char *http_method,
										FunctionCallInfo fcinfo, int first);

/*
 * From the parts of a request whose body is in octets, in UTF-8; content_type.data,
 * headers and body are NULL where there is none.  What they point to must stay.
 */
extern void oauth1_message_from_parts(oauth1_message *message, oa1_text http_method, oa1_text url,
									  Jsonb *headers, oa1_text content_type, bytea *body);

/* From and to a value of type oauth1.http_request, which has every body in octets. */
extern void oauth1_message_from_request(oauth1_message *message, HeapTupleHeader request);
extern Datum oauth1_message_to_request(const oauth1_message *message, FunctionCallInfo fcinfo);

/* A message of a method, in any case, and a URL, whose fragment is left out; nothing else yet. */
extern void oauth1_message_init(oauth1_message *message, oa1_text http_method, oa1_text url);

/* Sets the body, and the type unless there is one. */
extern void oauth1_message_set_body(oauth1_message *message, oa1_text body,
									const char *default_type);

/* The octets of the body, with what a source makes of it; NULL: there is none. */
extern bytea *oauth1_message_body_bytes(const oauth1_message *message);

/* A form body from pairs, percent-encoded, as the token requests send them. */
extern void oauth1_message_set_form(oauth1_message *message, const oauth1_pairs *form);

/* Is the body a form, whose parameters are signed (RFC 5849, 3.4.1.3.1)? */
extern bool oauth1_message_is_form(const oauth1_message *message);

/* Appends name=value&... percent-encoded; first: nothing it must be separated from precedes. */
extern void oauth1_append_pairs(oa1_buffer *out, const oauth1_pairs *pairs, bool first);

/* The URL with the pairs behind the query it may have; url itself where there are none. */
extern oa1_text oauth1_url_with_pairs(oa1_text url, const oauth1_pairs *pairs);

/* Raises 22004, naming the argument, where it is null. */
extern void oauth1_require_argument(FunctionCallInfo fcinfo, int n, const char *name);

/* An argument's text in UTF-8, or 22004 naming it where it is null. */
extern oa1_text oauth1_required_text(FunctionCallInfo fcinfo, int n, const char *name);

#endif							/* OAUTH1_MESSAGE_H */
