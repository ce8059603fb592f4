/*
 * cache.h
 *	  When what a session keeps of the tables is out of date.
 *
 * Every table has a trigger that sends a relcache invalidation, so that a
 * change reaches all sessions at its commit, and standbys by the WAL; a change
 * of roles or memberships counts as well.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_CACHE_H
#define OAUTH1_CACHE_H

/*
 * The number of changes seen so far, after accepting what other sessions have
 * sent.  Whoever keeps something notes it before reading the tables and keeps
 * no longer than it stays the same.
 */
extern uint64 oauth1_cache_generation(void);

#endif							/* OAUTH1_CACHE_H */
