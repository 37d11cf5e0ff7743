/*-------------------------------------------------------------------------
 *
 * claim.h
 *		Who works on what: locks on numbers of our own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CLAIM_H
#define ZDM_CLAIM_H

#include "nodes/pg_list.h"

typedef enum ClaimKind
{
	CLAIM_MIGRATION,			/* by the worker of migration "number" */
	CLAIM_INDEX_BUILD,			/* by the worker with a statement CONCURRENTLY on table "number" */
	CLAIM_STATEMENT,			/* by a transaction stating a migration on table "number" */
	CLAIM_PLACE,				/* by a worker that works, per cluster: its owner and pid */
	CLAIM_LABEL,				/* by a transaction stating the label that hashes to "number" */
	CLAIM_COUNTING,				/* by a worker that counts places, per cluster */
	CLAIM_HELPER,				/* by a migration's helper: claim_helper_number() */
	CLAIM_TURN,					/* by a transaction of a batch, one of several beside each other (backfill/turn.c) */
	CLAIM_TRIAL					/* by a worker at a step that has met a crash, per cluster */
} ClaimKind;

typedef struct ClaimHolder
{
	int			pid;
	int64		number;
	bool		waits;			/* for a lock */
} ClaimHolder;

/* The claim of a migration's helper of that number, from 1 to 255. */
static inline int64
claim_helper_number(int64 migration, int helper)
{
	return migration << 8 | helper;
}

/* Whose helper has the claim of that number. */
static inline int64
claim_helped(int64 number)
{
	return number >> 8;
}

/*
 * Take the claim for as long as this process lives, or, for CLAIM_STATEMENT,
 * CLAIM_LABEL and CLAIM_TURN, to the end of the transaction.  False at once if another has it.
 * The number is of this database, but for those that are per cluster.
 */
extern bool claim_try(ClaimKind kind, int64 number);

/*
 * Have a claim of this process that may have been taken before, and lost since to
 * a transaction that was rolled back.  To be called outside any transaction; false
 * if another process has it by now.
 */
extern bool claim_keep(ClaimKind kind, int64 number);

/* Give up every claim that lasts for the process. */
extern void claim_drop_all(void);

/*
 * The same, waiting for whoever has it, as for any lock: lock_timeout, deadlock
 * detection and cancellation apply.
 */
extern void claim_wait(ClaimKind kind, int64 number);

/*
 * Does this process have a claim that it has taken for as long as it lives, or has
 * it been lost to a transaction that was rolled back?
 */
extern bool claim_is_ours(ClaimKind kind, int64 number);

/* Give up a claim that lasts for the process, if it has not been lost. */
extern void claim_release(ClaimKind kind, int64 number);

/* Does another process have it now?  A look only: it can change at once. */
extern bool claim_is_taken(ClaimKind kind, int64 number);

/*
 * The process that has it now, 0 if none.  A look only.  Needs memory, so it is
 * nothing for a transaction that has committed.
 */
extern int	claim_holder(ClaimKind kind, int64 number);

/*
 * Whose transaction has it, for a DETAIL: role, pid and application; NULL if nobody's
 * now, or no session's any more.  What pg_stat_activity shows to everybody.  A look only.
 */
extern char *claim_describe(ClaimKind kind, int64 number);
extern char *claim_describe_session(int pid);

/* Who has claims of this kind now, in whatever database: a list of ClaimHolder *. */
extern List *claim_holders(ClaimKind kind);

/* Does one of them have that number? */
extern bool claim_among(List *holders, int64 number);

/*
 * Cancel what a process is doing, as pg_cancel_backend() would, if it is still
 * there.  Raises nothing.
 */
extern void claim_interrupt(int pid);

/* Cancel what every process with a claim of this kind is doing. */
extern void claim_interrupt_all(ClaimKind kind);

/* objsubid of such a lock in pg_locks, for the views. */
#define CLAIM_OBJSUBID(kind) (0x5A00 + (kind))

#endif							/* ZDM_CLAIM_H */
