/*
 * session_lock.h
 *	  Locks of ours that a session holds over its transactions, and that no
 *	  function of SQL reaches.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_SESSION_LOCK_H
#define OAUTH1_SESSION_LOCK_H

#include "storage/lock.h"

/*
 * A tag in this database.  Kinds below 3 are what SQL's advisory locks have, but
 * with another lock method.
 */
extern LOCKTAG oauth1_session_lock_tag(uint16 kind, uint32 high, uint32 low);

/*
 * Takes the lock without waiting; false where somebody has it, this session too.
 * It goes with its process, with the abort of a top transaction, or by _give,
 * which does nothing where it is not held.
 */
extern bool oauth1_session_lock_take(const LOCKTAG *tag);
extern void oauth1_session_lock_give(const LOCKTAG *tag);

#endif							/* OAUTH1_SESSION_LOCK_H */
