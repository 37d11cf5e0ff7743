/*-------------------------------------------------------------------------
 *
 * keep_place.c
 *		The plan of a column that gets another type and keeps its place in the row.
 *
 * A second column comes last, so it is a second table that has the column where it
 * was, and it takes the first one's name.  What the change needs a rewrite for is thus
 * done row by row, beside the traffic; what needs none is done in place, as always.
 *
 * The rule for keys: rows of the two tables are found by each other's keys, and what is
 * unique in the one is taken to be so in the other.  So a column of a key, of a unique
 * index or of a foreign key can only be changed among smallint, integer and bigint, by
 * PostgreSQL's own casts: of all changes those that keep different values different, there
 * and back, or fail.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/second.h"
#include "column/carry.h"
#include "column/load.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/by_path.h"
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

static void
refuse_partitioned(Oid relid)
{
	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is partitioned, and a column of it cannot keep its place", names_relation(relid)),
				 errhint("Leave out keep_place: the column then comes last.")));
}

static void
check(Change *change)
{
	Column	   *column;

	refuse_partitioned(change->relid);
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

static void
make(MigrationPlan *plan, Change *change)
{
	Column	   *column = column_load(change->relid, change->column);
	MoveConverted move = {.name = column->name, .exact = is_exact(column, change)};
	SecondArgs	second = {
		.relation = change->relid, .namespace = get_rel_namespace(change->relid),
		.hidden = second_name(plan->migration, change->relid),
		.new_shape = true,
	};

	if (retype_plan_in_place(plan, column, change))
		return;
	second_plan_check_converted(change, &move);
	second.converted = converted_column(column, change);
	second_plan_steps(plan, &second);
	note_mapped(plan, column, change);
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
