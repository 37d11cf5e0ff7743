/*-------------------------------------------------------------------------
 *
 * others.c
 *		Views, and rules, policies and functions of others, that refer to a table.
 *
 * They refer to it by its Oid, and their text names it: so the text is read while the
 * name means the one table, and given again when it means the other.  Views and
 * materialized views have it stored as CREATE OR REPLACE VIEW and CREATE MATERIALIZED
 * VIEW do: that keeps their options, and for the latter there is no statement.  The
 * rows of a materialized view stay as they are, as they came from the same rows.
 *
 * The text is analyzed as the owner of what it stands in.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/view.h"
#include "core/identity.h"
#include "core/names.h"
#include "move/act.h"
#include "move/view_query.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"

static void
run_view(const MoveAct *act)
{
	StoreViewQuery(act->object, view_query_read(act->text), true);
}

static void
run_rule(const MoveAct *act)
{
	RuleStmt   *stmt = castNode(RuleStmt, act_parse(act->text));

	/* its comment, and whether it fires, stay */
	stmt->replace = true;
	act_run_statement((Node *) stmt, act->text);
}

static void
add_view(Moving *moving, Oid view)
{
	bool		materialized = get_rel_relkind(view) == RELKIND_MATVIEW;
	char	   *query = view_query_text(view);

	act_add(&moving->others, &(MoveAct) {
		.sql = psprintf("%sCREATE OR REPLACE%s VIEW %s AS\n%s", materialized ? "-- the rows stay as they are\n" : "",
						materialized ? " MATERIALIZED" : "", names_of_relation(view, false), query),
		.role = identity_of(view), .run = run_view, .object = view, .text = query,
	});
}

/* One act for each of the query's objects: $1 is its Oid, "tables" the relation that it belongs to. */
static void
add_objects(Moving *moving, const char *objects, const char *definition, void (*run) (const MoveAct *))
{
	QuerySession session;
	List	   *oids;
	List	   *tables;
	ListCell   *lc;
	ListCell   *table;

	query_begin(&session);
	QUERY(objects, arg_oids(moving->tables));
	oids = query_oids(0, 1);
	tables = query_oids(0, 2);
	query_end(&session);
	forboth(lc, oids, table, tables)
	{
		List	   *acts = NIL;
		ListCell   *act;

		ACT_ROWS(&acts, identity_of(lfirst_oid(table)), lfirst_oid(table), definition, arg_oid(lfirst_oid(lc)));
		foreach(act, acts)
		{
			MoveAct    *made = lfirst(act);

			made->run = run;
			made->text = made->sql;
		}
		moving->others = list_concat(moving->others, acts);
	}
}

/* A function has no table to be printed by, but an owner. */
static void
add_functions(Moving *moving)
{
	QuerySession session;
	List	   *oids;
	List	   *owners;
	ListCell   *lc;
	ListCell   *owner;

	query_begin(&session);
	QUERY("SELECT array_agg(f.oid ORDER BY f.oid), array_agg(f.proowner ORDER BY f.oid) FROM pg_proc f WHERE " REFERS("f"),
		  arg_oids(moving->tables));
	oids = query_oids(0, 1);
	owners = query_oids(0, 2);
	query_end(&session);
	forboth(lc, oids, owner, owners)
	{
		ACT_ROWS(&moving->others, lfirst_oid(owner), moving->move->from, "SELECT pg_get_functiondef($1)",
				 arg_oid(lfirst_oid(lc)));
		ACT_ROWS(&moving->others, lfirst_oid(owner), moving->move->from,
				 "SELECT format('ALTER ROUTINE %s DEPENDS ON EXTENSION %I', $1::regprocedure, e.extname) FROM pg_depend d "
				 "JOIN pg_extension e ON e.oid = d.refobjid "
				 "WHERE d.classid = 'pg_proc'::regclass AND d.objid = $1 AND d.deptype = 'x'",
				 arg_oid(lfirst_oid(lc)));
	}
}

static void
add_all(Moving *moving)
{
	ListCell   *lc;

	foreach(lc, list_difference_oid(view_query_users(moving->tables), moving->retyped))
		add_view(moving, lfirst_oid(lc));
	add_functions(moving);
	add_objects(moving,
				"SELECT array_agg(r.oid ORDER BY r.oid), array_agg(r.ev_class ORDER BY r.oid) FROM pg_rewrite r "
				"WHERE NOT r.ev_class = ANY ($1) AND r.rulename <> '_RETURN' AND " REFERS("r"),
				"SELECT rtrim(pg_get_ruledef($1), ';')", run_rule);
	add_objects(moving,
				"SELECT array_agg(p.oid ORDER BY p.oid), array_agg(p.polrelid ORDER BY p.oid) FROM pg_policy p "
				"WHERE NOT p.polrelid = ANY ($1) AND " REFERS("p"),
				"SELECT format('ALTER POLICY %I ON %s', polname, polrelid::regclass) "
				"|| coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '') "
				"|| coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '') FROM pg_policy WHERE oid = $1",
				NULL);
}

const MovePart move_others = {.all = add_all};
