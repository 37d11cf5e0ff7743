/*-------------------------------------------------------------------------
 *
 * generated.c
 *		Generated columns that are computed of a column which is replaced.
 *
 * The expression of a virtual one is given again like what is in dependent.c.  A
 * stored one cannot be in an instant; in a rename it need not, as both columns have the
 * same values: the exchange has its expression name the other column.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/part.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A partition has the same columns generated, or some more (before 16). */
static void
load_stored(Column *column, const char *name)
{
	ListCell   *lc;

	foreach(lc, column->generated)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return;
	}
	column->generated = lappend(column->generated, pstrdup(name));
}

/* Why PostgreSQL would not give the column another expression in an instant, or NULL. */
#define GENERATED_OBSTACLE \
	"CASE WHEN a.attnotnull THEN 'is NOT NULL' " \
	"  WHEN EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = a.attrelid AND contype = 'c') THEN 'is of a table with CHECK constraints' " \
	"  WHEN EXISTS (SELECT 1 FROM pg_publication_tables t JOIN pg_class c ON c.relname = t.tablename " \
	"    JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = t.schemaname WHERE c.oid = a.attrelid) THEN 'is of a published table' END"

static void
load_expression(Column *column, Oid relid, Oid expression, const char *description)
{
	QuerySession session;
	bool		virtual;
	bool		inherited;
	char	   *obstacle;
	char	   *name;

	query_begin_printing(&session, relid);
	QUERY("SELECT a.attgenerated = 'v', " GENERATED_OBSTACLE ", "
		  "pg_get_expr(d.adbin, d.adrelid) = (SELECT pg_get_expr(p.adbin, p.adrelid) FROM pg_attrdef p JOIN pg_attribute b "
		  "  ON b.attrelid = p.adrelid AND b.attnum = p.adnum WHERE p.adrelid = $2 AND b.attname = a.attname), a.attname "
		  "FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE d.oid = $1",
		  arg_oid(expression), arg_oid(column->relid));
	virtual = query_bool(0, 1);
	obstacle = query_text(0, 2);
	inherited = relid != column->relid && query_bool(0, 3);
	name = query_text(0, 4);
	query_end(&session);
	if (!virtual)
	{
		load_stored(column, name);
		return;
	}
	if (obstacle != NULL)
		column_refuse(psprintf("the generated %s, which %s,", description, obstacle), column,
					  "Drop the generated column first, and add it again afterwards.");
	if (relid != column->relid && !inherited)
		column_refuse(psprintf("the generated %s of a single partition", description), column,
					  "Give it the expression of the partitioned table, first.");
	if (relid == column->relid)
		(void) dependent_add(column, description, DEFINITION_GENERATED, relid, name);
}

/* A generated column, or, from PostgreSQL 15 on, its expression. */
static bool
load(Column *column, const Dependent *dependent)
{
	if (strcmp(dependent->catalog, "pg_attrdef") == 0)
		load_expression(column, dependent->relid, dependent->object, dependent->description);
	else if (strcmp(dependent->catalog, "pg_class") == 0 && dependent->object == dependent->relid)
		load_stored(column, get_attname(dependent->relid, dependent->attnum, false));
	else
		return false;
	return true;
}

void
dependent_check_retyped(const Column *column)
{
	if (column->generated != NIL)
		column_refuse(psprintf("the generated column %s, which is stored,",
							   quote_identifier(linitial(column->generated))), column,
					  "PostgreSQL cannot make a column generated without writing every row under a strong lock: drop the generated column first, and add it again afterwards.");
}

/* In a rename both columns have the same values, and so has what is computed from them. */
static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	const NewColumn *new = exchange->twin->new;
	bool		forward = exchange->forward;
	ListCell   *lc;

	if (old->generated != NIL && exchange->making->flavour == FLAVOUR_SCRIPT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.script() has no plain form for a stored generated column over a renamed one"),
				 errdetail("SQL can give a stored generated column another expression only by writing every row anew under ACCESS EXCLUSIVE.")));
	foreach(lc, old->generated)
		sql_statement(sql, "SELECT zdm.move_generated(%u::oid::regclass, %s, %s, %s)", old->relid,
					  sql_literal(lfirst(lc)), sql_literal(forward ? old->name : new->name),
					  sql_literal(forward ? new->name : old->name));
}

const ColumnPart column_generated = {
	.load = load,
	.of_partitions = true,
	.enter = enter,
};
