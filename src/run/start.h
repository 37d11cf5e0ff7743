/*-------------------------------------------------------------------------
 *
 * start.h
 *		Starting workers, now or when the transaction commits.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_START_H
#define ZDM_START_H

/* Install the callback.  Called once, from _PG_init. */
extern void start_init(void);

/*
 * When this transaction commits, start a worker for the migration.  If it is
 * rolled back, nothing happens.  A worker too many exits at once.
 */
extern void start_at_commit(int64 migration);

/*
 * The same for every migration that has work and no worker: what the launcher
 * does when there is one, and what every function of ours does when not.
 * Unless "say", nothing is said of those for which there is no worker.  Needs a
 * transaction.
 */
extern void start_orphans_at_commit(bool say);

/*
 * Start a worker for a migration of "database" now.  False if no background
 * worker slot is free.
 */
extern bool start_worker(Oid database, int64 migration);

/* What a worker is started with, in bgw_extra. */
typedef struct WorkerArgs
{
	int64		migration;
	int32		helper;			/* 0: the migration's worker */
} WorkerArgs;

/*
 * A worker: start what is missing of its backfill's helpers, so many in all.  Those
 * of the whole cluster are no more than zdm.max_workers.  For want of a process it
 * goes on with fewer.
 */
extern void start_helpers(int64 migration, int helpers);

/*
 * Start workers for the migrations of this database that have work and no
 * worker, in the order of migration_runnable(), as many as zdm.max_workers leaves room for.  False
 * if one is left for want of a slot; *unstarted is the first for which there
 * was no process, or 0.  Needs a transaction.
 */
extern bool start_orphans(int64 *unstarted);

#endif							/* ZDM_START_H */
