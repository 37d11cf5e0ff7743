/*-------------------------------------------------------------------------
 *
 * look.c
 *		The functions that look at a migration: zdm.verify, and what the views use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/access.h"
#include "backfill/copy.h"
#include "backfill/verify.h"
#include "catalog/pg_inherits.h"
#include "catalog/second.h"
#include "catalog/step.h"
#include "core/citus.h"
#include "core/errors.h"
#include "core/names.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "run/second_table.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"
#include "verbs/verbs.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_verify);
PG_FUNCTION_INFO_V1(zdm_verify_label);
PG_FUNCTION_INFO_V1(zdm_step_sql);

/* The step that made or makes the second table of that relation. */
static const SecondArgs *
args_of(const Second *second)
{
	Oid			source = second->turned ? second->hidden : second->relid;
	ListCell   *lc;

	foreach(lc, step_all(second->migration))
	{
		const SecondArgs *args = second_args(lfirst(lc));

		if (args != NULL && args->relation == source)
			return args;
	}
	return NULL;
}

static void
lock_tree(Oid relid)
{
	LockRelationOid(relid, AccessShareLock);
	/* it can have been dropped by its name */
	if (get_rel_name(relid) != NULL)
		(void) find_all_inheritors(relid, AccessShareLock, NULL);
}

/*
 * What a TRUNCATE or the like has left apart is no difference between two rows: it is
 * told as what it is.
 *
 * The caller's lock on the one keeps the exchange out.  Those on both, and on all of
 * their partitions, close the race with a TRUNCATE of a partition between this look and
 * the reading of its rows.
 */
static void
refuse_void(const Second *second)
{
	const SecondArgs *args;
	const char *hint;

	lock_tree(second->relid);
	lock_tree(second->hidden);
	args = args_of(second);
	if (args == NULL || get_rel_name(second->hidden) == NULL || !second_table_is_void(args, second))
		return;
	hint = second->turned ?
		"The way back fills it anew: SELECT zdm.revert(" INT64_FORMAT ");  The contract drops it as it is." :
		"The copy is begun anew, by the cutover if it is due: SELECT * FROM zdm.progress WHERE id = " INT64_FORMAT ";";
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the rows of table %s and of the table beside it cannot be compared", names_relation(second->relid)),
			 errdetail("It was truncated, rewritten or changed by others since its rows were copied."),
			 errhint(hint, second->migration)));
}

static Datum
verify(FunctionCallInfo fcinfo, Migration *migration)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Second		second;

	InitMaterializedSRF(fcinfo, 0);
	if (state_is_final(migration->state))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " is %s and has nothing to verify",
						migration->id, state_name(migration->state))));
	access_check_table(migration->relid, true);
	citus_check(migration->relid, NULL);
	if (second_load(migration->id, &second))
	{
		refuse_void(&second);
		copy_verify(&second, result->setResult, result->setDesc);
	}
	else
		verify_table(migration, result->setResult, result->setDesc);
	return (Datum) 0;
}

/* Not strict: no rows would mean that all is well. */
static void
refuse_null(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the migration must not be null")));
}

Datum
zdm_verify(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo);
	return verify(fcinfo, access_migration(PG_GETARG_INT64(0), MIGRATION_READ));
}

Datum
zdm_verify_label(PG_FUNCTION_ARGS)
{
	refuse_null(fcinfo);
	return verify(fcinfo, access_migration_label(text_to_cstring(PG_GETARG_TEXT_PP(0)),
												 MIGRATION_READ));
}

/* What a fill or a look says of values stands in no catalog. */
static bool
names_rows(const Step *step)
{
	return step->action == ACTION_BACKFILL || step->action == ACTION_LOOK;
}

/*
 * A step's statement or undo with the names of today; what is gone is "<dropped>".
 * Who may not know of the migration is told what is told of one that there is not.
 */
Datum
zdm_step_sql(PG_FUNCTION_ARGS)
{
	Migration  *migration = migration_load(PG_GETARG_INT64(0), MIGRATION_READ);
	bool		back = PG_GETARG_BOOL(2);
	Step	   *step = NULL;

	if (migration != NULL && migration_is_visible(migration))
		step = step_load(migration->id, PG_GETARG_INT32(1));
	if (step == NULL || (back && !step->undoable) ||
		(names_rows(step) && !migration_is_trusted(migration)))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(verb_sql(step, back, FLAVOUR_SHOWN)));
}
