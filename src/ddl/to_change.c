/*-------------------------------------------------------------------------
 *
 * to_change.c
 *		From the text of a DDL statement to a change.
 *
 * The statement is read by PostgreSQL's own parser, so that a mistake in it is
 * reported as PostgreSQL would.  What kind of change it is follows from its
 * parse tree alone; how it is carried out, and whether it can be, is found out
 * by the kind's plan, with the catalog in hand.  Whatever no kind takes is
 * plain: run as it stands if the guard's rules find no harm in it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "ddl/to_change.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"
#include "compat.h"

pg_noreturn static void refuse(const char *what, const char *detail, const char *hint);

static void
refuse(const char *what, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("zdm.migrate() does not do %s", what),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

void
change_error_callback(void *ddl)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) ddl);
	}
}

#define NEEDS_NO_TRANSACTION "PostgreSQL runs it only outside a transaction, and it blocks nobody."
#define RUN_IT_YOURSELF "Run it as it is."
#define NOT_DDL "It is no change of a schema."

/* Statements that are refused for what they are. */
static const struct
{
	NodeTag		tag;
	const char *what;
	const char *detail;
	const char *hint;
}			refused[] =
{
	{T_ClusterStmt, "CLUSTER", "It writes the whole table anew while nobody can read it.",
	"pg_squeeze or pg_repack rewrite a table online."},
	{T_VacuumStmt, "VACUUM", "Plain VACUUM and ANALYZE block nobody; VACUUM FULL is done for one table, with no option but VERBOSE.",
	"Run plain VACUUM or ANALYZE as it is, and state VACUUM FULL for each table by itself."},
	{T_AlterTableMoveAllStmt, "ALTER TABLE ALL IN TABLESPACE", "It copies every table while nobody can read it.",
	"pg_repack moves a table to another tablespace online."},
	{T_TruncateStmt, "TRUNCATE", "It removes data, not a shape, and cannot be reverted.",
	"Run it yourself, with SET lock_timeout = '2s'."},
	{T_DropOwnedStmt, "DROP OWNED", "What it drops is known only when it runs.",
	"Drop the objects by name, one by one."},
	{T_CreatedbStmt, "CREATE DATABASE", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_DropdbStmt, "DROP DATABASE", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_CreateTableSpaceStmt, "CREATE TABLESPACE", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_DropTableSpaceStmt, "DROP TABLESPACE", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_CreateSubscriptionStmt, "CREATE SUBSCRIPTION", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_AlterSubscriptionStmt, "ALTER SUBSCRIPTION", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_DropSubscriptionStmt, "DROP SUBSCRIPTION", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_AlterSystemStmt, "ALTER SYSTEM", NEEDS_NO_TRANSACTION, RUN_IT_YOURSELF},
	{T_UpdateStmt, "UPDATE", NOT_DDL, "SELECT zdm.backfill() updates a whole table in batches."},
	{T_SelectStmt, "SELECT", NOT_DDL, RUN_IT_YOURSELF},
	{T_InsertStmt, "INSERT", NOT_DDL, RUN_IT_YOURSELF},
	{T_DeleteStmt, "DELETE", NOT_DDL, RUN_IT_YOURSELF},
	{T_CopyStmt, "COPY", NOT_DDL, RUN_IT_YOURSELF},
	{T_CallStmt, "CALL", NOT_DDL, RUN_IT_YOURSELF},
	{T_DoStmt, "DO", "What it runs is known only when it runs.",
	"State each of its statements by itself."},
	{T_TransactionStmt, "transaction control", NOT_DDL,
	"A migration is stated in the transaction that the call is in."},
	{T_VariableSetStmt, "SET", NOT_DDL, RUN_IT_YOURSELF},
	{T_VariableShowStmt, "SHOW", NOT_DDL, RUN_IT_YOURSELF},
	{T_LockStmt, "LOCK", NOT_DDL, RUN_IT_YOURSELF},
	{T_ExplainStmt, "EXPLAIN", NOT_DDL, RUN_IT_YOURSELF},
	{T_PrepareStmt, "PREPARE", NOT_DDL, RUN_IT_YOURSELF},
	{T_ExecuteStmt, "EXECUTE", NOT_DDL, RUN_IT_YOURSELF},
	{T_DeallocateStmt, "DEALLOCATE", NOT_DDL, RUN_IT_YOURSELF},
	{T_DeclareCursorStmt, "DECLARE", NOT_DDL, RUN_IT_YOURSELF},
	{T_FetchStmt, "FETCH", NOT_DDL, RUN_IT_YOURSELF},
	{T_ClosePortalStmt, "CLOSE", NOT_DDL, RUN_IT_YOURSELF},
	{T_NotifyStmt, "NOTIFY", NOT_DDL, RUN_IT_YOURSELF},
	{T_ListenStmt, "LISTEN", NOT_DDL, RUN_IT_YOURSELF},
	{T_UnlistenStmt, "UNLISTEN", NOT_DDL, RUN_IT_YOURSELF},
	{T_DiscardStmt, "DISCARD", NOT_DDL, RUN_IT_YOURSELF},
	{T_LoadStmt, "LOAD", NOT_DDL, RUN_IT_YOURSELF},
	{T_CheckPointStmt, "CHECKPOINT", NOT_DDL, RUN_IT_YOURSELF},
	{T_ConstraintsSetStmt, "SET CONSTRAINTS", NOT_DDL, RUN_IT_YOURSELF},
};

static void
refuse_by_tag(Node *stmt)
{
	for (int i = 0; i < lengthof(refused); i++)
	{
		if (nodeTag(stmt) == refused[i].tag)
			refuse(refused[i].what, refused[i].detail, refused[i].hint);
	}
}

/* The kind of a single ALTER TABLE subcommand; "alter_table" for the many that have none of their own. */
static const char *
subcommand_kind(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_AddColumn:
			return "add_column";
		case AT_DropColumn:
			return "drop_column";
		case AT_SetNotNull:
			return "set_not_null";
		case AT_AddConstraint:
			return "add_constraint";
		case AT_AlterColumnType:
			return "change_column_type";
		case AT_AttachPartition:
			return "attach_partition";
		case AT_DetachPartition:
			return "detach_partition";
		default:
			return "alter_table";
	}
}

static void
refuse_subcommand(const AlterTableCmd *cmd)
{
	switch (cmd->subtype)
	{
		case AT_SetTableSpace:
			refuse("SET TABLESPACE", "It copies the table while nobody can read it.",
				   "pg_repack moves a table to another tablespace online.");
		case AT_SetLogged:
		case AT_SetUnLogged:
			refuse("SET LOGGED or UNLOGGED", "It writes the whole table anew while nobody can read it.",
				   "Make a new table of the wanted kind and move the rows in batches.");
		default:
			break;
	}
}

static void
read_alter_table(Change *change, AlterTableStmt *stmt)
{
	ListCell   *lc;

	if (stmt->objtype != OBJECT_TABLE)
		return;
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		refuse_subcommand(cmd);
		if (cmd->subtype == AT_AlterColumnType && list_length(stmt->cmds) > 1)
			refuse("ALTER TYPE beside other subcommands", "The column is replaced by a second one.",
				   "State it in an ALTER TABLE of its own.");
	}
	change->relid = RangeVarGetRelid(stmt->relation, AccessShareLock, stmt->missing_ok);
	if (!OidIsValid(change->relid))
		return;
	change->kind = list_length(stmt->cmds) > 1 ? "alter_table" :
		subcommand_kind(linitial_node(AlterTableCmd, stmt->cmds));
	change->column = linitial_node(AlterTableCmd, stmt->cmds)->name;
}

static void
read_rename(Change *change, RenameStmt *stmt)
{
	bool		table = stmt->renameType == OBJECT_TABLE;

	if (!table && (stmt->renameType != OBJECT_COLUMN || stmt->relationType != OBJECT_TABLE))
		return;
	change->relid = RangeVarGetRelid(stmt->relation, AccessShareLock, stmt->missing_ok);
	if (!OidIsValid(change->relid))
		return;
	change->kind = table ? "rename_table" : "rename_column";
	change->column = table ? NULL : stmt->subname;
	change->new_name = stmt->newname;
}

/* To the schema that it is in already is nothing: as it stands. */
static void
read_set_schema(Change *change, AlterObjectSchemaStmt *stmt)
{
	Oid			relid;
	Oid			namespace;

	if (stmt->objectType != OBJECT_TABLE)
		return;
	relid = RangeVarGetRelid(stmt->relation, AccessShareLock, stmt->missing_ok);
	if (!OidIsValid(relid))
		return;
	namespace = LookupCreationNamespace(stmt->newschema);
	if (namespace == get_rel_namespace(relid))
		return;
	change->relid = relid;
	change->kind = "rename_table";
	change->new_namespace = namespace;
}

/* A temporary relation would be the worker's own, and go with it. */
static void
refuse_temporary(Node *stmt)
{
	RangeVar   *rel = NULL;

	if (IsA(stmt, CreateStmt))
		rel = ((CreateStmt *) stmt)->relation;
	else if (IsA(stmt, CreateTableAsStmt))
		rel = ((CreateTableAsStmt *) stmt)->into->rel;
	else if (IsA(stmt, ViewStmt))
		rel = ((ViewStmt *) stmt)->view;
	else if (IsA(stmt, CreateSeqStmt))
		rel = ((CreateSeqStmt *) stmt)->sequence;
	if (rel != NULL && rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse("temporary relations", "A temporary relation is its session's own.", RUN_IT_YOURSELF);
}

/* VACUUM (FULL, VERBOSE) of one table, of which nothing else is wanted. */
static RangeVar *
vacuumed_full(const VacuumStmt *stmt)
{
	VacuumRelation *rel = list_length(stmt->rels) == 1 ? linitial_node(VacuumRelation, stmt->rels) : NULL;
	bool		full = false;
	ListCell   *lc;

	if (!stmt->is_vacuumcmd || rel == NULL || rel->va_cols != NIL)
		return NULL;
	foreach(lc, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, "full") == 0)
			full = defGetBoolean(option);
		else if (strcmp(option->defname, "verbose") != 0)
			return NULL;
	}
	return full ? rel->relation : NULL;
}

static void
read_statement(Change *change, Node *stmt)
{
	RangeVar   *vacuumed = IsA(stmt, VacuumStmt) ? vacuumed_full((VacuumStmt *) stmt) : NULL;

	if (vacuumed != NULL)
	{
		change->relid = RangeVarGetRelid(vacuumed, AccessShareLock, false);
		change->kind = "rewrite";
		return;
	}
	refuse_by_tag(stmt);
	refuse_temporary(stmt);
	switch (nodeTag(stmt))
	{
		case T_AlterTableStmt:
			read_alter_table(change, (AlterTableStmt *) stmt);
			break;
		case T_RenameStmt:
			read_rename(change, (RenameStmt *) stmt);
			break;
		case T_AlterObjectSchemaStmt:
			read_set_schema(change, (AlterObjectSchemaStmt *) stmt);
			break;
		case T_IndexStmt:
			change->relid = RangeVarGetRelid(((IndexStmt *) stmt)->relation, AccessShareLock, false);
			change->kind = "create_index";
			break;
		case T_DropStmt:
			change->kind = ((DropStmt *) stmt)->removeType == OBJECT_INDEX ? "drop_index" : "drop";
			break;
		case T_ReindexStmt:
			change->kind = "reindex";
			break;
		case T_RefreshMatViewStmt:
			change->kind = "refresh";
			break;
		case T_AlterEnumStmt:
			if (((AlterEnumStmt *) stmt)->oldVal != NULL)
				change->kind = "rename_enum_value";
			break;
		default:
			break;
	}
}

/* The statement's own text: without what stands before and after it. */
static char *
statement_text(const char *ddl, const RawStmt *raw)
{
	const char *start = ddl + raw->stmt_location;
	int			length = raw->stmt_len > 0 ? raw->stmt_len : (int) strlen(start);

	while (length > 0 && isspace((unsigned char) *start))
		start++, length--;
	while (length > 0 && isspace((unsigned char) start[length - 1]))
		length--;
	return pnstrdup(start, length);
}

/* A fill is of one column: only one of the subcommands may want it. */
static bool
sets_one_not_null(const Change *change)
{
	int			found = 0;
	ListCell   *lc;

	foreach(lc, castNode(AlterTableStmt, change->stmt)->cmds)
		found += lfirst_node(AlterTableCmd, lc)->subtype == AT_SetNotNull;
	return found == 1 && change->down_source == NULL;
}

/* Only these kinds compute values. */
static bool
takes_expressions(const Change *change)
{
	return strcmp(change->kind, "change_column_type") == 0 || strcmp(change->kind, "set_not_null") == 0 ||
		strcmp(change->kind, "drop_column") == 0 ||
		(strcmp(change->kind, "alter_table") == 0 && sets_one_not_null(change));
}

Change *
change_from_ddl(const char *ddl, const char *up, const char *down)
{
	Change	   *change = palloc0(sizeof(Change));
	List	   *statements = raw_parser(ddl, RAW_PARSE_DEFAULT);
	RawStmt    *raw;

	if (list_length(statements) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("ddl must be exactly one statement, not %d", list_length(statements)),
				 errhint("State each of them by a call of its own.")));
	raw = linitial_node(RawStmt, statements);
	change->kind = "plain";
	change->ddl = pstrdup(ddl);
	change->statement = statement_text(ddl, raw);
	change->stmt = raw->stmt;
	change->up_source = up ? pstrdup(up) : NULL;
	change->down_source = down ? pstrdup(down) : NULL;
	read_statement(change, raw->stmt);
	if ((up != NULL || down != NULL) && !takes_expressions(change))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("up and down have no meaning for this statement"),
				 strcmp(change->kind, "alter_table") == 0 ?
				 errdetail("It does not have exactly one subcommand that computes values.") :
				 errdetail("It computes no values.")));
	return change;
}
