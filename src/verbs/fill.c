/*-------------------------------------------------------------------------
 *
 * fill.c
 *		Rows that are filled in and read again, in batches.
 *
 * What a fill must keep is seen to here for every caller: a row for which the
 * condition does not hold is left alone, and a column that several fills of one
 * statement share is assigned once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/expression.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field pair_fields[] = {
	FIELD(FillPairArgs, relation, OID),
	FIELD(FillPairArgs, to, EXPRESSION),
	FIELD(FillPairArgs, from, EXPRESSION),
};

static const Fields pair_args = FIELDS(FillPairArgs, pair_fields);

static const Field assignment_fields[] = {
	FIELD(Assignment, column, EXPRESSION),
	FIELD(Assignment, value, EXPRESSION),
};

static const Fields assignment = FIELDS(Assignment, assignment_fields);

static const Field fields[] = {
	FIELD(FillArgs, relation, OID),
	FIELD_OF(FillArgs, assignments, STRUCTS, &assignment),
	FIELD(FillArgs, condition, EXPRESSION),
	FIELD(FillArgs, fire_triggers, BOOL),
};

static const Fields args = FIELDS(FillArgs, fields);

static const Field verify_fields[] = {
	FIELD(RelationArgs, relation, OID),
};

static const Fields verify_args = FIELDS(RelationArgs, verify_fields);

static char *
pair_sql(const Making *making, const void *data)
{
	const FillPairArgs *pair = data;

	return psprintf("UPDATE %s SET %s = %s", sql_table(making, pair->relation),
					sql_expression(making, pair->to, pair->relation),
					sql_expression(making, pair->from, pair->relation));
}

static List *
assignments(const FillArgs *fill)
{
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, fill->assignments)
	{
		Assignment *one = lfirst(lc);

		all = lappend(all, expression_format("%e = %e", one->column, one->value));
	}
	return expression_join(all, ", ");
}

static char *
sql(const Making *making, const void *data)
{
	const FillArgs *fill = data;

	return psprintf("UPDATE %s SET %s WHERE %s", sql_table(making, fill->relation),
					sql_expression(making, assignments(fill), fill->relation),
					sql_expression(making, fill->condition, fill->relation));
}

static char *
verify_sql(const Making *making, const void *data)
{
	return psprintf("SELECT * FROM zdm.verify(" INT64_FORMAT ")", making->migration);
}

const FillArgs *
fill_args(const Step *step)
{
	return verb_is(step, &verb_fill) ? verb_args(step) : NULL;
}

char *
fill_assignments(const FillArgs *fill)
{
	return expression_sql(assignments(fill), fill->relation, false);
}

char *
fill_condition(const FillArgs *fill)
{
	return expression_sql(fill->condition, fill->relation, false);
}

const Verb verb_fill_pair = {
	.name = "fill_pair", .action = ACTION_BACKFILL, .args = &pair_args, .sql = pair_sql,
};
const Verb verb_fill = {.name = "fill", .action = ACTION_BACKFILL, .args = &args, .sql = sql};
const Verb verb_verify = {.name = "verify", .action = ACTION_VERIFY, .args = &verify_args, .sql = verify_sql};
