/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		What sessions and workers tell the launcher.
 *
 * A short list of databases that have something to do.  It is a hint and no
 * more: what there is to do stands in the tables of each database, and a
 * launcher that starts looks at all of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/shmem.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "compat.h"

#define MAX_REQUESTS 64

typedef struct SharedState
{
	slock_t		mutex;
	Latch	   *launcher;		/* NULL: there is none now */
	bool		overflow;
	Oid			left_database;	/* of a migration whose worker found no process */
	int64		left_migration; /* 0: none */
	int			count;
	Oid			requests[MAX_REQUESTS];
} SharedState;

static SharedState *shared = NULL;

static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
static shmem_request_hook_type prev_shmem_request_hook = NULL;
#endif

#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
static void
shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
}
#endif

static void
shmem_startup(void)
{
	bool		found;

	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("pg_zdm", sizeof(SharedState), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(SharedState));
		SpinLockInit(&shared->mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
shmem_init(void)
{
#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = shmem_request;
#else
	RequestAddinShmemSpace(MAXALIGN(sizeof(SharedState)));
#endif
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = shmem_startup;
}

bool
shmem_available(void)
{
	return shared != NULL;
}

static void
unregister_launcher(int code, Datum arg)
{
	SpinLockAcquire(&shared->mutex);
	shared->launcher = NULL;
	SpinLockRelease(&shared->mutex);
}

void
shmem_register_launcher(void)
{
	SpinLockAcquire(&shared->mutex);
	shared->launcher = &MyProc->procLatch;
	SpinLockRelease(&shared->mutex);
	before_shmem_exit(unregister_launcher, (Datum) 0);
}

void
shmem_request_look(Oid database)
{
	Latch	   *latch;
	int			i;

	if (shared == NULL)
		return;

	SpinLockAcquire(&shared->mutex);
	for (i = 0; i < shared->count; i++)
	{
		if (shared->requests[i] == database)
			break;
	}
	if (i == shared->count)
	{
		if (shared->count < MAX_REQUESTS)
			shared->requests[shared->count++] = database;
		else
			shared->overflow = true;
	}
	latch = shared->launcher;
	SpinLockRelease(&shared->mutex);

	if (latch != NULL)
		SetLatch(latch);
}

bool
shmem_next_request(Oid *database, bool *all)
{
	bool		found = false;

	SpinLockAcquire(&shared->mutex);
	*all = shared->overflow;
	shared->overflow = false;
	if (shared->count > 0)
	{
		*database = shared->requests[--shared->count];
		found = true;
	}
	SpinLockRelease(&shared->mutex);
	return found;
}

void
shmem_leave_behind(Oid database, int64 migration)
{
	if (shared == NULL)
		return;
	SpinLockAcquire(&shared->mutex);
	shared->left_database = database;
	shared->left_migration = migration;
	SpinLockRelease(&shared->mutex);
}

bool
shmem_take_left(Oid *database, int64 *migration)
{
	SpinLockAcquire(&shared->mutex);
	*database = shared->left_database;
	*migration = shared->left_migration;
	shared->left_migration = 0;
	SpinLockRelease(&shared->mutex);
	return *migration != 0;
}
