/*-------------------------------------------------------------------------
 *
 * guc.h
 *		The settings of DESIGN section 3.
 *
 * Settings that govern a migration are captured when it is stated and stored
 * with it; the worker puts the stored values back into these same variables,
 * so that code reads one plain variable wherever it runs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_GUC_H
#define ZDM_GUC_H

#include "datatype/timestamp.h"

typedef enum GuardMode
{
	GUARD_OFF,
	GUARD_WARN,
	GUARD_REFUSE
} GuardMode;

typedef enum OnConflict
{
	ON_CONFLICT_NEW,
	ON_CONFLICT_OLD,
	ON_CONFLICT_ERROR
} OnConflict;

extern int	guc_backfill_workers;
extern double guc_batch_rest;		/* multiple of the batch's own time */
extern int	guc_batch_time;			/* ms */
extern char *guc_batch_window;	/* core/window.h */
extern int	guc_ddl_hold_timeout;	/* ms, 0 = off */
extern int	guc_ddl_lock_timeout;	/* ms, 0 = leave alone */
extern bool guc_enabled;
extern int	guc_guard;				/* GuardMode */
extern int	guc_guard_min_size;		/* blocks of BLCKSZ */
extern char *guc_hold_when;	/* a query, or empty */
extern int	guc_lock_wait;			/* ms */
extern int	guc_target;				/* a major version: core/target.h */
extern int	guc_window_lock_wait;	/* ms; 0: as guc_lock_wait */
extern int	guc_max_archive_backlog;	/* MB, 0 = off */
extern int	guc_max_growth;		/* percent, -1 = no limit */
extern int	guc_max_replica_lag;	/* ms */
extern int	guc_max_replica_lag_size;	/* MB, or -1 */
extern int	guc_max_slot_wal;		/* MB */
extern int	guc_max_wal_rate;		/* bytes/s, 0 = no limit */
extern int	guc_max_workers;
extern int	guc_min_free_disk;	/* MB, 0 = off */
extern char *guc_not_before;	/* a time, or empty */
extern int	guc_on_conflict;		/* OnConflict */
extern bool guc_reversible;

/*
 * Names, with their prefix, of the settings that are stored with a migration;
 * ends with NULL.
 */
extern const char *const guc_migration_settings[];

/*
 * From here to the end of the caller's GUC nest level, no lock is waited for
 * longer than zdm.lock_wait: ERRCODE_LOCK_NOT_AVAILABLE then.
 */
extern void guc_bound_lock_waits(void);

/* Define all settings.  Called once, from _PG_init. */
extern void guc_init(void);

/*
 * The full name ("zdm.batch_time") of the migration setting that a user calls
 * "name", with or without its prefix; NULL if there is none.  Pure.
 */
extern const char *guc_migration_setting(const char *name);

/*
 * What is stored of a migration setting that the session gives as "value": what
 * depends on the session's TimeZone or on the present time is settled.  Errors:
 * those of timestamptz for zdm.not_before.
 */
extern const char *guc_settle(const char *name, const char *value);

/* The time that a setting says.  Errors: those of timestamptz. */
extern TimestampTz guc_time(const char *value);

#endif							/* ZDM_GUC_H */
