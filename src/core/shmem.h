/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		What sessions and workers tell the launcher.
 *
 * There is shared memory only when the library is in shared_preload_libraries;
 * without it every call here does nothing.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SHMEM_H
#define ZDM_SHMEM_H

/* Ask for the memory.  Called from _PG_init while preloading. */
extern void shmem_init(void);

/* Is there a launcher to tell? */
extern bool shmem_available(void);

/* The launcher: this process is to be woken. */
extern void shmem_register_launcher(void);

/*
 * Ask the launcher to look for unfinished migrations in a database.  Safe in
 * any transaction state, and while exiting.
 */
extern void shmem_request_look(Oid database);

/*
 * The launcher: the next database to look at, and forget the request; false if
 * there is none.  *all is set when requests were lost for want of room: then
 * every database is to be looked at.
 */
extern bool shmem_next_request(Oid *database, bool *all);

/*
 * By a dispatcher that has found no free process for a migration's worker: its
 * own may have been the last, and is free when it has ended.  The launcher
 * takes the note then.
 */
extern void shmem_leave_behind(Oid database, int64 migration);
extern bool shmem_take_left(Oid *database, int64 *migration);

#endif							/* ZDM_SHMEM_H */
