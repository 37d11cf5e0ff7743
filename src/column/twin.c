/*-------------------------------------------------------------------------
 *
 * twin.c
 *		A column beside another: it is added, the two are exchanged, one goes.
 *
 * The exchange is the same list of parts on the way there and back, since the way
 * back builds under the same names that the way there did.  Constraints that hold
 * on the one column go before those of the other take their names; columns are
 * renamed late, as the names in the script are those of its beginning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/owners.h"
#include "column/carry.h"
#include "column/default.h"
#include "column/definition.h"
#include "column/part.h"
#include "column/reference.h"
#include "column/twin.h"
#include "core/expression.h"
#include "core/identity.h"

/* ALTER TABLE ... ALTER COLUMN new ..., for what ADD COLUMN cannot say. */
static void
append_attributes(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	const Column *old = twin->old;
	const NewColumn *new = twin->new;
	char	   *table = sql_table(making, old->relid);
	char	   *column = sql_name(new->name);
	ListCell   *lc;

	if (new->storage != NULL)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET STORAGE %s", table, column, new->storage);
	if (old->statistics >= 0)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET STATISTICS %d", table, column, old->statistics);
	if (default_of_new(twin) != NULL && !old->default_volatile)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, column, default_of_new(twin));
	foreach(lc, old->options)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET (%s)", table, column, (char *) lfirst(lc));
	if (old->comment != NULL)
		sql_statement(sql, "COMMENT ON COLUMN %s.%s IS %s", table, column, sql_literal(old->comment));
	foreach(lc, old->grants)
	{
		ColumnGrant *grant = lfirst(lc);

		sql_statement(sql, "GRANT %s (%s) ON %s TO %s%s", grant->privilege, column, table, grant->grantee,
					  grant->grantable ? " WITH GRANT OPTION" : "");
	}
}

static char *
add_sql(const Making *making, const void *data)
{
	const TwinArgs *twin = data;
	char	   *table = sql_table(making, twin->old->relid);
	char	   *column = sql_name(twin->new->name);
	StringInfoData sql;

	if (making->back)
		return psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", table, column);
	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ADD COLUMN %s %s", table, column, twin->new->type);
	if (twin->new->compression != NULL)
		appendStringInfo(&sql, " COMPRESSION %s", twin->new->compression);
	if (twin->new->collation != NULL)
		appendStringInfo(&sql, " COLLATE %s", twin->new->collation);
	if (twin->new->null_first)
	{
		appendStringInfoString(&sql, " DEFAULT NULL");
		sql_statement(&sql, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, column);
	}
	append_attributes(&sql, making, twin);
	return sql.data;
}

static void
append_rename(StringInfo sql, const Making *making, const Column *old, const char *from, const char *to)
{
	sql_statement(sql, "ALTER TABLE %s RENAME COLUMN %s TO %s", sql_table(making, old->relid), from, to);
}

/* The name that a column has while the other one borrows its own. */
static char *
name_between(const Making *making, const Column *old)
{
	return sql_name(sql_own_name(making->migration, psprintf("%s_old", old->name)));
}

/*
 * Between the two, in a script, one column's name means the other one: what is
 * made in it from its own text is about that.
 */
void
twin_append_lend_name(StringInfo sql, const Making *making, const Column *old,
					  const char *lender, const char *borrower)
{
	append_rename(sql, making, old, lender, name_between(making, old));
	append_rename(sql, making, old, borrower, lender);
}

void
twin_append_return_name(StringInfo sql, const Making *making, const Column *old,
						const char *lender, const char *borrower)
{
	append_rename(sql, making, old, lender, borrower);
	append_rename(sql, making, old, name_between(making, old), lender);
}

/* One column leaves the name that applications know, for the name that the other comes from. */
static void
swap_names(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *old = exchange->twin->old;

	if (!carry_takes_name(exchange->twin->new))
		return;
	append_rename(sql, making, old, exchange->leaves, name_between(making, old));
	append_rename(sql, making, old, exchange->comes, sql_name(old->name));
	append_rename(sql, making, old, name_between(making, old), sql_name(exchange->twin->new->name));
}

static const ColumnPart names = {.enter = swap_names};

/*
 * What is made again from its own text needs that the column's name in it means
 * the column that it is to be about.  In a rename it does so for this moment
 * only.  They tell their text when the script begins, and name the column that
 * they are about then; on a script's way back, that is the old one.
 */
static bool
is_name_lent(const Exchange *exchange)
{
	const Column *old = exchange->twin->old;

	return (old->views != NIL || old->dependents != NIL) && !carry_takes_name(exchange->twin->new) &&
		(exchange->forward || exchange->making->flavour != FLAVOUR_SCRIPT);
}

static void
lend_name(StringInfo sql, const Exchange *exchange)
{
	if (is_name_lent(exchange))
		twin_append_lend_name(sql, exchange->making, exchange->twin->old, exchange->leaves, exchange->comes);
}

static void
return_name(StringInfo sql, const Exchange *exchange)
{
	if (is_name_lent(exchange))
		twin_append_return_name(sql, exchange->making, exchange->twin->old, exchange->leaves, exchange->comes);
}

static const ColumnPart lent_name = {.enter = lend_name, .leave = return_name};

typedef enum Movement
{
	LEAVES,
	ENTERS
} Movement;

/* The order of the exchange, there and back. */
static const struct
{
	const ColumnPart *part;
	Movement	movement;
} exchange_order[] = {
	/* what other migrations hold ready depends on keys that go */
	{&column_other_end, LEAVES},
	/* a view takes its own rules along */
	{&column_view, LEAVES},
	{&column_dependent, LEAVES},
	/* swaps names, which the views over it are made again by */
	{&column_matview, ENTERS},
	/* a foreign key goes before the key that it refers to */
	{&column_foreign_key, LEAVES},
	{&column_key, LEAVES},
	{&column_exclusion, LEAVES},
	/* an identity comes to a column without a default only */
	{&column_default, LEAVES},
	/* a default may call the sequence */
	{&column_sequence, ENTERS},
	{&column_default, ENTERS},
	{&column_generated, ENTERS},
	{&column_check, ENTERS},
	{&column_not_null, ENTERS},
	/* names of constraints and indexes are free now */
	{&column_exclusion, ENTERS},
	/* says which of all indexes the table is clustered on */
	{&column_key, ENTERS},
	/* as long as the primary key is the column's, it cannot */
	{&column_not_null, LEAVES},
	/* late: up to here the names are those of the script's beginning */
	{&names, ENTERS},
	/* needs the key that it refers to, and final names */
	{&column_foreign_key, ENTERS},
	/* what is made again from its own text: a rule may be a view's, a function may read it */
	{&lent_name, ENTERS},
	{&column_view, ENTERS},
	{&column_dependent, ENTERS},
	{&lent_name, LEAVES},
	/* with the column that is in charge now */
	{&column_other_end, ENTERS},
};

/* The exchange of the two columns, or back; "" if nothing hangs on them. */
static char *
exchange(const Making *making, const TwinArgs *twin)
{
	const Column *old = twin->old;
	const NewColumn *new = twin->new;
	Exchange	exchange = {.making = making, .twin = twin, .forward = !making->back};
	StringInfoData sql;

	exchange.old_column = exchange.forward ? sql_column(making, old->relid, old->attnum) :
		sql_expression(making, carry_old_later(old, new), old->relid);
	exchange.new_column = sql_name(exchange.forward ? new->name : new->final_name);
	exchange.leaves = exchange.forward ? exchange.old_column : exchange.new_column;
	exchange.comes = exchange.forward ? exchange.new_column : exchange.old_column;
	initStringInfo(&sql);
	for (int i = 0; i < lengthof(exchange_order); i++)
	{
		const ColumnPart *part = exchange_order[i].part;

		(exchange_order[i].movement == LEAVES ? part->leave : part->enter) (&sql, &exchange);
	}
	return sql.data;
}

static char *
exchange_sql(const Making *making, const void *data)
{
	char	   *sql = exchange(making, data);

	if (sql[0] != '\0')
		return sql;
	/* no names here: a line feed in one would end the comment */
	return pstrdup(making->back ? "-- the old column becomes the authoritative one" :
				   "-- the new column becomes the authoritative one");
}

static List *
exchange_asserts(const Making *making, const void *data)
{
	List	   *asserts = NIL;

	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->asserts != NULL)
			asserts = list_concat(asserts, column_parts[i]->asserts(making, ((const TwinArgs *) data)->old));
	}
	return asserts;
}

/*
 * Does anything hang on the column that the exchange moves?  Only then does it need
 * ACCESS EXCLUSIVE.  Asked before the plan is stored: no pair is there as yet.
 */
bool
twin_exchange_is_moot(int64 migration, const TwinArgs *twin)
{
	List	   *definitions = NIL;
	Making		making = {.migration = migration, .flavour = FLAVOUR_SHOWN, .asked = &definitions};

	return exchange(&making, twin)[0] == '\0' && definitions == NIL;
}

static bool
exchange_follow(void *data, Oid relid, AttrNumber from, AttrNumber to)
{
	TwinArgs   *twin = data;
	bool		found = false;
	ListCell   *lc;

	foreach(lc, twin->old->foreign_keys)
		found |= reference_follow(lfirst(lc), relid, from, to);
	return found;
}

static char *
drop_sql(const Making *making, const void *data)
{
	const TwinArgs *twin = data;
	const Column *old = twin->old;
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->drop != NULL)
			column_parts[i]->drop(&sql, making, twin);
	}
	sql_statement(&sql, "ALTER TABLE %s DROP COLUMN %s", sql_table(making, old->relid),
				  sql_expression(making, carry_old_later(old, twin->new), old->relid));
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->rename != NULL)
			column_parts[i]->rename(&sql, making, twin);
	}
	return sql.data;
}

List *
twin_sequences(const Step *step, bool forward)
{
	return sequence_oids(step->migration, ((TwinArgs *) verb_args(step))->old, forward);
}

bool
twin_has_changed(const Step *step, bool forward)
{
	return default_has_changed(step->migration, verb_args(step), forward) || twin_sequences(step, forward) != NIL;
}

void
twin_follow(const Step *step, bool forward, const char *again)
{
	const Column *old = ((TwinArgs *) verb_args(step))->old;
	ListCell   *lc;

	foreach(lc, old->views)
		owners_check_view(((ColumnView *) lfirst(lc))->oid, old->relid, identity_of(old->relid));
	default_follow(step->migration, verb_args(step), forward, again);
	sequence_check_identity(step->migration, verb_args(step), forward, again);
}

void
twin_look_again(int64 migration, bool forward, const char *again)
{
	ListCell   *lc;

	foreach(lc, step_all(migration))
	{
		const Step *step = lfirst(lc);

		if (verb_is(step, &verb_exchange) && (step->state == STEP_DONE) != forward)
			twin_follow(step, forward, again);
	}
}

void
twin_remember(const Step *step, List *before)
{
	TwinArgs   *twin = verb_args(step);

	default_note(step->migration, twin);
	definition_remember(step, before);
}

const Verb verb_add_twin = {.name = "add_twin", .args = &twin_fields, .sql = add_sql};
const Verb verb_exchange = {
	.name = "exchange", .args = &twin_fields, .sql = exchange_sql, .asserts = exchange_asserts,
	.follow = exchange_follow,
};
const Verb verb_drop_twin = {.name = "drop_twin", .args = &twin_fields, .sql = drop_sql};
