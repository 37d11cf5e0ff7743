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
 * Of a partitioned table (17) each partition has its own made by itself; the partitioned
 * table's, added in the cutover, finds them and builds nothing: on servers that compare
 * such indexes, which not all minor releases do.  A partition may have one of its own beside.
 *
 * A column that stands in the constraint's expressions or its predicate alone is known to
 * the index only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/attmap.h"
#include "catalog/index.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_depend.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/expression.h"
#include "draft/deparse.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
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

/*
 * The index of the topmost, as the partitioned tables' own constraints have it.  What was
 * the old type's default is left to be the new one's.
 */
static IndexSpec *
topmost_spec(const ColumnExclusion *exclusion)
{
	return exclusion->parents == NIL ? NULL :
		deparse_index(exclusion->indexid, &(IndexLike) {.from = InvalidAttrNumber, .retyped = true});
}

static ColumnExclusion *
read_constraint(const Column *column, Oid constraint)
{
	ColumnExclusion *exclusion = palloc0(sizeof(ColumnExclusion));
	QuerySession session;

	query_begin(&session);
	QUERY("SELECT conrelid, conname, conindid, condeferrable, condeferred, "
		  "(SELECT array_agg(format('%I.%s', nspname, oprname) ORDER BY n) FROM unnest(conexclop) WITH ORDINALITY u(o, n) "
		  "  JOIN pg_operator p ON p.oid = o JOIN pg_namespace s ON s.oid = oprnamespace) FROM pg_constraint c WHERE oid = $1",
		  arg_oid(constraint));
	exclusion->relid = query_oid(0, 1);
	exclusion->name = query_text(0, 2);
	exclusion->indexid = query_oid(0, 3);
	exclusion->deferrable = query_bool(0, 4);
	exclusion->deferred = query_bool(0, 5);
	exclusion->operators = query_texts(0, 6);
	query_end(&session);
	exclusion->attnum = get_attnum(exclusion->relid, column->name);
	return exclusion;
}

bool
exclusion_is_found(void)
{
	IndexInfo  *one = makeNode(IndexInfo);
	AttrMap    *map = make_attrmap(1);

	/* two that are alike, of no columns at all */
	one->ii_ExclusionOps = palloc0(sizeof(Oid));
	return CompareIndexInfo(one, one, NULL, NULL, NULL, NULL, map);
}

static bool
load(Column *column, const Dependent *dependent)
{
	Oid			constraint = constraint_of(dependent);
	ColumnExclusion *exclusion;

	if (!OidIsValid(constraint))
		return false;
	exclusion = read_constraint(column, constraint);
	if (is_loaded(column, exclusion->indexid))
		return true;
	carry_load_members(constraint, &exclusion->leaves, &exclusion->parents);
	if (exclusion->parents != NIL && !exclusion_is_found())
		column_refuse(psprintf("exclusion constraint %s of a partitioned table, which this server's release would build anew in the cutover,",
							   quote_identifier(exclusion->name)), column,
					  "Update the server to the last minor release; or drop the constraint first, and add it again afterwards.");
	exclusion->spec = topmost_spec(exclusion);
	carry_check_leaves(column, exclusion->leaves);
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
back_name(int64 migration, const KeyMember *leaf)
{
	return sql_own_name(migration, psprintf("%s_old", leaf->name));
}

/* Steps in the making: on the way there in the phase migrate, or there for the way back. */
typedef struct Building
{
	MigrationPlan *plan;
	const Column *old;
	const ColumnExclusion *exclusion;
	const KeyMember *leaf;
	char	   *name;			/* of the index, and then of the constraint */
	IndexSpec  *spec;
	bool		back;
} Building;

static void
add_step(const Building *building, const Verb *verb, const void *args, LOCKMODE lock, char *work, char *note)
{
	/* it does not go with a column that only its condition or an expression reads */
	bool		goes = !building->back && verb == &verb_make_exclusion;

	plan_step(building->plan, verb, args, &(Step) {
		.phase = building->back ? "cutover" : "migrate", .only_back = building->back,
		.relations = list_make1_oid(building->leaf->relid), .undoable = goes,
		.lock = building->back ? NoLock : lock, .undo_lock = building->back ? lock : goes ? AccessExclusiveLock : NoLock,
		.work = work, .note = building->back ? "on the way back only" : note,
	});
}

static void
add_index(const Building *building)
{
	add_step(building, &verb_build_index, &(BuildIndexArgs) {
		.relation = building->leaf->relid, .root = carry_root(building->old, building->leaf),
		.name = building->name, .spec = building->spec,
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
		.relation = building->leaf->relid, .root = carry_root(building->old, building->leaf),
		.name = building->name, .type = CONSTRAINT_EXCLUSION, .index = building->name, .spec = building->spec,
		.operators = building->exclusion->operators, .row = fit_row_name(building->leaf->relid),
		.deferrable = building->exclusion->deferrable, .deferred = building->exclusion->deferred,
	};

	add_look(building, &con, false, "gives no row if no two exclude each other");
	add_step(building, &verb_make_exclusion, &con, ShareRowExclusiveLock, CATALOG_ONLY,
			 "of the index, which SQL has no word for; from here on it is kept for the new values");
	add_look(building, &con, true, "for rows that were written before the constraint was there");
}

static IndexSpec *
spec_for(const Column *old, const KeyMember *leaf, List *column, bool retyped)
{
	return deparse_index(leaf->indexid, &(IndexLike) {
		.from = get_attnum(leaf->relid, old->name), .to = column, .retyped = retyped,
	});
}

/* What is left to the old column's name: an index that is no constraint's. */
static void
plan_lasting_index(const Building *made)
{
	const KeyMember *leaf = made->leaf;
	Building	building = *made;

	building.name = back_name(made->plan->migration, leaf);
	building.spec = spec_for(made->old, leaf, expression_column(get_attnum(leaf->relid, made->old->name)), false);
	plan_step(made->plan, &verb_drop_index, &(NamedArgs) {
		.relation = leaf->relid, .root = carry_root(made->old, leaf), .name = building.name,
	}, &(Step) {
		.phase = "migrate", .only_back = true, .undo_lock = AccessExclusiveLock,
		.relations = list_make1_oid(leaf->relid), .note = "on the way back only",
	});
	add_index(&building);
}

static void
plan_leaf(Building *building, const NewColumn *new)
{
	const Column *old = building->old;
	const KeyMember *leaf = building->leaf;
	int64		migration = building->plan->migration;
	bool		takes_name = carry_takes_name(new);

	building->name = building->back ? back_name(migration, leaf) : sql_own_name(migration, leaf->name);
	building->spec = building->back ? spec_for(old, leaf, carry_old_later_in(old, new, leaf->relid), false) :
		spec_for(old, leaf, carry_column(new->name), new->retyped);
	/* the index that lasts is the one to go back to */
	if (!building->back || takes_name)
		add_index(building);
	add_constraint(building);
	if (!building->back && !takes_name)
		plan_lasting_index(building);
}

static void
plan_leaves(MigrationPlan *plan, const Column *old, const NewColumn *new, bool back)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);

		foreach(l, exclusion->leaves)
			plan_leaf(&(Building) {
				.plan = plan, .old = old, .exclusion = exclusion, .leaf = lfirst(l), .back = back,
			}, new);
	}
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	plan_leaves(plan, old, new, false);
}

static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	plan_leaves(back, old, new, true);
}

/* The topmost takes those of its partitions along. */
static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	ListCell   *lc;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);

		if (sql_is_member(exchange->making, exclusion->relid, exclusion->relid == old->relid ? InvalidOid : old->relid))
			sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", sql_table(exchange->making, exclusion->relid),
						  sql_name(exclusion->name));
	}
}

/* The topmost one's index with another column. */
static IndexSpec *
spec_over(const ColumnExclusion *exclusion, List *column)
{
	IndexSpec  *spec = memcpy(palloc(sizeof(IndexSpec)), exclusion->spec, sizeof(IndexSpec));
	ListCell   *lc;

	spec->keys = spec->included = NIL;
	foreach(lc, exclusion->spec->keys)
	{
		IndexKey   *key = memcpy(palloc(sizeof(IndexKey)), lfirst(lc), sizeof(IndexKey));

		key->expression = expression_replace(key->expression, exclusion->attnum, column);
		spec->keys = lappend(spec->keys, key);
	}
	foreach(lc, exclusion->spec->included)
		spec->included = lappend(spec->included, expression_replace(lfirst(lc), exclusion->attnum, column));
	spec->predicate = expression_replace(spec->predicate, exclusion->attnum, column);
	return spec;
}

/* The constraint of a table with rows, which is there under another name. */
static void
append_leaf(StringInfo sql, const Exchange *exchange, const KeyMember *leaf)
{
	const Making *making = exchange->making;

	carry_append_rename(sql, sql_table(making, leaf->relid),
						exchange->forward ? sql_own_name(making->migration, leaf->name) : back_name(making->migration, leaf),
						leaf->name, NULL);
	carry_append_comments(sql, making, leaf);
}

/* That of a partitioned one, which finds those of its partitions. */
static void
append_parent(StringInfo sql, const Exchange *exchange, const ColumnExclusion *exclusion, const KeyMember *parent)
{
	sql_statement(sql, "%s", exclusion_add_sql(exchange->making, &(ExclusionArgs) {
		.relation = parent->relid, .name = parent->name, .type = CONSTRAINT_EXCLUSION,
		.spec = spec_over(exclusion, expression_text(exchange->comes)), .operators = exclusion->operators,
		.deferrable = exclusion->deferrable, .deferred = exclusion->deferred,
	}));
	carry_append_comments(sql, exchange->making, parent);
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->exclusions)
	{
		const ColumnExclusion *exclusion = lfirst(lc);

		foreach(l, exclusion->leaves)
		{
			if (sql_is_member(exchange->making, ((KeyMember *) lfirst(l))->relid, carry_root(old, lfirst(l))))
				append_leaf(sql, exchange, lfirst(l));
		}
		foreach(l, exclusion->parents)
		{
			if (sql_is_member(exchange->making, ((KeyMember *) lfirst(l))->relid, carry_root(old, lfirst(l))))
				append_parent(sql, exchange, exclusion, lfirst(l));
		}
	}
}

static List *
asserts(const Making *making, const Column *old)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, old->exclusions)
		all = list_concat(all, carry_none_late(making, old, ((ColumnExclusion *) lfirst(lc))->leaves,
											   ((ColumnExclusion *) lfirst(lc))->parents));
	return all;
}

const ColumnPart column_exclusion = {
	.load = load,
	.of_partitions = true,
	.claims = claims,
	.migrate = migrate,
	.leave = leave,
	.enter = enter,
	.asserts = asserts,
	.way_back = way_back,
};
