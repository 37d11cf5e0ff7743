/*-------------------------------------------------------------------------
 *
 * keep_place.c
 *		The plan of a column that gets another type and keeps its place in the row.
 *
 * A second column comes last, so it is a second table that has the column where it
 * was, and it takes the first one's name.  What the change needs a rewrite for is thus
 * done row by row, beside the traffic; what needs none is done in place, as always.
 *
 * A column of a partition key is changed so, wanted in its place or not: rows are routed by
 * it, so there is no other way.  The second table of a partitioned one is partitioned as
 * the first one is (run/partitioned_like.c).
 *
 * The rule for keys: rows of the two tables are found by each other's keys, and what is
 * unique in the one is taken to be so in the other.  So a column of a key, of a unique
 * index or of a foreign key can only be changed among smallint, integer and bigint, by
 * PostgreSQL's own casts: of all changes those that keep different values different, there
 * and back, or fail.  A column of the partition key is in every key, so for that one the rule
 * is asked of each row: what it becomes has to make it again (sync/apply_find.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "column/carry.h"
#include "column/load.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/by_path.h"
#include "move/retyped_views.h"
#include "nodes/parsenodes.h"
#include "plan/plan.h"
#include "plan/retype_plan.h"
#include "plan/second_plan.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool
is_integer(Oid type)
{
	Oid			base = getBaseType(type);

	return base == INT2OID || base == INT4OID || base == INT8OID;
}

static bool
is_exact(const Column *column, const Change *change)
{
	return change->up_source == NULL && change->down_source == NULL &&
		is_integer(column->type_oid) && is_integer(change->type);
}

static List *
typed_sequences(const Column *column, const Change *change)
{
	List	   *sequences = NIL;
	ListCell   *lc;

	/* as with ALTER COLUMN TYPE, of a domain they stay what they are */
	if (change->type != getBaseType(change->type) || !is_integer(change->type))
		return NIL;
	foreach(lc, column->sequences)
	{
		const ColumnSequence *sequence = lfirst(lc);

		if (sequence->typed_as_column)
			sequences = lappend_oid(sequences, sequence->relid);
	}
	return sequences;
}

static ConvertedColumn *
converted_column(const Column *column, const Change *change)
{
	ConvertedColumn *converted = palloc0(sizeof(ConvertedColumn));

	converted->name = column->name;
	converted->type = retype_plan_type(column, change);
	converted->toastable = get_typstorage(change->type) != TYPSTORAGE_PLAIN;
	converted->mapped = change->up_source != NULL;
	converted->exact = is_exact(column, change);
	/* NULL: the value as it is */
	converted->up = change->up != NULL ? change->up : psprintf("$%d", column->attnum);
	converted->up_resolution = change->up_resolution;
	converted->down = change->down != NULL ? change->down : pstrdup("$0");
	converted->down_resolution = change->down_resolution;
	converted->readable = change->up_readable != NULL ? change->up_readable :
		psprintf("%s::%s", quote_identifier(column->name), format_type_be(change->type));
	converted->sequences = typed_sequences(column, change);
	return converted;
}

static bool
is_partitioned(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
}

static bool
is_in_key(const Change *change)
{
	bool		in_expression;

	return column_in_partition_key(change->relid, change->column, &in_expression);
}

static void
check_partitioned(const Change *change)
{
	bool		in_expression;

	(void) column_in_partition_key(change->relid, change->column, &in_expression);
	if (in_expression)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s is in an expression of the partition key", change->column, names_relation(change->relid)),
				 errdetail("The bounds are values of the expression, of which those of the column are not known."),
				 errhint("Make a new partitioned table, and move the rows.")));
}

static void
check(Change *change)
{
	Column	   *column;

	if (is_partitioned(change->relid))
		check_partitioned(change);
	column = column_load(change->relid, change->column);
	by_path_check_table(change->relid, column->attnum);
}

static void
note_mapped(MigrationPlan *plan, const Column *column, const Change *change)
{
	ListCell   *lc;

	if (change->up_source == NULL)
		return;
	if (change->new_default != NULL && column->default_text != NULL)
		plan_note(plan, "the default, %s, becomes what up makes of it: %s", column->default_text, change->new_default);
	foreach(lc, column->checks)
		plan_note(plan, "check constraint \"%s\" is carried as it reads, and is about what up gives: see that it means the same",
				  ((ColumnCheck *) lfirst(lc))->name);
}

/* What becomes of bounds. */
static void
note_key(MigrationPlan *plan, const Column *column, const Change *change)
{
	ListCell   *lc;

	plan_note(plan, "column \"%s\" is in the partition key, by which a row's partition is found before anything else: so a second partitioned table has it of the new type, and it keeps its place",
			  column->name);
	foreach(lc, change->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		if (strcmp(part->was, part->bound) != 0)
			plan_note(plan, "%s %s becomes %s", quote_identifier(part->name), part->was, part->bound);
	}
	if (change->layout->strategy == PARTITION_STRATEGY_HASH)
		plan_note(plan, "%s", "rows may be in other partitions than before, where values of the new type have another hash");
	if (!is_exact(column, change))
		plan_note(plan, "%s", "the column is in the key: a row of which the new value does not make the old one again goes through until the cutover, which stops at it; from then on one of which the old value does not make the new one closes the way back");
}

/* What becomes of who counts on the partitions. */
static void
note_partitions(MigrationPlan *plan)
{
	plan_note(plan, "%s", "a partition that is made, attached or detached before the cutover has the second table begun anew; one that comes after it has to be detached again for the way back, and a row in it closes that");
}

/* Views that show the column are made anew. */
static void
carry_views(MigrationPlan *plan, const Column *column, const Change *change, const MoveConverted *move)
{
	List	   *tables = find_all_inheritors(change->relid, AccessShareLock, NULL);
	List	   *views = retyped_views_find(tables, move);
	ListCell   *lc;

	retyped_views_try(views, tables, column->name, retype_plan_type(column, change),
					  change->up_source != NULL ? change->up_readable : NULL);
	foreach(lc, views)
		plan_note(plan, "view %s shows the column, or is over one that does: it is dropped and made again in the exchange, with all that it has", names_relation(lfirst_oid(lc)));
}

static void
make(MigrationPlan *plan, Change *change)
{
	Column	   *column = column_load(change->relid, change->column);
	MoveConverted move = {.name = column->name, .exact = is_exact(column, change), .in_key = is_in_key(change)};
	SecondArgs	second = second_plan_args(plan, change->relid);

	/* of the partition key PostgreSQL changes nothing: but what is about the column has to go with the type */
	if (move.in_key)
		(void) retype_plan_ask(column, change);
	else if (retype_plan_in_place(plan, column, change))
		return;
	second_plan_check_converted(change, &move);
	carry_views(plan, column, change, &move);
	second.new_shape = true;
	second.layout = change->layout;
	second.converted = converted_column(column, change);
	second_plan_steps(plan, &second);
	note_mapped(plan, column, change);
	if (move.in_key)
		note_key(plan, column, change);
	if (is_partitioned(change->relid))
		note_partitions(plan);
	sequence_note_smaller(plan, column, change->type);
	plan_note(plan, "%s", "a row of which the new value cannot be computed goes through until the cutover, which stops at it; from then on one of which the old value cannot be computed goes through, and closes the way back");
	plan_note(plan, "%s", "from cutover on a prepared statement that returns the column fails (0A000), as its type has changed, until it is prepared again (DEALLOCATE or DISCARD ALL, a new connection); one that only compares with it goes on; a call of a PL/pgSQL function that is under way then, and has a row of the table in a variable, may fail once (42804)");
}

const PlanKind plan_keep_place = {
	.name = "change_column_type_keep_place",
	.claims = second_plan_claims,
	.check = check,
	.make = make,
	.definition = retype_plan_definition,
	.one_shape = true,
	.whole_table = true,
};
