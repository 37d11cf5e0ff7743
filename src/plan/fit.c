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
#include "core/names.h"
#include "plan/carry.h"
#include "plan/deparse.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* Rows that are named. */
#define EXAMPLES 10

/* A look at the rows of the column's table. */
typedef struct Fit
{
	MigrationPlan *plan;
	const Column *old;
	const char *phase;
	const char *value;			/* the new column's values, a template */
	const char *from;			/* where they come from */
	const char *expression;		/* whose errors are to name their rows, or NULL */
} Fit;

static void
add_look(const Fit *fit, const char *query, List *relations, const char *note)
{
	plan_add(fit->plan, &(Step) {
		.phase = unconstify(char *, fit->phase), .action = ACTION_LOOK,
		.statement = psprintf("%s LIMIT %d", query, EXAMPLES),
		.relations = relations, .lock = AccessShareLock, .work = "reads every row",
		.note = unconstify(char *, note),
		.assignments = unconstify(char *, fit->expression),
	});
}

char *
fit_row_name(Oid relid)
{
	QuerySession session;
	StringInfoData names;
	StringInfoData values;
	uint64		n;

	initStringInfo(&names);
	initStringInfo(&values);
	query_begin(&session);
	n = QUERY("SELECT quote_ident(attname), attnum::int FROM pg_index JOIN pg_attribute ON attrelid = indrelid "
			  "AND array_position(indkey::int2[], attnum) < indnkeyatts "
			  "WHERE indrelid = $1 AND indisprimary ORDER BY array_position(indkey::int2[], attnum)", arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
	{
		appendStringInfo(&names, "%s%s", row > 0 ? ", " : "", query_text(row, 1));
		appendStringInfo(&values, ", %s", names_template_attribute(relid, (AttrNumber) query_int4(row, 2)));
	}
	query_end(&session);
	if (n == 0)
		return pstrdup("concat(tableoid::regclass, ' ctid=', ctid)");
	return psprintf("concat(%s, concat_ws(', '%s), ')')",
					carry_literal(psprintf("(%s)=(", names.data)), values.data);
}

/* Append one thing that a row can have wrong with it to the three parts of the query. */
static void
append_problem(StringInfo states, StringInfo problems, StringInfo conditions,
			   const char *condition, const char *state, const char *problem)
{
	appendStringInfo(states, " WHEN %s THEN '%s'", condition, state);
	appendStringInfo(problems, " WHEN %s THEN %s", condition, carry_literal(problem));
	appendStringInfo(conditions, " OR %s", condition);
}

/* NOT NULL and CHECKs; and that every value can be computed at all. */
static void
plan_rows(const Fit *fit)
{
	const Column *old = fit->old;
	char	   *table = names_relation(old->relid);
	StringInfoData states;
	StringInfoData problems;
	StringInfoData conditions;
	ListCell   *lc;

	initStringInfo(&states);
	initStringInfo(&problems);
	initStringInfo(&conditions);
	if (old->not_null && !old->not_null_pending)
		append_problem(&states, &problems, &conditions, psprintf("%s IS NULL", fit->value), "23502",
					   psprintf("column \"%s\" of %s is NOT NULL, and the new value would be NULL", old->name, table));
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		if (check->validated && !check->not_enforced)
			append_problem(&states, &problems, &conditions,
						   psprintf("(%s) IS FALSE",
									deparse_expression_template(check->expr, old->relid, old->attnum, fit->value)),
						   "23514",
						   psprintf("check constraint \"%s\" of %s would not hold for the new value of column \"%s\"",
									check->name, table, old->name));
	}
	if (conditions.len == 0 && fit->expression == NULL)
		return;

	/* more than all are NULL: never, but to know it the value has to be computed */
	add_look(fit, psprintf("SELECT %s, %s, %s FROM %s WHERE num_nulls(%s) > 1%s",
						   states.len > 0 ? psprintf("CASE%s END", states.data) : "''",
						   problems.len > 0 ? psprintf("CASE%s END", problems.data) : "''",
						   fit_row_name(old->relid), fit->from, fit->value, conditions.data),
			 list_make1_oid(old->relid),
			 "gives no row if every value can be converted, and NOT NULL and CHECKs hold for it");
}

static char *
joined(List *templates, const char *separator)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, templates)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? separator : "", (char *) lfirst(lc));
	return buf.data;
}

/* Two rows of one key, of an index or a constraint over it. */
static void
plan_unique(const Fit *fit, Oid indexid, const char *what, bool nulls_not_distinct)
{
	char	   *predicate;
	List	   *keys = deparse_index_keys(indexid, &(IndexTemplate) {
		.from = fit->old->attnum, .to = fit->value,
	}, &predicate);
	List	   *conditions = predicate == NULL ? NIL : list_make1(psprintf("(%s)", predicate));
	char	   *list = joined(keys, ", ");
	ListCell   *lc;

	if (!nulls_not_distinct)
	{
		foreach(lc, keys)
			conditions = lappend(conditions, psprintf("%s IS NOT NULL", (char *) lfirst(lc)));
	}
	add_look(fit, psprintf("SELECT '23505', %s, concat('key (', concat_ws(', ', %s), ') of ', count(*), ' rows') "
						   "FROM %s%s%s GROUP BY %s HAVING count(*) > 1 ORDER BY %s",
						   carry_literal(psprintf("several rows would have one key of %s", what)),
						   list, fit->from, conditions != NIL ? " WHERE " : "",
						   joined(conditions, " AND "), list, list),
			 list_make1_oid(fit->old->relid), "gives no row if every key stays one row's");
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

/* The foreign key's columns, with the new values in the column's place. */
static List *
referencing_values(const Fit *fit, const ColumnForeignKey *fk)
{
	List	   *values = NIL;
	ListCell   *lc;

	foreach(lc, fk->columns)
		values = lappend(values, lfirst_int(lc) == fit->old->attnum ? unconstify(char *, fit->value) :
						 names_template_attribute(fk->relid, (AttrNumber) lfirst_int(lc)));
	return values;
}

/*
 * Values that are no key of the referenced table.  EXCEPT compares by the types'
 * own equality, whichever schema that is in.
 */
static void
plan_foreign_key(const Fit *fit, const ColumnForeignKey *fk)
{
	List	   *values = referencing_values(fit, fk);
	List	   *conditions = NIL;
	List	   *referenced = NIL;
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, values)
	{
		conditions = lappend(conditions, psprintf("%s IS NOT NULL", (char *) lfirst(lc)));
		names = lappend(names, psprintf("k%d", list_length(conditions)));
	}
	foreach(lc, fk->refcolumns)
		referenced = lappend(referenced, names_template_attribute(fk->refrelid, (AttrNumber) lfirst_int(lc)));
	add_look(fit, psprintf("SELECT '23503', %s, concat('key (', concat_ws(', ', %s), ')') "
						   "FROM (SELECT %s FROM %s WHERE %s EXCEPT SELECT %s FROM %s) AS x(%s) ORDER BY %s",
						   carry_literal(psprintf("foreign key \"%s\" of %s: new values of column \"%s\" are not in %s",
												  fk->name, names_relation(fk->relid), fit->old->name,
												  names_relation(fk->refrelid))),
						   joined(names, ", "), joined(values, ", "), fit->from, joined(conditions, " AND "),
						   joined(referenced, ", "), names_template_relation(fk->refrelid), joined(names, ", "),
						   joined(names, ", ")),
			 list_make2_oid(fk->relid, fk->refrelid), "gives no row if every new value is a key there");
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
fit_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new, const char *value)
{
	Fit			fit = {
		.plan = plan, .old = old, .phase = "expand", .value = carry_quoted(new->name),
		.from = psprintf("%s, LATERAL (SELECT %s) AS zdm_new(%s)", names_template_relation(old->relid),
						 value, carry_quoted(new->name)),
		.expression = value,
	};

	plan_rows(&fit);
	fit.expression = NULL;
	plan_keys(&fit);
	if (new->mapped)
		plan_foreign_keys(&fit);
}

void
fit_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	Fit			fit = {
		.plan = plan, .old = old, .phase = "cutover", .value = carry_quoted(new->name),
		.from = names_template_relation(old->relid),
	};

	plan_rows(&fit);
	if (new->mapped)
		plan_foreign_keys(&fit);
}
