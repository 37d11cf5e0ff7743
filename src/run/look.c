/*-------------------------------------------------------------------------
 *
 * look.c
 *		Steps that look for rows which stand in a change's way.
 *
 * Who is told that something is wrong with "some row" has to find it himself, in
 * a table of a billion.  So a look is a query that gives the rows themselves, and
 * stops after a few: that costs no more than finding the first.  Where the query
 * itself fails, since the step's expression does for some row, those rows are
 * sought (backfill/failing.c), leaf by leaf.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "backfill/failing.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/spi.h"
#include "plan/meaning.h"
#include "run/look.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "verbs/verbs.h"
#include "compat.h"

/* What a look has found. */
typedef struct Findings
{
	int			sqlstate;
	char	   *problem;		/* of the first row */
	char	   *hint;			/* the same, or NULL */
	StringInfoData rows;		/* those with the same problem */
	StringInfoData others;		/* ": "-joined problem and row of the others */
} Findings;

static char *
field(uint64 row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? value : pstrdup("");
}

static void
add_finding(Findings *found, uint64 row)
{
	char	   *problem = field(row, 2);
	bool		same;

	if (found->problem == NULL)
	{
		found->problem = problem;
		found->sqlstate = errors_sqlstate(field(row, 1));
		if (SPI_tuptable->tupdesc->natts > 3)
			found->hint = field(row, 4);
	}
	same = strcmp(problem, found->problem) == 0;
	if (same)
		appendStringInfo(&found->rows, "%s%s", found->rows.len > 0 ? ", " : "", field(row, 3));
	else
		appendStringInfo(&found->others, "; %s: %s", problem, field(row, 3));
}

pg_noreturn static void
report(const Migration *migration, const Findings *found)
{
	ereport(ERROR,
			(errcode(found->sqlstate),
			 errmsg("%s", found->problem),
			 errdetail("Among the rows: %s%s.", found->rows.data, found->others.data),
			 found->hint != NULL ?
			 errhint("SELECT zdm.revert(" INT64_FORMAT "); then %s; or mend them, then SELECT zdm.resume(" INT64_FORMAT ").",
					 migration->id, found->hint, migration->id) :
			 errhint("Mend them, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
					 migration->id, migration->id)));
}

/* A look that is under way. */
typedef struct Look
{
	bool		by_index;		/* each row is looked for by an index */
	const Migration *migration;
	const char *sql;
	const char *expression;		/* of the step, with the names of today */
	MemoryContext context;		/* of what is found */
	Findings	found;
} Look;

static void
enter(const Look *look, Identity *saved)
{
	identity_enter(look->migration->owner, look->migration->result_settings, saved);
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
}

static void
leave(Identity *saved)
{
	SPI_finish();
	identity_leave(saved);
}

/*
 * Whatever the planner takes the operators for, which nobody may have gathered statistics
 * of: comparing every row with every other is never the way.
 */
static void
go_by_index(void)
{
	static const char *const others[] = {"enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_material"};

	for (int i = 0; i < lengthof(others); i++)
		(void) set_config_option(others[i], "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

static void
run_query(void *arg)
{
	Look	   *look = arg;
	Identity	saved;

	enter(look, &saved);
	if (look->by_index)
		go_by_index();
	if (SPI_execute(look->sql, true, 0) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a look is not a query")));
	MemoryContextSwitchTo(look->context);
	for (uint64 row = 0; row < SPI_processed; row++)
		add_finding(&look->found, row);
	leave(&saved);
}

/* Compute the expression for some rows alone; the fences keep it from being computed for others. */
static void
compute_between(Oid leaf, ItemPointer first, ItemPointer last, void *arg)
{
	const Look *look = arg;
	Identity	saved;
	char	   *sql = psprintf("SELECT count(*) FROM (SELECT * FROM ONLY %s WHERE ctid >= $1 AND ctid < $2 OFFSET 0) AS zdm_rows, "
							   "LATERAL (SELECT %s OFFSET 0) AS zdm_new(zdm_value) WHERE num_nulls(zdm_new.zdm_value) > 1",
							   names_relation(leaf), look->expression);

	enter(look, &saved);
	if (SPI_execute_with_args(sql, 2, (Oid[]) {TIDOID, TIDOID},
							  (Datum[]) {PointerGetDatum(first), PointerGetDatum(last)},
							  NULL, true, 0) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("an expression could not be computed")));
	leave(&saved);
}

/* The rows that an error of the expression is about, in all leaves. */
static List *
find_failing(Look *look)
{
	List	   *found = NIL;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(look->migration->relid, AccessShareLock, NULL))
	{
		Relation	leaf = table_open(lfirst_oid(lc), NoLock);

		if (leaf->rd_rel->relkind == RELKIND_RELATION)
			found = failing_find(lfirst_oid(lc), 0, RelationGetNumberOfBlocks(leaf),
								 look->migration->owner, compute_between, look, found);
		table_close(leaf, NoLock);
	}
	return found;
}

static void
run_with_expression(Look *look)
{
	ErrorData  *error;
	List	   *failing;

	if (attempt_run(run_query, look, ATTEMPT_KEEP, &error))
		return;
	failing = find_failing(look);
	if (failing == NIL)
		ReThrowError(error);
	failing_raise(failing, psprintf("Mend them, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
									look->migration->id, look->migration->id));
}

/* What its expressions call: of both queries, since they have the same. */
static void
check_meaning(const Look *look)
{
	Identity	saved;

	enter(look, &saved);
	meaning_check_text(look->migration->id, look->sql);
	leave(&saved);
}

void
look_run(const Migration *migration, const Step *step, const char *sql)
{
	Look		look = {
		.by_index = verb_is(step, &verb_look_for_conflicts),
		.migration = migration, .sql = sql, .context = CurrentMemoryContext,
	};

	if (sql[0] == '\0')
		return;
	initStringInfo(&look.found.rows);
	initStringInfo(&look.found.others);
	check_meaning(&look);
	look.expression = assert_expression(step);
	if (look.expression != NULL)
		run_with_expression(&look);
	else
		run_query(&look);
	if (look.found.problem != NULL)
		report(migration, &look.found);
}
