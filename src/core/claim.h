/*-------------------------------------------------------------------------
 *
 * claim.h
 *		Who works on what: locks on numbers of our own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CLAIM_H
#define ZDM_CLAIM_H

typedef enum ClaimKind
{
	CLAIM_MIGRATION,			/* by the worker of migration "number" */
	CLAIM_INDEX_BUILD,			/* by the worker building an index on table "number" */
	CLAIM_STATEMENT,			/* by a transaction stating a migration on table "number" */
	CLAIM_SLOT,					/* by a worker: one of zdm.max_workers, per cluster */
	CLAIM_LABEL					/* by a transaction stating the label that hashes to "number" */
} ClaimKind;

/*
 * Take the claim for as long as this process lives, or, for CLAIM_STATEMENT and
 * CLAIM_LABEL, to the end of the transaction.  False at once if another has it.
 * The number is of this database, but for CLAIM_SLOT.
 */
extern bool claim_try(ClaimKind kind, int64 number);

/*
 * The same, waiting for whoever has it, as for any lock: lock_timeout, deadlock
 * detection and cancellation apply.
 */
extern void claim_wait(ClaimKind kind, int64 number);

/* Give up a claim that lasts for the process. */
extern void claim_release(ClaimKind kind, int64 number);

/* Does another process have it now?  A look only: it can change at once. */
extern bool claim_is_taken(ClaimKind kind, int64 number);

/*
 * The process that has it now, 0 if none.  A look only.  Needs memory, so it is
 * nothing for a transaction that has committed.
 */
extern int	claim_holder(ClaimKind kind, int64 number);

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
