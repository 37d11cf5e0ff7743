/*-------------------------------------------------------------------------
 *
 * change.c
 *		The functions that state a change.
 *
 * Everything that can be found wrong is found here, in the caller's
 * transaction; the plan is written in it too, so that a rollback leaves
 * nothing, and a migration tool's transaction is as good as any.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "api/access.h"
#include "catalog/migration.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/claim.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "ddl/change.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "plan/plan.h"
#include "run/start.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(zdm_rename_column);

/* The settings that will govern the migration, as they are in this session. */
static char *
capture_settings(void)
{
	QuerySession session;
	List	   *names = NIL;
	List	   *values = NIL;
	char	   *result;

	for (int i = 0; guc_migration_settings[i] != NULL; i++)
	{
		names = lappend(names, pstrdup(guc_migration_settings[i]));
		values = lappend(values, GetConfigOptionByName(guc_migration_settings[i], NULL, false));
	}
	query_begin(&session);
	QUERY("SELECT jsonb_object($1, $2)", arg_texts(names), arg_texts(values));
	result = query_text(0, 1);
	query_end(&session);
	return result;
}

/*
 * A label that is known already: the same change again is harmless, as when a
 * deployment is run twice; another one is an error.
 */
static bool
known_label(const char *label, const char *definition, int64 *id)
{
	Migration  *known = label ? migration_load_label(label, MIGRATION_READ) : NULL;
	QuerySession session;
	bool		same;

	if (known == NULL)
		return false;
	query_begin(&session);
	QUERY("SELECT $1 = $2", arg_jsonb(known->definition), arg_jsonb(definition));
	same = query_bool(0, 1);
	query_end(&session);
	if (!same)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("label \"%s\" is taken by migration " INT64_FORMAT ", which is another change",
						label, known->id),
				 errdetail("It is %s on %s.", known->kind, known->relation),
				 errhint("Choose another label.")));
	ereport(NOTICE,
			(errmsg("migration \"%s\" exists already, as " INT64_FORMAT " (%s)",
					label, known->id, state_name(known->state))));
	*id = known->id;
	return true;
}

/* The first string that both lists have, or NULL. */
static const char *
find_common(List *one, List *other)
{
	ListCell   *a;
	ListCell   *b;

	foreach(a, one)
	{
		foreach(b, other)
		{
			if (strcmp(lfirst(a), lfirst(b)) == 0)
				return lfirst(a);
		}
	}
	return NULL;
}

/* Two migrations may not touch the same column or constraint. */
static void
check_conflicts(Oid relid, List *claims)
{
	ListCell   *lc;
	const char *mine;

	foreach(lc, migration_live_on(relid))
	{
		Migration  *other = lfirst(lc);

		mine = find_common(claims, other->columns);
		if (mine != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("migration " INT64_FORMAT " is at work on \"%s\" of %s",
							other->id, mine, names_relation(relid)),
					 errdetail("It is %s and its state is %s.", other->kind,
							   state_name(other->state)),
					 errhint("Let it come to its end, or go back with SELECT zdm.revert(" INT64_FORMAT ").",
							 other->id)));
	}
}

/* One transaction at a time states a migration on a table. */
static void
claim_table(Oid relid)
{
	/*
	 * Closes the race between two sessions neither of which sees the other's
	 * uncommitted migration.
	 */
	if (!claim_try(CLAIM_STATEMENT, relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another transaction is stating a migration on %s", names_relation(relid)),
				 errhint("Try again when it has ended.")));
}

static Oid
relation_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

	ReleaseSysCache(tuple);
	return owner;
}

/* Write the migration and its plan, and have it started at commit. */
static int64
store_migration(const PlanKind *kind, const Change *change, const char *label, char *definition)
{
	MigrationPlan plan = {.relid = change->relid};
	Migration	migration = {
		.label = label ? pstrdup(label) : NULL,
		.kind = pstrdup(change->kind),
		.relid = change->relid,
		.relation = names_relation(change->relid),
		.owner = relation_owner(change->relid),
		.definition = definition,
		.columns = kind->claims(change),
		.settings = capture_settings(),
	};

	migration_insert(&migration);
	plan.migration = migration.id;
	preflight(&plan, change);
	kind->make(&plan, change);
	plan_store(&plan);
	start_at_commit(migration.id);
	return migration.id;
}

static int64
state_change(const Change *change, const char *label)
{
	const PlanKind *kind = plan_kind(change->kind);
	char	   *definition;
	int64		known;

	access_check_table(change->relid);
	start_orphans_at_commit();
	if (label != NULL && label[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a label cannot be empty")));
	claim_table(change->relid);
	definition = kind->definition(change);
	if (known_label(label, definition, &known))
		return known;
	check_conflicts(change->relid, kind->claims(change));
	kind->check(change);
	return store_migration(kind, change, label, definition);
}

static char *
name_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	return pstrdup(NameStr(*PG_GETARG_NAME(n)));
}

static Oid
relation_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? InvalidOid : PG_GETARG_OID(n);
}

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

Datum
zdm_rename_column(PG_FUNCTION_ARGS)
{
	Change		change = {
		.kind = "rename_column",
		.relid = relation_argument(fcinfo, 0),
		.column = name_argument(fcinfo, 1, "old_name"),
		.new_name = name_argument(fcinfo, 2, "new_name"),
	};

	PG_RETURN_INT64(state_change(&change, text_argument(fcinfo, 3)));
}
