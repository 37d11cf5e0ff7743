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
#include "column/carry.h"
#include "column/part.h"
#include "core/expression.h"
#include "draft/deparse.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void
load_statistics(Column *column, Oid oid)
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
	statistics->kinds = query_text(0, 6);
	statistics->target = query_int4(0, 7);
	statistics->comment = query_text(0, 8);
	statistics->owner = query_bool(0, 10) ? query_text(0, 9) : NULL;
	query_end(&session);
	/* printing runs a user's functions: not as the extension's owner */
	foreach(lc, trees ? (List *) stringToNode(trees) : NIL)
		statistics->expressions = lappend(statistics->expressions,
										  deparse_kept(lfirst(lc), column->relid, InvalidAttrNumber, NIL));
	column->extended = lappend(column->extended, statistics);
}

static bool
load(Column *column, const Dependent *dependent)
{
	if (strcmp(dependent->catalog, "pg_statistic_ext") != 0)
		return false;
	load_statistics(column, dependent->object);
	return true;
}

static List *
claims(const Column *column)
{
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->extended)
		claims = lappend(claims, psprintf("statistics %s", ((ColumnStatistics *) lfirst(lc))->name));
	return claims;
}


/* What the step that makes one has for arguments. */
typedef struct StatisticsArgs
{
	Oid			relation;
	AttrNumber	old;
	char	   *new;			/* name of the column in its place */
	ColumnStatistics *statistics;
} StatisticsArgs;

static const Field fields[] = {
	FIELD(StatisticsArgs, relation, OID),
	FIELD(StatisticsArgs, old, ATTNUM),
	FIELD(StatisticsArgs, new, TEXT),
	FIELD_OF(StatisticsArgs, statistics, STRUCT, &column_statistics_fields),
};

static const Fields args = FIELDS(StatisticsArgs, fields);

static char *
create_sql(const Making *making, const void *data)
{
	const StatisticsArgs *create = data;
	const ColumnStatistics *statistics = create->statistics;
	char	   *name = sql_qualified(statistics->namespace, sql_own_name(making->migration, statistics->name));
	List	   *columns = NIL;
	StringInfoData sql;
	ListCell   *lc;

	foreach(lc, statistics->columns)
		columns = lappend(columns, expression_column((AttrNumber) lfirst_int(lc)));
	foreach(lc, statistics->expressions)
		columns = lappend(columns, expression_format("(%e)", lfirst(lc)));
	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE STATISTICS %s", name);
	if (statistics->kinds != NULL)
		appendStringInfo(&sql, " (%s)", statistics->kinds);
	appendStringInfo(&sql, " ON %s FROM %s",
					 sql_expression(making, expression_replace(expression_join(columns, ", "), create->old,
															   carry_column(create->new)), create->relation),
					 sql_table(making, create->relation));
	if (statistics->target >= 0)
		sql_statement(&sql, "ALTER STATISTICS %s SET STATISTICS %d", name, statistics->target);
	if (statistics->owner != NULL)
		sql_statement(&sql, "ALTER STATISTICS %s OWNER TO %s", name, statistics->owner);
	return sql.data;
}

const Verb verb_create_statistics = {.name = "create_statistics", .args = &args, .sql = create_sql};

static void
migrate(MigrationPlan *plan, const Column *old, const NewColumn *new)
{
	ListCell   *lc;

	foreach(lc, old->extended)
		plan_step(plan, &verb_create_statistics, &(StatisticsArgs) {
			.relation = old->relid, .old = old->attnum, .new = pstrdup(new->name), .statistics = lfirst(lc),
		}, &(Step) {
			.phase = "migrate", .lock = ShareUpdateExclusiveLock, .work = CATALOG_ONLY,
		});
}

static void
rename_all(StringInfo sql, const Making *making, const TwinArgs *twin)
{
	ListCell   *lc;

	foreach(lc, twin->old->extended)
	{
		ColumnStatistics *statistics = lfirst(lc);

		sql_statement(sql, "ALTER STATISTICS %s RENAME TO %s",
					  sql_qualified(statistics->namespace, sql_own_name(making->migration, statistics->name)),
					  sql_name(statistics->name));
		if (statistics->comment != NULL)
			sql_statement(sql, "COMMENT ON STATISTICS %s IS %s",
						  sql_qualified(statistics->namespace, statistics->name),
						  sql_literal(statistics->comment));
	}
}

const ColumnPart column_statistics = {
	.load = load,
	.claims = claims,
	.migrate = migrate,
	.rename = rename_all,
};
