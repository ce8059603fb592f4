/*
 * compat.h
 *	  Every test of the server's version, so that no other file needs one.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#ifndef OAUTH1_COMPAT_H
#define OAUTH1_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "oauth1 needs PostgreSQL 15 or later"
#endif

/*
 * A wait set that outlives transactions, and the event a wait is shown as in
 * pg_stat_activity.  17 replaced the memory context by a resource owner and
 * lets extensions name their events.
 */
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

static inline WaitEventSet *
oauth1_create_wait_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* *event keeps it; 0 at first. */
static inline uint32
oauth1_wait_event(const char *name, uint32 *event)
{
#if PG_VERSION_NUM >= 170000
	if (*event == 0)
		*event = WaitEventExtensionNew(name);
	return *event;
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* The JSON parser's actions report errors from 16 on; its lexer is made differently from 17 on. */
#include "common/jsonapi.h"
#include "mb/pg_wchar.h"

#if PG_VERSION_NUM >= 160000
#define OAUTH1_JSON_ACTION JsonParseErrorType
#define OAUTH1_JSON_ACTION_DONE return JSON_SUCCESS
#else
#define OAUTH1_JSON_ACTION void
#define OAUTH1_JSON_ACTION_DONE return
#endif

static inline JsonLexContext *
oauth1_json_lexer(char *json, int length)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, length, GetDatabaseEncoding(), true);
#else
	return makeJsonLexContextCstringLen(json, length, GetDatabaseEncoding(), true);
#endif
}

/*
 * Memory that all sessions of the server share, had without preloading: made and
 * initialised by whoever asks first, never freed.  Raises an error where there is
 * not enough; call it where an abort releases locks.  Up to 16 it comes out of
 * the slack of the main segment, as contrib's autoprewarm takes it.
 */
#include "storage/lwlock.h"
#include "storage/shmem.h"

#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif

static inline void *
oauth1_named_segment(const char *name, Size size, void (*initialize) (void *))
{
	bool		found;
#if PG_VERSION_NUM >= 170000
	return GetNamedDSMSegment(name, size, initialize, &found);
#else
	void	   *segment;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	segment = ShmemInitStruct(name, size, &found);
	if (!found)
		initialize(segment);
	LWLockRelease(AddinShmemInitLock);
	return segment;
#endif
}

/* Does this session hold the lock in this very mode?  17 can ask for a stronger one, too. */
#include "storage/lock.h"

static inline bool
oauth1_lock_held_by_me(const LOCKTAG *tag, LOCKMODE mode)
{
#if PG_VERSION_NUM >= 170000
	return LockHeldByMe(tag, mode, false);
#else
	return LockHeldByMe(tag, mode);
#endif
}

/* May the role execute the function?  16 has one function for the privileges of all objects. */
#include "catalog/pg_proc.h"
#include "utils/acl.h"

static inline bool
oauth1_may_execute(Oid function, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(function, role, ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

#endif							/* OAUTH1_COMPAT_H */
