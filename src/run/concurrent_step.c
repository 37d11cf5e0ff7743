/*-------------------------------------------------------------------------
 *
 * concurrent_step.c
 *		A step of one statement that commits in its middle.
 *
 * CREATE INDEX CONCURRENTLY and the like cannot have their mark in their transaction.
 * The index itself, under a name that only this migration uses, tells whether a try came
 * to its end; and two such statements of ours are not at one table at a time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_index.h"
#include "catalog/step_progress.h"
#include "core/claim.h"
#include "core/debug_point.h"
#include "core/names.h"
#include "run/concurrent_step.h"
#include "run/toplevel.h"
#include "run/try.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "verbs/verb.h"
#include "verbs/verbs.h"

/* Rest before an index build, when another of ours builds one on the table. */
#define INDEX_BUILD_PAUSE_MS 500

/* What a broken try of an index build has left, or a finished one. */
typedef enum IndexLeftover
{
	INDEX_NONE,
	INDEX_INVALID,
	INDEX_VALID
} IndexLeftover;

/* An index is where its table is, which may have been moved since the plan. */
static Oid
index_namespace(const Step *step)
{
	return get_rel_namespace(linitial_oid(step->relations));
}

static IndexLeftover
look_for_index(const Step *step)
{
	char	   *name = index_built_by(step);
	Oid			indexid;
	HeapTuple	tuple;
	bool		valid;
	Oid			relid;

	if (name == NULL)
		return INDEX_NONE;
	indexid = get_relname_relid(name, index_namespace(step));
	if (!OidIsValid(indexid))
		return INDEX_NONE;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("relation %s exists and is not an index", names_relation(indexid))));
	valid = ((Form_pg_index) GETSTRUCT(tuple))->indisvalid;
	relid = ((Form_pg_index) GETSTRUCT(tuple))->indrelid;
	ReleaseSysCache(tuple);
	if (relid != linitial_oid(step->relations))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("index %s exists, of another table", names_relation(indexid)),
				 errhint("Rename it or drop it, then SELECT zdm.resume(" INT64_FORMAT ").",
						 step->migration)));
	return valid ? INDEX_VALID : INDEX_INVALID;
}

/* Is what the step was to drop or rebuild gone, as after a try that broke off? */
static bool
is_gone(const Step *step)
{
	return step->relations != NIL &&
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(linitial_oid(step->relations)));
}

/* How the invalid index of a broken try is dropped, in "context". */
static char *
drop_statement(const Step *step, MemoryContext context)
{
	return MemoryContextStrdup(context,
							   psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s",
										quote_qualified_identifier(get_namespace_name(index_namespace(step)),
																   index_built_by(step))));
}

/*
 * The tables that a top-level step works on, in Oid order: the migration's, which
 * may be a partition of another's or the other way round, and those it names or has
 * the indexes of; in "context".  Needs a transaction.
 */
static List *
tables_of(const Migration *migration, const Step *step, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	List	   *tables = OidIsValid(migration->relid) ? list_make1_oid(migration->relid) : NIL;
	ListCell   *lc;

	foreach(lc, step->relations)
	{
		Oid			table = IndexGetRelation(lfirst_oid(lc), true);

		tables = list_append_unique_oid(tables, OidIsValid(table) ? table : lfirst_oid(lc));
	}
	list_sort(tables, list_oid_cmp);
	MemoryContextSwitchTo(caller);
	return tables;
}

static void
release_tables(List *tables)
{
	ListCell   *lc;

	foreach(lc, tables)
		claim_release(CLAIM_INDEX_BUILD, lfirst_oid(lc));
}

/*
 * Two statements of ours that work CONCURRENTLY on one table would wait for each
 * other until one is killed: each has the table's lock between its transactions, and
 * a snapshot while it waits for the other's.
 */
static bool
claim_tables(List *tables)
{
	List	   *had = NIL;
	ListCell   *lc;

	foreach(lc, tables)
	{
		if (!claim_try(CLAIM_INDEX_BUILD, lfirst_oid(lc)))
		{
			release_tables(had);
			return false;
		}
		had = lappend_oid(had, lfirst_oid(lc));
	}
	return true;
}

/* Another of ours works on one of the tables. */
static StepOutcome
wait_for_tables(StepRun *run)
{
	run->pause_ms = INDEX_BUILD_PAUSE_MS;
	run->waits = true;
	return OUTCOME_AGAIN;
}

/* Run the one statement, if there is one, and the other; our claims end with them. */
static void
run_claimed(const Migration *migration, List *tables, const char *before, const char *sql)
{
	PG_TRY();
	{
		if (before != NULL)
			toplevel_run(migration, before);
		toplevel_run(migration, sql);
	}
	PG_CATCH();
	{
		release_tables(tables);
		PG_RE_THROW();
	}
	PG_END_TRY();
	release_tables(tables);
}

bool
concurrent_step_run(const Migration *migration, Oid relid, const char *sql, StepRun *run)
{
	List	   *tables = list_make1_oid(relid);

	if (!claim_tables(tables))
	{
		(void) wait_for_tables(run);
		return false;
	}
	run_claimed(migration, tables, NULL, sql);
	return true;
}

/*
 * Done with "sql", or, if that is NULL, undone.  The name that an index was built
 * for may mean another table meanwhile: it is looked at by its own.
 */
void
concurrent_step_mark(const Step *step, const char *sql)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (sql != NULL && index_built_by(step) != NULL && !is_gone(step) && look_for_index(step) != INDEX_VALID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("index \"%s\" was not built on %s", index_built_by(step),
						names_relation(linitial_oid(step->relations))),
				 errhint("If its name was another table's for a while, drop the index there, then SELECT zdm.resume(" INT64_FORMAT ").",
						 step->migration)));
	if (sql != NULL)
		step_mark_done(step, sql);
	else
		step_mark_undone(step);
	try_commit();
}

/*
 * Run a statement that commits in its middle.  Its mark cannot be in the same
 * transaction, so the index itself, under a name that only this migration uses,
 * tells whether an earlier try came to its end.
 */
StepOutcome
concurrent_step_do(const Migration *migration, const Step *step, bool undo, StepRun *run)
{
	char	   *sql;
	char	   *drop = NULL;
	List	   *tables;
	IndexLeftover leftover;
	MemoryContext caller = CurrentMemoryContext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!try_still_in_state(migration, step))
	{
		try_commit();
		return OUTCOME_STALE;
	}
	try_require_relation(migration, step);
	sql = (!undo && is_gone(step)) ? "" : verb_sql(step, undo, FLAVOUR_RUN);
	if (sql[0] == '\0')
	{
		if (undo)
			step_mark_undone(step);
		else
			step_mark_done(step, try_nothing_to_do(step));
		try_commit();
		return OUTCOME_DONE;
	}
	leftover = look_for_index(step);
	sql = MemoryContextStrdup(caller, sql);
	if (leftover == INDEX_INVALID)
		drop = drop_statement(step, caller);
	tables = tables_of(migration, step, caller);
	try_commit();

	ZDM_DEBUG_POINT("toplevel-before-run");
	if (leftover != INDEX_VALID)
	{
		if (!claim_tables(tables))
			return wait_for_tables(run);
		run_claimed(migration, tables, drop, sql);
	}
	ZDM_DEBUG_POINT("toplevel-before-mark");
	concurrent_step_mark(step, undo ? NULL : sql);
	return OUTCOME_DONE;
}

bool
concurrent_step_tidy(const Migration *migration, const Step *step)
{
	MemoryContext caller = CurrentMemoryContext;
	char	   *drop = NULL;
	List	   *tables;

	if (index_built_by(step) == NULL)
		return true;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!is_gone(step) && look_for_index(step) == INDEX_INVALID)
		drop = drop_statement(step, caller);
	tables = tables_of(migration, step, caller);
	try_commit();
	if (drop == NULL)
		return true;
	if (!claim_tables(tables))
		return false;
	run_claimed(migration, tables, NULL, drop);
	return true;
}

/*
 * Drop what a top-level step has built, or begun to; the statement does nothing
 * the second time.
 */
StepOutcome
concurrent_step_undo(const Migration *migration, const Step *step, StepRun *run)
{
	MemoryContext caller = CurrentMemoryContext;
	List	   *tables;
	char	   *sql;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (!try_still_in_state(migration, step))
	{
		try_commit();
		return OUTCOME_STALE;
	}
	sql = MemoryContextStrdup(caller, verb_sql(step, true, FLAVOUR_RUN));
	tables = tables_of(migration, step, caller);
	try_commit();
	if (sql[0] != '\0' && !claim_tables(tables))
		return wait_for_tables(run);
	if (sql[0] != '\0')
		run_claimed(migration, tables, NULL, sql);
	concurrent_step_mark(step, NULL);
	return OUTCOME_DONE;
}
