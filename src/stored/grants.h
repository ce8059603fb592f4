/*
 * grants.h
 *	  Who may use a consumer and its tokens: the one rule.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_GRANTS_H
#define OAUTH1_GRANTS_H

/*
 * True where the role is the owner of the tables, a member of it or a
 * superuser, or has the privileges of a role with a grant of the whole consumer
 * or of this token.  token NULL: a grant of any token will do; "": only a grant
 * of the whole consumer will.  A grant counts while its oid and name are still
 * one role's.  Does not say whether consumer and token exist.
 *
 * Reads the tables at each call (opens an oauth1_query of its own): callers in a
 * hurry keep the answer for one oauth1_cache_generation.
 */
extern bool oauth1_may_use(Oid role, const char *consumer, const char *token);

/*
 * May the current role see and handle what is that role's: has it its privileges,
 * while oid and name are still one role's, or is it the owner of the tables or a
 * superuser?  Reads catalogs only.
 */
extern bool oauth1_acts_for(Oid role, const char *name);

#endif							/* OAUTH1_GRANTS_H */
