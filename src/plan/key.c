/*-------------------------------------------------------------------------
 *
 * key.c
 *		Primary key and unique constraints of a column that is replaced.
 *
 * A constraint can only be had at once from a unique index that is there
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

#include "catalog/query.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "plan/carry.h"
#include "plan/deparse.h"
#include "utils/lsyscache.h"

/* What has no online way. */
static void
check_key(const Column *column, const ColumnKey *key)
{
	ListCell   *lc;

	foreach(lc, key->leaves)
	{
		KeyMember  *leaf = lfirst(lc);
		QuerySession session;
		bool		marked;

		query_begin(&session);
		QUERY("SELECT indisreplident OR indisclustered FROM pg_index WHERE indexrelid = $1",
			  arg_oid(leaf->indexid));
		marked = key->parents != NIL && query_bool(0, 1);
		query_end(&session);
		if (marked)
			column_refuse(psprintf("constraint %s, the replica identity of partition %s, or what it is clustered on,",
								   leaf->name, names_relation(leaf->relid)), column,
						  "Set another replica identity, and run ALTER TABLE ... SET WITHOUT CLUSTER, first.");
	}
}

/* The constraint of the table itself and of its partitions, theirs first. */
static void
load_members(ColumnKey *key, Oid constraint)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("WITH RECURSIVE m(oid, level) AS (SELECT $1, 0 UNION ALL "
			  "SELECT o.oid, m.level + 1 FROM m JOIN pg_constraint o ON o.conparentid = m.oid) "
			  "SELECT o.conrelid, o.conname, o.conindid, c.relkind = 'p', "
			  "obj_description(o.oid, 'pg_constraint'), obj_description(o.conindid, 'pg_class') "
			  "FROM m JOIN pg_constraint o ON o.oid = m.oid JOIN pg_class c ON c.oid = o.conrelid "
			  "ORDER BY m.level DESC, o.conrelid", arg_oid(constraint));
	for (uint64 row = 0; row < n; row++)
	{
		KeyMember  *member = palloc0(sizeof(KeyMember));

		member->relid = query_oid(row, 1);
		member->name = query_text(row, 2);
		member->indexid = query_oid(row, 3);
		member->comment = query_text(row, 5);
		member->index_comment = query_text(row, 6);
		if (query_bool(row, 4))
			key->parents = lappend(key->parents, member);
		else
			key->leaves = lappend(key->leaves, member);
	}
	query_end(&session);
}

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

void
key_load(Column *column, Oid constraint)
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
					  "No index can be built for it without locking the table; drop it first.");
	if (!query_null(0, 7))
		column_refuse(psprintf("%s, through constraint %s,", query_text(0, 7), key->name), column,
					  "Name all columns in its GROUP BY, first.");
	query_end(&session);
	load_members(key, constraint);
	load_columns(key);
	check_key(column, key);
	column->keys = lappend(column->keys, key);
}

static const char *
deferral(const ColumnKey *key)
{
	return !key->deferrable ? "" :
		key->deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
}

/* The index that the old column is to have again, or still. */
static char *
back_name(const MigrationPlan *plan, const KeyMember *leaf)
{
	return carry_own_name(plan, psprintf("%s_old", leaf->name));
}

/* A partition may have gone meanwhile, and its own part of the constraint with it. */
static char *
while_member(const Column *old, const KeyMember *member, char *statement)
{
	return member->relid == old->relid ? statement :
		names_template_if_partition(member->relid, old->relid, statement);
}

static Step *
index_step(const Column *old, const KeyMember *leaf, const IndexTemplate *index)
{
	Step	   *step = palloc0(sizeof(Step));
	IndexTemplate template = *index;

	template.from = get_attnum(leaf->relid, old->name);
	template.concurrently = true;
	*step = (Step) {
		.phase = "migrate", .action = ACTION_TOPLEVEL,
		.statement = while_member(old, leaf, deparse_index_template(leaf->indexid, &template)),
		.relations = list_make1_oid(leaf->relid), .lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on", .index_name = pstrdup(index->name),
	};
	return step;
}

static Step *
new_index_step(const MigrationPlan *plan, const Column *old, const NewColumn *new, const KeyMember *leaf)
{
	return index_step(old, leaf, &(IndexTemplate) {
		.name = carry_own_name(plan, leaf->name), .to = carry_quoted(new->name),
		.retyped = new->retyped,
	});
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
	carry_own_name(plan, psprintf("%s_lookup", leaf->name)) : back_name(plan, leaf);

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL, .statement = "",
		.undo = while_member(old, leaf, psprintf("DROP INDEX IF EXISTS %s",
												 names_template_index(leaf->relid, name))),
		.undo_lock = AccessExclusiveLock, .relations = list_make1_oid(leaf->relid),
		.note = "on the way back only",
	});
	plan_add(plan, index_step(old, leaf, &(IndexTemplate) {
		.name = name,
		.to = names_template_attribute(leaf->relid, get_attnum(leaf->relid, old->name)),
		.not_unique = key->deferrable,
	}));
}

/*
 * A deferrable constraint is attached as soon as its index is there: as a plain
 * unique index it would not let pass what a transaction mends before its end.
 */
static void
plan_deferrable(MigrationPlan *plan, const Column *old, const ColumnKey *key, const KeyMember *leaf)
{
	char	   *name = carry_quoted(carry_own_name(plan, leaf->name));

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = while_member(old, leaf,
								  psprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s",
										   names_template_relation(leaf->relid), name, name, deferral(key))),
		.relations = list_make1_oid(leaf->relid),
		.lock = AccessExclusiveLock, .work = "changes the catalog only",
		.note = "until it is a constraint, the index checks each row at once",
	});
}

void
key_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
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
				plan_add(plan, new_index_step(plan, old, new, leaf));
			if (key->deferrable && !key->primary)
				plan_deferrable(plan, old, key, leaf);
			if (!carry_takes_name(new))
				plan_lasting_index(plan, old, key, leaf);
		}
	}
}

void
key_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		if (!key->deferrable || !key->primary)
			continue;
		foreach(l, key->leaves)
		{
			Step	   *step = new_index_step(plan, old, new, lfirst(l));

			step->phase = "cutover";
			step->note = "until it is the primary key's, the index checks each row at once";
			plan_add(plan, step);
		}
	}
}

void
key_append_drop(StringInfo sql, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		carry_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s",
						names_template_relation(old->relid), carry_quoted(key->name));
	}
}

static char *
column_list(const Column *old, List *attnums, const char *column)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, attnums)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : "",
						 lfirst_int(lc) == old->attnum ? column :
						 names_template_attribute(old->relid, (AttrNumber) lfirst_int(lc)));
	return buf.data;
}

/*
 * The constraint of a partitioned table, when its partitions have theirs.  One
 * attached since the plan was made has its index built here, under the strongest
 * lock: unless it is small, that is an error instead.
 */
static char *
parent_sql(const Column *old, const ColumnKey *key, const KeyMember *parent, const char *column)
{
	StringInfoData known;
	StringInfoData add;
	ListCell   *lc;

	initStringInfo(&add);
	initStringInfo(&known);
	foreach(lc, list_concat_copy(key->leaves, key->parents))
		appendStringInfo(&known, "%s%u", known.len > 0 ? ", " : "", ((KeyMember *) lfirst(lc))->relid);
	carry_statement(&add, "%s", carry_refuse_late(parent->relid, known.data));
	carry_statement(&add, "ALTER TABLE %s ADD CONSTRAINT %s %s%s (%s)",
					names_template_relation(parent->relid), carry_quoted(parent->name),
					key->primary ? "PRIMARY KEY" : "UNIQUE",
					key->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
					column_list(old, key->columns, column));
	if (key->included != NIL)
		appendStringInfo(&add, " INCLUDE (%s)", column_list(old, key->included, column));
	appendStringInfoString(&add, deferral(key));
	return add.data;
}

static void
append_member(StringInfo sql, const Column *old, const KeyMember *member, char *statement)
{
	carry_statement(sql, "%s", while_member(old, member, statement));
}

static void
append_comments(StringInfo sql, const Column *old, const KeyMember *member)
{
	if (member->comment != NULL)
		append_member(sql, old, member,
					  psprintf("COMMENT ON CONSTRAINT %s ON %s IS %s", carry_quoted(member->name),
							   names_template_relation(member->relid), carry_literal(member->comment)));
	if (member->index_comment != NULL)
		append_member(sql, old, member,
					  psprintf("COMMENT ON INDEX %s IS %s",
							   names_template_index(member->relid, member->name),
							   carry_literal(member->index_comment)));
}

/* The constraint of a table with rows, on the index that is there for it. */
static void
append_leaf(StringInfo sql, const MigrationPlan *plan, const Column *old, const ColumnKey *key,
			const KeyMember *leaf, bool forward)
{
	char	   *table = names_template_relation(leaf->relid);
	char	   *own = carry_quoted(carry_own_name(plan, leaf->name));
	char	   *name = carry_quoted(leaf->name);

	if (forward && key->deferrable && !key->primary)
		append_member(sql, old, leaf, psprintf("ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, own, name));
	else
		append_member(sql, old, leaf,
					  psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s", table, name,
							   key->primary ? "PRIMARY KEY" : "UNIQUE",
							   forward ? own : carry_quoted(back_name(plan, leaf)), deferral(key)));
	append_comments(sql, old, leaf);
}

void
key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old,
				  const NewColumn *new, bool forward)
{
	char	   *column = forward ? carry_quoted(new->name) : carry_old_later(old, new);
	ListCell   *lc;
	ListCell   *m;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		foreach(m, key->leaves)
			append_leaf(sql, plan, old, key, lfirst(m), forward);
		foreach(m, key->parents)
		{
			append_member(sql, old, lfirst(m), parent_sql(old, key, lfirst(m), column));
			append_comments(sql, old, lfirst(m));
		}
	}
}

void
key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		/* the index that lasts is the one to go back to */
		if (!carry_takes_name(new) && !key->deferrable)
			continue;
		foreach(l, key->leaves)
		{
			KeyMember  *leaf = lfirst(l);
			Step	   *step = index_step(old, leaf, &(IndexTemplate) {
				.name = back_name(plan, leaf), .to = carry_old_later(old, new),
			});

			step->phase = "cutover";
			step->undo = step->statement;
			step->undo_lock = step->lock;
			step->statement = "";
			step->lock = NoLock;
			step->note = "on the way back only";
			*steps = lappend(*steps, step);
		}
	}
}

/* The name that an index, or a key's, has after the exchange. */
static const char *
name_afterwards(const MigrationPlan *plan, const Column *old, Oid indexid, bool forward)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		if (((ColumnKey *) lfirst(lc))->indexid == indexid)
			return ((ColumnKey *) lfirst(lc))->name;
	}
	return forward ? carry_own_name(plan, get_rel_name(indexid)) : get_rel_name(indexid);
}

void
key_append_marks(StringInfo sql, const MigrationPlan *plan, const Column *old, bool forward)
{
	char	   *table = names_template_relation(old->relid);

	if (OidIsValid(old->identity_index))
		carry_statement(sql, "ALTER TABLE %s REPLICA IDENTITY USING INDEX %s", table,
						carry_quoted(name_afterwards(plan, old, old->identity_index, forward)));
	if (OidIsValid(old->cluster_index))
		carry_statement(sql, "ALTER TABLE %s CLUSTER ON %s", table,
						carry_quoted(name_afterwards(plan, old, old->cluster_index, forward)));
}
