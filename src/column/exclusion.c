/*-------------------------------------------------------------------------
 *
 * exclusion.c
 *		Exclusion constraints of a column that is replaced.
 *
 * A second one is made over the new column beside readers and writers, as ADD CONSTRAINT
 * would make it (alter/exclusion.c), under a name of its own; like a unique key, it is
 * kept from then on.  The cutover drops the old one, and this one takes its name.  On the
 * way back the old column gets its own again in the same way, first.  Where both names
 * are in use (a rename), the old column keeps an index for those who look rows up by it.
 *
 * A column that stands in the constraint's expressions or its predicate alone is known to
 * the index only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/expression.h"
#include "draft/deparse.h"
#include "utils/lsyscache.h"

/* The exclusion constraint that the dependent is, or is the index of; or InvalidOid. */
static Oid
constraint_of(const Dependent *dependent)
{
	char	   *constraint;

	if (dependent->contype == CONSTRAINT_EXCLUSION)
		return dependent->object;
	if (!dependent_is_index(dependent))
		return InvalidOid;
	constraint = QUERY_ONCE_TEXT("SELECT oid::text FROM pg_constraint WHERE conindid = $1 AND contype = 'x'", arg_oid(dependent->object));
	return constraint == NULL ? InvalidOid : atooid(constraint);
}

static bool
is_loaded(const Column *column, Oid indexid)
{
	ListCell   *lc;

	foreach(lc, column->exclusions)
	{
		if (((ColumnExclusion *) lfirst(lc))->indexid == indexid)
			return true;
	}
	return false;
}

/* Those of partitioned tables, and of single partitions, are refused like all that nobody takes. */
static bool
load(Column *column, const Dependent *dependent)
{
	Oid			constraint = constraint_of(dependent);
	ColumnExclusion *exclusion = palloc0(sizeof(ColumnExclusion));
	QuerySession session;

	if (!OidIsValid(constraint) || get_rel_relkind(dependent->relid) != RELKIND_RELATION)
		return false;
	query_begin(&session);
	QUERY("SELECT conname, conindid, condeferrable, condeferred, obj_description(c.oid, 'pg_constraint'), obj_description(conindid, 'pg_class'), "
		  "(SELECT array_agg(format('%I.%s', nspname, oprname) ORDER BY n) FROM unnest(conexclop) WITH ORDINALITY u(o, n) "
		  "  JOIN pg_operator p ON p.oid = o JOIN pg_namespace s ON s.oid = oprnamespace) FROM pg_constraint c WHERE oid = $1",
		  arg_oid(constraint));
	exclusion->name = query_text(0, 1);
	exclusion->indexid = query_oid(0, 2);
	exclusion->deferrable = query_bool(0, 3);
	exclusion->deferred = query_bool(0, 4);
	exclusion->comment = query_text(0, 5);
	exclusion->index_comment = query_text(0, 6);
	exclusion->operators = query_texts(0, 7);
	query_end(&session);
	if (!is_loaded(column, exclusion->indexid))
		column->exclusions = lappend(column->exclusions, exclusion);
	return true;
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->exclusions)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnExclusion *) lfirst(lc))->name));
	return claims;
}

static char *
back_name(int64 migration, const ColumnExclusion *exclusion)
{
	return sql_own_name(migration, psprintf("%s_old", exclusion->name));
}

/* Steps in the making: on the way there in the phase migrate, or there for the way back. */
typedef struct Building
{
	MigrationPlan *plan;
	const Column *old;
	const ColumnExclusion *exclusion;
	char	   *name;			/* of the index, and then of the constraint */
	IndexSpec  *spec;
	bool		back;
} Building;

static void
add_step(const Building *building, const Verb *verb, const void *args, LOCKMODE lock, char *work, char *note)
{
	plan_step(building->plan, verb, args, &(Step) {
		.phase = building->back ? "cutover" : "migrate", .only_back = building->back,
		.relations = list_make1_oid(building->old->relid),
		.lock = building->back ? NoLock : lock, .undo_lock = building->back ? lock : NoLock,
		.work = work, .note = building->back ? "on the way back only" : note,
	});
}

static void
add_index(const Building *building)
{
	add_step(building, &verb_build_index, &(BuildIndexArgs) {
		.relation = building->old->relid, .name = building->name, .spec = building->spec,
	}, ShareUpdateExclusiveLock, "reads the table twice; writers go on", NULL);
}

static void
add_look(const Building *building, const ExclusionArgs *con, bool made, char *note)
{
	ExclusionArgs look = *con;

	look.made = made;
	add_step(building, &verb_look_for_conflicts, &look, AccessShareLock, READS_TABLE, note);
}

/* The constraint, of the index that is there. */
static void
add_constraint(const Building *building)
{
	ExclusionArgs con = {
		.relation = building->old->relid, .name = building->name, .type = CONSTRAINT_EXCLUSION,
		.index = building->name, .spec = building->spec, .operators = building->exclusion->operators,
		.row = fit_row_name(building->old->relid),
		.deferrable = building->exclusion->deferrable, .deferred = building->exclusion->deferred,
	};

	add_look(building, &con, false, "gives no row if no two exclude each other");
	add_step(building, &verb_make_exclusion, &con, ShareRowExclusiveLock, CATALOG_ONLY,
			 "of the index, which SQL has no word for; from here on it is kept for the new values");
	add_look(building, &con, true, "for rows that were written before the constraint was there");
}

static IndexSpec *
spec_for(const Column *old, const ColumnExclusion *exclusion, List *column, bool retyped)
{
	return deparse_index(exclusion->indexid, &(IndexLike) {.from = old->attnum, .to = column, .retyped = retyped});
}

/* What is left to the old column's name: an index that is no constraint's. */
static void
plan_lasting_index(MigrationPlan *plan, const Column *old, const ColumnExclusion *exclusion)
{
	Building	building = {
		.plan = plan, .old = old, .name = back_name(plan->migration, exclusion),
		.spec = spec_for(old, exclusion, expression_column(old->attnum), false),
	};

	plan_step(plan, &verb_drop_index, &(NamedArgs) {.relation = old->relid, .name = building.name}, &(Step) {
		.phase = "migrate", .only_back = true, .undo_lock = AccessExclusiveLock,
		.relations = list_make1_oid(old->relid), .note = "on the way back only",
	});
	add_index(&building);
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);
		Building	building = {
			.plan = plan, .old = old, .exclusion = exclusion, .name = sql_own_name(plan->migration, exclusion->name),
			.spec = spec_for(old, exclusion, carry_column(new->name), new->retyped),
		};

		add_index(&building);
		add_constraint(&building);
		if (!carry_takes_name(new))
			plan_lasting_index(plan, old, exclusion);
	}
}

static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);
		Building	building = {
			.plan = back, .old = old, .exclusion = exclusion, .name = back_name(back->migration, exclusion),
			.spec = spec_for(old, exclusion, carry_old_later(old, new), false), .back = true,
		};

		/* the index that lasts is the one to go back to */
		if (carry_takes_name(new))
			add_index(&building);
		add_constraint(&building);
	}
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	ListCell   *lc;

	foreach(lc, old->exclusions)
		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", sql_table(exchange->making, old->relid),
					  sql_name(((ColumnExclusion *) lfirst(lc))->name));
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *old = exchange->twin->old;
	char	   *table = sql_table(making, old->relid);
	ListCell   *lc;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);
		char	   *name = exchange->forward ? sql_own_name(making->migration, exclusion->name) : back_name(making->migration, exclusion);

		carry_append_rename(sql, table, name, exclusion->name, exclusion->comment);
		if (exclusion->index_comment != NULL)
			sql_statement(sql, "COMMENT ON INDEX %s IS %s", sql_index(making, old->relid, exclusion->name),
						  sql_literal(exclusion->index_comment));
	}
}

const ColumnPart column_exclusion = {
	.load = load,
	.claims = claims,
	.migrate = migrate,
	.leave = leave,
	.enter = enter,
	.way_back = way_back,
};
