/*-------------------------------------------------------------------------
 *
 * not_null.c
 *		NOT NULL of a column that is replaced.
 *
 * A constraint stands for it from the migrate phase, or from the exchange, on: it is
 * added NOT VALID, and validated beside readers and writers, so that SET NOT NULL,
 * where that is needed, does not scan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "commands/defrem.h"
#include "core/target.h"
#include "utils/lsyscache.h"
#include "compat.h"

static void
look(Column *column)
{
	QuerySession session;

	/* where it has a name there and none here, it is the one that PostgreSQL gives */
	if (target_has_named_not_null() && ZDM_MAJOR < target_major() && column->not_null)
		column->not_null_name = makeObjectName(get_rel_name(column->relid), column->name, "not_null");
	if (ZDM_MAJOR != target_major())
		return;
	query_begin(&session);
	if (QUERY("SELECT conname, NOT convalidated FROM pg_constraint WHERE conrelid = $1 AND contype = 'n' "
			  "AND conkey = ARRAY[$2]", arg_oid(column->relid), arg_int2(column->attnum)) > 0)
	{
		column->not_null_name = query_text(0, 1);
		column->not_null_pending = query_bool(0, 2);
	}
	query_end(&session);
}

/* The name of the constraint that stands for it until contract. */
static char *
not_null_name(int64 migration, const Column *old)
{
	return sql_own_name(migration, psprintf("%s_not_null", old->name));
}

/* Must the column be NOT NULL before an index of it can have its part? */
static bool
needed_by_index(const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		if (((ColumnKey *) lfirst(lc))->primary)
			return true;
	}
	return OidIsValid(old->identity_index);
}

bool
carry_not_null_is_late(const Column *old, const NewColumn *new)
{
	return new->may_misfit && old->not_null && !needed_by_index(old);
}

/* From the constraint that is not valid to NOT NULL. */
static void
plan_proof_validation(MigrationPlan *plan, const Column *old, const char *phase, const char *column)
{
	char	   *name = not_null_name(plan->migration, old);

	/* what is NOT VALID stays so */
	if (old->not_null_pending)
		return;
	plan_validation(plan, phase, old->relid, name);
	if (!target_has_named_not_null())
		plan_step(plan, &verb_set_not_null, &(SetNotNullArgs) {
			.relation = old->relid, .column = carry_column(column), .proof = name,
		}, &(Step) {
			.phase = pstrdup(phase),
			/* made before, it goes with the column */
			.undoable = strcmp(phase, "cutover") == 0,
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
			.note = "the validated constraint proves it: no scan",
		});
}

static void
plan_all(MigrationPlan *plan, const Column *old, const char *phase, const char *column)
{
	plan_step(plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = not_null_name(plan->migration, old), .kind = 'n',
		.expression = carry_column(column),
	}, &(Step) {
		.phase = pstrdup(phase), .undoable = strcmp(phase, "cutover") == 0,
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_proof_validation(plan, old, phase, column);
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	if (old->not_null && !new->may_misfit)
		plan_all(plan, old, "migrate", new->name);
}

void
carry_plan_not_null(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	if (new->may_misfit && old->not_null && needed_by_index(old))
		plan_all(plan, old, "cutover", new->name);
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	char	   *table = sql_table(exchange->making, old->relid);
	char	   *name = sql_name(not_null_name(exchange->making->migration, old));

	if (!carry_not_null_is_late(old, exchange->twin->new))
		return;
	if (exchange->forward)
		sql_statement(sql, "%s", constraint_not_null(table, name, exchange->comes));
	else
		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, name);
}

/* On the way back, the new column has none that a constraint does not stand for. */
static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;

	if (exchange->forward && carry_takes_name(exchange->twin->new) && old->not_null)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL",
					  sql_table(exchange->making, old->relid), exchange->old_column);
}

static void
afterwards(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	if (forward && carry_not_null_is_late(old, new))
		plan_proof_validation(plan, old, "cutover", new->final_name);
}

/* NOT NULL of the old column, which the exchange took away. */
static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	List	   *column = carry_old_later(old, new);
	char	   *name = old->not_null_name != NULL ? old->not_null_name : not_null_name(back->migration, old);

	if (!carry_takes_name(new) || !old->not_null)
		return;
	carry_back_step(back, old, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = name, .kind = 'n', .expression = column,
	}, AccessExclusiveLock, CATALOG_ONLY);
	if (old->not_null_pending)
		return;
	carry_back_validation(back, old, name);
	if (!target_has_named_not_null())
		carry_back_step(back, old, &verb_set_not_null, &(SetNotNullArgs) {
			.relation = old->relid, .column = column, .proof = name,
		}, AccessExclusiveLock, CATALOG_ONLY);
}

static bool
all_have_constraint(Oid relid, const char *name)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (!OidIsValid(get_relation_constraint_oid(lfirst_oid(lc), name, true)))
			return false;
	}
	return true;
}

/*
 * A partition that was attached meanwhile may call its own NOT NULL otherwise,
 * and PostgreSQL renames none of them unless it can rename all.
 */
static void
rename_all(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	const Column *old = twin->old;
	char	   *name = not_null_name(making->migration, old);

	if (old->not_null_name != NULL &&
		(making->flavour != FLAVOUR_RUN || all_have_constraint(old->relid, name)))
		carry_append_rename(sql, sql_table(making, old->relid), name, old->not_null_name, NULL);
}

const ColumnPart column_not_null = {
	.look = look,
	.migrate = migrate,
	.leave = leave,
	.enter = enter,
	.afterwards = afterwards,
	.way_back = way_back,
	.rename = rename_all,
};
