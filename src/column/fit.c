/*-------------------------------------------------------------------------
 *
 * fit.c
 *		Whether what a column carries holds for the values that it is to have.
 *
 * NOT NULL, CHECKs, unique keys and foreign keys were made for the old values.
 * So the rule: what is carried is tried against what `up` gives, for every row,
 * before anything is changed, and again when the cutover begins; and where `up`
 * may give what the old value was not, a constraint of the new column comes into
 * force when that decides, and not before.  No write of the old application
 * meets one that it does not know.
 *
 * Each look is a query whose rows say what is in the way: SQLSTATE, the
 * constraint by its own name, and the row's key.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* A look at the rows of the column's table. */
typedef struct Fit
{
	MigrationPlan *plan;
	const Column *old;
	const char *phase;
	List	   *column;			/* the new column */
	List	   *value;			/* what computes it, NIL: it is there */
} Fit;

static Step
look_step(const Fit *fit, List *relations, const char *note)
{
	return (Step) {
		.phase = unconstify(char *, fit->phase), .relations = relations,
		.lock = AccessShareLock, .work = "reads every row", .note = unconstify(char *, note),
	};
}

/* The new column's name. */
static char *
column_name(const Fit *fit)
{
	return strVal(linitial(fit->column));
}

List *
fit_row_name(Oid relid)
{
	QuerySession session;
	StringInfoData names;
	List	   *values = NIL;
	uint64		n;

	initStringInfo(&names);
	query_begin(&session);
	n = QUERY("SELECT quote_ident(attname), attnum::int FROM pg_index JOIN pg_attribute ON attrelid = indrelid "
			  "AND array_position(indkey::int2[], attnum) < indnkeyatts "
			  "WHERE indrelid = $1 AND indisprimary ORDER BY array_position(indkey::int2[], attnum)", arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
	{
		appendStringInfo(&names, "%s%s", row > 0 ? ", " : "", query_text(row, 1));
		values = lappend(values, expression_column((AttrNumber) query_int4(row, 2)));
	}
	query_end(&session);
	if (n == 0)
		return expression_text("concat(tableoid::regclass, ' ctid=', ctid)");
	return expression_format("concat(%s, concat_ws(', ', %e), ')')",
							 sql_literal(psprintf("(%s)=(", names.data)), expression_join(values, ", "));
}

static Problem *
problem(List *condition, char *sqlstate, char *message)
{
	Problem    *result = palloc(sizeof(Problem));

	result->condition = condition;
	result->sqlstate = sqlstate;
	result->message = message;
	return result;
}

/* NOT NULL and CHECKs; and that every value can be computed at all. */
static void
plan_rows(const Fit *fit)
{
	const Column *old = fit->old;
	char	   *table = names_relation(old->relid);
	AssertRowsArgs rows = {
		.relation = old->relid, .value = fit->value, .column = column_name(fit),
		.row = fit_row_name(old->relid), .names_errors = fit->value != NIL,
	};
	Step		step = look_step(fit, list_make1_oid(old->relid),
								 "gives no row if every value can be converted, and NOT NULL and CHECKs hold for it");
	ListCell   *lc;

	if (old->not_null && !old->not_null_pending)
		rows.problems = lappend(rows.problems,
								problem(expression_format("%e IS NULL", fit->column), "23502",
										psprintf("column \"%s\" of %s is NOT NULL, and the new value would be NULL",
												 old->name, table)));
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		if (check->validated && !check->not_enforced)
			rows.problems = lappend(rows.problems,
									problem(expression_format("(%e) IS FALSE",
															  expression_replace(check->expression, old->attnum, fit->column)),
											"23514",
											psprintf("check constraint \"%s\" of %s would not hold for the new value of column \"%s\"",
													 check->name, table, old->name)));
	}
	if (rows.problems != NIL || rows.names_errors)
		plan_step(fit->plan, &verb_assert_rows, &rows, &step);
}

/* Two rows of one key, of an index or a constraint over it. */
static void
plan_unique(const Fit *fit, Oid indexid, const char *what, bool nulls_not_distinct)
{
	IndexSpec  *spec = deparse_index(indexid, &(IndexLike) {.from = fit->old->attnum, .to = fit->column});
	AssertUniqueArgs unique = {
		.relation = fit->old->relid, .value = fit->value, .column = column_name(fit),
		.message = psprintf("several rows would have one key of %s", what),
		.predicate = spec->predicate, .nulls_not_distinct = nulls_not_distinct,
	};
	Step		step = look_step(fit, list_make1_oid(fit->old->relid), "gives no row if every key stays one row's");
	ListCell   *lc;

	foreach(lc, spec->keys)
		unique.keys = lappend(unique.keys, ((IndexKey *) lfirst(lc))->expression);
	plan_step(fit->plan, &verb_assert_unique, &unique, &step);
}

static void
plan_keys(const Fit *fit)
{
	QuerySession session;
	ListCell   *lc;

	foreach(lc, fit->old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		plan_unique(fit, key->indexid, psprintf("constraint \"%s\" of %s", key->name, names_relation(fit->old->relid)),
					key->nulls_not_distinct);
	}
	foreach(lc, fit->old->indexes)
	{
		bool		unique;
		bool		nulls_not_distinct;

		query_begin(&session);
		QUERY("SELECT indisunique, coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false) "
			  "FROM pg_index i WHERE indexrelid = $1", arg_oid(lfirst_oid(lc)));
		unique = query_bool(0, 1);
		nulls_not_distinct = query_bool(0, 2);
		query_end(&session);
		if (unique)
			plan_unique(fit, lfirst_oid(lc), psprintf("index %s", names_relation(lfirst_oid(lc))), nulls_not_distinct);
	}
}

/* Values that are no key of the referenced table. */
static void
plan_foreign_key(const Fit *fit, const ColumnForeignKey *fk)
{
	AssertReferencedArgs key = {
		.relation = fk->relid, .value = fit->value, .column = column_name(fit),
		.message = psprintf("foreign key \"%s\" of %s: new values of column \"%s\" are not in %s",
							fk->name, names_relation(fk->relid), fit->old->name, names_relation(fk->refrelid)),
		.references = fk->refrelid,
	};
	Step		step = look_step(fit, list_make2_oid(fk->relid, fk->refrelid), "gives no row if every new value is a key there");
	ListCell   *lc;

	foreach(lc, fk->columns)
		key.columns = lappend(key.columns, lfirst_int(lc) == fit->old->attnum ? fit->column :
							  expression_column((AttrNumber) lfirst_int(lc)));
	foreach(lc, fk->refcolumns)
		key.refcolumns = lappend(key.refcolumns, expression_column((AttrNumber) lfirst_int(lc)));
	plan_step(fit->plan, &verb_assert_referenced, &key, &step);
}

/* Of those that the column has to others, and whose rows the owner may read. */
static void
plan_foreign_keys(const Fit *fit)
{
	ListCell   *lc;

	foreach(lc, fit->old->foreign_keys)
	{
		ColumnForeignKey *fk = lfirst(lc);

		if (fk->relid == fit->old->relid && fk->refrelid != fk->relid && fk->validated && !fk->not_enforced &&
			pg_class_aclcheck(fk->refrelid, fit->old->owner, ACL_SELECT) == ACLCHECK_OK)
			plan_foreign_key(fit, fk);
	}
}

void
fit_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new, List *value)
{
	Fit			fit = {
		.plan = plan, .old = old, .phase = "expand", .column = carry_column(new->name), .value = value,
	};

	plan_rows(&fit);
	plan_keys(&fit);
	if (new->mapped)
		plan_foreign_keys(&fit);
}

void
fit_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	Fit			fit = {.plan = plan, .old = old, .phase = "cutover", .column = carry_column(new->name)};

	plan_rows(&fit);
	if (new->mapped)
		plan_foreign_keys(&fit);
}
