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

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/column_steps.h"
#include "column/part.h"
#include "column/twin.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/trigger_sql.h"
#include "utils/lsyscache.h"
#include "compat.h"

void
column_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new, const Pair *pair)
{
	TwinArgs	twin = carry_twin_args(old, new);
	Pair	   *copy = palloc(sizeof(Pair));

	column_check_schema(old);
	trigger_sql_check(old->relid);
	/* whether there is a name for it is known now as well as then */
	(void) names_sync_trigger(old->relid, false);

	/*
	 * The trigger comes first and does nothing without a pair; the pair comes
	 * into force with the column, so no row is ever written between the two.
	 */
	plan_step(plan, &verb_create_sync_trigger, &(RelationArgs) {.relation = old->relid}, &(Step) {
		.phase = "expand", .undoable = true,
		.lock = ShareRowExclusiveLock, .undo_lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "keeps both columns in step; left out if another migration has made it",
	});
	plan_step(plan, &verb_add_twin, &twin, &(Step) {
		.phase = "expand", .undoable = true, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "from here on every write sets both columns; without the extension: nothing keeps them in step",
	});
	*copy = *pair;
	plan->pairs = lappend(plan->pairs, copy);
}

/*
 * Statistics of the new column.  An index's expressions are only looked at when
 * no column is named.
 */
static void
plan_analyze(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	bool		all = old->index_trees != NIL || old->extended != NIL;

	plan_step(plan, &verb_analyze, &(AnalyzeArgs) {
		.relation = old->relid, .column = all ? NIL : carry_column(new->name),
	}, &(Step) {
		.phase = "migrate", .lock = ShareUpdateExclusiveLock, .work = "reads a sample",
	});
}

static void
plan_verify(MigrationPlan *plan, const Column *old, const char *phase, const char *note)
{
	plan_step(plan, &verb_verify, &(RelationArgs) {.relation = old->relid}, &(Step) {
		.phase = pstrdup(phase), .relations = list_make1_oid(old->relid), .lock = AccessShareLock,
		.work = "reads every row", .note = pstrdup(note),
	});
}

static void
plan_fill(MigrationPlan *plan, const FillPairArgs *fill, const char *phase, const char *work, const char *note)
{
	plan_step(plan, &verb_fill_pair, fill, &(Step) {
		.phase = pstrdup(phase), .relations = list_make1_oid(fill->relation), .lock = RowExclusiveLock,
		.work = pstrdup(work), .note = pstrdup(note),
	});
}

void
column_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	plan_fill(plan, &(FillPairArgs) {
		.relation = old->relid, .to = carry_column(new->name), .from = expression_column(old->attnum),
	}, "migrate", "writes every row that is not right yet, in short batches",
			  "by blocks, without firing triggers; run by hand, do it in batches");
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->migrate != NULL)
			column_parts[i]->migrate(plan, old, new);
	}
	plan_analyze(plan, old, new);
	plan_verify(plan, old, "migrate", "without the extension: compare both columns of every row");
}

/* Steps of the way back, which are undone from the last to the first. */
static void
add_reversed(MigrationPlan *plan, const MigrationPlan *back)
{
	for (int i = list_length(back->steps) - 1; i >= 0; i--)
		plan_add(plan, list_nth(back->steps, i));
}

/* All that the exchange locks. */
static List *
exchange_relations(const Column *old)
{
	List	   *relations = list_make1_oid(old->relid);

	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->relations != NULL)
			relations = list_concat_unique_oid(relations, column_parts[i]->relations(old));
	}
	return relations;
}

static void
plan_exchange(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = carry_twin_args(old, new);

	plan_step(plan, &verb_exchange, &twin, &(Step) {
		.phase = "cutover", .undoable = true, .relations = exchange_relations(old),
		/* without a table at the other end of a foreign key there is less to do */
		.needs = list_make1_oid(old->relid),
		.lock = twin_exchange_is_moot(plan->migration, &twin) ? ShareRowExclusiveLock : AccessExclusiveLock,
		.work = CATALOG_ONLY,
		.note = "the new column becomes the authoritative one; the other is kept in step",
	});
}

/*
 * What the old column lost at cutover is made again before the exchange back,
 * in the manner of the migrate phase.
 */
static void
plan_way_back(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	MigrationPlan back = {.migration = plan->migration, .relid = plan->relid};

	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->way_back != NULL)
			column_parts[i]->way_back(&back, old, new);
	}
	add_reversed(plan, &back);
}

static void
plan_afterwards(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->afterwards != NULL)
			column_parts[i]->afterwards(plan, old, new, forward);
	}
}

void
column_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	MigrationPlan back = {.migration = plan->migration, .relid = plan->relid};

	plan_fill(plan, &(FillPairArgs) {
		.relation = old->relid, .to = carry_column(new->name), .from = expression_column(old->attnum),
	}, "cutover", "partitions attached since the backfill only", "");
	/* whether its values fit is known before anything is built for them */
	if (new->may_misfit)
		fit_plan_cutover(plan, old, new);
	carry_plan_not_null(plan, old, new);
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->prepare != NULL)
			column_parts[i]->prepare(plan, old, new);
	}
	plan_afterwards(&back, old, new, false);
	add_reversed(plan, &back);
	plan_exchange(plan, old, new);
	plan_way_back(plan, old, new);

	/* last: one that fails leaves the way back open */
	plan_afterwards(plan, old, new, true);
}

void
column_plan_contract(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = carry_twin_args(old, new);

	plan_fill(plan, &(FillPairArgs) {
		.relation = old->relid, .to = carry_column(new->final_name), .from = carry_old_later(old, new),
	}, "contract", "partitions attached since the backfill only", "");
	plan_verify(plan, old, "contract", "nothing is dropped if a row differs");
	plan_step(plan, &verb_drop_twin, &twin, &(Step) {
		.phase = "contract", .lock = AccessExclusiveLock, .work = CATALOG_ONLY, .note = "cannot be undone",
	});
	plan_step(plan, &verb_drop_sync_trigger, &(RelationArgs) {.relation = old->relid}, &(Step) {
		.phase = "contract", .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		.note = "kept while another migration needs it",
	});
}
