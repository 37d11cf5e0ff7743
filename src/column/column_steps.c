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
#include "column/twin.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/trigger_sql.h"
#include "utils/lsyscache.h"
#include "compat.h"

#define CATALOG_ONLY "changes the catalog only"

/* The caller's description of the new column is gone before the plan is stored. */
static TwinArgs
twin_args(const Column *old, const NewColumn *new)
{
	return (TwinArgs) {
		.old = unconstify(Column *, old), .new = memcpy(palloc(sizeof(NewColumn)), new, sizeof(NewColumn)),
	};
}

void
column_plan_expand(MigrationPlan *plan, const Column *old, const NewColumn *new, const Pair *pair)
{
	TwinArgs	twin = twin_args(old, new);
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

/* A column's index in the making. */
typedef struct NewIndex
{
	MigrationPlan *plan;
	const Column *old;
	const NewColumn *new;
} NewIndex;

static char *
index_name(const NewIndex *building, const ColumnIndex *index)
{
	return sql_own_name(building->plan->migration, index->name);
}

/* A step about a partition's index does nothing once it is no partition any more. */
static Oid
index_root(const NewIndex *building, const ColumnIndex *index)
{
	return index->relid == building->plan->relid ? InvalidOid : building->plan->relid;
}

static IndexSpec *
index_like(const NewIndex *building, const ColumnIndex *index)
{
	return deparse_index(index->indexid, &(IndexLike) {
		.from = get_attnum(index->relid, building->old->name), .to = carry_column(building->new->name),
		.retyped = building->new->retyped,
	});
}

static void
plan_plain_index(const NewIndex *building, const ColumnIndex *index)
{
	plan_step(building->plan, &verb_build_index, &(BuildIndexArgs) {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
		.spec = index_like(building, index),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(index->relid), .lock = ShareUpdateExclusiveLock,
		.work = "reads the table twice; writers go on",
	});
}

/* The statistics targets of its expressions, which CREATE INDEX cannot say. */
static void
plan_index_statistics(const NewIndex *building, const ColumnIndex *index)
{
	IndexTargetsArgs args = {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
	};
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT attnum::int, attstattarget::int FROM pg_attribute "
			  "WHERE attrelid = $1 AND attstattarget >= 0 ORDER BY attnum", arg_oid(index->indexid));
	for (uint64 row = 0; row < n; row++)
	{
		args.columns = lappend_int(args.columns, query_int4(row, 1));
		args.targets = lappend_int(args.targets, query_int4(row, 2));
	}
	query_end(&session);
	if (n > 0)
		plan_step(building->plan, &verb_set_index_statistics, &args, &(Step) {
			.phase = "migrate", .relations = list_make1_oid(index->relid),
			.lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
}

/*
 * An index on a partitioned table: an empty one on the parent alone, one built
 * CONCURRENTLY for each leaf, then attached; the parent's is valid when all are.
 */
static void
plan_index(const NewIndex *building, const ColumnIndex *index)
{
	ListCell   *lc;

	if (!index->partitioned)
	{
		plan_plain_index(building, index);
		plan_index_statistics(building, index);
		return;
	}
	plan_step(building->plan, &verb_create_index, &(CreateIndexArgs) {
		.relation = index->relid, .root = index_root(building, index), .name = index_name(building, index),
		.spec = index_like(building, index),
	}, &(Step) {
		.phase = "migrate", .relations = list_make1_oid(index->relid), .lock = ShareLock, .work = CATALOG_ONLY,
		.note = "of the partitioned table itself, which has no rows",
	});
	plan_index_statistics(building, index);
	foreach(lc, index->children)
	{
		ColumnIndex *child = lfirst(lc);

		plan_index(building, child);
		plan_step(building->plan, &verb_attach_index, &(AttachIndexArgs) {
			.relation = child->relid, .root = index_root(building, child), .name = index_name(building, child),
			.parent = index->relid, .parent_name = index_name(building, index),
		}, &(Step) {
			.phase = "migrate", .relations = list_make1_oid(child->relid),
			/* it locks the index out of its readers, who are those of the table */
			.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
		});
	}
	if (index->relid == building->plan->relid)
		plan_index_completion(building->plan, index->relid, index_name(building, index));
}

static void
plan_validation(MigrationPlan *plan, const Column *old, const char *phase, char *name)
{
	plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {.relation = old->relid, .name = name}, &(Step) {
		.phase = pstrdup(phase), .lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
	});
}

/* What is NOT VALID stays so. */
static bool
is_validated(const ColumnCheck *check)
{
	return check->validated && !check->not_enforced;
}

static void
plan_check(MigrationPlan *plan, const Column *old, const NewColumn *new, const ColumnCheck *check)
{
	char	   *name = sql_own_name(plan->migration, check->name);

	plan_step(plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = name, .kind = CONSTRAINT_CHECK,
		.expression = expression_replace(check->expression, old->attnum, carry_column(new->name)),
		.no_inherit = check->no_inherit, .not_enforced = check->not_enforced,
	}, &(Step) {
		.phase = "migrate", .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	if (is_validated(check))
		plan_validation(plan, old, "migrate", name);
}

static void
plan_matviews(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = twin_args(old, new);

	if (old->matviews != NIL)
		plan_step(plan, &verb_create_matviews, &twin, &(Step) {
			.phase = "migrate", .undoable = true, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
			.note = "materialized views over the new column, without data: the column has the old one's name while they are made",
		});
}

/* From the constraint that is not valid to NOT NULL. */
static void
plan_not_null_validation(MigrationPlan *plan, const Column *old, const char *phase, const char *column)
{
	char	   *name = twin_not_null_name(plan->migration, old);

	/* what is NOT VALID stays so */
	if (old->not_null_pending)
		return;
	plan_validation(plan, old, phase, name);
	if (!ZDM_HAS_NOT_NULL_NOT_VALID)
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
plan_not_null(MigrationPlan *plan, const Column *old, const char *phase, const char *column)
{
	plan_step(plan, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = twin_not_null_name(plan->migration, old), .kind = 'n',
		.expression = carry_column(column),
	}, &(Step) {
		.phase = pstrdup(phase), .undoable = strcmp(phase, "cutover") == 0,
		.lock = AccessExclusiveLock, .work = CATALOG_ONLY,
	});
	plan_not_null_validation(plan, old, phase, column);
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
	NewIndex	building = {.plan = plan, .old = old, .new = new};
	ListCell   *lc;

	plan_fill(plan, &(FillPairArgs) {
		.relation = old->relid, .to = carry_column(new->name), .from = expression_column(old->attnum),
	}, "migrate", "writes every row that is not right yet, in short batches",
			  "by blocks, without firing triggers; run by hand, do it in batches");
	/* of two unique indexes, a foreign key takes the one that was made first */
	key_plan_migrate(plan, old, new);
	foreach(lc, old->index_trees)
		plan_index(&building, lfirst(lc));
	foreach(lc, new->may_misfit ? NIL : old->checks)
		plan_check(plan, old, new, lfirst(lc));
	if (old->not_null && !new->may_misfit)
		plan_not_null(plan, old, "migrate", new->name);
	foreign_key_plan_migrate(plan, old, new);
	statistics_plan_migrate(plan, old, new);
	plan_matviews(plan, old, new);
	plan_analyze(plan, old, new);
	plan_verify(plan, old, "migrate", "without the extension: compare both columns of every row");
}

/* Validate what came into force in the exchange, or in the one back. */
static void
plan_late_validation(MigrationPlan *plan, const Column *old, const NewColumn *new, bool forward)
{
	ListCell   *lc;

	if (!new->may_misfit)
		return;
	foreach(lc, old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		if (is_validated(check) && forward)
			plan_validation(plan, old, "cutover", check->name);
		else if (is_validated(check))
			plan_step(plan, &verb_validate_constraint, &(ValidateArgs) {
				.relation = old->relid, .name = check->name,
			}, &(Step) {
				.phase = "cutover", .only_back = true, .relations = list_make1_oid(old->relid),
				.undo_lock = ShareUpdateExclusiveLock, .work = "reads the table; writers go on",
				.note = "on the way back only",
			});
	}
	if (forward && twin_not_null_is_late(old, new))
		plan_not_null_validation(plan, old, "cutover", new->final_name);
}

/* A step that does nothing until the way back. */
static void
back_step(MigrationPlan *back, const Column *old, const Verb *verb, const void *args, LOCKMODE lock, char *work)
{
	plan_step(back, verb, args, &(Step) {
		.phase = "cutover", .only_back = true, .relations = list_make1_oid(old->relid),
		.undo_lock = lock, .work = work, .note = "on the way back only",
	});
}

/* NOT NULL of the old column, which the exchange took away. */
static void
back_not_null(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	List	   *column = carry_old_later(old, new);
	char	   *name = old->not_null_name != NULL ? old->not_null_name : twin_not_null_name(back->migration, old);

	back_step(back, old, &verb_add_constraint, &(ConstraintArgs) {
		.relation = old->relid, .name = name, .kind = 'n', .expression = column,
	}, AccessExclusiveLock, CATALOG_ONLY);
	if (old->not_null_pending)
		return;
	back_step(back, old, &verb_validate_constraint, &(ValidateArgs) {.relation = old->relid, .name = name},
			  ShareUpdateExclusiveLock, "reads the table; writers go on");
	if (!ZDM_HAS_NOT_NULL_NOT_VALID)
		back_step(back, old, &verb_set_not_null, &(SetNotNullArgs) {
			.relation = old->relid, .column = column, .proof = name,
		}, AccessExclusiveLock, CATALOG_ONLY);
}

/* Steps of the way back, which are undone from the last to the first. */
static void
add_reversed(MigrationPlan *plan, const MigrationPlan *back)
{
	for (int i = list_length(back->steps) - 1; i >= 0; i--)
		plan_add(plan, list_nth(back->steps, i));
}

/*
 * What the old column lost at cutover is made again before the exchange back,
 * in the manner of the migrate phase.
 */
static void
plan_way_back(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	MigrationPlan back = {.migration = plan->migration, .relid = plan->relid};

	key_plan_way_back(&back, old, new);
	if (carry_takes_name(new) && old->not_null)
		back_not_null(&back, old, new);
	foreign_key_plan_way_back(&back, old, new);
	matview_plan_way_back(&back, old);
	add_reversed(plan, &back);
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

static void
plan_exchange(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = twin_args(old, new);

	plan_step(plan, &verb_exchange, &twin, &(Step) {
		.phase = "cutover", .undoable = true, .relations = exchange_relations(old),
		/* without a table at the other end of a foreign key there is less to do */
		.needs = list_make1_oid(old->relid),
		.lock = twin_exchange_is_moot(plan->migration, &twin) ? ShareRowExclusiveLock : AccessExclusiveLock,
		.work = CATALOG_ONLY,
		.note = "the new column becomes the authoritative one; the other is kept in step",
	});
}

void
column_plan_cutover(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	MigrationPlan back = {.migration = plan->migration, .relid = plan->relid};

	plan_fill(plan, &(FillPairArgs) {
		.relation = old->relid, .to = carry_column(new->name), .from = expression_column(old->attnum),
	}, "cutover", "partitions attached since the backfill only", "");
	if (new->may_misfit)
		fit_plan_cutover(plan, old, new);
	if (new->may_misfit && old->not_null && twin_needs_not_null(old))
		plan_not_null(plan, old, "cutover", new->name);
	key_plan_cutover(plan, old, new);
	matview_plan_cutover(plan, old);
	foreign_key_plan_afterwards(&back, old, new, false);
	add_reversed(plan, &back);
	plan_late_validation(plan, old, new, false);
	plan_exchange(plan, old, new);
	plan_way_back(plan, old, new);

	/* last: one that fails leaves the way back open */
	plan_late_validation(plan, old, new, true);
	foreign_key_plan_afterwards(plan, old, new, true);
}

void
column_plan_contract(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = twin_args(old, new);

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
