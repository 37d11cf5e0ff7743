/*-------------------------------------------------------------------------
 *
 * view.c
 *		Views over a column that is replaced.
 *
 * A view refers to the column by number, so it would go on showing the old
 * one.  Its definition is read when the exchange is made, while the column's name
 * still means the old column, and run again when it means the new one: no text
 * is edited.  Where the type stays as it is, CREATE OR REPLACE keeps the view
 * itself; otherwise the view and those over it are dropped and made again, with
 * owner, privileges, options, defaults, triggers, rules and comments.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/part.h"
#include "column/view_properties.h"
#include "core/errors.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * Views over the column ($1, $2) or its materialized views ($3), and over those,
 * the deepest last.
 */
#define VIEWS_SQL \
	WITH_VIEWS_OVER("SELECT r.ev_class, 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' " \
					"JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v' " \
					"WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass " \
					"AND (d.refobjid = $1 AND d.refobjsubid = $2 OR d.refobjid = ANY ($3))")

/* Who hangs on a view and is not a plain view itself; or whose it is. */
void
view_refuse_dependents(const Column *column, Oid view, const char *description)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("SELECT format('ALTER EXTENSION %I DROP %s; and add it again afterwards.', e.extname, pg_describe_object(d.classid, d.objid, 0)), quote_ident(e.extname) "
			  "FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.objid = $1 "
			  "AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'", arg_oid(view)) > 0)
		column_refuse(psprintf("%s, which belongs to extension %s,", description, query_text(0, 2)), column, query_text(0, 1));
	if (QUERY("SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d "
			  "LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
			  "LEFT JOIN pg_class c ON c.oid = r.ev_class "
			  "WHERE d.deptype = 'n' AND NOT (r.ev_class IS NOT DISTINCT FROM $1) "
			  "AND NOT (r.rulename IS NOT DISTINCT FROM '_RETURN' AND c.relkind = 'v') "
			  "AND (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 OR d.refclassid = 'pg_type'::regclass "
			  "  AND d.refobjid IN (SELECT oid FROM pg_type WHERE typrelid = $1 "
			  "    UNION ALL SELECT typarray FROM pg_type WHERE typrelid = $1)) ORDER BY 1 LIMIT 1",
			  arg_oid(view)) > 0)
		column_refuse(psprintf("%s, by way of %s,", query_text(0, 1), description), column,
					  "Drop it first, and create it again afterwards.");
	query_end(&session);
}

static void
check_view(const Column *column, const ColumnView *view, Oid owner, bool may_create)
{
	if (isAnyTempNamespace(get_rel_namespace(view->oid)))
		column_refuse(psprintf("temporary view %s, which only its session can make again,", view->name), column,
					  psprintf("DROP VIEW %s; and make it again afterwards, or let its session end.", view->name));
	else if (!carry_acts_for(column->owner, owner))
		column_refuse(psprintf("view %s, which has another owner,", view->name), column,
					  psprintf("Let the table's owner have view %s too, or make it a member of the view's owner; or, as %s or a superuser, keep what pg_get_viewdef(%s) gives, DROP VIEW %s; and create it again afterwards.",
							   view->name, quote_identifier(GetUserNameFromId(owner, false)), quote_literal_cstr(view->name), view->name));
	else if (!may_create)
		column_refuse(psprintf("view %s, in a schema where the table's owner may not create,",
							   view->name), column, "GRANT CREATE ON SCHEMA to the table's owner first.");
}

static List *
matview_oids(const Column *column)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, column->matviews)
		oids = lappend_oid(oids, ((ColumnMatview *) lfirst(lc))->oid);
	return oids;
}

static void
look(Column *column)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY(VIEWS_SQL "SELECT v.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), c.relowner, max(v.level)::int, "
			  "min(v.level) = 1, "
			  "has_schema_privilege($4, n.oid, 'CREATE'), max(v.level) = " VIEWS_DEEPEST " "
			  "FROM v JOIN pg_class c ON c.oid = v.oid JOIN pg_namespace n ON n.oid = c.relnamespace "
			  "GROUP BY v.oid, c.oid, n.oid, c.relname, n.nspname, c.relowner ORDER BY 4, 1",
			  arg_oid(column->relid), arg_int2(column->attnum), arg_oids(matview_oids(column)), arg_oid(column->owner));
	for (uint64 row = 0; row < n; row++)
	{
		ColumnView *view = palloc0(sizeof(ColumnView));

		view->oid = query_oid(row, 1);
		view->name = query_text(row, 2);
		view->direct = query_bool(row, 5);
		check_view(column, view, query_oid(row, 3), query_bool(row, 6));
		if (query_bool(row, 7))
			column_refuse(psprintf("view %s, which is defined by itself,", view->name), column,
						  psprintf("DROP VIEW %s CASCADE; nobody can read it.", view->name));
		column->views = lappend(column->views, view);
	}
	query_end(&session);
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->views)
		claims = lappend(claims, psprintf("view %s", ((ColumnView *) lfirst(lc))->name));
	return claims;
}

/* GRANT has no other grantor than who runs it: what another role has granted would be the owner's from then on. */
static void
refuse_grantors(const Column *column, const ColumnView *view)
{
	char	   *grantor = QUERY_ONCE_TEXT(VIEW_GRANTORS_SQL("$1"), arg_oid(view->oid));

	if (grantor != NULL)
		column_refuse(psprintf("view %s, on which %s has granted privileges,", view->name, grantor), column,
					  psprintf("REVOKE what %s has granted on it, and have its owner grant it.", grantor));
}

void
view_check_recreation(const Column *column)
{
	ListCell   *lc;

	foreach(lc, column->views)
	{
		ColumnView *view = lfirst(lc);

		view_refuse_dependents(column, view->oid, psprintf("view %s", view->name));
		refuse_grantors(column, view);
	}
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Column *old = exchange->twin->old;
	/* what has been dropped since stays away */
	bool		gone_is_well = exchange->making->flavour == FLAVOUR_RUN;

	if (!exchange->twin->new->retyped)
		return;
	for (int i = list_length(old->views) - 1; i >= 0; i--)
		sql_statement(sql, "DROP VIEW %s%s", gone_is_well ? "IF EXISTS " : "", ((ColumnView *) list_nth(old->views, i))->name);
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const TwinArgs *twin = exchange->twin;
	bool		forward = exchange->forward;
	bool		retyped = twin->new->retyped;
	ListCell   *lc;

	foreach(lc, twin->old->views)
	{
		ColumnView *view = lfirst(lc);

		if (!retyped && !view->direct)
			continue;
		definition_append(sql, making, twin, forward, &(Definition) {
			.kind = retyped ? DEFINITION_VIEW_CREATE : DEFINITION_VIEW_REPLACE, .name = view->name,
		});
		definition_append(sql, making, twin, forward, &(Definition) {
			.kind = DEFINITION_VIEW_OPTIONS, .name = view->name,
		});
		if (retyped)
			definition_append(sql, making, twin, forward, &(Definition) {
				.kind = DEFINITION_VIEW_PROPERTIES, .name = view->name,
			});
	}
}

const ColumnPart column_view = {
	.look = look,
	.claims = claims,
	.leave = leave,
	.enter = enter,
};
