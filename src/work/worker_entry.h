/*
 * worker_entry.h
 *	  What the sessions know of a database's worker: an entry of shared memory.
 *
 * It is a hint, never a lock.  That there is one worker at most is held by
 * oauth1_claim_become_worker; where an entry is lost or wrong, a worker is
 * started that finds the lock taken and ends, or is woken for nothing.
 *
 * Nothing here throws or allocates once the shared tables are taken.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_WORKER_ENTRY_H
#define OAUTH1_WORKER_ENTRY_H

#include "datatype/timestamp.h"

/* Why a database has no worker although one was asked for. */
typedef enum oauth1_start_failure
{
	OAUTH1_START_DID_NOT_FAIL,
	OAUTH1_START_NO_SLOT,		/* max_worker_processes are there already */
	OAUTH1_START_UNHEARD,		/* the server took the order, and no worker came */
	OAUTH1_START_ERROR			/* it came, and ended by an error; the log has it */
} oauth1_start_failure;

typedef struct oauth1_worker_entry
{
	TimestampTz started_at;		/* the last worker's start; 0: none is known */
	TimestampTz asked_at;		/* a start that was asked for and has not been; 0: none */
	TimestampTz failed_at;		/* the last start that failed; 0: none is known */
	TimestampTz told_at;		/* when the log was last told of such; 0: not of these */
	int32		pid;			/* of the worker; 0: there is none */
	int32		failure;		/* oauth1_start_failure at failed_at */
	uint64		news;			/* how often somebody had news for it */
} oauth1_worker_entry;

/* A copy of a database's entry; all zeros where nothing is known. */
extern oauth1_worker_entry oauth1_worker_entry_read(Oid database);

/*
 * Notes that there are news, and returns the worker's pid, whose latch is then to
 * be set; 0: there is none.  The note is what counts: a latch that is set while its
 * process waits for a lock, or for a standby, wakes that wait and is gone.
 */
extern int	oauth1_worker_note_news(Oid database);

/*
 * Is a worker to be started by whoever asks?  Not where one came since pid was
 * read (0, or that of a process that is gone), nor where somebody asked within
 * the last second.
 */
extern bool oauth1_worker_ask(Oid database, int pid);

/* Notes that a start failed; the next who asks is told to start one. */
extern void oauth1_worker_note_failure(Oid database, oauth1_start_failure failure);

/* Is the log to be told now that starts fail?  Once a minute while they do. */
extern bool oauth1_worker_is_to_be_told(Oid database);

/*
 * The worker of this database: heard comes before it tries to become the one,
 * present before it first looks at the queue, absent before it looks for the last
 * time.
 */
extern void oauth1_worker_heard(void);
extern void oauth1_worker_present(void);
extern void oauth1_worker_absent(void);

/* What oauth1_worker_note_news counted so far, in the worker's own database. */
extern uint64 oauth1_worker_news(void);

#endif							/* OAUTH1_WORKER_ENTRY_H */
