/*-------------------------------------------------------------------------
 *
 * by_text.c
 *		What knows a column by its text alone.
 *
 * PostgreSQL keeps the body of a function as text, and drops a column under it
 * without a word.  The rule: where every write of the table would fail from then
 * on, which is what a trigger function with NEW.column in it means, contract
 * refuses by name.  And while two names are in use, a BEFORE trigger that goes by one
 * of them computes from what is about to be overwritten, in silence: a rename is
 * refused.  What may be meant for another table (the function asks which
 * one it is called for), and what is no trigger of this one, is a guess, and a
 * warning.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/column.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/by_text.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* A name as a regular expression has it: quoted, or as it stands where that will do. */
#define ESCAPED(name) "regexp_replace(" name ", '(\\W)', '\\\\\\1', 'g')"
#define NAMED(name) \
	"'(\"' || " ESCAPED("replace(" name ", '\"', '\"\"')") " || '\"' || " \
	"CASE WHEN quote_ident(" name ") = " name " THEN '|' || " name " || '\\M' ELSE '' END || ')'"

/* The text of function p without comments. */
#define BODY "regexp_replace(p.prosrc, '--[^\\n]*|/\\*.*?\\*/', ' ', 'g')"

/* Whether the function asks which table it is called for, or is told by its trigger. */
#define ASKS "p.prosrc ~* '\\mtg_(table_name|table_schema|relid|relname|argv|nargs|name)\\M'"

/* Triggers of table $1 and its partitions that would meet the column of name $2. */
#define TRIGGERS \
	"FROM (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1) r " \
	"JOIN pg_trigger t ON t.tgrelid = r.relid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgfoid <> 'zdm.sync'::regproc " \
	"JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_language l ON l.oid = p.prolang " \
	"WHERE CASE WHEN lanname IN ('c', 'internal') " \
	"  THEN position('\\x00'::bytea || convert_to($2, getdatabaseencoding()) || '\\x00'::bytea IN '\\x00'::bytea || t.tgargs) > 0 " \
	"  ELSE t.tgtype & 1 = 1 AND " BODY " ~* ('\\m(new|old)\\s*\\.\\s*' || " NAMED("$2") ") END "

#define NAMES \
	"string_agg(quote_ident(t.tgname) || ' of ' || r.relid::regclass || ' (' || p.oid::regproc || ')', ', ' ORDER BY r.relid <> $1, t.tgname), " \
	"string_agg(format('ALTER TABLE %s DISABLE TRIGGER %I;', r.relid::regclass, t.tgname), ' ' ORDER BY r.relid <> $1, t.tgname)"
#define CERTAIN "NOT (lanname NOT IN ('c', 'internal') AND " ASKS ") AND t.tgparentid = 0 "

/* Functions in whose text one statement names table $1 and the column. */
#define FUNCTIONS \
	"FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace, pg_class c " \
	"WHERE c.oid = $1 AND l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'zdm') " \
	"AND p.prosqlbody IS NULL AND EXISTS (SELECT FROM regexp_split_to_table(" BODY ", ';') s " \
	"  WHERE s ~* ('\\m' || " ESCAPED("relname") " || '\\M') AND s ~* ('\\m' || " ESCAPED("$2") " || '\\M'))"

/* The column that the step drops, or InvalidAttrNumber. */
static AttrNumber
dropped_by(const Step *step)
{
	if (verb_is(step, &verb_drop_column))
		return ((ColumnArgs *) verb_args(step))->column;
	if (verb_is(step, &verb_drop_twin))
		return ((TwinArgs *) verb_args(step))->old->attnum;
	return InvalidAttrNumber;
}

/* The columns that the migration's contract drops and that applications may know: names (char *). */
static List *
columns_to_go(const Migration *migration)
{
	List	   *names = NIL;
	ListCell   *lc;

	/* of a change of type the one that goes has a name of ours by then */
	if (strcmp(migration->kind, "change_column_type") == 0)
		return NIL;
	foreach(lc, step_all(migration->id))
	{
		Step	   *step = lfirst(lc);
		char	   *name = step->state != STEP_DONE ?
			get_attname(migration->relid, dropped_by(step), true) : NULL;

		if (name != NULL)
			names = lappend(names, name);
	}
	return names;
}

static char *
found(const char *query, Oid relid, const char *column, char **statements)
{
	QuerySession session;
	char	   *names;

	query_begin(&session);
	QUERY(query, arg_oid(relid), arg_text(column));
	names = query_text(0, 1);
	if (names != NULL && statements != NULL)
		*statements = query_text(0, 2);
	query_end(&session);
	return names;
}

void
by_text_refuse_before(Oid relid, const char *column)
{
	char	   *disable;
	char	   *triggers = found("SELECT " NAMES " " TRIGGERS "AND " CERTAIN "AND (t.tgtype & 2 <> 0 AND t.tgtype & 20 <> 0 OR lanname IN ('c', 'internal'))",
								 relid, column, &disable);

	if (triggers != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is named by trigger %s", column, triggers),
				 errdetail("While both names are in use, a trigger would see the old one alone: for writes by the new name, what the row had before."),
				 errhint("%s and let a generated column, an AFTER trigger or the application do its work while the column is renamed.",
						 disable)));
}

void
by_text_refuse(const Migration *migration, const char *again)
{
	ListCell   *lc;

	foreach(lc, columns_to_go(migration))
	{
		char	   *disable;
		char	   *triggers = found("SELECT " NAMES " " TRIGGERS "AND " CERTAIN, migration->relid, lfirst(lc), &disable);

		if (triggers != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("column \"%s\", which is about to be dropped, is named by trigger %s", (char *) lfirst(lc), triggers),
					 errdetail("Each write that fires it would fail from then on."),
					 errhint("CREATE OR REPLACE the function without the name, or %s then SELECT zdm.%s(" INT64_FORMAT ").",
							 disable, again, migration->id)));
	}
}

void
by_text_warn(const Migration *migration)
{
	ListCell   *lc;

	foreach(lc, columns_to_go(migration))
	{
		char	   *functions = found("SELECT string_agg(DISTINCT f, ', ') FROM (SELECT p.oid::regprocedure::text " TRIGGERS
									  "UNION ALL SELECT p.oid::regprocedure::text " FUNCTIONS ") x(f)", migration->relid, lfirst(lc), NULL);

		if (functions != NULL)
			ereport(WARNING,
					(errcode(ERRCODE_WARNING),
					 errmsg("the text of these functions seems to name column \"%s\" of %s, which is about to be dropped: %s",
							(char *) lfirst(lc), migration->relation, functions),
					 errhint("SELECT zdm.pause(" INT64_FORMAT "); stops it until they have been looked at.", migration->id)));
	}
}
