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

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "core/errors.h"
#include "rules/statement.h"
#include "ddl/to_change.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

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

static void
refuse_subcommand(const AlterTableCmd *cmd)
{
	const SubcommandKind *kind = subcommand_kind(cmd);

	if (kind->name == NULL)
		refuse("this kind of ALTER TABLE", "What it does is not known.", "Run it as it is.");
	if (kind->refusal.detail != NULL)
		refuse(kind->refusal.what ? kind->refusal.what : kind->name, kind->refusal.detail, kind->refusal.hint);
}

/* Is the table to be what it is not, by a subcommand that has it written anew for that? */
static bool
is_otherwise(const AlterTableCmd *cmd, const FormData_pg_class *table)
{
	Oid			current = OidIsValid(table->reltablespace) ? table->reltablespace : MyDatabaseTableSpace;

	switch (cmd->subtype)
	{
		case AT_SetTableSpace:
			return get_tablespace_oid(cmd->name, true) != current;
		case AT_SetLogged:
			return table->relpersistence != RELPERSISTENCE_PERMANENT;
		case AT_SetUnLogged:
			return table->relpersistence != RELPERSISTENCE_UNLOGGED;
		default:
			return get_table_am_oid(cmd->name ? cmd->name : default_table_access_method, true) != table->relam;
	}
}

/* Of what has no rows of its own, and of an index, it is another matter. */
static bool
is_written_anew(const AlterTableStmt *stmt, Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	bool		anew = false;
	ListCell   *lc;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	foreach(lc, form->relkind == RELKIND_RELATION ? stmt->cmds : NIL)
	{
		const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		anew |= subcommand_kind(cmd)->anew && is_otherwise(cmd, form);
	}
	ReleaseSysCache(tuple);
	return anew;
}

/* Is it a column whose value, computed from others, every row is to hold? */
static bool
computes_rows(const AlterTableCmd *cmd, Oid relid)
{
	AttrNumber	attnum = cmd->name != NULL ? get_attnum(relid, cmd->name) : InvalidAttrNumber;
	ListCell   *lc;

	if (!subcommand_kind(cmd)->computes)
		return false;
	/* of one that is there, or of a new one */
	if (cmd->name != NULL)
		return attnum > 0 && get_attgenerated(relid, attnum) == ATTRIBUTE_GENERATED_STORED;
	foreach(lc, ((ColumnDef *) cmd->def)->constraints)
	{
		const Constraint *con = lfirst_node(Constraint, lc);

		if (con->contype == CONSTR_GENERATED && zdm_generated_kind(con) == ATTRIBUTE_GENERATED_STORED)
			return true;
	}
	return false;
}

static bool
computes_only(const AlterTableStmt *stmt, Oid relid)
{
	char		relkind = get_rel_relkind(relid);
	ListCell   *lc;

	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		return false;
	foreach(lc, stmt->cmds)
	{
		if (!computes_rows(lfirst_node(AlterTableCmd, lc), relid))
			return false;
	}
	return true;
}

void
change_read_alter_table(Change *change, Node *node)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, node);
	AlterTableCmd *first = linitial_node(AlterTableCmd, stmt->cmds);
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
		if (subcommand_kind(cmd)->anew != subcommand_kind(first)->anew)
			refuse("SET TABLESPACE, LOGGED, UNLOGGED or ACCESS METHOD beside other subcommands",
				   "The table is written anew.", "State the others first, in an ALTER TABLE of their own.");
	}
	change->relid = RangeVarGetRelid(stmt->relation, AccessShareLock, stmt->missing_ok);
	if (!OidIsValid(change->relid))
		return;
	change->kind = list_length(stmt->cmds) == 1 ? subcommand_kind(first)->kind : NULL;
	if (is_written_anew(stmt, change->relid))
		change->kind = "rewrite";
	else if (computes_only(stmt, change->relid))
		change->kind = "generate_column";
	if (change->kind == NULL)
		change->kind = "alter_table";
	change->column = first->name;
}

void
change_read_rename(Change *change, Node *node)
{
	RenameStmt *stmt = castNode(RenameStmt, node);
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
void
change_read_set_schema(Change *change, Node *node)
{
	AlterObjectSchemaStmt *stmt = castNode(AlterObjectSchemaStmt, node);
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
refuse_temporary(const RangeVar *rel)
{
	if (rel->relpersistence == RELPERSISTENCE_TEMP)
		refuse("temporary relations", "A temporary relation is its session's own.", "Run it as it is.");
}

void
change_read_create_table_as(Change *change, Node *stmt)
{
	refuse_temporary(castNode(CreateTableAsStmt, stmt)->into->rel);
}

void
change_read_index(Change *change, Node *stmt)
{
	change->relid = RangeVarGetRelid(castNode(IndexStmt, stmt)->relation, AccessShareLock, false);
	change->kind = "create_index";
}

void
change_read_drop(Change *change, Node *stmt)
{
	change->kind = castNode(DropStmt, stmt)->removeType == OBJECT_INDEX ? "drop_index" : "drop";
}

/* A value that is added is no change that needs a plan. */
void
change_read_alter_enum(Change *change, Node *stmt)
{
	if (castNode(AlterEnumStmt, stmt)->oldVal != NULL)
		change->kind = "rename_enum_value";
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

void
change_read_vacuum(Change *change, Node *stmt)
{
	RangeVar   *vacuumed = vacuumed_full(castNode(VacuumStmt, stmt));

	if (vacuumed == NULL)
		return;
	change->relid = RangeVarGetRelid(vacuumed, AccessShareLock, false);
	change->kind = "rewrite";
}

void
change_read_cluster(Change *change, Node *stmt)
{
	const RangeVar *clustered = castNode(ClusterStmt, stmt)->relation;

	if (clustered == NULL)
		return;
	change->relid = RangeVarGetRelid(clustered, AccessShareLock, false);
	change->kind = "rewrite";
}

static void
read_statement(Change *change, Node *stmt)
{
	const StatementKind *kind = statement_kind(stmt);

	if (kind->name == NULL)
		refuse("this kind of statement", "What it does is not known.", "Run it as it is.");
	if (kind->makes == MAKES_RELATION)
		refuse_temporary(statement_relation(stmt));
	if (kind->kind != NULL)
		change->kind = kind->kind;
	if (kind->read != NULL)
		kind->read(change, stmt);
	if (kind->refusal.detail != NULL && strcmp(change->kind, "plain") == 0)
		refuse(kind->refusal.what ? kind->refusal.what : kind->name, kind->refusal.detail, kind->refusal.hint);
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
