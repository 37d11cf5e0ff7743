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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/carry.h"
#include "plan/deparse.h"
#include "utils/lsyscache.h"

/* What has no online way. */
static void
check_key(const Column *column, const ColumnKey *key)
{
	ListCell   *lc;

	if (key->deferrable && (key->primary || key->partitioned))
		column_refuse(psprintf("constraint %s, a deferrable %s,", key->name,
							   key->primary ? "primary key" : "one of a partitioned table"), column,
					  "Make it a unique constraint, or not deferrable, first.");
	foreach(lc, key->leaves)
	{
		KeyLeaf    *leaf = lfirst(lc);
		QuerySession session;
		bool		marked;

		if (get_rel_relkind(leaf->relid) != RELKIND_RELATION)
			column_refuse(psprintf("constraint %s of partition %s, which is partitioned itself,",
								   leaf->name, names_relation(leaf->relid)), column,
						  "Drop the constraint first, and add it again afterwards.");
		query_begin(&session);
		QUERY("SELECT indisreplident OR indisclustered FROM pg_index WHERE indexrelid = $1",
			  arg_oid(leaf->indexid));
		marked = key->partitioned && query_bool(0, 1);
		query_end(&session);
		if (marked)
			column_refuse(psprintf("constraint %s, the replica identity of partition %s, or what it is clustered on,",
								   leaf->name, names_relation(leaf->relid)), column,
						  "Set another replica identity, and run ALTER TABLE ... SET WITHOUT CLUSTER, first.");
	}
}

static void
load_leaves(Column *column, ColumnKey *key, Oid constraint)
{
	QuerySession session;
	uint64		n;

	key->partitioned = get_rel_relkind(column->relid) == RELKIND_PARTITIONED_TABLE;
	query_begin(&session);
	n = QUERY("SELECT conrelid, conname, conindid FROM pg_constraint "
			  "WHERE CASE WHEN $2 THEN conparentid ELSE oid END = $1 ORDER BY conrelid",
			  arg_oid(constraint), arg_bool(key->partitioned));
	for (uint64 row = 0; row < n; row++)
	{
		KeyLeaf    *leaf = palloc0(sizeof(KeyLeaf));

		leaf->relid = query_oid(row, 1);
		leaf->name = query_text(row, 2);
		leaf->indexid = query_oid(row, 3);
		key->leaves = lappend(key->leaves, leaf);
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
		  "obj_description(oid, 'pg_constraint'), obj_description(conindid, 'pg_class'), "
		  "coalesce(to_jsonb(o) ->> 'conperiod', 'false') = 'true', "
		  "(SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d "
		  "  WHERE d.refclassid = 'pg_constraint'::regclass AND d.refobjid = o.oid AND d.deptype = 'n') "
		  "FROM pg_constraint o WHERE oid = $1", arg_oid(constraint));
	key->name = query_text(0, 1);
	key->indexid = query_oid(0, 2);
	key->primary = query_bool(0, 3);
	key->deferrable = query_bool(0, 4);
	key->deferred = query_bool(0, 5);
	key->comment = query_text(0, 6);
	key->index_comment = query_text(0, 7);
	if (query_bool(0, 8))
		column_refuse(psprintf("constraint %s, WITHOUT OVERLAPS,", key->name), column,
					  "No index can be built for it without locking the table; drop it first.");
	if (!query_null(0, 9))
		column_refuse(psprintf("%s, through constraint %s,", query_text(0, 9), key->name), column,
					  "Name all columns in its GROUP BY, first.");
	query_end(&session);
	load_leaves(column, key, constraint);
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
back_name(const MigrationPlan *plan, const KeyLeaf *leaf)
{
	return carry_own_name(plan, psprintf("%s_old", leaf->name));
}

static Step *
index_step(const Column *old, const KeyLeaf *leaf, const char *name, const char *to, bool retyped)
{
	Step	   *step = palloc0(sizeof(Step));

	*step = (Step) {
		.phase = "migrate", .action = ACTION_TOPLEVEL,
		.statement = deparse_index_template(leaf->indexid, &(IndexTemplate) {
			.name = name, .from = get_attnum(leaf->relid, old->name), .to = to,
			.retyped = retyped, .concurrently = true,
		}),
		.relations = list_make1_oid(leaf->relid), .lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on", .index_name = pstrdup(name),
	};
	return step;
}

/* The old column keeps an index that is no constraint's. */
static void
plan_lasting_index(MigrationPlan *plan, const Column *old, const KeyLeaf *leaf)
{
	char	   *name = back_name(plan, leaf);

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL, .statement = "",
		.undo = psprintf("DROP INDEX IF EXISTS %s", names_template_index(leaf->relid, name)),
		.undo_lock = AccessExclusiveLock, .relations = list_make1_oid(leaf->relid),
		.note = "on the way back only",
	});
	plan_add(plan, index_step(old, leaf, name,
							  names_template_attribute(leaf->relid, get_attnum(leaf->relid, old->name)),
							  false));
}

/*
 * A deferrable constraint is attached as soon as its index is there: as a plain
 * unique index it would not let pass what a transaction mends before its end.
 */
static void
plan_deferrable(MigrationPlan *plan, const Column *old, const ColumnKey *key)
{
	char	   *name = carry_quoted(carry_own_name(plan, key->name));

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s UNIQUE USING INDEX %s%s",
							  names_template_relation(old->relid), name, name, deferral(key)),
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
			KeyLeaf    *leaf = lfirst(l);

			plan_add(plan, index_step(old, leaf, carry_own_name(plan, leaf->name),
									  carry_quoted(new->name), new->retyped));
			if (!carry_takes_name(new))
				plan_lasting_index(plan, old, leaf);
		}
		if (key->deferrable)
			plan_deferrable(plan, old, key);
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

static void
append_comments(StringInfo sql, const Column *old, const ColumnKey *key)
{
	if (key->comment != NULL)
		carry_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", carry_quoted(key->name),
						names_template_relation(old->relid), carry_literal(key->comment));
	if (key->index_comment != NULL)
		carry_statement(sql, "COMMENT ON INDEX %s IS %s",
						names_template_index(old->relid, key->name),
						carry_literal(key->index_comment));
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
 * The constraint of the partitioned table, when all partitions have theirs.  One
 * attached since the plan was made would have its index built here, under the
 * strongest lock: that is an error instead.
 */
static void
append_partitioned(StringInfo sql, const Column *old, const ColumnKey *key, const char *column)
{
	char	   *table = names_template_relation(old->relid);

	carry_statement(sql, "SELECT (CASE count(*) WHEN %d THEN '0' ELSE 'partitions have come or gone since the migration was stated: revert it, and state it again' END)::int "
					"FROM pg_inherits WHERE inhparent = %u", list_length(key->leaves), old->relid);
	carry_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s %s%s (%s)", table, carry_quoted(key->name),
					key->primary ? "PRIMARY KEY" : "UNIQUE",
					key->nulls_not_distinct ? " NULLS NOT DISTINCT" : "",
					column_list(old, key->columns, column));
	if (key->included != NIL)
		appendStringInfo(sql, " INCLUDE (%s)", column_list(old, key->included, column));
}

void
key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old,
				  const NewColumn *new, bool forward)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		foreach(l, key->leaves)
		{
			KeyLeaf    *leaf = lfirst(l);
			char	   *table = names_template_relation(leaf->relid);
			char	   *own = carry_own_name(plan, leaf->name);

			if (forward && key->deferrable)
				carry_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
								carry_quoted(own), carry_quoted(leaf->name));
			else
				carry_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s", table,
								carry_quoted(leaf->name), key->primary ? "PRIMARY KEY" : "UNIQUE",
								carry_quoted(forward ? own : back_name(plan, leaf)), deferral(key));
		}
		if (key->partitioned)
			append_partitioned(sql, old, key, forward ? carry_quoted(new->name) :
							   carry_old_later(plan, old, new));
		append_comments(sql, old, key);
	}
}

void
key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;
	ListCell   *l;

	foreach(lc, old->keys)
	{
		foreach(l, ((ColumnKey *) lfirst(lc))->leaves)
		{
			KeyLeaf    *leaf = lfirst(l);
			Step	   *step = index_step(old, leaf, back_name(plan, leaf),
										  carry_old_later(plan, old, new), false);

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
