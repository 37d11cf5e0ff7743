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
#include "catalog/pg_constraint.h"

#include "catalog/pg_inherits.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/other_end.h"
#include "column/twin.h"
#include "core/expression.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static const char *
new_default(const TwinArgs *twin)
{
	return twin->new->default_text != NULL ? twin->new->default_text : twin->old->default_text;
}

char *
twin_not_null_name(int64 migration, const Column *old)
{
	return sql_own_name(migration, psprintf("%s_not_null", old->name));
}

bool
twin_not_null_is_late(const Column *old, const NewColumn *new)
{
	return new->may_misfit && old->not_null && !twin_needs_not_null(old);
}

bool
twin_needs_not_null(const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->keys)
	{
		if (((ColumnKey *) lfirst(lc))->primary)
			return true;
	}
	return OidIsValid(old->identity_index);
}

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
	if (new_default(twin) != NULL && !old->default_volatile)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, column, new_default(twin));
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
static void
append_lend_name(StringInfo sql, const Making *making, const Column *old,
				 const char *lender, const char *borrower)
{
	append_rename(sql, making, old, lender, name_between(making, old));
	append_rename(sql, making, old, borrower, lender);
}

static void
append_return_name(StringInfo sql, const Making *making, const Column *old,
				   const char *lender, const char *borrower)
{
	append_rename(sql, making, old, lender, borrower);
	append_rename(sql, making, old, name_between(making, old), lender);
}

/* One column leaves the name that applications know, for the name that the other comes from. */
static void
append_swap_names(StringInfo sql, const Making *making, const Column *old,
				  const char *leaves, const char *comes, const char *hidden)
{
	append_rename(sql, making, old, leaves, name_between(making, old));
	append_rename(sql, making, old, comes, sql_name(old->name));
	append_rename(sql, making, old, name_between(making, old), hidden);
}

static char *
matviews_sql(const Making *making, const void *data)
{
	const TwinArgs *twin = data;
	const Column *old = twin->old;
	char	   *column = sql_column(making, old->relid, old->attnum);
	StringInfoData sql;

	initStringInfo(&sql);
	if (making->back)
		matview_append_undo(&sql, making, old);
	else
	{
		append_lend_name(&sql, making, old, column, sql_name(twin->new->name));
		matview_append_create(&sql, making, twin);
		append_return_name(&sql, making, old, column, sql_name(twin->new->name));
	}
	return sql.data;
}

/*
 * Constraints of values that up may give come into force in the transaction in
 * which the new column decides, or, on the way back, the old one, and are
 * validated after it: until then they would fail the other application's writes.
 */
static void
append_late(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward, const char *decides)
{
	const Column *old = twin->old;
	char	   *table = sql_table(making, old->relid);
	char	   *not_null = sql_name(twin_not_null_name(making->migration, old));
	ListCell   *lc;

	foreach(lc, twin->new->may_misfit ? old->checks : NIL)
	{
		ColumnCheck *check = lfirst(lc);
		char	   *name = sql_name(check->name);

		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT %s", table, name);
		sql_statement(sql, "ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s", table, name,
					  sql_expression(making, expression_replace(check->expression, old->attnum, expression_text(decides)),
									 old->relid),
					  check->no_inherit ? " NO INHERIT" : "",
					  check->not_enforced ? " NOT ENFORCED" : " NOT VALID");
		if (check->comment != NULL)
			sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", name, table, sql_literal(check->comment));
	}
	if (!twin_not_null_is_late(old, twin->new))
		return;
	if (forward)
		sql_statement(sql, "%s", constraint_not_null(table, not_null, decides));
	else
		sql_statement(sql, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, not_null);
}

/* A volatile default is on one side only, or it would be computed twice a row. */
static void
append_default(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward,
			   const char *from, const char *to)
{
	char	   *table = sql_table(making, twin->old->relid);

	if (!twin->old->default_volatile)
		return;
	sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, to,
				  forward ? new_default(twin) : twin->old->default_text);
	sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, from);
}

/*
 * What is made again from its own text needs that the column's name in it means
 * the column that it is to be about.  In a rename it does so for this moment
 * only.  They tell their text when the script begins, and name the column that
 * they are about then; on a script's way back, that is the old one.
 */
static void
append_dependents(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward,
				  const char *old_column, const char *new_column)
{
	const Column *old = twin->old;
	bool		lend_name = !carry_takes_name(twin->new) && (forward || making->flavour != FLAVOUR_SCRIPT);
	const char *lender = forward ? old_column : new_column;
	const char *borrower = forward ? new_column : old_column;

	if (old->views == NIL && old->dependents == NIL)
		return;
	if (lend_name)
		append_lend_name(sql, making, old, lender, borrower);
	view_append_create(sql, making, twin, forward);
	dependent_append_create(sql, making, twin, forward);
	if (lend_name)
		append_return_name(sql, making, old, lender, borrower);
}

/* The exchange of the two columns, or back; "" if nothing hangs on them. */
static char *
exchange(const Making *making, const TwinArgs *twin)
{
	bool		forward = !making->back;
	const Column *old = twin->old;
	const NewColumn *new = twin->new;
	char	   *old_column = forward ? sql_column(making, old->relid, old->attnum) :
		sql_expression(making, carry_old_later(old, new), old->relid);
	char	   *new_column = sql_name(forward ? new->name : new->final_name);
	char	   *leaves = forward ? old_column : new_column;
	char	   *comes = forward ? new_column : old_column;
	StringInfoData sql;

	initStringInfo(&sql);
	other_end_append_drop(&sql, making, old);
	view_append_drop(&sql, old, new);
	dependent_append_drop(&sql, making, twin, forward);
	matview_append_exchange(&sql, making, old, forward);
	foreign_key_append_drop(&sql, making, old);
	key_append_drop(&sql, making, old);
	sequence_append_exchange(&sql, making, old, new, forward);
	append_default(&sql, making, twin, forward, leaves, comes);
	dependent_append_generated(&sql, making, old, new, forward);
	append_late(&sql, making, twin, forward, comes);
	key_append_attach(&sql, making, old, new, forward);
	key_append_marks(&sql, making, old, forward);
	if (forward && carry_takes_name(new) && old->not_null)
		sql_statement(&sql, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", sql_table(making, old->relid), old_column);
	if (carry_takes_name(new))
		append_swap_names(&sql, making, old, leaves, comes, sql_name(new->name));
	foreign_key_append_attach(&sql, making, old, new, forward);
	append_dependents(&sql, making, twin, forward, old_column, new_column);
	other_end_append_add(&sql, making, old);
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
		found |= foreign_key_follow(lfirst(lc), relid, from, to);
	return found;
}

/*
 * Give the new index, and its partitions' ones, the names of the old.  Of a
 * partition that has gone before its turn there is none.
 */
static void
append_index_renames(StringInfo sql, const Making *making, const Column *old, const ColumnIndex *index)
{
	bool		root = index->relid == old->relid;
	ListCell   *lc;

	if (root || sql_exists(making, index->relid))
		sql_statement(sql, "ALTER INDEX %s%s RENAME TO %s", root ? "" : "IF EXISTS ",
					  sql_index(making, index->relid, sql_own_name(making->migration, index->name)),
					  sql_name(index->name));
	if (index->comment != NULL && sql_is_member(making, index->relid, root ? InvalidOid : old->relid))
		sql_statement(sql, "COMMENT ON INDEX %s IS %s", sql_index(making, index->relid, index->name),
					  sql_literal(index->comment));
	foreach(lc, index->children)
		append_index_renames(sql, making, old, lfirst(lc));
}

static void
append_constraint_rename(StringInfo sql, const char *table, const char *from, const char *to,
						 const char *comment)
{
	sql_statement(sql, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table, sql_name(from), sql_name(to));
	if (comment != NULL)
		sql_statement(sql, "COMMENT ON CONSTRAINT %s ON %s IS %s", sql_name(to), table, sql_literal(comment));
}

static bool
all_have_constraint(Oid relid, const char *name)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (!OidIsValid(get_relation_constraint_oid(lfirst_oid(lc), name, true)))
			return false;
	}
	return true;
}

/*
 * A partition that was attached meanwhile may call its own NOT NULL otherwise,
 * and PostgreSQL renames none of them unless it can rename all.
 */
static void
append_not_null_rename(StringInfo sql, const Making *making, const Column *old)
{
	char	   *name = twin_not_null_name(making->migration, old);

	if (old->not_null_name != NULL &&
		(making->flavour != FLAVOUR_RUN || all_have_constraint(old->relid, name)))
		append_constraint_rename(sql, sql_table(making, old->relid), name, old->not_null_name, NULL);
}

static char *
drop_sql(const Making *making, const void *data)
{
	const TwinArgs *twin = data;
	const Column *old = twin->old;
	char	   *table = sql_table(making, old->relid);
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	matview_append_contract(&sql, making, old);
	sql_statement(&sql, "ALTER TABLE %s DROP COLUMN %s", table,
				  sql_expression(making, carry_old_later(old, twin->new), old->relid));
	foreach(lc, old->index_trees)
		append_index_renames(&sql, making, old, lfirst(lc));
	foreach(lc, twin->new->may_misfit ? NIL : old->checks)
	{
		ColumnCheck *check = lfirst(lc);

		append_constraint_rename(&sql, table, sql_own_name(making->migration, check->name), check->name,
								 check->comment);
	}
	statistics_append_rename(&sql, making, old);
	append_not_null_rename(&sql, making, old);
	return sql.data;
}

const Verb verb_add_twin = {.name = "add_twin", .args = &twin_fields, .sql = add_sql};
const Verb verb_create_matviews = {.name = "create_matviews", .args = &twin_fields, .sql = matviews_sql};
const Verb verb_exchange = {
	.name = "exchange", .args = &twin_fields, .sql = exchange_sql, .follow = exchange_follow,
};
const Verb verb_drop_twin = {.name = "drop_twin", .args = &twin_fields, .sql = drop_sql};
