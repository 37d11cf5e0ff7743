/*-------------------------------------------------------------------------
 *
 * dependent.c
 *		Triggers, rules, policies, functions and publications that name a column
 *		which is replaced.
 *
 * PostgreSQL has their parse trees over column numbers.  Each is read as text
 * when the exchange begins, and given again in it, when the column's name means
 * the new column.  What can be altered in place is; only triggers,
 * rules and published tables have to be dropped and made again, in the one
 * transaction that keeps everybody out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/part.h"
#include "core/names.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

ColumnDependent *
dependent_add(Column *column, const char *description, DefinitionKind definition, Oid oid, const char *name)
{
	ColumnDependent *dependent = palloc0(sizeof(ColumnDependent));

	dependent->description = pstrdup(description);
	dependent->definition = definition;
	dependent->oid = oid;
	dependent->name = pstrdup(name);
	column->dependents = lappend(column->dependents, dependent);
	return dependent;
}

/* Statements that take an object down and those that bring it back: a query of one row, with $1 its Oid. */
#define POLICY_STATEMENTS \
	"SELECT format('DROP POLICY %I ON %s;', polname, polrelid::regclass), " \
	"concat(format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', polname, polrelid::regclass, " \
	"    CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, " \
	"    CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, " \
	"    (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(polroles) r)), " \
	"  ' USING (' || pg_get_expr(polqual, polrelid) || ')', ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', ';', " \
	"  format(' COMMENT ON POLICY %I ON %s IS ', polname, polrelid::regclass) || quote_literal(obj_description(oid, 'pg_policy')) || ';') " \
	"FROM pg_policy WHERE oid = $1"
#define RULE_STATEMENTS \
	"SELECT format('DROP RULE %I ON %s;', rulename, ev_class::regclass), " \
	"concat(pg_get_ruledef(oid), " \
	"  ' ALTER TABLE ' || ev_class::regclass || CASE ev_enabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA' " \
	"    WHEN 'A' THEN ' ENABLE ALWAYS' END || ' RULE ' || quote_ident(rulename) || ';', " \
	"  format(' COMMENT ON RULE %I ON %s IS ', rulename, ev_class::regclass) || quote_literal(obj_description(oid, 'pg_rewrite')) || ';') " \
	"FROM pg_rewrite WHERE oid = $1"

/* "DROP ...; and, once the migration is done, CREATE ...;" */
static char *
down_and_back(const char *query, Oid relid, Oid object)
{
	QuerySession session;
	char	   *statements = NULL;

	query_begin_printing(&session, relid);
	if (QUERY(query, arg_oid(object)) > 0)
		statements = psprintf("%s and, once the migration is completed, for the column as it is then: %s", query_text(0, 1), query_text(0, 2));
	query_end(&session);
	return statements;
}

static void
load_trigger(Column *column, Oid trigger, const char *description)
{
	QuerySession session;
	ColumnDependent *dependent;

	if (get_rel_relkind(column->relid) == RELKIND_PARTITIONED_TABLE)
		column_refuse(description, column,
					  "Create the trigger again without naming the column (UPDATE OF, WHEN), first.");
	query_begin(&session);
	QUERY("SELECT tgname FROM pg_trigger WHERE oid = $1", arg_oid(trigger));
	dependent = dependent_add(column, description, DEFINITION_TRIGGER_DROP, column->relid, query_text(0, 1));
	query_end(&session);
	dependent->dropped = true;
	dependent->refusal = "which names it (UPDATE OF, WHEN)";
	dependent->hint = "Both columns will be written to meanwhile: create the trigger again without naming the column, first.";
}

/*
 * A rule of the table itself, or of a view.  What it says of the rows that are
 * written can only be about one column at a time.
 */
static void
load_rule(Column *column, Oid rule, const char *description)
{
	QuerySession session;
	ColumnDependent *dependent;
	char	   *name;
	bool		is_view;
	bool		may_alter;
	Oid			relid;

	query_begin(&session);
	QUERY("SELECT ev_class, rulename, relkind = 'v', pg_has_role($2, relowner, 'USAGE') "
		  "FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE r.oid = $1",
		  arg_oid(rule), arg_oid(column->owner));
	relid = query_oid(0, 1);
	name = query_text(0, 2);
	is_view = query_bool(0, 3);
	may_alter = query_bool(0, 4);
	query_end(&session);
	if (!may_alter || (relid != column->relid && !is_view))
		column_refuse(description, column, down_and_back(RULE_STATEMENTS, relid, rule));
	dependent = dependent_add(column, description, DEFINITION_RULE_DROP, relid, name);
	dependent->dropped = true;
	if (is_view)
	{
		dependent->view = relid;
		return;
	}
	dependent->refusal = "which looks at what is written to it";
	dependent->hint = psprintf("Both columns will be written to meanwhile, so: %s", down_and_back(RULE_STATEMENTS, relid, rule));
}

static void
load_policy(Column *column, Oid policy, const char *description)
{
	QuerySession session;
	char	   *name;
	Oid			relid;

	query_begin(&session);
	QUERY("SELECT polrelid, polname FROM pg_policy WHERE oid = $1", arg_oid(policy));
	relid = query_oid(0, 1);
	name = query_text(0, 2);
	query_end(&session);
	if (relid != column->relid)
		column_refuse(description, column, down_and_back(POLICY_STATEMENTS, relid, policy));
	(void) dependent_add(column, description, DEFINITION_POLICY, relid, name);
}

/* A function with an SQL body; others are text to PostgreSQL. */
static void
load_function(Column *column, Oid function, const char *description)
{
	QuerySession session;
	bool		may_replace;

	query_begin(&session);
	QUERY("SELECT pg_has_role($2, proowner, 'USAGE') "
		  "AND has_schema_privilege($2, pronamespace, 'CREATE') FROM pg_proc WHERE oid = $1",
		  arg_oid(function), arg_oid(column->owner));
	may_replace = query_bool(0, 1);
	query_end(&session);
	if (!may_replace)
		column_refuse(psprintf("%s, which the table's owner may not replace,", description), column,
					  "Give both the same owner, with CREATE on the function's schema, first.");
	(void) dependent_add(column, description, DEFINITION_FUNCTION, function, "");
}

static void
load_published(Column *column, Oid published, const char *description)
{
	QuerySession session;
	Oid			publication;
	bool		may_alter;

	query_begin(&session);
	QUERY("SELECT p.oid, pg_has_role($2, p.pubowner, 'USAGE') "
		  "FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.oid = $1",
		  arg_oid(published), arg_oid(column->owner));
	publication = query_oid(0, 1);
	may_alter = query_bool(0, 2);
	query_end(&session);
	if (!may_alter)
		column_refuse(psprintf("%s, which the table's owner may not alter,", description), column,
					  "Publish the table without a column list or row filter while the migration runs.");
	dependent_add(column, description, DEFINITION_PUBLICATION_DROP, publication, "")->dropped = true;
}

static bool
load(Column *column, const Dependent *dependent)
{
	static const struct
	{
		const char *catalog;
		void		(*load) (Column *column, Oid object, const char *description);
	}			catalogs[] = {
		{"pg_trigger", load_trigger},
		{"pg_policy", load_policy},
		{"pg_proc", load_function},
		{"pg_publication_rel", load_published},
		{"pg_rewrite", load_rule},
	};

	for (int i = 0; i < lengthof(catalogs); i++)
	{
		if (strcmp(dependent->catalog, catalogs[i].catalog) == 0)
		{
			catalogs[i].load(column, dependent->object, dependent->description);
			return true;
		}
	}
	return false;
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->dependents)
		claims = lappend(claims, ((ColumnDependent *) lfirst(lc))->description);
	return claims;
}

/*
 * A body with ON CONFLICT DO UPDATE hangs on every column that there is when it is made:
 * made again while there are two, it would keep both.
 */
void
dependent_check_bodies(const Column *column)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0), d.classid = 'pg_proc'::regclass FROM pg_depend d "
			  "LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid "
			  "LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
			  "WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2 "
			  "AND coalesce(p.prosqlbody::text, r.ev_action::text) ~ ':exclRelTlist [(]' ORDER BY 1",
			  arg_oid(column->relid), arg_int2(column->attnum));
	for (uint64 row = 0; row < n; row++)
		column_refuse(psprintf("%s, with ON CONFLICT DO UPDATE,", query_text(row, 1)), column,
					  query_bool(row, 2) ? "Create the function again with a string body while the migration runs." :
					  "Drop the rule first, and create it again over the new column afterwards.");
	query_end(&session);
}

void
dependent_check_both_names(const Column *column)
{
	ListCell   *lc;

	foreach(lc, column->dependents)
	{
		ColumnDependent *dependent = lfirst(lc);

		if (dependent->refusal != NULL)
			column_refuse(psprintf("%s, %s,", dependent->description, dependent->refusal), column,
						  dependent->hint);
	}
}

/* Is it a rule that comes and goes with its view? */
static bool
goes_with_view(const ColumnDependent *dependent, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	if (!new->retyped || !OidIsValid(dependent->view))
		return false;
	foreach(lc, old->views)
	{
		if (((ColumnView *) lfirst(lc))->oid == dependent->view)
			return true;
	}
	return false;
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const TwinArgs *twin = exchange->twin;
	ListCell   *lc;

	foreach(lc, twin->old->dependents)
	{
		ColumnDependent *dependent = lfirst(lc);

		if (dependent->dropped && !goes_with_view(dependent, twin->old, twin->new))
			definition_append(sql, exchange->making, twin, exchange->forward, &(Definition) {
				.kind = dependent->definition, .oid = dependent->oid, .name = dependent->name,
			});
	}
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const TwinArgs *twin = exchange->twin;
	ListCell   *lc;

	foreach(lc, twin->old->dependents)
	{
		ColumnDependent *dependent = lfirst(lc);

		if (!goes_with_view(dependent, twin->old, twin->new))
			definition_append(sql, exchange->making, twin, exchange->forward, &(Definition) {
				.kind = dependent->definition + dependent->dropped, .oid = dependent->oid, .name = dependent->name,
			});
	}
}

const ColumnPart column_dependent = {
	.load = load,
	.claims = claims,
	.leave = leave,
	.enter = enter,
};
