/*
 * vectors.h
 *	  Reads the requests of test/vectors and runs one through the core.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef VECTORS_H
#define VECTORS_H

#include "core/core.h"

/*
 * One case; texts with data NULL were not given.
 */
typedef struct vector
{
	char		name[200];
	char		source[300];
	char		key[100];
	char		public_key[100];
	oa1_text	method;
	oa1_text	url;
	oa1_text	query;
	oa1_text	form;
	oa1_text	oauth;
	oa1_text	header;
	oa1_text	secret;
	oa1_text	token_secret;
	oa1_text	signature_method;
	oa1_text	uri;
	oa1_text	normalized;
	oa1_text	base_string;
	oa1_text	signature;
	oa1_text	written;
	oa1_buffer *decoded;		/* the protocol parameters, for vector_pairs */
} vector;

/*
 * What the steps made.
 */
typedef struct steps
{
	oa1_url		url;
	oa1_parameters parameters;
	oa1_signer	signer;
	oa1_buffer	sent;
	oa1_buffer	normalized;
	oa1_buffer	base_string;
	oa1_buffer	signature;
} steps;

/* Calls each for every case of every file; returns how many there were. */
extern size_t vectors_each(void (*each) (const vector *v));

/* All steps, with memory of grow; the first failure ends them.  steps_free in any case. */
extern oa1_status vector_run(const vector *v, steps *done, oa1_grow grow, void *context);
extern void steps_free(steps *done);

/* The protocol parameters, decoded; at most limit of them. */
extern size_t vector_pairs(const vector *v, oa1_pair *pairs, size_t limit);
extern oa1_method vector_method(const vector *v);

/* Cuts text up to end (or all) off the front of *rest, and end with it. */
extern oa1_text cut_field(oa1_text *rest, char end);
/* Replaces \xNN in place; returns the new length. */
extern size_t unescape(char *data, size_t length);

#endif							/* VECTORS_H */
