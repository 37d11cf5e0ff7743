/*-------------------------------------------------------------------------
 *
 * relation.c
 *		Whole relations are dropped, refreshed, analyzed; an enum's value is renamed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field drop_fields[] = {
	FIELD(DropArgs, keyword, TEXT),
	FIELD(DropArgs, relations, OIDS),
};

static const Fields drop_args = FIELDS(DropArgs, drop_fields);

static const Field refresh_fields[] = {
	FIELD(RefreshArgs, relation, OID),
	FIELD(RefreshArgs, concurrently, BOOL),
	FIELD(RefreshArgs, no_data, BOOL),
};

static const Fields refresh_args = FIELDS(RefreshArgs, refresh_fields);

static const Field value_fields[] = {
	FIELD(RenameValueArgs, type, OID),
	FIELD(RenameValueArgs, from, TEXT),
	FIELD(RenameValueArgs, to, TEXT),
};

static const Fields value_args = FIELDS(RenameValueArgs, value_fields);

static const Field analyze_fields[] = {
	FIELD(AnalyzeArgs, relation, OID),
	FIELD(AnalyzeArgs, column, EXPRESSION),
};

static const Fields analyze_args = FIELDS(AnalyzeArgs, analyze_fields);

/* A relation may have another name by then, and its name may be another's. */
static char *
drop_sql(const Making *making, const void *data)
{
	const DropArgs *drop = data;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "DROP %s ", drop->keyword);
	foreach(lc, drop->relations)
		appendStringInfo(&buf, "%s%s", lc == list_head(drop->relations) ? "" : ", ",
						 sql_table(making, lfirst_oid(lc)));
	return buf.data;
}

static char *
refresh_sql(const Making *making, const void *data)
{
	const RefreshArgs *refresh = data;

	return psprintf("REFRESH MATERIALIZED VIEW %s%s%s", refresh->concurrently ? "CONCURRENTLY " : "",
					sql_table(making, refresh->relation), refresh->no_data ? " WITH NO DATA" : "");
}

static char *
value_sql(const Making *making, const void *data)
{
	const RenameValueArgs *value = data;

	return psprintf("ALTER TYPE %s RENAME VALUE %s TO %s", format_type_be_qualified(value->type),
					sql_literal(value->from), sql_literal(value->to));
}

static char *
analyze_sql(const Making *making, const void *data)
{
	const AnalyzeArgs *analyze = data;

	if (analyze->column == NIL)
		return psprintf("ANALYZE %s", sql_table(making, analyze->relation));
	return psprintf("ANALYZE %s (%s)", sql_table(making, analyze->relation),
					sql_expression(making, analyze->column, analyze->relation));
}

const Verb verb_drop_relations = {.name = "drop_relations", .args = &drop_args, .sql = drop_sql};
const Verb verb_refresh = {
	.name = "refresh", .action = ACTION_TOPLEVEL, .args = &refresh_args, .sql = refresh_sql,
};
const Verb verb_rename_value = {.name = "rename_value", .args = &value_args, .sql = value_sql};
const Verb verb_analyze = {.name = "analyze", .args = &analyze_args, .sql = analyze_sql};
