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
#include "plan/carry.h"
#include "plan/deparse.h"
#include "plan/index.h"
#include "plan/other_end.h"
#include "plan/trigger_sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

#define CATALOG_ONLY "changes the catalog only"

static const char *
new_default(const Column *old, const NewColumn *new)
{
	return new->default_text != NULL ? new->default_text : old->default_text;
}

/* ALTER TABLE ... ALTER COLUMN new ..., for what ADD COLUMN cannot say. */
static void
append_attributes(StringInfo sql, const Column *old, const NewColumn *new)
{
	char	   *new_column = carry_quoted(new->name);
	char	   *table = names_template_relation(old->relid);
	ListCell   *lc;

	if (new->storage != NULL)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET STORAGE %s",
						 table, new_column, new->storage);
	if (old->statistics >= 0)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET STATISTICS %d",
						 table, new_column, old->statistics);
	if (new_default(old, new) != NULL && !old->default_volatile)
		appendStringInfo(sql, ";\nALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s",
						 table, new_column, new_default(old, new));
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
column_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new, const Pair *pair)
{
	char	   *new_column = carry_quoted(new->name);
	char	   *table = names_template_relation(old->relid);
	Pair	   *copy = palloc(sizeof(Pair));
	StringInfoData sql;

	column_check_schema(old);
	trigger_sql_check(old->relid);
	/* whether there is a name for it is known now as well as then */
	(void) names_sync_trigger(old->relid, false);

	/*
	 * The trigger comes first and does nothing without a pair; the pair comes
	 * into force with the column, so no row is ever written between the two.
	 */
	plan_add(plan, &(Step) {
		.phase = "expand", .action = ACTION_SQL, .effect = EFFECT_TRIGGER_CREATE,
		.statement = trigger_sql_create(old->relid),
		.undo = trigger_sql_drop(old->relid),
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "keeps both columns in step; left out if another migration has made it",
	});

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD COLUMN %s %s", table, new_column,
					 names_escape(new->type));
	if (new->compression != NULL)
		appendStringInfo(&sql, " COMPRESSION %s", new->compression);
	if (new->collation != NULL)
		appendStringInfo(&sql, " COLLATE %s", names_escape(new->collation));
	append_attributes(&sql, old, new);
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

	index.new_name = carry_own_name(plan, index.old_name);
	return index;
}

/* The indexes directly attached to a partitioned one. */
static List *
index_children(Oid indexid)
{
	return find_inheritance_children(indexid, AccessShareLock);
}

/* A statement about a partition's index, for as long as it is a partition. */
static char *
while_member(const MigrationPlan *plan, Oid relid, char *sql)
{
	return relid == plan->relid ? sql : names_template_if_partition(relid, plan->relid, sql);
}

static void
plan_plain_index(MigrationPlan *plan, const NewIndex *index, AttrNumber from,
				 const NewColumn *new)
{
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_TOPLEVEL,
		.statement = while_member(plan, index->relid, deparse_index_template(index->old, &(IndexTemplate) {
			.name = index->new_name, .from = from, .to = carry_quoted(new->name),
			.retyped = new->retyped, .concurrently = true,
		})),
		.relations = list_make1_oid(IndexGetRelation(index->old, false)),
		.lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on",
		.index_name = index->new_name,
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
			.phase = "migrate", .action = ACTION_SQL,
			.statement = while_member(plan, index->relid, sql.data),
			.relations = list_make1_oid(IndexGetRelation(index->old, false)),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
}

/*
 * An index on a partitioned table: an empty one on the parent alone, one built
 * CONCURRENTLY for each leaf, then attached; the parent's is valid when all are.
 */
static void
plan_index(MigrationPlan *plan, const Column *old, Oid indexid, const NewColumn *new)
{
	NewIndex	index = new_index(plan, indexid);
	Oid			relid = IndexGetRelation(indexid, false);
	AttrNumber	from = get_attnum(relid, old->name);
	ListCell   *lc;

	if (get_rel_relkind(indexid) != RELKIND_PARTITIONED_INDEX)
	{
		plan_plain_index(plan, &index, from, new);
		plan_index_statistics(plan, &index);
		return;
	}
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = while_member(plan, relid, deparse_index_template(indexid, &(IndexTemplate) {
			.name = index.new_name, .from = from, .to = carry_quoted(new->name),
			.retyped = new->retyped, .only = true,
		})),
		.relations = list_make1_oid(relid), .lock = ShareLock, .work = CATALOG_ONLY,
		.note = "of the partitioned table itself, which has no rows",
	});
	plan_index_statistics(plan, &index);
	foreach(lc, index_children(indexid))
	{
		NewIndex	child = new_index(plan, lfirst_oid(lc));

		plan_index(plan, old, child.old, new);
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = while_member(plan, child.relid,
									  psprintf("ALTER INDEX %s ATTACH PARTITION %s",
											   names_template_index(index.relid, index.new_name),
											   names_template_index(child.relid, child.new_name))),
			.relations = list_make1_oid(IndexGetRelation(child.old, false)),
			/* it locks the index out of its readers, who are those of the table */
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		});
	}
	if (relid == plan->relid)
		index_tree_plan_completion(plan, relid, index.new_name);
}

/* A check of the table over "column" (a template) in the old one's place. */
static char *
check_add(const Column *old, const ColumnCheck *check, const char *name, const char *column)
{
	return psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s",
					names_template_relation(old->relid), name,
					deparse_expression_template(check->expr, old->relid, old->attnum, column),
					check->no_inherit ? " NO INHERIT" : "",
					check->not_enforced ? " NOT ENFORCED" : " NOT VALID");
}

static void
plan_check(MigrationPlan *plan, const Column *old, const ColumnCheck *check, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	char	   *name = carry_quoted(carry_own_name(plan, check->name));

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = check_add(old, check, name, new_column),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	if (check->validated && !check->not_enforced)
		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name),
			.lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
		});
}

static void
append_rename(StringInfo sql, const Column *old, const char *from, const char *to)
{
	carry_statement(sql, "ALTER TABLE %s RENAME COLUMN %s TO %s",
					names_template_relation(old->relid), from, to);
}

/*
 * Between the two, in a script, one column's name means the other one: what is
 * made in it from its own text is about that.  Both names are templates.
 */
static void
append_lend_name(StringInfo sql, const MigrationPlan *plan, const Column *old,
				 const char *lender, const char *borrower)
{
	append_rename(sql, old, lender, carry_quoted(carry_own_name(plan, psprintf("%s_old", old->name))));
	append_rename(sql, old, borrower, lender);
}

static void
append_return_name(StringInfo sql, const MigrationPlan *plan, const Column *old,
				   const char *lender, const char *borrower)
{
	append_rename(sql, old, lender, borrower);
	append_rename(sql, old, carry_quoted(carry_own_name(plan, psprintf("%s_old", old->name))), lender);
}

/* One column leaves the name that applications know, for the name that the other comes from. */
static void
append_swap_names(StringInfo sql, const MigrationPlan *plan, const Column *old,
				  const char *leaves, const char *comes, const char *hidden)
{
	char	   *between = carry_quoted(carry_own_name(plan, psprintf("%s_old", old->name)));

	append_rename(sql, old, leaves, between);
	append_rename(sql, old, comes, carry_quoted(old->name));
	append_rename(sql, old, between, hidden);
}

static void
plan_matviews(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *old_column = names_template_attribute(old->relid, old->attnum);
	char	   *new_column = carry_quoted(new->name);
	StringInfoData sql;
	StringInfoData undo;

	if (old->matviews == NIL)
		return;
	initStringInfo(&sql);
	initStringInfo(&undo);
	append_lend_name(&sql, plan, old, old_column, new_column);
	matview_append_create(&sql, plan, old, new);
	append_return_name(&sql, plan, old, old_column, new_column);
	matview_append_undo(&undo, plan, old);
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL, .statement = sql.data, .undo = undo.data,
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY, .effect = EFFECT_VIEW_ADD,
		.note = "materialized views over the new column, without data: the column has the old one's name while they are made",
	});
}

/* The name of the constraint that stands for NOT NULL until contract. */
static char *
not_null_name(const MigrationPlan *plan, const Column *old)
{
	return carry_own_name(plan, psprintf("%s_not_null", old->name));
}

/*
 * NOT NULL without a scan under a strong lock: on 18 a constraint of its own,
 * NOT VALID and then validated; before, a CHECK that proves it.
 */
static char *
not_null_add(const char *table, const char *name, const char *column)
{
	return psprintf(ZDM_HAS_NOT_NULL_NOT_VALID ?
					"ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s NOT VALID" :
					"ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
					table, name, column);
}

static char *
validate(const char *table, const char *name)
{
	return psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", table, name);
}

/* Two statements: in one, the drop would come first and with it the proof. */
static char *
not_null_set(const char *table, const char *name, const char *column)
{
	return psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
					"ALTER TABLE %s DROP CONSTRAINT %s", table, column, table, name);
}

/* From the constraint that is not valid to NOT NULL. */
static void
plan_not_null_validation(MigrationPlan *plan, const Column *old, char *phase, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	char	   *name = carry_quoted(not_null_name(plan, old));

	/* what is NOT VALID stays so */
	if (old->not_null_pending)
		return;
	plan_add(plan, &(Step) {
		.phase = phase, .action = ACTION_SQL,
		.statement = validate(table, name),
		.lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
	});
	if (!ZDM_HAS_NOT_NULL_NOT_VALID)
		plan_add(plan, &(Step) {
			.phase = phase, .action = ACTION_SQL,
			.statement = not_null_set(table, name, new_column),
			/* made before, it goes with the column */
			.undo = strcmp(phase, "cutover") != 0 ? NULL :
			psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, new_column),
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
			.note = "the validated constraint proves it: no scan",
		});
}

static void
plan_not_null(MigrationPlan *plan, const Column *old, char *phase, const char *new_column)
{
	char	   *table = names_template_relation(old->relid);
	char	   *name = carry_quoted(not_null_name(plan, old));

	plan_add(plan, &(Step) {
		.phase = phase, .action = ACTION_SQL,
		.statement = not_null_add(table, name, new_column),
		.undo = strcmp(phase, "cutover") != 0 ? NULL :
		psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, name),
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_not_null_validation(plan, old, phase, new_column);
}

/* Must the column be NOT NULL before an index of it can have its part? */
static bool
is_not_null_for_index(const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		if (((ColumnKey *) lfirst(lc))->primary)
			return true;
	}
	return OidIsValid(old->identity_index);
}

/* Does NOT NULL come into force in the exchange? */
static bool
not_null_is_late(const Column *old, const NewColumn *new)
{
	return new->may_misfit && old->not_null && !is_not_null_for_index(old);
}

/*
 * Constraints of values that up may give come into force in the transaction in
 * which the new column decides, or, on the way back, the old one, and are
 * validated after it: until then they would fail the other application's writes.
 */
static void
append_late(StringInfo sql, const MigrationPlan *plan, const Column *old, const NewColumn *new,
			bool forward, const char *decides)
{
	char	   *table = names_template_relation(old->relid);
	char	   *not_null = carry_quoted(not_null_name(plan, old));
	ListCell   *lc;

	if (!new->may_misfit)
		return;
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);
		char	   *name = carry_quoted(check->name);

		carry_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", table, name);
		carry_statement(sql, "%s", check_add(old, check, name, decides));
		if (check->comment != NULL)
			carry_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", name, table,
							carry_literal(check->comment));
	}
	if (!not_null_is_late(old, new))
		return;
	if (forward)
		carry_statement(sql, "%s", not_null_add(table, not_null, decides));
	else
		carry_statement(sql, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, not_null);
}

/*
 * Statistics of the new column.  An index's expressions are only looked at when
 * no column is named.
 */
static void
plan_analyze(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *table = names_template_relation(old->relid);
	bool		all = old->indexes != NIL || old->extended != NIL;

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_SQL,
		.statement = all ? psprintf("ANALYZE %s", table) :
		psprintf("ANALYZE %s (%s)", table, carry_quoted(new->name)),
		.lock = ShareUpdateExclusiveLock, .work = "reads a sample",
	});
}

void
column_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *new_column = carry_quoted(new->name);
	ListCell   *lc;

	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", names_template_relation(old->relid),
							  new_column, names_template_attribute(old->relid, old->attnum)),
		.relations = list_make1_oid(old->relid), .lock = RowExclusiveLock,
		.work = "writes every row that is not right yet, in short batches",
		.note = "by blocks, without firing triggers; run by hand, do it in batches",
	});
	/* of two unique indexes, a foreign key takes the one that was made first */
	key_plan_migrate(plan, old, new);
	foreach(lc, old->indexes)
		plan_index(plan, old, lfirst_oid(lc), new);
	foreach(lc, new->may_misfit ? NIL : old->checks)
		plan_check(plan, old, lfirst(lc), new_column);
	if (old->not_null && !new->may_misfit)
		plan_not_null(plan, old, "migrate", new_column);
	foreign_key_plan_migrate(plan, old, new);
	statistics_plan_migrate(plan, old, new);
	plan_matviews(plan, old, new);
	plan_analyze(plan, old, new);
	plan_add(plan, &(Step) {
		.phase = "migrate", .action = ACTION_VERIFY,
		.statement = psprintf("SELECT * FROM zdm.verify(" INT64_FORMAT ")", plan->migration),
		.relations = list_make1_oid(old->relid), .lock = AccessShareLock,
		.work = "reads every row", .note = "without the extension: compare both columns of every row",
	});
}

/* A volatile default is on one side only, or it would be computed twice a row. */
static void
append_default(StringInfo sql, const Column *old, const char *value, const char *from, const char *to)
{
	char	   *table = names_template_relation(old->relid);

	if (!old->default_volatile)
		return;
	carry_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, to, value);
	carry_statement(sql, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, from);
}

/*
 * What is made again from its own text needs that the column's name in it means
 * the column that it is to be about.  In a rename it does so for this moment
 * only.  They tell their text when the script begins, and name the column that
 * they are about then.
 */
static void
append_dependents(StringInfo sql, const MigrationPlan *plan, const Column *old,
				  const NewColumn *new, bool forward)
{
	char	   *old_column = names_template_attribute(old->relid, old->attnum);
	char	   *new_column = carry_quoted(new->name);
	bool		lend_name = !carry_takes_name(new);

	if (old->views == NIL && old->dependents == NIL)
		return;
	if (!lend_name)
	{
		view_append_create(sql, plan, old, new, forward);
		dependent_append_create(sql, plan, old, new, forward);
	}
	else if (forward)
	{
		append_lend_name(sql, plan, old, old_column, new_column);
		view_append_create(sql, plan, old, new, forward);
		dependent_append_create(sql, plan, old, new, forward);
		append_return_name(sql, plan, old, old_column, new_column);
	}
	else
	{
		append_lend_name(sql, plan, old, new_column, old_column);
		view_append_create(sql, plan, old, new, forward);
		dependent_append_create(sql, plan, old, new, forward);
		append_return_name(sql, plan, old, new_column, old_column);
	}
}

/*
 * The exchange of the two columns, or back.  Constraints that hold on the one
 * go before those of the other take their names; columns are renamed last, as
 * the names in a script are those of its beginning.
 */
static char *
exchange(const MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	char	   *table = names_template_relation(old->relid);
	char	   *old_column = forward ? names_template_attribute(old->relid, old->attnum) :
	carry_old_later(old, new);
	char	   *new_column = carry_quoted(forward ? new->name : new->final_name);
	StringInfoData sql;

	initStringInfo(&sql);
	view_append_drop(&sql, old, new);
	dependent_append_drop(&sql, plan, old, new, forward);
	matview_append_exchange(&sql, plan, old, forward);
	foreign_key_append_drop(&sql, old);
	key_append_drop(&sql, old);
	sequence_append_exchange(&sql, plan, old, new, forward);
	append_default(&sql, old, forward ? new_default(old, new) : old->default_text,
				   forward ? old_column : new_column,
				   forward ? new_column : old_column);
	dependent_append_generated(&sql, old, new, forward);
	append_late(&sql, plan, old, new, forward, forward ? new_column : old_column);
	key_append_attach(&sql, plan, old, new, forward);
	key_append_marks(&sql, plan, old, forward);
	if (forward && carry_takes_name(new) && old->not_null)
		carry_statement(&sql, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, old_column);
	if (carry_takes_name(new))
		append_swap_names(&sql, plan, old, forward ? old_column : new_column,
						  forward ? new_column : old_column, carry_quoted(new->name));
	foreign_key_append_attach(&sql, plan, old, new, forward);
	append_dependents(&sql, plan, old, new, forward);
	return psprintf("%s%s%s", other_end_template_drop(plan, old), sql.data,
					other_end_template_add(plan, old));
}

/* A step that does nothing until the way back. */
static Step *
back_step(const Column *old, char *undo, LOCKMODE lock, char *work)
{
	Step	   *step = palloc0(sizeof(Step));

	*step = (Step) {
		.phase = "cutover", .action = ACTION_SQL, .statement = "", .undo = undo,
		.relations = list_make1_oid(old->relid), .undo_lock = lock, .work = work,
		.note = "on the way back only",
	};
	return step;
}

/* Validate what came into force in the exchange, or in the one back. */
static void
plan_late_validation(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	char	   *table = names_template_relation(old->relid);
	ListCell   *lc;

	if (!new->may_misfit)
		return;
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);
		char	   *sql = validate(table, carry_quoted(check->name));

		if (check->validated && !check->not_enforced)
			plan_add(plan, forward ? &(Step) {
				.phase = "cutover", .action = ACTION_SQL, .statement = sql,
				.lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
			} : back_step(old, sql, ShareUpdateExclusiveLock, "reads the table; writers go on"));
	}
	if (forward && not_null_is_late(old, new))
		plan_not_null_validation(plan, old, "cutover", carry_quoted(new->final_name));
}

/* NOT NULL of the old column, which the exchange took away. */
static void
back_not_null(List **steps, const MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *table = names_template_relation(old->relid);
	char	   *column = carry_old_later(old, new);
	char	   *name = carry_quoted(old->not_null_name != NULL ? old->not_null_name :
									not_null_name(plan, old));

	*steps = lappend(*steps, back_step(old, not_null_add(table, name, column),
									   AccessExclusiveLock, CATALOG_ONLY));
	if (old->not_null_pending)
		return;
	*steps = lappend(*steps, back_step(old, validate(table, name), ShareUpdateExclusiveLock,
									   "reads the table; writers go on"));
	if (!ZDM_HAS_NOT_NULL_NOT_VALID)
		*steps = lappend(*steps, back_step(old, not_null_set(table, name, column),
										   AccessExclusiveLock, CATALOG_ONLY));
}

/* Steps of the way back, which are undone from the last to the first. */
static void
add_reversed(MigrationPlan *plan, List *steps)
{
	for (int i = list_length(steps) - 1; i >= 0; i--)
		plan_add(plan, list_nth(steps, i));
}

/*
 * What the old column lost at cutover is made again before the exchange back,
 * in the manner of the migrate phase.
 */
static void
plan_way_back(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	List	   *steps = NIL;

	key_plan_way_back(&steps, plan, old, new);
	if (carry_takes_name(new) && old->not_null)
		back_not_null(&steps, plan, old, new);
	foreign_key_plan_way_back(&steps, plan, old, new);
	matview_plan_way_back(&steps, plan, old);
	add_reversed(plan, steps);
}

/* All that the exchange locks. */
static List *
exchange_relations(const Column *old)
{
	List	   *relations = foreign_key_relations(old, list_make1_oid(old->relid));
	ListCell   *lc;

	foreach(lc, old->sequences)
		relations = list_append_unique_oid(relations, ((ColumnSequence *) lfirst(lc))->relid);
	return relations;
}

void
column_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *old_column = names_template_attribute(old->relid, old->attnum);
	char	   *sql = exchange(plan, old, new, true);
	char	   *undo = exchange(plan, old, new, false);
	bool		nothing = sql[0] == '\0';
	List	   *back = NIL;
	List	   *forth = NIL;
	ListCell   *lc;

	foreign_key_plan_afterwards(&back, old, new, false);
	foreign_key_plan_afterwards(&forth, old, new, true);
	plan_add(plan, &(Step) {
		.phase = "cutover", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", names_template_relation(old->relid),
							  carry_quoted(new->name), old_column),
		.relations = list_make1_oid(old->relid), .lock = RowExclusiveLock,
		.work = "partitions attached since the backfill only",
	});
	if (new->may_misfit)
		fit_plan_cutover(plan, old, new);
	if (new->may_misfit && old->not_null && is_not_null_for_index(old))
		plan_not_null(plan, old, "cutover", carry_quoted(new->name));
	key_plan_cutover(plan, old, new);
	matview_plan_cutover(plan, old);
	add_reversed(plan, back);
	plan_late_validation(plan, old, new, false);
	plan_add(plan, &(Step) {
		.phase = "cutover", .action = ACTION_SQL, .effect = EFFECT_PAIR_SWITCH,
		/* no names here: a line feed in one would end the comment */
		.statement = nothing ? "-- the new column becomes the authoritative one" : sql,
		.undo = nothing ? "-- the old column becomes the authoritative one" : undo,
		.relations = exchange_relations(old),
		.lock = nothing ? ShareRowExclusiveLock : AccessExclusiveLock,
		.work = CATALOG_ONLY,
		.note = "the new column becomes the authoritative one; the other is kept in step",
	});
	plan_way_back(plan, old, new);

	/* last: one that fails leaves the way back open */
	plan_late_validation(plan, old, new, true);
	foreach(lc, forth)
		plan_add(plan, lfirst(lc));
}

/* Give the new index, and its partitions' ones, the names of the old. */
static void
append_index_renames(StringInfo sql, const MigrationPlan *plan, Oid indexid)
{
	NewIndex	index = new_index(plan, indexid);
	QuerySession session;
	ListCell   *lc;
	char	   *rename;

	/* of a partition that has gone before its turn there is none */
	rename = psprintf(";\nALTER INDEX %s%s RENAME TO %s", index.relid == plan->relid ? "" : "IF EXISTS ",
					  names_template_index(index.relid, index.new_name), carry_quoted(index.old_name));
	appendStringInfoString(sql, index.relid == plan->relid ? rename : names_template_if(index.relid, rename));
	query_begin(&session);
	QUERY("SELECT obj_description($1, 'pg_class')", arg_oid(indexid));
	if (!query_null(0, 1))
		appendStringInfoString(sql, while_member(plan, index.relid,
												 psprintf(";\nCOMMENT ON INDEX %s IS %s",
														  names_template_index(index.relid, index.old_name),
														  names_escape(quote_literal_cstr(query_text(0, 1))))));
	query_end(&session);
	foreach(lc, index_children(indexid))
		append_index_renames(sql, plan, lfirst_oid(lc));
}

static void
append_constraint_rename(StringInfo sql, const char *table, const char *from, const char *to,
						 const char *comment)
{
	appendStringInfo(sql, ";\nALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
					 carry_quoted(from), carry_quoted(to));
	if (comment != NULL)
		appendStringInfo(sql, ";\nCOMMENT ON CONSTRAINT %s ON %s IS %s", carry_quoted(to),
						 table, names_escape(quote_literal_cstr(comment)));
}

/*
 * A partition that was attached meanwhile may call its own NOT NULL otherwise,
 * and PostgreSQL renames none of them unless it can rename all.
 */
static void
append_not_null_rename(StringInfo sql, const MigrationPlan *plan, const Column *old)
{
	StringInfoData rename;

	if (old->not_null_name == NULL)
		return;
	initStringInfo(&rename);
	append_constraint_rename(&rename, names_template_relation(old->relid),
							 not_null_name(plan, old), old->not_null_name, NULL);
	appendStringInfoString(sql, names_template_if_all_have(old->relid, not_null_name(plan, old),
														   rename.data));
}

void
column_plan_contract(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	char	   *table = names_template_relation(old->relid);
	char	   *old_column = carry_old_later(old, new);
	StringInfoData sql;
	ListCell   *lc;

	plan_add(plan, &(Step) {
		.phase = "contract", .action = ACTION_BACKFILL,
		.statement = psprintf("UPDATE %s SET %s = %s", table, carry_quoted(new->final_name),
							  old_column),
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
	matview_append_contract(&sql, plan, old);
	carry_statement(&sql, "ALTER TABLE %s DROP COLUMN %s", table, old_column);
	foreach(lc, old->indexes)
		append_index_renames(&sql, plan, lfirst_oid(lc));
	foreach(lc, new->may_misfit ? NIL : old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		append_constraint_rename(&sql, table, carry_own_name(plan, check->name), check->name,
								 check->comment);
	}
	statistics_append_rename(&sql, plan, old);
	append_not_null_rename(&sql, plan, old);
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
