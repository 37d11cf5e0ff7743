/*-------------------------------------------------------------------------
 *
 * matview.c
 *		Materialized views over a column that is replaced.
 *
 * A materialized view can be neither re-pointed nor replaced in place, and to
 * make it anew takes as long as its query.  So a second one is made beside it,
 * over the new column, with the same indexes, privileges and settings, but
 * without data.  It is filled just before the exchange, which swaps names only:
 * what it shows then is as of the cutover.  The first one stays up to contract,
 * and is filled again when a revert goes back to it.
 *
 * The second one's definition is the first one's own text, run while the
 * column's name is lent to the new column, so no text is edited.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/part.h"
#include "column/twin.h"
#include "column/view_properties.h"
#include "core/errors.h"
#include "draft/deparse.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/*
 * The materialized views over the column itself ($1, $2), and whether the
 * table's owner ($3) may make the like of them.
 */
#define MATVIEWS_SQL \
	"SELECT c.oid, c.relname, n.oid, c.relowner, c.relowner::regrole::text, c.relispopulated, " \
	"has_schema_privilege($3, n.oid, 'CREATE'), " \
	"coalesce((SELECT string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') " \
	"  FROM pg_options_to_table(c.reloptions)), ''), " \
	"(SELECT quote_ident(amname) FROM pg_am WHERE oid = c.relam), " \
	"(SELECT quote_ident(spcname) FROM pg_tablespace WHERE oid = c.reltablespace), " \
	"coalesce((SELECT array_agg(indexrelid ORDER BY indexrelid) FROM pg_index WHERE indrelid = c.oid), '{}'), " \
	"(SELECT indexrelid FROM pg_index WHERE indrelid = c.oid AND indisclustered), " \
	"(SELECT stxname FROM pg_statistic_ext WHERE stxrelid = c.oid ORDER BY 1 LIMIT 1) " \
	"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " \
	"WHERE c.relkind = 'm' AND c.oid IN (SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid " \
	"  WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2) " \
	"ORDER BY c.oid"

static char *
qualified(const ColumnMatview *view, const char *name)
{
	return sql_qualified(view->namespace, name);
}

/* Up to cutover the one that is made, from then on the one that was there. */
static char *
second_name(int64 migration, const char *name)
{
	return sql_own_name(migration, name);
}

static char *
first_name_later(int64 migration, const char *name)
{
	return sql_own_name(migration, psprintf("%s_old", name));
}

static void
check_matview(const Column *column, const ColumnMatview *view, Oid owner, bool may_create,
			  const char *statistics)
{
	char	   *name = qualified(view, view->name);

	if (!carry_acts_for(column->owner, owner))
		column_refuse(psprintf("materialized view %s, which has another owner,", name), column,
					  "Let the table's owner have the view too, or make it a member of the view's owner.");
	else if (!may_create)
		column_refuse(psprintf("materialized view %s, in a schema where the table's owner may not create,",
							   name), column, "GRANT CREATE ON SCHEMA to the table's owner first.");
	if (statistics != NULL)
		column_refuse(psprintf("statistics object %s of materialized view %s", statistics, name), column,
					  "Drop it first, and create it again afterwards.");
	view_refuse_dependents(column, view->oid, psprintf("materialized view %s", name));
}

/* By their Oids so far. */
static void
load_indexes(ColumnMatview *view)
{
	List	   *indexes = NIL;
	ListCell   *lc;

	foreach(lc, view->indexes)
		indexes = lappend(indexes, column_index_load(lfirst_oid(lc)));
	view->indexes = indexes;
}

/* Views of any kind are looked up together. */
static bool
load(Column *column, const Dependent *dependent)
{
	return dependent->view;
}

static void
look(Column *column)
{
	QuerySession session;
	uint64		n;
	ListCell   *lc;

	query_begin(&session);
	n = QUERY(MATVIEWS_SQL, arg_oid(column->relid), arg_int2(column->attnum), arg_oid(column->owner));
	for (uint64 row = 0; row < n; row++)
	{
		ColumnMatview *view = palloc0(sizeof(ColumnMatview));

		view->oid = query_oid(row, 1);
		view->name = query_text(row, 2);
		view->namespace = query_oid(row, 3);
		view->owner = query_text(row, 5);
		view->populated = query_bool(row, 6);
		view->options = query_text(row, 8);
		view->access_method = query_text(row, 9);
		view->tablespace = query_text(row, 10);
		view->indexes = query_oids(row, 11);
		view->cluster_index = query_oid(row, 12);
		check_matview(column, view, query_oid(row, 4), query_bool(row, 7), query_text(row, 13));
		column->matviews = lappend(column->matviews, view);
	}
	query_end(&session);
	foreach(lc, column->matviews)
		load_indexes(lfirst(lc));
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->matviews)
		claims = lappend(claims, psprintf("materialized view %s", ((ColumnMatview *) lfirst(lc))->name));
	return claims;
}

/* What its columns and indexes are set to, as statements on the second one. */
static const char *const settings[] = {
	"SELECT 'ALTER MATERIALIZED VIEW ' || $2 || ' ALTER COLUMN ' || quote_ident(attname) || ' SET STATISTICS ' || attstattarget "
	"FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND attstattarget >= 0 ORDER BY attnum",
	"SELECT 'ALTER MATERIALIZED VIEW ' || $2 || ' ALTER COLUMN ' || quote_ident(attname) || ' SET (' || "
	"(SELECT string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') FROM pg_options_to_table(attoptions) "
	" WHERE option_name IN ('n_distinct', 'n_distinct_inherited')) || ')' "
	"FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND attoptions IS NOT NULL ORDER BY attnum",
	"SELECT 'ALTER MATERIALIZED VIEW ' || $2 || ' ALTER COLUMN ' || quote_ident(attname) || ' SET STORAGE ' || "
	"CASE attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END "
	"FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE attrelid = $1 AND attnum > 0 AND attstorage <> typstorage ORDER BY attnum",
	"SELECT 'ALTER MATERIALIZED VIEW ' || $2 || ' ALTER COLUMN ' || quote_ident(attname) || ' SET COMPRESSION ' || "
	"CASE attcompression WHEN 'p' THEN 'pglz' ELSE 'lz4' END FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND attcompression <> '' ORDER BY attnum",
};

static void
append_settings(StringInfo sql, const ColumnMatview *view, const char *name)
{
	for (int i = 0; i < lengthof(settings); i++)
	{
		QuerySession session;
		uint64		n;

		query_begin(&session);
		n = QUERY(settings[i], arg_oid(view->oid), arg_text(name));
		for (uint64 row = 0; row < n; row++)
		{
			if (!query_null(row, 1))
				sql_statement(sql, "%s", query_text(row, 1));
		}
		query_end(&session);
	}
}

static void
append_indexes(StringInfo sql, const Making *making, const ColumnMatview *view,
			   const NewColumn *new, const char *name)
{
	ListCell   *lc;

	foreach(lc, view->indexes)
	{
		ColumnIndex *index = lfirst(lc);
		char	   *second = second_name(making->migration, index->name);

		/* one that has been dropped since is not wanted */
		if (get_rel_name(index->indexid) == NULL)
			continue;
		sql_statement(sql, "%s",
					  index_spec_sql(making, deparse_index(index->indexid, &(IndexLike) {.retyped = new->retyped}),
									 name, second, INDEX_WHOLE));
		if (index->comment != NULL)
			sql_statement(sql, "COMMENT ON INDEX %s IS %s", qualified(view, second), sql_literal(index->comment));
		if (index->indexid == view->cluster_index)
			sql_statement(sql, "ALTER MATERIALIZED VIEW %s CLUSTER ON %s", name, sql_name(second));
	}
}

static void
append_create(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	ListCell   *lc;

	foreach(lc, twin->old->matviews)
	{
		ColumnMatview *view = lfirst(lc);
		char	   *name = qualified(view, second_name(making->migration, view->name));

		sql_statement(sql, "CREATE MATERIALIZED VIEW %s USING %s%s%s%s", name, view->access_method,
					  view->options[0] ? " WITH (" : "", view->options, view->options[0] ? ")" : "");
		if (view->tablespace != NULL)
			appendStringInfo(sql, " TABLESPACE %s", view->tablespace);
		appendStringInfo(sql, " AS %s WITH NO DATA", definition_of_view(making, qualified(view, view->name)));
		append_settings(sql, view, name);
		append_indexes(sql, making, view, twin->new, name);
		/* to who only reads, it may be gone */
		if (get_rel_name(view->oid) != NULL)
			view_append_properties(sql, twin->old, &(ViewProperties) {
				.oid = view->oid, .name = name, .owner = view->owner, .kind = "MATERIALIZED VIEW",
			});
	}
}

static void
append_undo(StringInfo sql, const Making *making, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->matviews)
	{
		ColumnMatview *view = lfirst(lc);

		sql_statement(sql, "DROP MATERIALIZED VIEW IF EXISTS %s",
					  qualified(view, second_name(making->migration, view->name)));
	}
}

static char *
create_sql(const Making *making, const void *data)
{
	const TwinArgs *twin = data;
	const Column *old = twin->old;
	char	   *column = sql_column(making, old->relid, old->attnum);
	StringInfoData sql;

	initStringInfo(&sql);
	if (making->back)
		append_undo(&sql, making, old);
	else
	{
		twin_append_lend_name(&sql, making, old, column, sql_name(twin->new->name));
		append_create(&sql, making, twin);
		twin_append_return_name(&sql, making, old, column, sql_name(twin->new->name));
	}
	return sql.data;
}

const Verb verb_create_matviews = {.name = "create_matviews", .args = &twin_fields, .sql = create_sql};

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	TwinArgs	twin = carry_twin_args(old, new);

	if (old->matviews != NIL)
		plan_step(plan, &verb_create_matviews, &twin, &(Step) {
			.phase = "migrate", .undoable = true, .lock = AccessExclusiveLock, .work = CATALOG_ONLY,
			.note = "materialized views over the new column, without data: the column has the old one's name while they are made",
		});
}

/* What the step that fills one has for arguments. */
typedef struct RefreshMatviewArgs
{
	Oid			view;			/* nothing is done once that is gone */
	Oid			namespace;
	char	   *name;			/* of the one that is filled */
} RefreshMatviewArgs;

static const Field fields[] = {
	FIELD(RefreshMatviewArgs, view, OID),
	FIELD(RefreshMatviewArgs, namespace, OID),
	FIELD(RefreshMatviewArgs, name, TEXT),
};

static const Fields args = FIELDS(RefreshMatviewArgs, fields);

static char *
refresh_sql(const Making *making, const void *data)
{
	const RefreshMatviewArgs *refresh = data;
	char	   *name = sql_qualified(refresh->namespace, refresh->name);

	return !sql_exists(making, refresh->view) ? pstrdup("") :
		psprintf("REFRESH MATERIALIZED VIEW %s;\nANALYZE %s", name, name);
}

const Verb verb_refresh_matview = {.name = "refresh_matview", .args = &args, .sql = refresh_sql};

static void
plan_refresh_of(MigrationPlan *plan, const ColumnMatview *view, char *name, const Step *step)
{
	plan_step(plan, &verb_refresh_matview, &(RefreshMatviewArgs) {
		.view = view->oid, .namespace = view->namespace, .name = name,
	}, step);
}

static void
prepare(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->matviews)
	{
		ColumnMatview *view = lfirst(lc);

		if (view->populated)
			plan_refresh_of(plan, view, second_name(plan->migration, view->name), &(Step) {
				.phase = "cutover", .relations = list_make1_oid(old->relid), .lock = AccessShareLock,
				.work = "runs the query of the materialized view", .note = "nobody uses it yet",
			});
	}
}

static void
way_back(MigrationPlan *back, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->matviews)
	{
		ColumnMatview *view = lfirst(lc);

		if (view->populated)
			plan_refresh_of(back, view, first_name_later(back->migration, view->name), &(Step) {
				.phase = "cutover", .only_back = true,
				.relations = list_make1_oid(old->relid), .undo_lock = AccessShareLock,
				.work = "runs the query of the materialized view", .note = "on the way back only",
			});
	}
}

/* Make room for a name, and give it. */
static void
append_swap(StringInfo sql, const Making *making, const ColumnMatview *view, const char *kind,
			const char *name, const char *aside, const char *taker)
{
	if (!sql_exists(making, view->oid))
		return;
	sql_statement(sql, "ALTER %s %s RENAME TO %s", kind, qualified(view, name), sql_name(aside));
	sql_statement(sql, "ALTER %s %s RENAME TO %s", kind, qualified(view, taker), sql_name(name));
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	bool		forward = exchange->forward;
	ListCell   *lc;
	ListCell   *i;

	foreach(lc, exchange->twin->old->matviews)
	{
		ColumnMatview *view = lfirst(lc);
		char	   *first = first_name_later(making->migration, view->name);
		char	   *second = second_name(making->migration, view->name);

		append_swap(sql, making, view, "MATERIALIZED VIEW", view->name,
					forward ? first : second, forward ? second : first);
		foreach(i, view->indexes)
		{
			char	   *index = ((ColumnIndex *) lfirst(i))->name;

			first = first_name_later(making->migration, index);
			second = second_name(making->migration, index);
			append_swap(sql, making, view, "INDEX", index, forward ? first : second, forward ? second : first);
		}
	}
}

static void
drop(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	ListCell   *lc;

	foreach(lc, twin->old->matviews)
	{
		ColumnMatview *view = lfirst(lc);

		/* the second one, if the first was dropped before they could be exchanged */
		sql_statement(sql, "DROP MATERIALIZED VIEW IF EXISTS %s, %s",
					  qualified(view, first_name_later(making->migration, view->name)),
					  qualified(view, second_name(making->migration, view->name)));
	}
}

const ColumnPart column_matview = {
	.load = load,
	.look = look,
	.claims = claims,
	.migrate = migrate,
	.prepare = prepare,
	.enter = enter,
	.way_back = way_back,
	.drop = drop,
};
