/*-------------------------------------------------------------------------
 *
 * statistics.c
 *		Extended statistics over a column that is replaced.
 *
 * A second object is made over the new column and filled by the ANALYZE before
 * cutover, so that no query is planned without.  The old one goes with the old
 * column, and leaves its name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/names.h"
#include "plan/carry.h"
#include "plan/deparse.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

void
statistics_load(Column *column, Oid oid)
{
	QuerySession session;
	ColumnStatistics *statistics = palloc0(sizeof(ColumnStatistics));
	char	   *trees;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT stxname, stxnamespace, pg_has_role($2, stxowner, 'USAGE') AND has_schema_privilege($2, stxnamespace, 'CREATE'), "
		  "(SELECT array_agg(k::int4::oid ORDER BY n) FROM unnest(stxkeys::int2[]) WITH ORDINALITY u(k, n)), stxexprs::text, "
		  "(SELECT string_agg(CASE k WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' ELSE 'mcv' END, ', ') "
		  "  FROM unnest(stxkind) k WHERE k IN ('d', 'f', 'm')), "
		  "coalesce(stxstattarget, -1)::int, obj_description(oid, 'pg_statistic_ext'), stxowner::regrole::text, stxowner <> $2 "
		  "FROM pg_statistic_ext WHERE oid = $1", arg_oid(oid), arg_oid(column->owner));
	statistics->name = query_text(0, 1);
	statistics->namespace = query_oid(0, 2);
	if (!query_bool(0, 3))
		column_refuse(psprintf("statistics object %s, which the table's owner may not make,",
							   statistics->name), column,
					  "Drop the statistics object first, and create it again afterwards.");
	foreach(lc, query_oids(0, 4))
		statistics->columns = lappend_int(statistics->columns, (int) lfirst_oid(lc));
	trees = query_text(0, 5);
	statistics->expressions = trees ? (List *) stringToNode(trees) : NIL;
	statistics->kinds = query_text(0, 6);
	statistics->target = query_int4(0, 7);
	statistics->comment = query_text(0, 8);
	statistics->owner = query_bool(0, 10) ? names_escape(query_text(0, 9)) : NULL;
	query_end(&session);
	column->extended = lappend(column->extended, statistics);
}

static char *
create_sql(const MigrationPlan *plan, const Column *old, const ColumnStatistics *statistics,
		   const char *name, const char *new_column)
{
	StringInfoData sql;
	const char *separator = " ON ";
	ListCell   *lc;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE STATISTICS %s", name);
	if (statistics->kinds != NULL)
		appendStringInfo(&sql, " (%s)", statistics->kinds);
	foreach(lc, statistics->columns)
	{
		AttrNumber	attnum = (AttrNumber) lfirst_int(lc);

		appendStringInfo(&sql, "%s%s", separator, attnum == old->attnum ? new_column :
						 names_template_attribute(old->relid, attnum));
		separator = ", ";
	}
	foreach(lc, statistics->expressions)
	{
		appendStringInfo(&sql, "%s(%s)", separator,
						 deparse_expression_template(lfirst(lc), old->relid, old->attnum, new_column));
		separator = ", ";
	}
	appendStringInfo(&sql, " FROM %s", names_template_relation(old->relid));
	if (statistics->target >= 0)
		carry_statement(&sql, "ALTER STATISTICS %s SET STATISTICS %d", name, statistics->target);
	if (statistics->owner != NULL)
		carry_statement(&sql, "ALTER STATISTICS %s OWNER TO %s", name, statistics->owner);
	return sql.data;
}

void
statistics_plan_migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->extended)
	{
		ColumnStatistics *statistics = lfirst(lc);

		plan_add(plan, &(Step) {
			.phase = "migrate", .action = ACTION_SQL,
			.statement = create_sql(plan, old, statistics,
									carry_qualified(statistics->namespace,
													 carry_own_name(plan, statistics->name)),
									carry_quoted(new->name)),
			.lock = ShareUpdateExclusiveLock, .work = "changes the catalog only",
		});
	}
}

void
statistics_append_rename(StringInfo sql, const MigrationPlan *plan, const Column *old)
{
	ListCell   *lc;

	foreach(lc, old->extended)
	{
		ColumnStatistics *statistics = lfirst(lc);

		carry_statement(sql, "ALTER STATISTICS %s RENAME TO %s",
						carry_qualified(statistics->namespace, carry_own_name(plan, statistics->name)),
						carry_quoted(statistics->name));
		if (statistics->comment != NULL)
			carry_statement(sql, "COMMENT ON STATISTICS %s IS %s",
							carry_qualified(statistics->namespace, statistics->name),
							carry_literal(statistics->comment));
	}
}
