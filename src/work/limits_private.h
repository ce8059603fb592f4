/*
 * limits_private.h
 *	  What the files of limits share: places, lines, windows and pauses, each of
 *	  which knows nothing of the others.
 *
 * All times are on oauth1_monotonic_us's clock, which the server's processes
 * have in common.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_LIMITS_PRIVATE_H
#define OAUTH1_LIMITS_PRIVATE_H

#include "ground/shared.h"
#include "stored/definition.h"

/* ---------------------------------------------------------------- limits_place.c */

/*
 * Takes one of the group's places for this session; its number from 1, or 0 where
 * all are taken.  Raises an error where the server's table of locks is full.
 */
extern int	oauth1_place_take(const oauth1_key *group, int places);

/* Gives it back.  Never throws; does nothing where the session has it no longer. */
extern void oauth1_place_give(const oauth1_key *group, int number);

/* ---------------------------------------------------------------- limits_line.c */

/*
 * May this session try now?  Not while others wait, unless it is the first of
 * them.  One that has not asked for a while is no longer in the line.
 */
extern bool oauth1_line_is_clear(const oauth1_key *line, int64 now);

/*
 * Stands at the line's end, or goes on standing; where it is full nothing is
 * done.  True where the session is first now and was not in it before: what came
 * free meanwhile woke nobody.
 */
extern bool oauth1_line_stand(const oauth1_key *line, int64 now);

/* Goes out of the line, if it stands there, and wakes who is first then. */
extern void oauth1_line_leave(const oauth1_key *line);

/* Wakes who is first. */
extern void oauth1_line_wake(const oauth1_key *line);

/* ---------------------------------------------------------------- limits_rate.c */

/* A unit of the rate taken: where it stands in the window.  used false: none. */
typedef struct oauth1_unit
{
	bool		used;
	bool		is_open;		/* not known to have been sent */
	int			slot;
	int64		window_born;	/* another: the window had to make room meanwhile */
	int64		stamped;		/* what the slot was told */
} oauth1_unit;

/*
 * Takes a unit, for a call that starts now.  0: taken.  Else when to look again,
 * at the latest; INT64_MAX where only another's end can tell.
 */
extern int64 oauth1_rate_take(const oauth1_key *window, const oauth1_rate *rate, int64 now,
							  oauth1_unit *unit);

/*
 * The call arrived at the service by then, for all that is known: the unit ages
 * from there.  Again: what was said before is known better now.
 */
extern void oauth1_rate_stamp(const oauth1_key *window, oauth1_unit *unit, int64 at);

/* Nothing was sent: the unit is as if it had not been taken. */
extern void oauth1_rate_give(const oauth1_key *window, oauth1_unit *unit);

/* ---------------------------------------------------------------- limits_pause.c */

/* Until when calls of the group and this path are to wait; not after now: they need not. */
extern int64 oauth1_pause_until(const oauth1_key *group, oa1_text path);

/* The group's key: its name's, or the consumer's own. */
extern oauth1_key oauth1_limits_group(const oauth1_consumer *consumer);

/* Is there anything to hold the consumer to? */
extern bool oauth1_limits_has_any(const oauth1_consumer *consumer);

#endif							/* OAUTH1_LIMITS_PRIVATE_H */
