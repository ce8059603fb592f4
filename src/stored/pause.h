/*
 * pause.h
 *	  Consumers whose credential was refused again and again: their calls wait,
 *	  instead of failing one after the other.
 *
 * A row of oauth1.consumer_pause stays, with a time that has passed, until a call
 * was answered otherwise: a further refusal then doubles the pause.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_PAUSE_H
#define OAUTH1_PAUSE_H

/* So many answers 401 in a row, as one process sees them, are no accident. */
#define OAUTH1_PAUSE_REFUSALS 5

/*
 * Counts an answer (and nothing that was none) in *in_a_row, which starts as 0;
 * has_row: when the consumer was last looked at, it had a row.  True where
 * oauth1_pause_note is to be called.  A success of a consumer that was not
 * refused before costs nothing.
 */
static inline bool
oauth1_pause_count(int *in_a_row, bool has_row, bool refused)
{
	*in_a_row = refused ? *in_a_row + 1 : 0;
	return refused ? has_row || *in_a_row >= OAUTH1_PAUSE_REFUSALS : has_row;
}

/*
 * refused: pauses the consumer for a minute or, where it was paused before and
 * has not been answered otherwise since, for twice as long as then, an hour at
 * most; while a pause lasts, what was already under way does not lengthen it.
 * Else ends the pause.  In the caller's transaction; a row that somebody else has
 * locked is waited for a second at most (55P03).
 */
extern void oauth1_pause_note(const char *consumer, bool refused);

/*
 * Ends the pause of a consumer whose secret or registration was changed, or of
 * all of a provider's, inside an oauth1_query: with the commit, calls go on.
 */
extern void oauth1_pause_end(const char *consumer);
extern void oauth1_pause_end_of_provider(const char *provider);

#endif							/* OAUTH1_PAUSE_H */
