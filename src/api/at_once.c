/*-------------------------------------------------------------------------
 *
 * at_once.c
 *		A change of what this transaction has made.
 *
 * Nobody else can see a table that the same transaction has made, so nobody is
 * hurt by plain DDL.  A history of years, with its cutovers and contracts, is thus
 * run on an empty database in one transaction, as many migration tools do on the
 * machine of every developer; it would be stuck at the first change if that waited
 * for a worker, which comes after the commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "api/at_once.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "column/load.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "rules/statement.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"
#include "compat.h"

/* Made by this transaction, or, of an index, its table. */
static bool
is_new(Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	Relation	rel;
	bool		new;

	if (relkind == RELKIND_INDEX || relkind == RELKIND_PARTITIONED_INDEX)
		return is_new(IndexGetRelation(relid, false));
	rel = RelationIdGetRelation(relid);
	new = RelationIsValid(rel) && rel->rd_createSubid != InvalidSubTransactionId;
	if (RelationIsValid(rel))
		RelationClose(rel);
	return new;
}

static bool
are_all_new(List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
		Oid			relid = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)), NoLock, true);

		if (!OidIsValid(relid) || !is_new(relid))
			return false;
	}
	return true;
}

static bool
names_new_relation(const RangeVar *name)
{
	Oid			relid = name != NULL ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;

	return OidIsValid(relid) && is_new(relid);
}

/* Is what is written anew to be in another order, or another place? */
static bool
is_otherwise(const Change *change)
{
	return change->order_by != NULL || (change->stmt != NULL && !IsA(change->stmt, VacuumStmt));
}

/* PostgreSQL gives a column of it no other type. */
static bool
changes_partition_key(const Change *change)
{
	bool		in_expression;

	return OidIsValid(change->type) && column_in_partition_key(change->relid, change->column, &in_expression);
}

/* An order of its own, or partitions, no statement gives it, and CLUSTER of partitions runs in no transaction. */
static bool
awaits_commit(const Change *change)
{
	if (change->order_by != NULL || change->columns != NIL || change->partition != NULL ||
		strcmp(change->kind, "unpartition_table") == 0 || changes_partition_key(change))
		return true;
	return change->stmt != NULL && IsA(change->stmt, ClusterStmt) &&
		get_rel_relkind(change->relid) == RELKIND_PARTITIONED_TABLE;
}

bool
at_once_possible(const Change *change)
{
	if (OidIsValid(change->relid))
		return is_new(change->relid) && !awaits_commit(change);
	if (change->stmt == NULL)
		return false;
	if (IsA(change->stmt, DropStmt))
	{
		DropStmt   *stmt = (DropStmt *) change->stmt;

		return (stmt->removeType == OBJECT_TABLE || stmt->removeType == OBJECT_INDEX ||
				stmt->removeType == OBJECT_VIEW || stmt->removeType == OBJECT_MATVIEW) &&
			are_all_new(stmt->objects);
	}
	return names_new_relation(statement_relation(change->stmt));
}

static void
run_sql(const char *sql)
{
	int			rc;

	SPI_connect();
	rc = SPI_execute(sql, false, 0);
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("statement failed: %s", SPI_result_code_string(rc))));
	SPI_finish();
}

static void
run_statement(const Change *change)
{
	void		(*alone) (Node *stmt) = statement_kind(change->stmt)->alone;
	PlannedStmt *planned = makeNode(PlannedStmt);

	planned->commandType = CMD_UTILITY;
	planned->utilityStmt = copyObject(change->stmt);
	planned->stmt_location = -1;
	if (alone != NULL)
		alone(planned->utilityStmt);
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(planned, change->statement, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
	PopActiveSnapshot();
}

static char *
retype_statement(const Change *change)
{
	return psprintf("ALTER TABLE %s ALTER COLUMN %s TYPE %s%s%s", names_relation(change->relid),
					quote_identifier(change->column),
					format_type_extended(change->type, change->typmod,
										 FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY),
					change->up_source ? " USING " : "", change->up_source ? change->up_source : "");
}

/* The column of a SET NOT NULL that is to be filled in first; NULL: none. */
static const char *
filled_column(const Change *change)
{
	ListCell   *lc;

	if (change->up_source == NULL || change->stmt == NULL || !IsA(change->stmt, AlterTableStmt))
		return NULL;
	foreach(lc, ((AlterTableStmt *) change->stmt)->cmds)
	{
		if (lfirst_node(AlterTableCmd, lc)->subtype == AT_SetNotNull)
			return lfirst_node(AlterTableCmd, lc)->name;
	}
	return NULL;
}

/* The change as one statement of text; NULL: it has a tree. */
static char *
statement_text(const Change *change)
{
	if (OidIsValid(change->type))
		return retype_statement(change);
	/* VACUUM FULL: what has just been made has nothing to be rid of */
	if (strcmp(change->kind, "rewrite") == 0 && !is_otherwise(change))
		return pstrdup("SELECT");
	if (change->stmt != NULL)
		return NULL;
	if (strcmp(change->kind, "rename_column") == 0)
		return psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", names_relation(change->relid),
						quote_identifier(change->column), quote_identifier(change->new_name));
	return psprintf("UPDATE %s SET %s%s%s", names_relation(change->relid), change->assignments,
					change->condition ? " WHERE " : "", change->condition ? change->condition : "");
}

char *
at_once_run(const Change *change)
{
	int			nestlevel = NewGUCNestLevel();
	const char *filled = filled_column(change);
	char	   *sql = statement_text(change);

	/* as what it is: plain DDL that hurts nobody */
	(void) set_config_option("zdm.guard", "off", PGC_SUSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	if (filled != NULL)
		run_sql(psprintf("UPDATE %s SET %s = (%s) WHERE %s IS NULL", names_relation(change->relid),
						 quote_identifier(filled), change->up_source, quote_identifier(filled)));
	if (sql != NULL)
		run_sql(sql);
	else
		run_statement(change);
	CommandCounterIncrement();
	AtEOXact_GUC(false, nestlevel);
	return sql != NULL ? sql : change->statement;
}

void
at_once_plan(MigrationPlan *plan, const Change *change, List *outcome, const char *sql)
{
	StatementArgs args = {.text = pstrdup(sql)};
	Step		step = {.phase = "migrate", .note = "done at once: the table was made by the same transaction"};

	if (strcmp(change->kind, "create_index") == 0 && outcome != NIL)
		args.made_index = get_relname_relid(strchr((char *) linitial(outcome), ' ') + 1,
											get_rel_namespace(change->relid));
	if (strcmp(change->kind, "set_not_null") == 0)
	{
		args.made_not_null = change->relid;
		args.column = change->column;
	}
	if (OidIsValid(args.made_index) || OidIsValid(args.made_not_null))
	{
		step.undoable = true;
		step.undo_lock = AccessExclusiveLock;
		step.undo_relations = list_make1_oid(change->relid);
	}
	plan_step(plan, &verb_statement, &args, &step);
}
