/*-------------------------------------------------------------------------
 *
 * column_steps.c
 *		The steps that give a second column all that the first one has.
 *
 * Every step that keeps readers or writers out only changes the catalog; what
 * looks at rows runs under SHARE UPDATE EXCLUSIVE or less.  What is built in
 * the migrate phase has a name of its own until contract, when the old column
 * and all that hung on it goes and leaves its names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/index.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "core/names.h"
#include "plan/column.h"
#include "plan/deparse.h"
#include "plan/trigger_sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

#define CATALOG_ONLY "changes the catalog only"

/* A name that only this migration gives: "<base>_zdm<id>". */
static char *
own_name(const MigrationPlan *plan, const char *base)
{
	return names_make(base, psprintf("_zdm" INT64_FORMAT, plan->migration));
}

static char *
quoted_template(const char *name)
{
	return names_escape(quote_identifier(name));
}

/* ALTER TABLE ... ALTER COLUMN new ..., for what ADD COLUMN cannot say. */
static void
append_attributes(StringInfo sql, const Column *old, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	ListCell   *lc;

	if (old->storage != NULL)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET STORAGE %s",
						 table, new_column, old->storage);
	if (old->statistics >= 0)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET STATISTICS %d",
						 table, new_column, old->statistics);
	if (old->default_text != NULL && !old->default_volatile)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s",
						 table, new_column, old->default_text);
	foreach(lc, old->options)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET (%s)",
						 table, new_column, names_escape(lfirst(lc)));
	if (old->comment != NULL)
		appendStringInfo(sql, ";\nCOMMENT ON COLUMN %s.%s IS %s",
						 table, new_column, names_escape(quote_literal_cstr(old->comment)));
	foreach(lc, old->grants)
	{
		char	   *grant = lfirst(lc);
		char	   *mark = strstr(grant, "%s");

		appendStringInfo(sql, ";\n%.*s%s%s", (int) (mark - grant), grant, new_column, mark + 2);
	}
}

void
column_plan_expand(MigrationPlan *plan, const Column *old, const char *new_name, const Pair *pair)
{
	char	   *new_column = quoted_template(new_name);
	char	   *table = names_template_relation(old->relid);
	Pair	   *copy = palloc(sizeof(Pair));
	StringInfoData sql;

	/*
	 * The trigger comes first and does nothing without a pair; the pair comes
	 * into force with the column, so no row is ever written between the two.
	 */
	plan_add(plan, &(Step) {
		.phase = "expand", .action = ACTION_SQL, .effect = EFFECT_TRIGGER_CREATE,
		.statement = trigger_sql_create(old->relid),
		.undo = trigger_sql_drop(old->relid),
		.lock = ShareRowExclusiveLock, .work = CATALOG_ONLY,
		.note = "keeps both columns in step; left out if another migration has made it",
	});

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD COLUMN %s %s", table, new_column,
					 names_escape(old->type));
	if (old->compression != NULL)
		appendStringInfo(&sql, " COMPRESSION %s", old->compression);
	if (old->collation != NULL)
		appendStringInfo(&sql, " COLLATE %s", names_escape(old->collation));
	append_attributes(&sql, old, new_column);
	plan_add(plan, &(Step) {
		.phase = "expand", .action = ACTION_SQL, .effect = EFFECT_PAIR_ADD,
		.statement = sql.data,
		.undo = psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", table, new_column),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "from here on every write sets both columns; without the extension: nothing keeps them in step",
	});
	*copy = *pair;
	plan->pairs = lappend(plan->pairs, copy);
}

/* An index that is made and the name it takes when the old one is gone. */
typedef struct NewIndex
{
	Oid			old;
	Oid			relid;			/* of its table */
	char	   *old_name;
	char	   *new_name;
	Oid			namespace;
} NewIndex;

static NewIndex
new_index(const MigrationPlan *plan, Oid indexid)
{
	NewIndex	index = {
		.old = indexid,
		.relid = IndexGetRelation(indexid, false),
		.old_name = get_rel_name(indexid),
		.namespace = get_rel_namespace(indexid),
	};

	index.new_name = own_name(plan, index.old_name);
	return index;
}

/* The indexes directly attached to a partitioned one. */
static List *
index_children(Oid indexid)
{
	return find_inheritance_children(indexid, AccessShareLock);
}

static void
plan_plain_index(MigrationPlan *plan, const NewIndex *index, AttrNumber from, const char *to)
{
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_TOPLEVEL,
		.statement = deparse_index_template(index->old, &(IndexTemplate) {
			.name = index->new_name, .from = from, .to = to, .concurrently = true,
		}),
		.relations = list_make1_oid(IndexGetRelation(index->old, false)),
		.lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on",
		.index_namespace = index->namespace, .index_name = index->new_name,
	});
}

/* The statistics targets of its expressions, which CREATE INDEX cannot say. */
static void
plan_index_statistics(MigrationPlan *plan, const NewIndex *index)
{
	QuerySession session;
	StringInfoData sql;
	uint64		n;

	initStringInfo(&sql);
	query_begin(&session);
	n = QUERY("SELECT attnum::int, attstattarget::int FROM pg_attribute "
			  "WHERE attrelid = $1 AND attstattarget >= 0 ORDER BY attnum", arg_oid(index->old));
	for (uint64 row = 0; row < n; row++)
		appendStringInfo(&sql, "%sALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d",
						 row > 0 ? ";\n" : "", names_template_index(index->relid, index->new_name),
						 query_int4(row, 1), query_int4(row, 2));
	query_end(&session);
	if (n > 0)
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL, .statement = sql.data,
			.relations = list_make1_oid(IndexGetRelation(index->old, false)),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
}

/*
 * An index on a partitioned table: an empty one on the parent alone, one built
 * CONCURRENTLY for each leaf, then attached; the parent's is valid when all are.
 */
static void
plan_index(MigrationPlan *plan, const Column *old, Oid indexid, const char *new_column)
{
	NewIndex	index = new_index(plan, indexid);
	Oid			relid = IndexGetRelation(indexid, false);
	AttrNumber	from = get_attnum(relid, old->name);
	ListCell   *lc;

	if (get_rel_relkind(indexid) != RELKIND_PARTITIONED_INDEX)
	{
		plan_plain_index(plan, &index, from, new_column);
		plan_index_statistics(plan, &index);
		return;
	}
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = deparse_index_template(indexid, &(IndexTemplate) {
			.name = index.new_name, .from = from, .to = new_column, .only = true,
		}),
		.relations = list_make1_oid(relid), .lock = ShareLock, .work = CATALOG_ONLY,
		.note = "of the partitioned table itself, which has no rows",
	});
	plan_index_statistics(plan, &index);
	foreach(lc, index_children(indexid))
	{
		NewIndex	child = new_index(plan, lfirst_oid(lc));

		plan_index(plan, old, child.old, new_column);
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = psprintf("ALTER INDEX %s ATTACH PARTITION %s",
								  names_template_index(index.relid, index.new_name),
								  names_template_index(child.relid, child.new_name)),
			.relations = list_make1_oid(IndexGetRelation(child.old, false)),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
	}
}

static void
plan_check(MigrationPlan *plan, const Column *old, const ColumnCheck *check, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	char	   *name = quoted_template(own_name(plan, check->name));

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s", table, name,
							  deparse_expression_template(check->expr, old->relid,
														  old->attnum, new_column),
							  check->no_inherit ? " NO INHERIT" : "",
							  check->not_enforced ? " NOT ENFORCED" : " NOT VALID"),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	if (check->validated && !check->not_enforced)
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name),
			.lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
		});
}

/* The name of the constraint that stands for NOT NULL until contract. */
static char *
not_null_name(const MigrationPlan *plan, const Column *old)
{
	return own_name(plan, psprintf("%s_not_null", old->name));
}

/*
 * NOT NULL without a scan under a strong lock: on 18 a constraint of its own,
 * NOT VALID and then validated; before, a CHECK that proves it.
 */
static void
plan_not_null(MigrationPlan *plan, const Column *old, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	char	   *name = quoted_template(not_null_name(plan, old));

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf(ZDM_HAS_NOT_NULL_NOT_VALID ?
							  "ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s NOT VALID" :
							  "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
							  table, name, new_column),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name),
		.lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
	});
	if (!ZDM_HAS_NOT_NULL_NOT_VALID)
	{
		/* two statements: in one, the drop would come first and with it the proof */
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
								  "ALTER TABLE %s DROP CONSTRAINT %s",
								  table, new_column, table, name),
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
			.note = "the validated constraint proves it: no scan",
		});
	}
}

/*
 * What to analyze: the new column, or, since statistics of expressions are
 * gathered only when no column is named, all of them.
 */
static char *
analyze_target(const Column *old, const char *new_column)
{
	QuerySession session;
	bool		expressions;
	char	   *table = names_template_relation(old->relid);

	query_begin(&session);
	expressions = QUERY("SELECT 1 FROM pg_index WHERE indexrelid = ANY ($1) AND indexprs IS NOT NULL",
						arg_oids(old->indexes)) > 0;
	query_end(&session);
	return expressions ? table : psprintf("%s (%s)", table, new_column);
}

void
column_plan_migrate(MigrationPlan *plan, const Column *old, const char *new_name)
{
	char	   *new_column = quoted_template(new_name);
	ListCell   *lc;

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", names_template_relation(old->relid),
							  new_column, names_template_attribute(old->relid, old->attnum)),
		.relations = list_make1_oid(old->relid), .lock = RowExclusiveLock,
		.work = "writes every row that is not right yet, in short batches",
		.note = "by blocks, without firing triggers; run by hand, do it in batches",
	});
	foreach(lc, old->indexes)
		plan_index(plan, old, lfirst_oid(lc), new_column);
	foreach(lc, old->checks)
		plan_check(plan, old, lfirst(lc), new_column);
	if (old->not_null)
		plan_not_null(plan, old, new_column);
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = psprintf("ANALYZE %s", analyze_target(old, new_column)),
		.lock = ShareUpdateExclusiveLock, .work = "reads a sample",
	});
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_VERIFY,
		.statement = psprintf("SELECT * FROM zdm.verify(" INT64_FORMAT ")", plan->migration),
		.relations = list_make1_oid(old->relid), .lock = AccessShareLock,
		.work = "reads every row", .note = "without the extension: compare both columns of every row",
	});
}

void
column_plan_cutover(MigrationPlan *plan, const Column *old, const char *new_name)
{
	char	   *table = names_template_relation(old->relid);
	char	   *new_column = quoted_template(new_name);
	char	   *old_column = names_template_attribute(old->relid, old->attnum);
	char	   *sql = psprintf("-- %s becomes the authoritative column", new_column);
	char	   *undo = psprintf("-- %s becomes the authoritative column", old_column);

	plan_add(plan, &(Step) {
		.phase = "cutover", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", table, new_column, old_column),
		.relations = list_make1_oid(old->relid), .lock = RowExclusiveLock,
		.work = "partitions attached since the backfill only",
	});

	/* a volatile default is on one side only, or it would be computed twice a row */
	if (old->default_volatile)
	{
		sql = psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n"
					   "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT",
					   table, new_column, old->default_text, table, old_column);
		undo = psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s;\n"
						"ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT",
						table, old_column, old->default_text, table, new_column);
	}
	plan_add(plan, &(Step) {
		.phase = "cutover", .action = ACTION_SQL, .effect = EFFECT_PAIR_SWITCH,
		.statement = sql, .undo = undo,
		.lock = old->default_volatile ? AccessExclusiveLock : ShareRowExclusiveLock,
		.work = CATALOG_ONLY,
		.note = psprintf("column %s becomes the authoritative one; the other is kept in step",
						 quote_identifier(new_name)),
	});
}

/* Give the new index, and its partitions' ones, the names of the old. */
static void
append_index_renames(StringInfo sql, const MigrationPlan *plan, Oid indexid)
{
	NewIndex	index = new_index(plan, indexid);
	QuerySession session;
	ListCell   *lc;

	appendStringInfo(sql, ";\nALTER INDEX %s RENAME TO %s",
					 names_template_index(index.relid, index.new_name),
					 quoted_template(index.old_name));
	query_begin(&session);
	QUERY("SELECT obj_description($1, 'pg_class')", arg_oid(indexid));
	if (!query_null(0, 1))
		appendStringInfo(sql, ";\nCOMMENT ON INDEX %s IS %s",
						 names_template_index(index.relid, index.old_name),
						 names_escape(quote_literal_cstr(query_text(0, 1))));
	query_end(&session);
	foreach(lc, index_children(indexid))
		append_index_renames(sql, plan, lfirst_oid(lc));
}

static void
append_constraint_rename(StringInfo sql, const char *table, const char *from, const char *to,
						 const char *comment)
{
	appendStringInfo(sql, ";\nALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
					 quoted_template(from), quoted_template(to));
	if (comment != NULL)
		appendStringInfo(sql, ";\nCOMMENT ON CONSTRAINT %s ON %s IS %s", quoted_template(to),
						 table, names_escape(quote_literal_cstr(comment)));
}

void
column_plan_contract(MigrationPlan *plan, const Column *old, const char *new_name)
{
	char	   *table = names_template_relation(old->relid);
	StringInfoData sql;
	ListCell   *lc;

	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", table, quoted_template(new_name),
							  names_template_attribute(old->relid, old->attnum)),
		.relations = list_make1_oid(old->relid), .lock = RowExclusiveLock,
		.work = "partitions attached since the backfill only",
	});
	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_VERIFY,
		.statement = psprintf("SELECT * FROM zdm.verify(" INT64_FORMAT ")", plan->migration),
		.relations = list_make1_oid(old->relid), .lock = AccessShareLock,
		.work = "reads every row", .note = "nothing is dropped if a row differs",
	});

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s DROP COLUMN %s", table,
					 names_template_attribute(old->relid, old->attnum));
	foreach(lc, old->indexes)
		append_index_renames(&sql, plan, lfirst_oid(lc));
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		append_constraint_rename(&sql, table, own_name(plan, check->name), check->name,
								 check->comment);
	}
	if (old->not_null_name != NULL)
		append_constraint_rename(&sql, table, not_null_name(plan, old), old->not_null_name, NULL);
	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_SQL, .effect = EFFECT_PAIR_DROP,
		.statement = sql.data, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "cannot be undone",
	});
	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_SQL, .effect = EFFECT_TRIGGER_DROP,
		.statement = trigger_sql_drop(old->relid),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "kept while another migration needs it",
	});
}
