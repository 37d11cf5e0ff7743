/*-------------------------------------------------------------------------
 *
 * default.c
 *		The default of a column that is replaced, as it is when the two are exchanged.
 *
 * It may be set, dropped or written otherwise (its sequence renamed) since the call,
 * and again between the cutover and the way back.  The rule: the column that comes
 * into charge gets what the other one has at that moment.  Only where an up of the
 * user's own stands between the two it is not known what that would be: then it has to
 * be what it was.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "column/default.h"
#include "column/definition.h"
#include "column/part.h"
#include "core/errors.h"
#include "core/names.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"

const char *
default_of_new(const TwinArgs *twin)
{
	return twin->new->default_text != NULL ? twin->new->default_text : twin->old->default_text;
}

/* A column's default now. */
typedef struct Default
{
	char	   *text;			/* NULL: none */
	char	   *tree;
} Default;

static Default
read_default(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	Default		now = {NULL};

	query_begin_printing(&session, relid);
	if (QUERY("SELECT pg_get_expr(adbin, adrelid), adbin::text FROM pg_attrdef WHERE adrelid = $1 AND adnum = $2",
			  arg_oid(relid), arg_int2(attnum)) > 0)
	{
		now.text = query_text(0, 1);
		now.tree = query_text(0, 2);
	}
	query_end(&session);
	return now;
}

/* The one that the exchange takes from charge; InvalidAttrNumber: there are no two. */
static AttrNumber
leaving(int64 migration, const Column *old, bool forward)
{
	return forward ? old->attnum : carry_new_attnum(migration, old);
}

static bool
same_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

/* What the default was when it was last looked at; false: nobody has. */
static bool
was(const TwinArgs *twin, bool forward, const char **text)
{
	*text = forward || !twin->new->retyped ? twin->old->default_text : twin->new_default;
	return forward || !twin->new->retyped || twin->default_noted;
}

static void
refuse_mapped(int64 migration, const TwinArgs *twin, bool forward, const char *before, const char *now, const char *again)
{
	const Column *old = twin->old;
	char	   *column = pstrdup(quote_identifier(old->name));

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the default of column %s of %s was changed since migration " INT64_FORMAT " %s",
					column, names_relation(old->relid), migration, forward ? "was stated" : "was switched"),
			 errdetail("It was %s and is %s; what the migration's own expression would make of that is not known.",
					   before != NULL ? before : "none", now != NULL ? now : "none"),
			 errhint("ALTER TABLE %s ALTER COLUMN %s %s%s; then SELECT zdm.%s(" INT64_FORMAT "), and set the wanted one afterwards.",
					 names_relation(old->relid), column, before != NULL ? "SET DEFAULT " : "DROP DEFAULT",
					 before != NULL ? before : "", again, migration)));
}

void
default_follow(int64 migration, TwinArgs *twin, bool forward, const char *again)
{
	AttrNumber	attnum = leaving(migration, twin->old, forward);
	const char *before;
	Default		now;

	if (attnum == InvalidAttrNumber || !was(twin, forward, &before))
		return;
	now = read_default(twin->old->relid, attnum);
	if (same_text(before, now.text))
		return;
	if (twin->new->mapped)
		refuse_mapped(migration, twin, forward, before, now.text, again);
	twin->old->default_text = now.text;
	twin->old->default_volatile = now.tree != NULL && contain_volatile_functions(stringToNode(now.tree));
	twin->new->default_text = NULL;
	twin->default_tree = now.tree;
	twin->default_changed = true;
}

bool
default_has_changed(int64 migration, const TwinArgs *twin, bool forward)
{
	AttrNumber	attnum = leaving(migration, twin->old, forward);
	const char *before;

	return attnum != InvalidAttrNumber && was(twin, forward, &before) &&
		!same_text(before, read_default(twin->old->relid, attnum).text);
}

void
default_note(int64 migration, TwinArgs *twin)
{
	twin->new_default = read_default(twin->old->relid, carry_new_attnum(migration, twin->old)).text;
	twin->default_noted = true;
}

/* An identity can come to a column without a default only. */
static void
leave(StringInfo sql, const Exchange *exchange)
{
	const TwinArgs *twin = exchange->twin;

	if (twin->default_changed && twin->old->default_text == NULL)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT",
					  sql_table(exchange->making, twin->old->relid), exchange->comes);
}

/* The text is that of the catalog, and means what is there. */
static void
note_tree(const Making *making, const TwinArgs *twin, char *statement)
{
	DefinitionTrees *made;

	if (making->definitions == NULL || twin->default_tree == NULL)
		return;
	made = palloc(sizeof(DefinitionTrees));
	made->sql = statement;
	made->trees = list_make1(twin->default_tree);
	*making->definitions = lappend(*making->definitions, made);
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const TwinArgs *twin = exchange->twin;
	const Column *old = twin->old;
	const char *text = exchange->forward ? default_of_new(twin) : old->default_text;
	char	   *table = sql_table(exchange->making, old->relid);
	char	   *statement;

	if (text == NULL || !(old->default_volatile || twin->default_changed))
		return;
	statement = psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, exchange->comes, text);
	note_tree(exchange->making, twin, statement);
	sql_statement(sql, "%s", statement);
	/* a volatile one is on one side only, or it would be computed twice a row */
	if (old->default_volatile)
		sql_statement(sql, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, exchange->leaves);
}

const ColumnPart column_default = {.leave = leave, .enter = enter};
