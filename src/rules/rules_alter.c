/*-------------------------------------------------------------------------
 *
 * rules_alter.c
 *		ALTER TABLE and its kin.
 *
 * Subcommands are judged in the order of PostgreSQL's own passes, not as they
 * are written: "SET NOT NULL, DROP CONSTRAINT proof" drops the proof first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_tablespace.h"
#include "commands/defrem.h"
#include "commands/tablecmds.h"
#include "commands/tablespace.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_query.h"
#include "rules/rules_alter.h"
#include "rules/rules_work.h"
#include "rules/statement.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* The column of that type that the statement adds, or the transaction has added; NULL if none. */
static const char *
added_like(Judgement *j, FactRelation *rel, FactColumn *col, List *cmds)
{
	ListCell   *lc;

	foreach(lc, cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);
		ColumnDef  *def = (ColumnDef *) cmd->def;

		if (cmd->subtype == AT_AddColumn && LookupTypeNameOid(NULL, def->typeName, true) == col->type)
			return def->colname;
	}
	foreach(lc, rel->columns)
	{
		FactColumn *other = (FactColumn *) lfirst(lc);

		if (!other->dropped && other != col && other->type == col->type &&
			facts_added_column(j->facts, rel, other))
			return other->name;
	}
	return NULL;
}

/* Tools that compare models write a rename as a drop and an add, which loses the data. */
static void
rename_in_disguise(Judgement *j, FactRelation *rel, FactColumn *col, List *cmds)
{
	const char *name = rel->fresh ? NULL : added_like(j, rel, col, cmds);

	if (name != NULL)
		j->aside = psprintf("-- or, if %s is %s under a new name, which keeps its data: SELECT zdm.rename_column(%s, %s, %s);",
							quote_identifier(name), quote_identifier(col->name),
							quote_literal_cstr(facts_name(rel)), quote_literal_cstr(col->name),
							quote_literal_cstr(name));
}

void
rules_drop_column(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);
	ListCell   *lc;

	if (col == NULL)
		return;
	if (!rel->fresh && !facts_added_column(j->facts, rel, col) && facts_tree_blocks(j->facts, rel) > 0)
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), AccessExclusiveLock,
				   psprintf("Column %s of %s and its data are lost, and statements that name it fail.",
							quote_identifier(col->name), facts_name(rel)),
				   rules_escape("Deploy applications that no longer name the column first", "in the transaction that drops it"));
	rename_in_disguise(j, rel, col, j->subcommands);
	if (cmd->behavior == DROP_CASCADE)
		rules_drop_views(j, facts_dependent_views(j->facts, rel, col->attnum));
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *theirs;

		facts_detail(j->facts, member);
		theirs = facts_column(member, cmd->name);
		if (theirs != NULL)
			facts_forget_column(member, theirs);
	}
}

void
rules_drop_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactConstraint *con;
		FactIndex  *idx;

		facts_detail(j->facts, member);
		con = facts_constraint(member, cmd->name);
		if (con == NULL)
			continue;
		con->dropped = true;
		if (con->type == 'n' && con->columns != NIL)
			facts_attribute(member, linitial_int(con->columns))->notnull = false;
		if (con->type == 'f')
		{
			FactRelation *other = facts_by_oid(j->facts, con->referenced);

			if (other != NULL)
				rules_lock(j, other, AccessExclusiveLock);
		}
		idx = con->index ? facts_index(member, con->index) : NULL;
		if (idx != NULL && con->type != 'f')
			idx->dropped = true;
	}
}

void
rules_validate_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactConstraint *con = facts_constraint(rel, cmd->name);
	ListCell   *lc;

	if (con == NULL || con->valid)
		return;
	rules_tree_work(j, WORK_SCAN, tree, false,
					psprintf("scan of %s to validate constraint %s",
							 facts_name(rel), quote_identifier(cmd->name)),
					psprintf("Run ALTER TABLE %s VALIDATE CONSTRAINT %s; by itself, in a transaction of its own.",
							 facts_name(rel), quote_identifier(cmd->name)));
	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		facts_detail(j->facts, member);
		con = facts_constraint(member, cmd->name);
		if (con == NULL)
			continue;
		con->valid = true;
	}
}

static void
set_tablespace(Judgement *j, FactRelation *rel, const char *name)
{
	Oid			tablespace = get_tablespace_oid(name, true);
	Oid			current = OidIsValid(rel->tablespace) ? rel->tablespace : MyDatabaseTableSpace;
	FactRelation *heap = OidIsValid(rel->heap) ? facts_by_oid(j->facts, rel->heap) : NULL;
	double		blocks = rel->total_blocks;

	/* An index has an entry for each row, however small deduplication makes it. */
	if (heap != NULL)
		blocks = Max(blocks, heap->heap_blocks);
	if (!OidIsValid(tablespace) || tablespace == current || !facts_has_storage(rel))
		return;
	rules_work(j, WORK_REWRITE, rel, blocks,
			   psprintf("copy of %s into tablespace %s", facts_name(rel), quote_identifier(name)),
			   rel->kind == RELKIND_INDEX ?
			   psprintf("REINDEX (TABLESPACE %s) INDEX CONCURRENTLY %s;",
						quote_identifier(name), facts_name(rel)) :
			   rules_rewrite_hint(j, rel));
	rel->tablespace = tablespace;
}

static void
set_persistence(Judgement *j, FactRelation *rel, char persistence)
{
	if (rel->persistence == persistence || rel->kind != RELKIND_RELATION)
		return;
	rules_work(j, WORK_REWRITE, rel, rel->total_blocks,
			   psprintf("rewrite of %s", facts_name(rel)),
			   rules_rewrite_hint(j, rel));
	rel->persistence = persistence;
}

void
rules_set_access_method(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	Oid			am = cmd->name ? get_table_am_oid(cmd->name, true) : InvalidOid;

	if (!OidIsValid(am) || am == rel->am || !facts_has_storage(rel))
		return;
	rules_work(j, WORK_REWRITE, rel, rel->total_blocks,
			   psprintf("rewrite of %s", facts_name(rel)),
			   rules_rewrite_hint(j, rel));
	rel->am = am;
}

/* In zdm.check the default may draw from a sequence that the text makes. */
static void
set_default(Judgement *j, FactRelation *rel, FactColumn *col, Node *raw)
{
	FactRelation *seq = j->facts->simulated ? facts_drawn_sequence(j->facts, raw) : NULL;
	Node	   *expr = NULL;

	if (seq != NULL)
		facts_note_sequence(col, seq);
	else if (facts_types_known(rel))
		expr = facts_analyze_as(rel, raw, EXPR_KIND_COLUMN_DEFAULT, col->type, col->typmod);
	if (expr != NULL)
		facts_note_default(col, expr);
	col->has_default = expr == NULL || !facts_is_null(rel->author, expr);
}

void
rules_column_default(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);

	if (col == NULL)
		return;
	col->serial = false;
	col->functions = NIL;
	if (cmd->def == NULL)
		col->has_default = false;
	else
		set_default(j, rel, col, cmd->def);
}

void
rules_add_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);

	if (col != NULL)
		col->identity = castNode(Constraint, cmd->def)->generated_when;
}

void
rules_set_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);
	Oid			seqid = col != NULL && OidIsValid(rel->oid) ? facts_identity_sequence(rel->oid, col->attnum) : InvalidOid;
	FactRelation *seq = OidIsValid(seqid) ? facts_by_oid(j->facts, seqid) : NULL;
	ListCell   *lc;

	foreach(lc, col != NULL ? (List *) cmd->def : NIL)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "generated") == 0)
			col->identity = (char) defGetInt32(option);
	}
	if (seq != NULL)
		rules_change_sequence(j, seq, (List *) cmd->def);
}

void
rules_drop_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);

	if (col != NULL)
		col->identity = '\0';
}

void
rules_replica_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ReplicaIdentityStmt *stmt = castNode(ReplicaIdentityStmt, cmd->def);
	ListCell   *lc;

	rules_touch_root(j, rel, "Give the partition another replica identity.");
	rel->replica_identity = stmt->identity_type;
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);

		idx->replica_identity = stmt->name != NULL && strcmp(idx->name, stmt->name) == 0;
	}
}

void
rules_relation_options(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ListCell   *lc;

	foreach(lc, (List *) cmd->def)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (rel->kind == RELKIND_VIEW && strcmp(option->defname, "security_invoker") == 0)
			rel->invoker = cmd->subtype == AT_SetRelOptions && defGetBoolean(option);
	}
}

/* Partitions and children compute it too, whether or not the statement names them. */
void
rules_set_expression(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);
	List	   *whole = facts_tree(j->facts, rel, true);

	if (col != NULL && col->generated != ATTRIBUTE_GENERATED_STORED)
		rules_virtual_checks(j, whole, col->name, col->notnull);
	if (col != NULL && col->generated == ATTRIBUTE_GENERATED_STORED)
		rules_tree_work(j, WORK_REWRITE, whole, true,
						psprintf("rewrite of %s to compute column %s",
								 facts_name(rel), quote_identifier(cmd->name)),
						pstrdup("Add a plain column, fill it in batches and by a trigger, then swap the names."));
}

/* ENFORCED is of newer servers: compat.h names it. */
void
rules_alter_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	const char *name = zdm_enforced_constraint(cmd);
	FactConstraint *con = name != NULL ? facts_constraint(rel, name) : NULL;

	if (con == NULL || con->enforced)
		return;
	rules_tree_work(j, WORK_SCAN, facts_tree(j->facts, rel, true), false,
					psprintf("scan of %s to check constraint %s",
							 facts_name(rel), quote_identifier(con->name)),
					pstrdup("Drop the constraint, add it NOT VALID, then VALIDATE CONSTRAINT."));
	con->enforced = con->valid = true;
}

void
rules_enable_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rel->row_security = true;
}

void
rules_disable_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rel->row_security = false;
}

void
rules_force_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rel->row_security_forced = true;
}

void
rules_no_force_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rel->row_security_forced = false;
}

void
rules_owner_to(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	facts_change_owner(j->facts, rel, get_rolespec_oid(cmd->newowner, false));
}

void
rules_set_tablespace(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	set_tablespace(j, rel, cmd->name);
}

void
rules_set_logged(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	set_persistence(j, rel, RELPERSISTENCE_PERMANENT);
}

void
rules_set_unlogged(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	set_persistence(j, rel, RELPERSISTENCE_UNLOGGED);
}

void
rules_set_not_null(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rules_not_null(j, rel, tree, cmd->name);
}

void
rules_drop_not_null(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	ListCell   *lc;

	foreach(lc, tree)
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *col;

		facts_detail(j->facts, member);
		col = facts_column(member, cmd->name);
		if (col != NULL)
			col->notnull = false;
	}
}

void
rules_drop_expression(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	FactColumn *col = facts_column(rel, cmd->name);

	if (col != NULL)
		col->generated = '\0';
}

void
rules_new_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd)
{
	rules_add_constraint(j, rel, tree, castNode(Constraint, cmd->def), false);
}

static bool
adds_column(List *cmds, const char *name)
{
	ListCell   *lc;

	foreach(lc, cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (cmd->subtype == AT_AddColumn && strcmp(((ColumnDef *) cmd->def)->colname, name) == 0)
			return true;
	}
	return false;
}

/* What PostgreSQL will say of a column that is not there; in zdm.check nobody else says it. */
static void
missing_columns(Judgement *j, FactRelation *rel, List *cmds)
{
	ListCell   *lc;

	foreach(lc, j->facts->of_text ? cmds : NIL)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (subcommand_kind(cmd)->old_column && !cmd->missing_ok &&
			rel->columns != NIL && facts_column(rel, cmd->name) == NULL && !adds_column(cmds, cmd->name))
			rules_find(j, RULE_WOULD_FAIL, facts_name(rel), NoLock,
					   psprintf("Column %s of %s does not exist.", quote_identifier(cmd->name), facts_name(rel)),
					   NULL);
	}
}

static void
run_pass(Judgement *j, FactRelation *rel, List *tree, SubcommandPass pass)
{
	ListCell   *lc;

	foreach(lc, j->subcommands)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);
		const SubcommandKind *kind = subcommand_kind(cmd);

		CHECK_FOR_INTERRUPTS();
		if (kind->pass != pass)
			continue;
		if (kind->name == NULL)
			rules_caution(j, RULE_NOT_JUDGED, facts_name(rel), "What this kind of ALTER TABLE does is not known.", NULL);
		if (kind->judge != NULL)
			kind->judge(j, rel, tree, cmd);
	}
}

/* All subcommands, in the order in which PostgreSQL runs them. */
static void
alter_tree(Judgement *j, FactRelation *rel, List *tree, LOCKMODE mode, List *cmds)
{
	ListCell   *lc;

	foreach(lc, tree)
		rules_lock(j, (FactRelation *) lfirst(lc), mode);
	rules_touch(j, rel, rules_escape("Do it in steps that running applications survive", "in the transaction that does it"));
	facts_detail(j->facts, rel);
	missing_columns(j, rel, cmds);
	j->subcommands = cmds;
	for (int pass = PASS_DROP; pass <= PASS_CONSTRAINT; pass++)
		run_pass(j, rel, tree, pass);
	run_pass(j, rel, tree, PASS_LAST);
}

static bool
cascades(AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		if (((AlterTableCmd *) lfirst(lc))->behavior == DROP_CASCADE)
			return true;
	}
	return false;
}

/* An attribute that columns of the type have goes, or changes. */
static void
change_attribute(Judgement *j, FactRelation *rel, AlterTableCmd *cmd, bool used)
{
	char	   *detail = psprintf("Statements that use attribute %s of type %s fail.",
								  quote_identifier(cmd->name), facts_name(rel));

	if (facts_column(rel, cmd->name) == NULL)
		return;
	if (used)
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock, detail,
				   pstrdup("Make a new type, and move the columns to it."));
	else
		rules_caution(j, RULE_BREAKS_CLIENTS, facts_name(rel), detail, NULL);
}

/* Attributes of a composite type that is there already; tables made OF it change with it. */
static void
alter_composite(Judgement *j, FactRelation *rel, AlterTableStmt *stmt)
{
	Oid			type = OidIsValid(rel->oid) ? get_rel_type_id(rel->oid) : InvalidOid;
	bool		used;
	ListCell   *lc;

	if (rel->fresh || !OidIsValid(type))
		return;
	if (cascades(stmt))
	{
		foreach(lc, facts_typed_tables(j->facts, type))
		{
			FactRelation *table = (FactRelation *) lfirst(lc);

			alter_tree(j, table, facts_tree(j->facts, table, true), AccessExclusiveLock, stmt->cmds);
		}
	}
	used = facts_type_users(j->facts, type) != NIL;
	facts_detail(j->facts, rel);
	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (cmd->subtype == AT_DropColumn || cmd->subtype == AT_AlterColumnType)
			change_attribute(j, rel, cmd, used);
	}
}

/* Which members of the tree ALTER TABLE visits; some subcommands never recurse. */
static bool
recurses(AlterTableStmt *stmt)
{
	ListCell   *lc;

	if (!stmt->relation->inh)
		return false;
	foreach(lc, stmt->cmds)
	{
		if (subcommand_kind(lfirst_node(AlterTableCmd, lc))->recurses)
			return true;
	}
	return false;
}

void
rules_alter_table(Judgement *j, Node *node)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->relation);

	if (rel == NULL)
	{
		if (!stmt->missing_ok)
			rules_missing(j, stmt->relation);
		return;
	}
	if (rel->kind == RELKIND_COMPOSITE_TYPE)
	{
		alter_composite(j, rel, stmt);
		return;
	}
	/* PostgreSQL says itself, and at once, what is not for a materialized view: what goes on to partitions */
	if (!rules_is_of_kind(rel, stmt->objtype) || (rel->kind == RELKIND_MATVIEW && recurses(stmt)))
		return;
	alter_tree(j, rel, facts_tree(j->facts, rel, recurses(stmt)),
			   AlterTableGetLockLevel(stmt->cmds), stmt->cmds);
}

/* OWNED BY limits ALL IN TABLESPACE to what these roles own. */
static bool
owned_by(FactRelation *rel, List *roles)
{
	ListCell   *lc;

	foreach(lc, roles)
	{
		if (get_rolespec_oid((RoleSpec *) lfirst(lc), true) == rel->owner)
			return true;
	}
	return roles == NIL;
}

void
rules_alter_table_move(Judgement *j, Node *node)
{
	AlterTableMoveAllStmt *stmt = castNode(AlterTableMoveAllStmt, node);
	Oid			from = get_tablespace_oid(stmt->orig_tablespacename, true);
	char		kind = stmt->objtype == OBJECT_INDEX ? RELKIND_INDEX :
		stmt->objtype == OBJECT_MATVIEW ? RELKIND_MATVIEW : RELKIND_RELATION;
	ListCell   *lc;

	if (!OidIsValid(from))
		return;
	foreach(lc, facts_in_tablespace(j->facts, from, kind))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!owned_by(rel, stmt->roles))
			continue;
		rules_lock(j, rel, AccessExclusiveLock);
		set_tablespace(j, rel, stmt->new_tablespacename);
	}
}
