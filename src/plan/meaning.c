/*-------------------------------------------------------------------------
 *
 * meaning.c
 *		That a text means what it meant when its migration was stated.
 *
 * up and down are run as the trees that they were found to be.  An index, a CHECK,
 * a default, a policy, an assignment, a condition or a query that holds has to be
 * given to PostgreSQL as text, days later perhaps, and a function, an operator or a
 * cast that somebody has made since may match better.
 *
 * What exactly a text will call cannot be known beforehand: it is about columns that
 * do not exist yet, of another type.  But it may call only what there was when it
 * was stated.  So of each name in a migration's texts all that there is of it is
 * written down then, and before a statement is run, it is read as PostgreSQL will
 * read it, and what it calls is looked for there.  What an object of the catalog is
 * made again with, is compared with the trees that are there.
 *
 * PostgreSQL reads the statement once more, directly afterwards; but of an index
 * that is built CONCURRENTLY, which waits for its lock first: there the trees that
 * have been looked at are what is run.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/transam.h"
#include "catalog/migration.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "catalog/step.h"
#include "column/definition.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "core/resolution.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parse_type.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "plan/in_place.h"
#include "plan/meaning.h"
#include "rules/statement.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "verbs/verb.h"
#include "compat.h"

/*
 * Functions by their names, as they may stand in a text; all operators and casts, of
 * which there are few, with their functions, since a text can use them unnamed.  A
 * name in Unicode escapes is not looked for: then all are.
 */
#define MADE "oid >= " CppAsString2(FirstNormalObjectId)

/* An exchange may have an identity to move that there was not, and keys of partitions: with what is our own. */
#define OURS "oid IN ('zdm.move_identity(regclass, name, name)'::regprocedure, 'zdm.inherit_not_null(regclass, oid[])'::regprocedure)"
#define OF_NAMES \
	"SELECT 'f' AS kind, oid, 0::oid AS source, 0::oid AS target FROM pg_proc WHERE " MADE " AND (" \
	"  strpos(t, lower(replace(proname, '\"', '\"\"') COLLATE \"C\")) > 0 OR t LIKE '%u&\"%' " \
	"  OR oid IN (SELECT oprcode FROM pg_operator) OR oid IN (SELECT castfunc FROM pg_cast) OR " OURS ") " \
	"UNION ALL SELECT 'o', oid, 0, 0 FROM pg_operator WHERE " MADE " " \
	"UNION ALL SELECT 'c', oid, castsource, casttarget FROM pg_cast WHERE " MADE

/* What there is now of the names in the text. */
static List *
known_of(const char *text)
{
	QuerySession session;
	List	   *known = list_make1(resolution_stamp());
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT x.* FROM lower($1 COLLATE \"C\") t, LATERAL (" OF_NAMES ") x", arg_text(text));
	for (uint64 row = 0; row < n; row++)
	{
		char		kind = query_text(row, 1)[0];
		Oid			oid = query_oid(row, 2);
		char	   *call = kind == CALL_CAST ? resolution_cast(oid, query_oid(row, 3), query_oid(row, 4)) :
			resolution_call(kind, oid);

		if (call != NULL)
			known = lappend(known, call);
	}
	query_end(&session);
	return known;
}

List *
meaning_now(int64 migration)
{
	StringInfoData texts;
	ListCell   *lc;

	initStringInfo(&texts);
	foreach(lc, step_all(migration))
		appendStringInfo(&texts, "%s\n%s\n%s\n", verb_sql(lfirst(lc), false, FLAVOUR_SHOWN),
						 verb_sql(lfirst(lc), true, FLAVOUR_SHOWN), in_place_texts(lfirst(lc)));
	appendStringInfoString(&texts, guc_hold_when);
	return known_of(texts.data);
}

void
meaning_note(int64 migration)
{
	migration_add_known(migration, meaning_now(migration));
}

void
meaning_note_query(int64 migration, const char *query)
{
	migration_add_known(migration, known_of(query));
}

/* What is read of one statement. */
struct Reading
{
	const char *sql;
	List	   *trees;
};

/* A query in a statement, or the statement itself. */
void
meaning_read_query(Reading *reading, Node *query)
{
	RawStmt    *raw = makeNode(RawStmt);

	/* one that is PREPAREd, or is none */
	if (query == NULL || statement_kind(query)->meaning != meaning_read_query)
		return;
	raw->stmt = copyObject(query);
	reading->trees = lappend(reading->trees, parse_analyze_fixedparams(raw, reading->sql, NULL, 0, NULL));
}

/* The columns of the statement's relation, by their bare names or by those of the rows of a trigger. */
static ParseState *
open_columns(const Reading *reading, const RangeVar *name, bool trigger, Relation *rel)
{
	static const char *const rows[] = {"old", "new"};
	ParseState *pstate = make_parsestate(NULL);

	*rel = table_openrv(name, AccessShareLock);
	pstate->p_sourcetext = reading->sql;
	for (int i = 0; i < (trigger ? lengthof(rows) : 1); i++)
		addNSItemToQuery(pstate, addRangeTableEntryForRelation(pstate, *rel, AccessShareLock,
															   trigger ? makeAlias(rows[i], NIL) : NULL, false, !trigger),
						 !trigger, true, true);
	return pstate;
}

/* An expression over them, which is assigned to a type, or is a condition. */
static void
read_expression(Reading *reading, ParseState *pstate, Node *raw, ParseExprKind kind, Oid type, int32 typmod)
{
	Node	   *tree;

	if (raw == NULL)
		return;
	tree = transformExpr(pstate, copyObject(raw), kind);
	if (OidIsValid(type))
		tree = coerce_to_target_type(pstate, tree, exprType(tree), type, typmod, COERCION_ASSIGNMENT,
									 COERCE_IMPLICIT_CAST, -1);
	reading->trees = lappend(reading->trees, tree);
}

static void
read_condition(Reading *reading, const RangeVar *relation, bool trigger, Node *raw, ParseExprKind kind)
{
	Relation	rel;
	ParseState *pstate;

	if (raw == NULL)
		return;
	pstate = open_columns(reading, relation, trigger, &rel);
	read_expression(reading, pstate, raw, kind, BOOLOID, -1);
	free_parsestate(pstate);
	table_close(rel, NoLock);
}

/* A column that is added: what is computed for it. */
static void
read_new_column(Reading *reading, ParseState *pstate, const ColumnDef *column)
{
	Oid			type;
	int32		typmod;
	ListCell   *lc;

	typenameTypeIdAndMod(pstate, column->typeName, &type, &typmod);
	read_expression(reading, pstate, column->raw_default, EXPR_KIND_COLUMN_DEFAULT, type, typmod);
	foreach(lc, column->constraints)
	{
		Constraint *constraint = lfirst_node(Constraint, lc);

		if (constraint->contype == CONSTR_DEFAULT)
			read_expression(reading, pstate, constraint->raw_expr, EXPR_KIND_COLUMN_DEFAULT, type, typmod);
		else if (constraint->contype == CONSTR_GENERATED)
			read_expression(reading, pstate, constraint->raw_expr, EXPR_KIND_GENERATED_COLUMN, type, typmod);
	}
}

static void
read_bound(Reading *reading, ParseState *pstate, const PartitionBoundSpec *bound)
{
	List	   *values = list_concat_copy(bound->listdatums, list_concat_copy(bound->lowerdatums, bound->upperdatums));
	ListCell   *lc;

	foreach(lc, values)
	{
		/* MINVALUE and MAXVALUE look like columns */
		if (!IsA(lfirst(lc), ColumnRef))
			read_expression(reading, pstate, lfirst(lc), EXPR_KIND_PARTITION_BOUND, InvalidOid, -1);
	}
}

void
meaning_of_new_column(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	read_new_column(reading, pstate, castNode(ColumnDef, cmd->def));
}

void
meaning_of_default(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	read_expression(reading, pstate, cmd->def, EXPR_KIND_COLUMN_DEFAULT, type, typmod);
}

void
meaning_of_generation(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	read_expression(reading, pstate, cmd->def, EXPR_KIND_GENERATED_COLUMN, type, typmod);
}

void
meaning_of_new_type(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	ColumnDef  *def = castNode(ColumnDef, cmd->def);

	typenameTypeIdAndMod(pstate, def->typeName, &type, &typmod);
	read_expression(reading, pstate, def->raw_default, EXPR_KIND_ALTER_COL_TRANSFORM, type, typmod);
}

void
meaning_of_constraint(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	if (IsA(cmd->def, Constraint) && ((Constraint *) cmd->def)->contype == CONSTR_CHECK)
		read_expression(reading, pstate, ((Constraint *) cmd->def)->raw_expr, EXPR_KIND_CHECK_CONSTRAINT, BOOLOID, -1);
}

void
meaning_of_partition(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd, Oid type, int32 typmod)
{
	if (((PartitionCmd *) cmd->def)->bound != NULL)
		read_bound(reading, pstate, ((PartitionCmd *) cmd->def)->bound);
}

static void
read_subcommand(Reading *reading, ParseState *pstate, Oid relid, const AlterTableCmd *cmd)
{
	const SubcommandKind *kind = subcommand_kind(cmd);
	Oid			type = InvalidOid;
	int32		typmod = -1;
	Oid			collation;
	AttrNumber	attnum = cmd->name ? get_attnum(relid, cmd->name) : InvalidAttrNumber;

	if (attnum > 0)
		get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
	if (kind->meaning != NULL)
		kind->meaning(reading, pstate, cmd, type, typmod);
}

void
meaning_read_alter_table(Reading *reading, Node *node)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, node);
	Relation	rel;
	ParseState *pstate;
	ListCell   *lc;

	if (stmt->objtype != OBJECT_TABLE && stmt->objtype != OBJECT_VIEW)
		return;
	/* IF EXISTS, and it does not */
	if (stmt->missing_ok && !OidIsValid(RangeVarGetRelid(stmt->relation, NoLock, true)))
		return;
	pstate = open_columns(reading, stmt->relation, false, &rel);
	foreach(lc, stmt->cmds)
		read_subcommand(reading, pstate, RelationGetRelid(rel), lfirst_node(AlterTableCmd, lc));
	free_parsestate(pstate);
	table_close(rel, NoLock);
}

/* PostgreSQL does not read again what has been. */
void
meaning_read_index(Reading *reading, Node *node)
{
	IndexStmt  *stmt = castNode(IndexStmt, node);
	ListCell   *lc;

	if (!stmt->transformed)
		stmt = transformIndexStmt(RangeVarGetRelid(stmt->relation, AccessShareLock, false), copyObject(stmt), reading->sql);
	foreach(lc, stmt->indexParams)
		reading->trees = lappend(reading->trees, lfirst_node(IndexElem, lc)->expr);
	reading->trees = lappend(reading->trees, stmt->whereClause);
}

void
meaning_read_statistics(Reading *reading, Node *node)
{
	CreateStatsStmt *stmt = castNode(CreateStatsStmt, node);
	Relation	rel;
	ParseState *pstate = open_columns(reading, linitial_node(RangeVar, stmt->relations), false, &rel);
	ListCell   *lc;

	foreach(lc, stmt->exprs)
		read_expression(reading, pstate, lfirst_node(StatsElem, lc)->expr, EXPR_KIND_STATS_EXPRESSION, InvalidOid, -1);
	free_parsestate(pstate);
	table_close(rel, NoLock);
}

void
meaning_read_rule(Reading *reading, Node *node)
{
	RuleStmt   *stmt = castNode(RuleStmt, node);
	List	   *actions;
	Node	   *condition;

	transformRuleStmt(copyObject(stmt), reading->sql, &actions, &condition);
	reading->trees = lappend(list_concat(reading->trees, actions), condition);
}

void
meaning_read_create_table_as(Reading *reading, Node *stmt)
{
	meaning_read_query(reading, castNode(CreateTableAsStmt, stmt)->query);
}

void
meaning_read_view(Reading *reading, Node *stmt)
{
	meaning_read_query(reading, castNode(ViewStmt, stmt)->query);
}

void
meaning_read_create_policy(Reading *reading, Node *node)
{
	CreatePolicyStmt *stmt = castNode(CreatePolicyStmt, node);

	read_condition(reading, stmt->table, false, stmt->qual, EXPR_KIND_POLICY);
	read_condition(reading, stmt->table, false, stmt->with_check, EXPR_KIND_POLICY);
}

void
meaning_read_alter_policy(Reading *reading, Node *node)
{
	AlterPolicyStmt *stmt = castNode(AlterPolicyStmt, node);

	read_condition(reading, stmt->table, false, stmt->qual, EXPR_KIND_POLICY);
	read_condition(reading, stmt->table, false, stmt->with_check, EXPR_KIND_POLICY);
}

void
meaning_read_trigger(Reading *reading, Node *node)
{
	CreateTrigStmt *stmt = castNode(CreateTrigStmt, node);

	read_condition(reading, stmt->relation, true, stmt->whenClause, EXPR_KIND_TRIGGER_WHEN);
}

static void
read_statement(Reading *reading, Node *stmt)
{
	const StatementKind *kind = statement_kind(stmt);

	if (kind->meaning != NULL)
		kind->meaning(reading, stmt);
}

static bool
is_among(const char *call, List *calls)
{
	ListCell   *lc;

	foreach(lc, calls)
	{
		if (strcmp(lfirst(lc), call) == 0)
			return true;
	}
	return false;
}

/* What the objects call that the statement makes again, where they are. */
static List *
calls_there(List *definitions, const char *statement)
{
	List	   *calls = NIL;
	ListCell   *lc;
	ListCell   *i;

	foreach(lc, definitions)
	{
		DefinitionTrees *definition = lfirst(lc);

		if (strstr(definition->sql, statement) == NULL && strstr(statement, definition->sql) == NULL)
			continue;
		foreach(i, definition->trees)
			calls = list_concat(calls, resolution_calls(stringToNode(lfirst(i))));
	}
	return calls;
}

/*
 * What hangs on a table and its partitions ($1) of what their owner alone can make: not
 * views or triggers, of which each is compared with its own trees (calls_there()).
 */
#define TREES_OF_TABLE \
	"WITH t(oid) AS (SELECT c.oid FROM (SELECT $1 UNION SELECT relid FROM pg_partition_tree($1)) r(oid) " \
	"  JOIN pg_class c ON c.oid = r.oid AND c.relowner = (SELECT relowner FROM pg_class WHERE oid = $1)) " \
	"SELECT tree FROM (SELECT unnest(ARRAY[indexprs::text, indpred::text]) FROM pg_index WHERE indrelid IN (TABLE t) " \
	"UNION ALL SELECT conbin::text FROM pg_constraint WHERE conrelid IN (TABLE t) AND contype = 'c' " \
	"UNION ALL SELECT adbin::text FROM pg_attrdef WHERE adrelid IN (TABLE t) " \
	"UNION ALL SELECT unnest(ARRAY[polqual::text, polwithcheck::text]) FROM pg_policy WHERE polrelid IN (TABLE t) " \
	"UNION ALL SELECT stxexprs::text FROM pg_statistic_ext WHERE stxrelid IN (TABLE t) " \
	"UNION ALL SELECT partexprs::text FROM pg_partitioned_table WHERE partrelid IN (TABLE t)) x(tree) " \
	"WHERE tree <> '<>'"

static List *
calls_of_table(Oid relid)
{
	QuerySession session;
	List	   *trees;
	List	   *calls = NIL;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT array_agg(DISTINCT tree) FROM (" TREES_OF_TABLE ") y", arg_oid(relid));
	trees = query_texts(0, 1);
	query_end(&session);
	foreach(lc, trees)
		calls = list_concat(calls, resolution_calls(stringToNode(lfirst(lc))));
	return calls;
}

static List *
our_own_calls(void)
{
	QuerySession session;
	List	   *oids;
	List	   *calls = NIL;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT array_agg(oid) FROM pg_proc WHERE pronamespace = 'zdm'::regnamespace");
	oids = query_oids(0, 1);
	query_end(&session);
	foreach(lc, oids)
		calls = lappend(calls, resolution_call(CALL_FUNCTION, lfirst_oid(lc)));
	return calls;
}

/*
 * What a text that PostgreSQL has printed of the table's own may call: what the trees do
 * that are there.  An overload that matches better, made by somebody else at any time, is
 * not meant; but where a column gets another type, what there was at the call may be.
 */
static List *
known_carried(int64 migration, Oid relid)
{
	bool		same_types = QUERY_ONCE("SELECT FROM zdm.migration WHERE id = $1 AND kind NOT LIKE 'change_column_type%'", arg_int8(migration)) > 0;
	List	   *known = same_types ? list_concat(list_make1(resolution_stamp()), our_own_calls()) : migration_known(migration);

	return list_concat(known, calls_of_table(relid));
}

/* The table of a rename; InvalidOid for any other migration. */
static Oid
renamed_table(int64 migration)
{
	QuerySession session;
	Oid			relid = InvalidOid;

	query_begin(&session);
	if (QUERY("SELECT relid FROM zdm.migration WHERE id = $1 AND kind = 'rename_column'", arg_int8(migration)) > 0)
		relid = query_oid(0, 1);
	query_end(&session);
	return relid;
}

/* "carried": of which relation the text has been printed, or InvalidOid. */
static void
check_statement(int64 migration, const RawStmt *statement, const char *sql, List *definitions, Oid carried)
{
	Reading		reading = {.sql = sql};
	const char *text = sql + statement->stmt_location;
	List	   *there;
	List	   *calls;
	ListCell   *lc;

	text = statement->stmt_len > 0 ? pnstrdup(text, statement->stmt_len) : text;
	text += strspn(text, " \t\n\r");
	read_statement(&reading, statement->stmt);
	calls = resolution_calls((Node *) reading.trees);
	there = calls == NIL ? NIL : calls_there(definitions, text);
	foreach(lc, calls)
	{
		if (is_among(lfirst(lc), there))
			calls = foreach_delete_current(calls, lc);
	}
	if (calls != NIL)
		resolution_compare(OidIsValid(carried) ? known_carried(migration, carried) : migration_known(migration), calls, text, migration);
}

static void
check_text(int64 migration, const char *sql, Oid carried)
{
	ListCell   *lc;

	foreach(lc, raw_parser(sql, RAW_PARSE_DEFAULT))
		check_statement(migration, lfirst_node(RawStmt, lc), sql, NIL, carried);
}

void
meaning_check(int64 migration, const RawStmt *statement, const char *sql, List *definitions)
{
	/* there is nothing in a rename that its caller wrote */
	check_statement(migration, statement, sql, definitions, renamed_table(migration));
}

void
meaning_check_text(int64 migration, const char *sql)
{
	check_text(migration, sql, InvalidOid);
}

void
meaning_check_carried(int64 migration, Oid relid, const char *sql)
{
	check_text(migration, sql, relid);
}
