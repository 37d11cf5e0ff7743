/*-------------------------------------------------------------------------
 *
 * watch.c
 *		Who runs what, as whom: the ear of the tests.
 *
 * Preloaded beside pg_zdm in the throw-away servers of the tests.  It hears each
 * function of a user's when an expression that calls it is opened
 * (object_access_hook), and when it is run (fmgr_hook), where that is what tells:
 * type input, type modifiers and triggers are never opened.  With each it takes
 * the current user, the session's, the security context, the search_path, and
 * whether code of pg_zdm is on the stack.  It does two things with it:
 *
 * Of functions in schemas called canary* it keeps a table in shared memory, which
 * outlives rollbacks and takes what workers do, for sql/wall_table.sql.
 *
 * Of all others it judges by a rule that no legitimate use breaks, and writes
 * what breaks it to the server's log, where test/check looks for it after each
 * test.  See judge().
 *
 * Code of ours is on the stack if a return address lies in pg_zdm.so, and that
 * frame does more than hand on a statement of the session's own: the hooks do
 * that, and the next frame is then PostgreSQL's own standard function.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <unwind.h>

#include "access/htup_details.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/tuplestore.h"
#include "compat.h"
#include "zdm_test.h"

#define MOMENT_LENGTH 96
#define MAX_HEARD 16384
#define MAX_FRAMES 400

/* core/identity.c: the extension's own tables are worked on. */
#define SECURITY_ZDM_OWN 0x01000000

/* One thing heard; compared as bytes, so zeroed first. */
typedef struct HeardKey
{
	char		moment[MOMENT_LENGTH];	/* of a worker: its activity */
	Oid			database;
	Oid			func;
	Oid			who;
	Oid			session;
	bool		worker;
	bool		restricted;
	bool		own;
	bool		ours;
	bool		pinned;
} HeardKey;

typedef struct Heard
{
	HeardKey	key;
	int64		n;
} Heard;

typedef struct WatchShared
{
	LWLock	   *lock;
	char		moment[MOMENT_LENGTH];
} WatchShared;

static WatchShared *shared = NULL;
static HTAB *heard = NULL;
static bool listening = true;
static bool expected = false;

static object_access_hook_type prev_object_access = NULL;
static needs_fmgr_hook_type prev_needs_fmgr = NULL;
static fmgr_hook_type prev_fmgr = NULL;
static shmem_startup_hook_type prev_shmem_startup = NULL;
#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
static shmem_request_hook_type prev_shmem_request = NULL;
#endif

PG_FUNCTION_INFO_V1(zdm_watch_moment);
PG_FUNCTION_INFO_V1(zdm_watch_heard);
PG_FUNCTION_INFO_V1(zdm_watch_forget);
PG_FUNCTION_INFO_V1(zdm_watch_typmod_in);
PG_FUNCTION_INFO_V1(zdm_watch_typmod_out);

/* Does the frame run the statement that a hook was called for? */
static bool
is_standard(const char *function)
{
	static const char *const standard[] = {
		"standard_ProcessUtility",
		"standard_ExecutorStart",
		"standard_ExecutorRun",
		"standard_ExecutorFinish",
		"standard_ExecutorEnd",
	};

	for (int i = 0; function != NULL && i < lengthof(standard); i++)
		if (strcmp(function, standard[i]) == 0)
			return true;
	return false;
}

/* Is it the frame of the hook that PostgreSQL calls?  Whoever called that is outside. */
static bool
is_hook(void *frame)
{
	void	   *function = _Unwind_FindEnclosingFunction((char *) frame - 1);

	void	   *hooks[] = {
		ProcessUtility_hook,
		ExecutorStart_hook,
		ExecutorRun_hook,
		ExecutorFinish_hook,
		ExecutorEnd_hook,
	};

	for (int i = 0; function != NULL && i < lengthof(hooks); i++)
		if (function == hooks[i])
			return true;
	return false;
}

/* What is known of a return address: a process loads no library twice. */
typedef enum FrameKind
{
	FRAME_OURS,
	FRAME_STANDARD,
	FRAME_OTHER
} FrameKind;

static FrameKind
frame_kind(void *frame)
{
	static struct
	{
		void	   *frame;
		FrameKind	kind;
	}			seen[4096];
	int			slot = ((uintptr_t) frame ^ ((uintptr_t) frame >> 12)) % lengthof(seen);

	if (seen[slot].frame != frame)
	{
		Dl_info		info;
		bool		known = dladdr(frame, &info) != 0 && info.dli_fname != NULL;
		const char *file = known ? strrchr(info.dli_fname, '/') : NULL;

		seen[slot].frame = frame;
		seen[slot].kind = file != NULL && strcmp(file, "/pg_zdm.so") == 0 ? FRAME_OURS :
			known && is_standard(info.dli_sname) ? FRAME_STANDARD : FRAME_OTHER;
	}
	return seen[slot].kind;
}

/*
 * Is code of ours on the stack?  With "where", the addresses in it, for whoever
 * reads the log: addr2line -fe pg_zdm.so.
 */
static bool
ours_on_stack(StringInfo where)
{
	void	   *frames[MAX_FRAMES];
	int			n = backtrace(frames, MAX_FRAMES);
	bool		ours = false;
	bool		handed_on = false;	/* the frames within belong to the
									 * statement */

	for (int i = 0; i < n; i++)
	{
		FrameKind	kind = frame_kind(frames[i]);
		Dl_info		info;

		if (kind != FRAME_OURS)
			handed_on = kind == FRAME_STANDARD;
		else if (handed_on)
			handed_on = !is_hook(frames[i]);
		else
		{
			ours = true;
			if (where == NULL)
				break;
			(void) dladdr(frames[i], &info);
			appendStringInfo(where, " %lx", (long) ((char *) frames[i] - (char *) info.dli_fbase));
		}
	}
	return ours;
}

static bool
is_worker(void)
{
	return MyBgworkerEntry != NULL && strcmp(MyBgworkerEntry->bgw_library_name, "pg_zdm") == 0;
}

static bool
path_is_pinned(void)
{
	const char *path = GetConfigOption("search_path", true, false);

	return path != NULL && strcmp(path, "pg_catalog, pg_temp") == 0;
}

static void
keep(Oid func)
{
	HeardKey	key;
	Heard	   *entry;
	bool		found;
	int			sec_context;

	memset(&key, 0, sizeof(key));
	GetUserIdAndSecContext(&key.who, &sec_context);
	key.database = MyDatabaseId;
	key.func = func;
	key.session = GetSessionUserId();
	key.worker = is_worker();
	key.restricted = (sec_context & SECURITY_RESTRICTED_OPERATION) != 0;
	key.own = (sec_context & SECURITY_ZDM_OWN) != 0;
	key.ours = ours_on_stack(NULL);
	key.pinned = path_is_pinned();
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	strlcpy(key.moment, key.worker && debug_query_string ? debug_query_string : shared->moment,
			MOMENT_LENGTH);
	entry = hash_search(heard, &key, HASH_ENTER_NULL, &found);
	if (entry != NULL)
		entry->n = found ? entry->n + 1 : 1;
	LWLockRelease(shared->lock);
}

static bool
is_canary(Form_pg_proc proc)
{
	const char *schema = get_namespace_name(proc->pronamespace);

	return schema != NULL && strncmp(schema, "canary", 6) == 0;
}

/* Do whose code, and what a superuser has installed, have every right already? */
static bool
is_trusted(Oid func, Oid owner)
{
	return superuser_arg(owner) && OidIsValid(getExtensionOfObject(ProcedureRelationId, func));
}

/*
 * The rule, while code of ours is on the stack: no function of one role runs with
 * the rights of another who did not ask for it.  So: nothing of anybody's while
 * the extension's own tables are worked on; nothing of an ordinary role's as a
 * superuser, nor in a worker without restriction.  What a superuser has made, an
 * event trigger say, runs as whom PostgreSQL runs it.  A test in which a superuser
 * takes somebody's code over, knowing it, says so: SET zdm_watch.expected = on.
 */
static const char *
judge(Oid func, Oid owner)
{
	Oid			who;
	int			sec_context;

	GetUserIdAndSecContext(&who, &sec_context);
	if (expected || is_trusted(func, owner))
		return NULL;
	if (sec_context & SECURITY_ZDM_OWN)
		return "beside the extension's own tables";
	if (superuser_arg(owner))
		return NULL;
	if (superuser_arg(who) && ours_on_stack(NULL))
		return "as a superuser";
	if (!(sec_context & SECURITY_RESTRICTED_OPERATION) && is_worker())
		return "without restriction";
	return NULL;
}

static void
complain(Oid func, const char *why)
{
	StringInfoData where;
	Oid			who;
	int			sec_context;

	initStringInfo(&where);
	(void) ours_on_stack(&where);
	GetUserIdAndSecContext(&who, &sec_context);
	ereport(LOG,
			(errmsg("zdm_watch: %s.%s %s", get_namespace_name(get_func_namespace(func)), get_func_name(func), why),
			 errdetail("user %u, session %u, security context %x, at%s",
					   who, GetSessionUserId(), sec_context, where.data),
			 errhidecontext(true)));
}

static void
take_note(Oid func)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(func));
	const char *why = NULL;

	if (!HeapTupleIsValid(tuple))
		return;
	if (is_canary((Form_pg_proc) GETSTRUCT(tuple)))
		keep(func);
	else
		why = judge(func, ((Form_pg_proc) GETSTRUCT(tuple))->proowner);
	ReleaseSysCache(tuple);
	if (why != NULL)
		complain(func, why);
}

/* Looking into the catalog would open functions in turn: not while it is looked. */
static void
listen_to(Oid func)
{
	if (!listening || func < FirstNormalObjectId || !IsTransactionState() ||
		MyBackendType == B_AUTOVAC_WORKER)
		return;
	listening = false;
	PG_TRY();
	{
		take_note(func);
	}
	PG_FINALLY();
	{
		listening = true;
	}
	PG_END_TRY();
}

static void
watch_object_access(ObjectAccessType access, Oid class, Oid object, int sub, void *arg)
{
	if (prev_object_access)
		prev_object_access(access, class, object, sub, arg);
	if (access == OAT_FUNCTION_EXECUTE)
		listen_to(object);
}

/*
 * Only what no expression opens, since a function that is asked for is never
 * inlined; and the canaries, which are in PL/pgSQL and C.
 */
static bool
watch_needs_fmgr(Oid func)
{
	HeapTuple	tuple;
	bool		needed = false;

	if (prev_needs_fmgr && prev_needs_fmgr(func))
		return true;
	if (func < FirstNormalObjectId || !IsTransactionState())
		return false;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(func));
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);

		needed = proc->prorettype == TRIGGEROID || proc->prorettype == EVENT_TRIGGEROID ||
			proc->prorettype == CSTRINGOID ||
			(proc->pronargs > 0 && (proc->proargtypes.values[0] == CSTRINGOID ||
									proc->proargtypes.values[0] == CSTRINGARRAYOID)) ||
			is_canary(proc);
		ReleaseSysCache(tuple);
	}
	return needed;
}

static void
watch_fmgr(FmgrHookEventType event, FmgrInfo *flinfo, Datum *arg)
{
	if (prev_fmgr)
		prev_fmgr(event, flinfo, arg);
	if (event == FHET_START)
		listen_to(flinfo->fn_oid);
}

static Size
shared_size(void)
{
	return add_size(MAXALIGN(sizeof(WatchShared)), hash_estimate_size(MAX_HEARD, sizeof(Heard)));
}

static void
watch_shmem_request(void)
{
#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
	if (prev_shmem_request)
		prev_shmem_request();
#endif
	RequestAddinShmemSpace(shared_size());
	RequestNamedLWLockTranche("zdm_watch", 1);
}

static void
watch_shmem_startup(void)
{
	HASHCTL		info;
	bool		found;

	if (prev_shmem_startup)
		prev_shmem_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("zdm_watch", sizeof(WatchShared), &found);
	if (!found)
	{
		shared->lock = &GetNamedLWLockTranche("zdm_watch")->lock;
		shared->moment[0] = '\0';
	}
	memset(&info, 0, sizeof(info));
	info.keysize = sizeof(HeardKey);
	info.entrysize = sizeof(Heard);
	heard = ShmemInitHash("zdm_watch heard", MAX_HEARD, MAX_HEARD, &info, HASH_ELEM | HASH_BLOBS);
	LWLockRelease(AddinShmemInitLock);
}

Datum
zdm_watch_moment(PG_FUNCTION_ARGS)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	strlcpy(shared->moment, text_to_cstring(PG_GETARG_TEXT_PP(0)), MOMENT_LENGTH);
	LWLockRelease(shared->lock);
	PG_RETURN_VOID();
}

Datum
zdm_watch_forget(PG_FUNCTION_ARGS)
{
	HASH_SEQ_STATUS scan;
	Heard	   *entry;

	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, heard);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->key.database == MyDatabaseId)
			hash_search(heard, &entry->key, HASH_REMOVE, NULL);
	LWLockRelease(shared->lock);
	PG_RETURN_VOID();
}

Datum
zdm_watch_heard(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	HASH_SEQ_STATUS scan;
	Heard	   *entry;

	InitMaterializedSRF(fcinfo, 0);
	LWLockAcquire(shared->lock, LW_SHARED);
	hash_seq_init(&scan, heard);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		Datum		values[10];
		bool		nulls[10] = {0};
		int			i = 0;

		if (entry->key.database != MyDatabaseId)
			continue;
		values[i++] = CStringGetTextDatum(entry->key.moment);
		values[i++] = BoolGetDatum(entry->key.worker);
		values[i++] = ObjectIdGetDatum(entry->key.func);
		values[i++] = ObjectIdGetDatum(entry->key.who);
		values[i++] = ObjectIdGetDatum(entry->key.session);
		values[i++] = BoolGetDatum(entry->key.restricted);
		values[i++] = BoolGetDatum(entry->key.own);
		values[i++] = BoolGetDatum(entry->key.ours);
		values[i++] = BoolGetDatum(entry->key.pinned);
		values[i++] = Int64GetDatum(entry->n);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	LWLockRelease(shared->lock);
	return (Datum) 0;
}

Datum
zdm_watch_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(1);
}

Datum
zdm_watch_typmod_out(PG_FUNCTION_ARGS)
{
	PG_RETURN_CSTRING(pstrdup("(1)"));
}

void
watch_init(void)
{
	void	   *frame;

	DefineCustomBoolVariable("zdm_watch.expected", "What is run here, is meant to be.", NULL,
							 &expected, false, PGC_SUSET, 0, NULL, NULL, NULL);
	(void) backtrace(&frame, 1);	/* loads what it needs, here and not in a
									 * hook */
#ifdef ZDM_HAS_SHMEM_REQUEST_HOOK
	prev_shmem_request = shmem_request_hook;
	shmem_request_hook = watch_shmem_request;
#else
	watch_shmem_request();
#endif
	prev_shmem_startup = shmem_startup_hook;
	shmem_startup_hook = watch_shmem_startup;
	prev_object_access = object_access_hook;
	object_access_hook = watch_object_access;
	prev_needs_fmgr = needs_fmgr_hook;
	needs_fmgr_hook = watch_needs_fmgr;
	prev_fmgr = fmgr_hook;
	fmgr_hook = watch_fmgr;
}
