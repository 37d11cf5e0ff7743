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
	key->namespace = get_rel_namespace(key->indexid);
	if (query_bool(0, 8))
		column_refuse(psprintf("constraint %s, WITHOUT OVERLAPS,", key->name), column,
					  "No index can be built for it without locking the table; drop it first.");
	if (!query_null(0, 9))
		column_refuse(psprintf("%s, through constraint %s,", query_text(0, 9), key->name), column,
					  "Name all columns in its GROUP BY, first.");
	query_end(&session);
	if (get_rel_relkind(column->relid) == RELKIND_PARTITIONED_TABLE)
		column_refuse(psprintf("constraint %s of a partitioned table", key->name), column,
					  "Keys of partitioned tables cannot be carried yet.");
	if (key->primary && key->deferrable)
		column_refuse(psprintf("constraint %s, a deferrable primary key,", key->name), column,
					  "Make it a unique constraint, or not deferrable, first.");
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
back_name(const MigrationPlan *plan, const ColumnKey *key)
{
	return carry_own_name(plan, psprintf("%s_old", key->name));
}

static Step *
index_step(const MigrationPlan *plan, const Column *old, const ColumnKey *key,
		   const char *name, const char *to, bool retyped)
{
	Step	   *step = palloc0(sizeof(Step));

	*step = (Step) {
		.phase = "migrate", .action = ACTION_TOPLEVEL,
		.statement = deparse_index_template(key->indexid, &(IndexTemplate) {
			.name = name, .from = old->attnum, .to = to, .retyped = retyped, .concurrently = true,
		}),
		.relations = list_make1_oid(old->relid), .lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on",
		.index_namespace = key->namespace, .index_name = pstrdup(name),
	};
	return step;
}

/* The old column keeps an index that is no constraint's. */
static void
plan_lasting_index(MigrationPlan *plan, const Column *old, const ColumnKey *key)
{
	char	   *name = back_name(plan, key);

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL, .statement = "",
		.undo = psprintf("DROP INDEX IF EXISTS %s", names_template_index(old->relid, name)),
		.undo_lock = AccessExclusiveLock, .relations = list_make1_oid(old->relid),
		.note = "on the way back only",
	});
	plan_add(plan, index_step(plan, old, key, name,
							  names_template_attribute(old->relid, old->attnum), false));
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

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);

		plan_add(plan, index_step(plan, old, key, carry_own_name(plan, key->name),
								  carry_quoted(new->name), new->retyped));
		if (key->deferrable)
			plan_deferrable(plan, old, key);
		if (!carry_takes_name(new))
			plan_lasting_index(plan, old, key);
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

void
key_append_attach(StringInfo sql, const MigrationPlan *plan, const Column *old, bool forward)
{
	char	   *table = names_template_relation(old->relid);
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);
		char	   *own = carry_own_name(plan, key->name);

		if (forward && key->deferrable)
			carry_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
							carry_quoted(own), carry_quoted(key->name));
		else
			carry_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s", table,
							carry_quoted(key->name), key->primary ? "PRIMARY KEY" : "UNIQUE",
							carry_quoted(forward ? own : back_name(plan, key)), deferral(key));
		append_comments(sql, old, key);
	}
}

void
key_plan_way_back(List **steps, const MigrationPlan *plan, const Column *old,
				  const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		ColumnKey  *key = lfirst(lc);
		Step	   *step = index_step(plan, old, key, back_name(plan, key),
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
