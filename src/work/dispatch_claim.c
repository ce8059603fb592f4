/*
 * dispatch_claim.c
 *	  The dispatch sees what there is to do, and takes on more.
 *
 * Copyright (c) 2026, oauth1 contributors
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "ground/catch.h"
#include "ground/fault.h"
#include "work/dispatch_private.h"
#include "work/follow_up.h"

/* Octets of requests that are claimed at a time; one call may be larger. */
#define CLAIM_OCTETS (16 * 1024 * 1024)

/* The pause after which who is not patient gives up: that of the fifth failure in a row. */
#define LONGEST_PATIENCE_US INT64CONST(1600000)

typedef struct claiming
{
	oauth1_dispatch *dispatch;
	MemoryContext memory;		/* of what is claimed */
	oauth1_queue_wish *wishes;
	int			wish_count;
	int			chain_count;	/* of the dispatch's first chains */
	oauth1_claimed *claimed;
	int			count;
	int64		began;
} claiming;

/* An operation: gives true states to what others left when they died. */
static void
recover(void *argument)
{
	oauth1_dispatch *dispatch = argument;

	if (oauth1_queue_recover(dispatch->number, &dispatch->found_dead) > 0)
		dispatch->follow_up_at = 0;
}

static void
look(oauth1_dispatch *dispatch)
{
	int64		began = oauth1_monotonic_us();
	oauth1_lanes *lanes = &dispatch->lanes;
	oauth1_queue_wish *known = palloc(Max(lanes->count, 1) * sizeof(*known));
	int			known_count = oauth1_lanes_known(lanes, began, known);
	int			count;
	oauth1_queue_lane *found = oauth1_queue_lanes(known, known_count, &count);
	int64		again = oauth1_lanes_update(lanes, found, count, GetCurrentTimestamp(), began);
	int64		ended = oauth1_monotonic_us();

	dispatch->expects = false;
	dispatch->look_from = ended + Min((ended - began) * LOOK_SHARE, LONGEST_LOOK_PAUSE_US);
	dispatch->look_at = Min(again, ended + LOOK_EVERY_US);
}

static bool
is_time_to_look(const oauth1_dispatch *dispatch, int64 clock)
{
	return clock >= dispatch->look_from && (dispatch->expects || clock >= dispatch->look_at);
}

int64
oauth1_dispatch_places_left(const oauth1_dispatch *dispatch)
{
	return Max(Min(2 * dispatch->lanes.concurrency - dispatch->count, dispatch->left), 0);
}

static void
free_chain(oauth1_queue_chain *chain)
{
	pfree(unconstify(char *, chain->consumer));
	pfree(unconstify(char *, chain->order_key));
}

/* The first count chains were gone on with. */
static void
forget_chains(oauth1_dispatch *dispatch, int count)
{
	for (int i = 0; i < count; i++)
		free_chain(&dispatch->chains[i]);
	dispatch->chain_count -= count;
	memmove(dispatch->chains, dispatch->chains + count,
			dispatch->chain_count * sizeof(dispatch->chains[0]));
}

/*
 * How many chains to go on with.  What a lane that is held has to wait for is found
 * again by looking.
 */
static int
choose_chains(oauth1_dispatch *dispatch, TimestampTz now, int64 clock)
{
	int			kept = 0;

	for (int i = 0; i < dispatch->chain_count; i++)
	{
		oauth1_queue_chain chain = dispatch->chains[i];
		oauth1_lane *lane = oauth1_lane_of(&dispatch->lanes, chain.consumer);

		if (!oauth1_lane_is_held(lane, now, clock))
		{
			dispatch->chains[kept++] = chain;
			continue;
		}
		lane->quiet_until = 0;
		free_chain(&chain);
	}
	dispatch->chain_count = kept;
	return (int) Min(kept, oauth1_dispatch_places_left(dispatch));
}

/* An operation: sees what there is, and claims what may be. */
static void
claim(void *argument)
{
	claiming   *claiming = argument;
	oauth1_dispatch *dispatch = claiming->dispatch;
	TimestampTz now = GetCurrentTimestamp();
	int64		clock = oauth1_monotonic_us();
	bool		ordered = true;
	int64		places;

	if (is_time_to_look(dispatch, clock))
		look(dispatch);
	claiming->chain_count = choose_chains(dispatch, now, clock);
	claiming->wishes = palloc(Max(dispatch->lanes.count, 1) * sizeof(oauth1_queue_wish));
	places = oauth1_dispatch_places_left(dispatch) - claiming->chain_count;
	claiming->wish_count = oauth1_lanes_wishes(&dispatch->lanes, places, now, clock,
											   claiming->wishes);
	claiming->began = oauth1_monotonic_us();
	if (claiming->wish_count == 0 && claiming->chain_count == 0)
		return;
	claiming->claimed = oauth1_queue_claim(dispatch->number, claiming->wishes,
										   claiming->wish_count, dispatch->chains,
										   claiming->chain_count, CLAIM_OCTETS, claiming->memory,
										   &claiming->count, &ordered);
	if (!ordered)
		claiming->chain_count = 0;
}

/* Tells each lane how its wish went. */
static void
tell_lanes_of_claim(const claiming *claiming, int64 clock)
{
	for (int i = 0; i < claiming->wish_count; i++)
		oauth1_lane_took(oauth1_lane_of(&claiming->dispatch->lanes, claiming->wishes[i].consumer),
						 &claiming->wishes[i], clock - claiming->began, clock);
}

/* Looks for the dead now and then; false where no claiming is to follow. */
static bool
recover_now_and_then(oauth1_dispatch *dispatch)
{
	int64		clock = oauth1_monotonic_us();
	int64		cost;
	ErrorData  *error;

	dispatch->found_dead.count = 0;
	if (clock < dispatch->recover_at)
		return true;
	error = oauth1_catch_all(recover, dispatch);
	cost = oauth1_monotonic_us() - clock;
	dispatch->recover_at = clock + cost +
		Min(Max(LOOK_EVERY_US, cost * LOOK_SHARE), LONGEST_LOOK_PAUSE_US);
	return error == NULL || oauth1_dispatch_survives(dispatch, error, "recover");
}

void
oauth1_dispatch_claim(oauth1_dispatch *dispatch)
{
	claiming	claiming = {.dispatch = dispatch};
	ErrorData  *error;

	if (!recover_now_and_then(dispatch))
		return;
	claiming.memory = AllocSetContextCreate(dispatch->memory, "oauth1 claim",
											ALLOCSET_DEFAULT_SIZES);
	error = oauth1_catch_all(claim, &claiming);
	if (error == NULL)
	{
		dispatch->claiming = (setback) {0};
		tell_lanes_of_claim(&claiming, oauth1_monotonic_us());
		forget_chains(dispatch, claiming.chain_count);
		dispatch->taken = claiming.claimed;
		dispatch->taken_count = claiming.count;
		dispatch->taken_memory = claiming.memory;
	}
	else if (oauth1_dispatch_survives(dispatch, error, "claim"))
	{
		oauth1_dispatch_set_back(&dispatch->claiming);
		if (!dispatch->patient && dispatch->count == 0 &&
			dispatch->claiming.pause >= LONGEST_PATIENCE_US)
			dispatch->error = error;
	}
	if (dispatch->taken_count == 0)
		MemoryContextDelete(claiming.memory);
}

bool
oauth1_dispatch_is_time_to_claim(const oauth1_dispatch *dispatch, int64 clock)
{
	if (clock < dispatch->claiming.until)
		return false;
	if (is_time_to_look(dispatch, clock) || clock >= dispatch->recover_at)
		return true;
	return oauth1_dispatch_places_left(dispatch) > 0 &&
		(dispatch->chain_count > 0 ||
		 oauth1_lanes_have_more(&dispatch->lanes, GetCurrentTimestamp(), clock));
}

/* ---------------------------------------------------------------- after the commit */

void
oauth1_dispatch_take_in(oauth1_dispatch *dispatch)
{
	oauth1_batch *batch;

	if (dispatch->found_dead.count > 0)
		oauth1_follow_up_notify(dispatch->transactions, dispatch->found_dead.ids,
								dispatch->found_dead.states, dispatch->found_dead.count);
	dispatch->found_dead.count = 0;
	if (dispatch->taken_count == 0)
		return;
	batch = MemoryContextAllocZero(dispatch->taken_memory, sizeof(*batch));
	batch->memory = dispatch->taken_memory;
	for (int n = 0; n < dispatch->taken_count; n++)
	{
		oauth1_claimed *claimed = &dispatch->taken[n];
		oauth1_lane *lane = oauth1_lane_of(&dispatch->lanes, claimed->consumer);

		dispatch->jobs[dispatch->count++] = oauth1_job_create(batch, claimed, lane);
	}
	dispatch->lanes.claimed += dispatch->taken_count;
	if (dispatch->left != PG_INT64_MAX)
		dispatch->left -= dispatch->taken_count;
	ereport(DEBUG1,
			(errmsg_internal("claimed %d queued calls, %d are on their way",
							 dispatch->taken_count, dispatch->count)));
	dispatch->taken_count = 0;
	OAUTH1_FAULT("D");
}
