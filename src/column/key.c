/*-------------------------------------------------------------------------
 *
 * key.c
 *		Primary key and unique constraints of a column that is replaced.
 *
 * A constraint can only be made at once from a unique index that is there
 * already, so one is built CONCURRENTLY over the new column.  The cutover drops
 * the old constraint, with its index, and attaches the new one under the same
 * name.  The old column's own index is not kept from there on: what an
 * application writes must not fail for the sake of the way back.  Only where both
 * names are in use (a rename) a second index is built over the old column
 * first, for those who still look rows up by it.
 *
 * Of a partitioned table, each partition has its index built and attached by
 * itself; the partitioned table's own constraint, added last, finds them and
 * builds nothing.
 *
 * A constraint that can be deferred lets rows pass that its index alone would
 * not: a unique one is attached as soon as its index is built, and the index of
 * a primary key, of which there can be but one, is only built at cutover.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "utils/lsyscache.h"

/* The columns, for the constraint of a partitioned table. */
static void
load_columns(ColumnKey *key)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT k::int4, n <= indnkeyatts, coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', 'false') = 'true' "
			  "FROM pg_index i, unnest(indkey::int2[]) WITH ORDINALITY u(k, n) WHERE indexrelid = $1 ORDER BY n",
			  arg_oid(key->indexid));
	for (uint64 row = 0; row < n; row++)
	{
		if (query_bool(row, 2))
			key->columns = lappend_int(key->columns, query_int4(row, 1));
		else
			key->included = lappend_int(key->included, query_int4(row, 1));
		key->nulls_not_distinct = query_bool(row, 3);
	}
	query_end(&session);
}

static void
load_key(Column *column, Oid constraint)
{
	QuerySession session;
	ColumnKey  *key = palloc0(sizeof(ColumnKey));

	query_begin(&session);
	QUERY("SELECT conname, conindid, contype = 'p', condeferrable, condeferred, "
		  "coalesce(to_jsonb(o) ->> 'conperiod', 'false') = 'true', "
		  "(SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d "
		  "  WHERE d.refclassid = 'pg_constraint'::regclass AND d.refobjid = o.oid AND d.deptype = 'n') "
		  "FROM pg_constraint o WHERE oid = $1", arg_oid(constraint));
	key->name = query_text(0, 1);
	key->indexid = query_oid(0, 2);
	key->primary = query_bool(0, 3);
	key->deferrable = query_bool(0, 4);
	key->deferred = query_bool(0, 5);
	if (query_bool(0, 6))
		column_refuse(psprintf("constraint %s, WITHOUT OVERLAPS,", key->name), column,
					  "Drop it first, and add it again afterwards.");
	if (!query_null(0, 7))
		column_refuse(psprintf("%s, through constraint %s,", query_text(0, 7), key->name), column,
					  "Name all columns in its GROUP BY, first.");
	query_end(&session);
	carry_load_members(constraint, &key->leaves, &key->parents);
	load_columns(key);
	carry_check_leaves(column, key->leaves);
	column->keys = lappend(column->keys, key);
}

static bool
load(Column *column, const Dependent *dependent)
{
	if (dependent->contype != CONSTRAINT_PRIMARY && dependent->contype != CONSTRAINT_UNIQUE)
		return false;
	load_key(column, dependent->object);
	return true;
}

/* Keys that a foreign key can refer to come first, in the order of their making. */
static int
compare_keys(const ListCell *a, const ListCell *b)
{
	const ColumnKey *left = lfirst(a);
	const ColumnKey *right = lfirst(b);

	if (left->deferrable != right->deferrable)
		return left->deferrable ? 1 : -1;
	return left->indexid < right->indexid ? -1 : 1;
}

static void
look(Column *column)
{
	list_sort(column->keys, compare_keys);
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->keys)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnKey *) lfirst(lc))->name));
	return claims;
}


static const char *
deferral(const ColumnKey *key)
{
	return !key->deferrable ? "" :
		key->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
}

/* The index that the old column is to have again, or still. */
static char *
back_name(int64 migration, const KeyMember *leaf)
{
	return sql_own_name(migration, psprintf("%s_old", leaf->name));
}

static void
index_step(MigrationPlan *plan, const Column *old, const KeyMember *leaf, char *name,
		   const IndexLike *like, const Step *given)
{
	IndexLike	options = *like;
	Step		step = *given;

	options.from = get_attnum(leaf->relid, old->name);
	step.relations = list_make1_oid(leaf->relid);
	*(step.only_back ? &step.undo_lock : &step.lock) = ShareUpdateExclusiveLock;
	step.work = "reads the table twice; writers go on";
	plan_step(plan, &verb_build_index, &(BuildIndexArgs) {
		.relation = leaf->relid, .root = carry_root(old, leaf), .name = name,
		.spec = deparse_index(leaf->indexid, &options),
	}, &step);
}

static void
new_index_step(MigrationPlan *plan, const Column *old, const NewColumn *new, const KeyMember *leaf,
			   const Step *step)
{
	index_step(plan, old, leaf, sql_own_name(plan->migration, leaf->name), &(IndexLike) {
		.to = carry_column(new->name), .retyped = new->retyped,
	}, step);
}

/*
 * The old column keeps an index that is no constraint's.  Nothing more than an
 * index where the constraint can be deferred: ON CONFLICT has no use for such a
 * one, and a unique index would be stricter.
 */
static void
plan_lasting_index(MigrationPlan *plan, const Column *old, const ColumnKey *key, const KeyMember *leaf)
{
	char	   *name = key->deferrable ?
		sql_own_name(plan->migration, psprintf("%s_lookup", leaf->name)) : back_name(plan->migration, leaf);

	plan_step(plan, &verb_drop_index, &(NamedArgs) {
		.relation = leaf->relid, .root = carry_root(old, leaf), .name = name,
	}, &(Step) {
		.phase = "migrate", .only_back = true,
		.undo_lock = AccessExclusiveLock, .relations = list_make1_oid(leaf->relid),
		.note = "on the way back only",
	});
	index_step(plan, old, leaf, name, &(IndexLike) {
		.to = expression_column(get_attnum(leaf->relid, old->name)), .not_unique = key->deferrable,
	}, &(Step) {.phase = "migrate"});
}

/*
 * A deferrable constraint is attached as soon as its index is there: as a plain
 * unique index it would not let pass what a transaction mends before its end.
 */
static void
plan_deferrable(MigrationPlan *plan, const Column *old, const ColumnKey *key, const KeyMember *leaf)
{
	char	   *name = sql_own_name(plan->migration, leaf->name);

	plan_step(plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = leaf->relid, .root = carry_root(old, leaf), .name = name, .kind = CONSTRAINT_UNIQUE,
		.index = name, .deferral = unconstify(char *, deferral(key)),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(leaf->relid),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "until it is a constraint, the index checks each row at once",
	});
}

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		foreach(l, key->leaves)
		{
			KeyMember  *leaf = lfirst(l);

			if (!key->deferrable || !key->primary)
				new_index_step(plan, old, new, leaf, &(Step) {.phase = "migrate"});
			if (key->deferrable && !key->primary)
				plan_deferrable(plan, old, key, leaf);
			if (!carry_takes_name(new))
				plan_lasting_index(plan, old, key, leaf);
		}
	}
}

static void
prepare(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		foreach(l, key->deferrable && key->primary ? key->leaves : NIL)
			new_index_step(plan, old, new, lfirst(l), &(Step) {
				.phase = "cutover", .note = "until it is the primary key's, the index checks each row at once",
			});
	}
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	ListCell   *lc;

	foreach(lc, old->keys)
		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", sql_table(exchange->making, old->relid),
					  sql_name(((ColumnKey *) lfirst(lc))->name));
}

static char *
column_list(const Making *making, const Column *old, List *attnums, List *column)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, attnums)
		columns = lappend(columns, lfirst_int(lc) == old->attnum ? column :
						  expression_column((AttrNumber) lfirst_int(lc)));
	return sql_expression(making, expression_join(columns, ", "), old->relid);
}

/* The constraint of a partitioned table, when its partitions have theirs. */
static void
append_parent(StringInfo sql, const Making *making, const Column *old, const ColumnKey *key,
			  const KeyMember *parent, List *column)
{
	sql_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s %s%s (%s)",
				  sql_table(making, parent->relid), sql_name(parent->name),
				  key->primary ? "PRIMARY KEY" : "UNIQUE",
				  key->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
				  column_list(making, old, key->columns, column));
	if (key->included != NIL)
		appendStringInfo(sql, " INCLUDE (%s)", column_list(making, old, key->included, column));
	appendStringInfoString(sql, deferral(key));
}

/* The constraint of a table with rows, on the index that is there for it. */
static void
append_leaf(StringInfo sql, const Making *making, const ColumnKey *key, const KeyMember *leaf, bool forward)
{
	char	   *table = sql_table(making, leaf->relid);
	char	   *own = sql_own_name(making->migration, leaf->name);

	if (forward && key->deferrable && !key->primary)
		sql_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, sql_name(own), sql_name(leaf->name));
	else
		sql_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s", table, sql_name(leaf->name),
					  key->primary ? "PRIMARY KEY" : "UNIQUE",
					  sql_name(forward ? own : back_name(making->migration, leaf)), deferral(key));
	if (key->primary)
		sql_statement(sql, "%s", constraint_disown_not_null(making, leaf->relid));
}

static void
append_member(StringInfo sql, const Making *making, const Column *old, const ColumnKey *key,
			  const KeyMember *member, List *column, bool forward)
{
	if (!sql_is_member(making, member->relid, carry_root(old, member)))
		return;
	if (column == NIL)
		append_leaf(sql, making, key, member, forward);
	else
		append_parent(sql, making, old, key, member, column);
	carry_append_comments(sql, making, member);
}

static void
append_attach(StringInfo sql, const Making *making, const Column *old,
			  const NewColumn *new, bool forward)
{
	List	   *column = forward ? carry_column(new->name) : carry_old_later(old, new);
	ListCell   *lc;
	ListCell   *m;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		foreach(m, key->leaves)
			append_member(sql, making, old, key, lfirst(m), NIL, forward);
		foreach(m, key->parents)
			append_member(sql, making, old, key, lfirst(m), column, forward);
	}
}

static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		/* the index that lasts is the one to go back to */
		foreach(l, !carry_takes_name(new) && !key->deferrable ? NIL : key->leaves)
			index_step(back, old, lfirst(l), back_name(back->migration, lfirst(l)), &(IndexLike) {
				.to = carry_old_later_in(old, new, ((KeyMember *) lfirst(l))->relid),
			}, &(Step) {.phase = "cutover", .only_back = true, .note = "on the way back only"});
	}
}

/* The name that an index, or a key's, has after the exchange. */
static const char *
name_afterwards(const Making *making, const Column *old, Oid indexid, bool forward)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		if (((ColumnKey *) lfirst(lc))->indexid == indexid)
			return ((ColumnKey *) lfirst(lc))->name;
	}
	foreach(lc, old->exclusions)
	{
		if (((ColumnExclusion *) lfirst(lc))->indexid == indexid)
			return ((ColumnExclusion *) lfirst(lc))->name;
	}
	foreach(lc, old->index_trees)
	{
		ColumnIndex *index = lfirst(lc);

		if (index->indexid == indexid)
			return forward ? sql_own_name(making->migration, index->name) : index->name;
	}
	return "<dropped>";
}

/* The tables' settings that name an index: replica identity, CLUSTER ON. */
static void
append_marks(StringInfo sql, const Making *making, const Column *old, bool forward)
{
	char	   *table = sql_table(making, old->relid);

	if (OidIsValid(old->identity_index))
		sql_statement(sql, "ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", table,
					  sql_name(name_afterwards(making, old, old->identity_index, forward)));
	if (OidIsValid(old->cluster_index))
		sql_statement(sql, "ALTER TABLE %s CLUSTER ON %s", table,
					  sql_name(name_afterwards(making, old, old->cluster_index, forward)));
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const TwinArgs *twin = exchange->twin;

	append_attach(sql, exchange->making, twin->old, twin->new, exchange->forward);
	append_marks(sql, exchange->making, twin->old, exchange->forward);
}

static List *
asserts(const Making *making, const Column *old)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, old->keys)
		all = list_concat(all, carry_none_late(making, old, ((ColumnKey *) lfirst(lc))->leaves, ((ColumnKey *) lfirst(lc))->parents));
	return all;
}

const ColumnPart column_key = {
	.load = load,
	.look = look,
	.claims = claims,
	.migrate = migrate,
	.prepare = prepare,
	.leave = leave,
	.enter = enter,
	.asserts = asserts,
	.way_back = way_back,
};
