/*
 * neighbours.h
 *	  Who wants a database that a process of ours is connected to.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_NEIGHBOURS_H
#define OAUTH1_NEIGHBOURS_H

typedef enum oauth1_neighbour
{
	OAUTH1_NEIGHBOUR_NONE,
	OAUTH1_NEIGHBOUR_COPIES,	/* CREATE DATABASE ... TEMPLATE: waits 5 s for us to go */
	OAUTH1_NEIGHBOUR_TAKES		/* DROP DATABASE, RENAME TO, SET TABLESPACE: likewise */
} oauth1_neighbour;

/*
 * Looks, without waiting, and leaves nothing locked; in a transaction or outside
 * of one.  Raises an error only where the lock table is full.
 */
extern oauth1_neighbour oauth1_look_for_neighbour(Oid database);

#endif							/* OAUTH1_NEIGHBOURS_H */
