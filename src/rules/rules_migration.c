/*-------------------------------------------------------------------------
 *
 * rules_migration.c
 *		DDL that would break a migration in progress.
 *
 * A migration claims column names of one table, keeps a trigger on it, whose
 * expressions call functions and name types, and stands in the extension's own
 * tables.  PostgreSQL knows that the trigger depends on these functions and types
 * (sync/depend.c), which keeps them from being dropped, but not from being renamed
 * or replaced; nor an enum's value from being renamed.  Whatever takes one of
 * these away, or brings rows that the trigger does not see, is refused with the migration's id, since the harm would show only
 * later, in a worker or at the next write.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "facts/facts_migration.h"
#include "rules/rules.h"
#include "rules/statement.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "compat.h"

/* The call that leads on from where the migration stands; zdm.wait() returns at once where it rests. */
static char *
next_call(const Migration *m)
{
	if (m->paused)
		return psprintf("let it go on: SELECT zdm.resume(" INT64_FORMAT ");", m->id);
	switch (m->state)
	{
		case STATE_READY:
			if (!migration_has_cutover(m->id))
				return psprintf("let it complete: SELECT zdm.contract(" INT64_FORMAT "); which cannot be undone.", m->id);
			return psprintf("go on: SELECT zdm.cutover(" INT64_FORMAT ");", m->id);
		case STATE_SWITCHED:
			return psprintf("when no application uses the old shape any more, SELECT zdm.contract(" INT64_FORMAT "); which cannot be undone. After that, run this with the models of the new version.",
							m->id);
		case STATE_FAILED:
			return psprintf("mend what zdm.migrations shows as its error, then SELECT zdm.resume(" INT64_FORMAT ");", m->id);
		default:
			return psprintf("let it come to rest first: CALL zdm.wait(" INT64_FORMAT ");", m->id);
	}
}

static void
refuse(Judgement *j, FactRelation *rel, const Migration *migration, char *what)
{
	bool		reverting = migration->state == STATE_REVERTING || migration->state == STATE_CONTRACTING;
	char	   *next = next_call(migration);

	next[0] = reverting ? pg_toupper((unsigned char) next[0]) : next[0];
	rules_find(j, RULE_MIGRATION, facts_name(rel), NoLock,
			   psprintf("Migration " INT64_FORMAT " (%s of %s, %s) needs %s.",
						migration->id, migration->kind, migration->relation,
						state_name(migration->state), what),
			   reverting ? next : psprintf("SELECT zdm.revert(" INT64_FORMAT "); or %s", migration->id, next));
	((Finding *) llast(j->findings))->needed_by = psprintf("migration " INT64_FORMAT, migration->id);
}

static void
refuse_own(Judgement *j, const char *object)
{
	rules_find(j, RULE_MIGRATION, object, NoLock,
			   psprintf("%s is part of pg_zdm, and migrations are in progress.", object),
			   pstrdup("TABLE zdm.migrations; shows which: complete or revert them first."));
}

static bool
claims(const Migration *migration, const char *column)
{
	ListCell   *lc;

	foreach(lc, migration->columns)
	{
		if (column != NULL && strcmp((char *) lfirst(lc), column) == 0)
			return true;
	}
	return false;
}

/* Does an expression, an index or a constraint of the migration hang on the column? */
static bool
uses(const Migration *migration, const char *column)
{
	return column != NULL && claims(migration, psprintf(MIGRATION_USES "%s", column));
}

/* ENABLE ALWAYS is how the trigger has to be, and mends all that has it fire less. */
static bool
silences_trigger(const AlterTableCmd *cmd, const char *trigger)
{
	int			touches = subcommand_kind(cmd)->touches;

	return (touches & TOUCHES_TRIGGERS) != 0 ||
		((touches & TOUCHES_TRIGGER) != 0 && strcmp(cmd->name, trigger) == 0);
}

static bool
touches_column(const AlterTableCmd *cmd, int touch)
{
	return (subcommand_kind(cmd)->touches & touch) != 0;
}

static bool
is_among(List *migrations, const Migration *migration)
{
	ListCell   *lc;

	foreach(lc, migrations)
	{
		if (((Migration *) lfirst(lc))->id == migration->id)
			return true;
	}
	return false;
}

/* The id in a name that a migration has made: "<base>_zdm<id>"; 0 if it is no such name. */
static int64
maker_of(const char *name)
{
	const char *suffix = NULL;
	char	   *end;
	int64		id;

	for (const char *at = strstr(name, "_zdm"); at != NULL; at = strstr(at + 1, "_zdm"))
		suffix = at + strlen("_zdm");
	if (suffix == NULL || !isdigit((unsigned char) *suffix))
		return 0;
	id = strtoll(suffix, &end, 10);
	return *end == '\0' ? id : 0;
}

/* Refuse it if a migration has made the object of that name, or a step to come names it. */
static void
judge_name(Judgement *j, FactRelation *rel, const char *what, const char *name)
{
	int64		maker = maker_of(name);
	Migration  *made_by = maker > 0 ? migration_load(maker, MIGRATION_READ) : NULL;
	bool		column = strcmp(what, "column") == 0 && OidIsValid(rel->oid);
	List	   *above = OidIsValid(rel->oid) ? facts_migrations_above(rel->oid) : NIL;
	List	   *needing;
	ListCell   *lc;

	/* a partition that was detached has such a column still, and the migration has nothing to do with it */
	if (made_by != NULL && !state_is_final(made_by->state) && migration_is_visible(made_by) &&
		(!column || is_among(above, made_by)))
	{
		refuse(j, rel, made_by, psprintf("%s %s, which it has made", what, quote_identifier(name)));
		return;
	}
	if (!OidIsValid(rel->oid) || (column && above == NIL))
		return;
	needing = facts_migrations_naming(rel->oid, name);
	foreach(lc, above)
	{
		Migration  *migration = (Migration *) lfirst(lc);

		if (claims(migration, psprintf("%s %s", what, name)) && !is_among(needing, migration))
			needing = lappend(needing, migration);
	}
	foreach(lc, needing)
		refuse(j, rel, (Migration *) lfirst(lc),
			   psprintf("%s %s under its name", what, quote_identifier(name)));
}

/* What the subcommand takes away or alters by a name that a migration may count on. */
static const char *
named_object(const AlterTableCmd *cmd)
{
	const char *object = subcommand_kind(cmd)->object;

	return object == NULL && touches_column(cmd, TOUCHES_COLUMN) && maker_of(cmd->name) > 0 ? "column" : object;
}

static bool
claimed_by_any(List *migrations, const char *column)
{
	ListCell   *lc;

	foreach(lc, migrations)
	{
		if (claims((Migration *) lfirst(lc), column))
			return true;
	}
	return false;
}

/*
 * What a migration has made, or still needs, is known by name: indexes,
 * constraints, foreign keys of either end, columns that it hides.  Steps to come
 * would not find it, or, worse, find another.
 */
static void
alter_named(Judgement *j, FactRelation *rel, AlterTableStmt *stmt)
{
	List	   *migrations = facts_migrations_above(rel->oid);
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);
		const char *what = named_object(cmd);

		/* alter_table() has said so of a column that is claimed */
		if (what != NULL && subcommand_object(cmd) != NULL && !claimed_by_any(migrations, subcommand_object(cmd)))
			judge_name(j, rel, what, subcommand_object(cmd));
	}
}

/* An index has no migrations of its own: those of its table. */
static bool
judge_index(Judgement *j, FactRelation *rel)
{
	FactRelation *heap;

	if (rel->kind != RELKIND_INDEX && rel->kind != RELKIND_PARTITIONED_INDEX)
		return false;
	heap = facts_by_oid(j->facts, rel->heap);
	if (heap != NULL)
		judge_name(j, heap, "index", rel->name);
	return true;
}

/*
 * What comes below a table has both columns, and no trigger of ours if it is a child
 * that inherits, or foreign: its rows could not be kept in step.
 */
static void
judge_parent(Judgement *j, RangeVar *name, bool partition)
{
	FactRelation *parent = facts_find(j->facts, name);
	ListCell   *lc;

	foreach(lc, parent != NULL && OidIsValid(parent->oid) ? facts_migrations_of_columns(parent->oid) : NIL)
		refuse(j, parent, (Migration *) lfirst(lc),
			   psprintf("the table without %s, whose rows could not be kept in step",
						partition ? "a foreign partition" : "an inheritance child"));
}

static bool
has_foreign(Judgement *j, RangeVar *name)
{
	FactRelation *rel = facts_find(j->facts, name);
	ListCell   *lc;

	foreach(lc, rel != NULL ? facts_tree(j->facts, rel, true) : NIL)
	{
		if (((FactRelation *) lfirst(lc))->kind == RELKIND_FOREIGN_TABLE)
			return true;
	}
	return false;
}

static void
judge_children(Judgement *j, AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if (cmd->subtype == AT_AddInherit)
			judge_parent(j, castNode(RangeVar, cmd->def), false);
		else if (cmd->subtype == AT_AttachPartition &&
				 has_foreign(j, castNode(PartitionCmd, cmd->def)->name))
			judge_parent(j, stmt->relation, true);
	}
}

/* CREATE FOREIGN TABLE begins as CREATE TABLE does. */
void
rules_claims_create_table(Judgement *j, Node *node)
{
	CreateStmt *stmt = (CreateStmt *) node;
	ListCell   *lc;

	foreach(lc, stmt->partbound == NULL || IsA(node, CreateForeignTableStmt) ? stmt->inhRelations : NIL)
		judge_parent(j, (RangeVar *) lfirst(lc), stmt->partbound != NULL);
}

static void
alter_table(Judgement *j, FactRelation *rel, const Migration *migration, AlterTableStmt *stmt)
{
	char	   *trigger = trigger_name_find(rel->oid);
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = (AlterTableCmd *) lfirst(lc);

		if ((touches_column(cmd, TOUCHES_COLUMN) && claims(migration, cmd->name)) ||
			(touches_column(cmd, TOUCHES_READERS) && uses(migration, cmd->name)))
			refuse(j, rel, migration, psprintf("column %s as it is", quote_identifier(cmd->name)));
		else if (cmd->subtype == AT_AddColumn &&
				 claims(migration, ((ColumnDef *) cmd->def)->colname))
			refuse(j, rel, migration, psprintf("the name %s",
											   quote_identifier(((ColumnDef *) cmd->def)->colname)));
		else if (trigger != NULL && silences_trigger(cmd, trigger))
			refuse(j, rel, migration, psprintf("trigger %s", quote_identifier(trigger)));
	}
}

/* A migration goes on with its table under whatever name: what takes that name has no part in it. */
static void
rename_object(Judgement *j, FactRelation *rel, const Migration *migration, RenameStmt *stmt)
{
	char	   *trigger;

	if (stmt->renameType == OBJECT_TABLE && migration->relid == rel->oid)
		refuse(j, rel, migration, pstrdup("the table under its name"));
	if (stmt->renameType == OBJECT_COLUMN &&
		(claims(migration, stmt->subname) || claims(migration, stmt->newname) || uses(migration, stmt->subname)))
		refuse(j, rel, migration, psprintf("column %s under its name", quote_identifier(stmt->subname)));
	if (stmt->renameType != OBJECT_TRIGGER)
		return;
	trigger = trigger_name_find(rel->oid);
	if (trigger != NULL && strcmp(trigger, stmt->subname) == 0)
		refuse(j, rel, migration, psprintf("trigger %s", quote_identifier(trigger)));
}

static void
rename_named(Judgement *j, FactRelation *rel, RenameStmt *stmt)
{
	if (stmt->renameType == OBJECT_TABCONSTRAINT)
		judge_name(j, rel, "constraint", stmt->subname);
	else if (stmt->renameType == OBJECT_COLUMN && maker_of(stmt->subname) > 0)
		judge_name(j, rel, "column", stmt->subname);
}

static void
drop_object(Judgement *j, FactRelation *rel, const Migration *migration, DropStmt *stmt, List *name)
{
	char	   *trigger;

	if (stmt->removeType == OBJECT_TABLE)
		refuse(j, rel, migration, pstrdup("the table"));
	if (stmt->removeType != OBJECT_TRIGGER)
		return;
	trigger = trigger_name_find(rel->oid);
	if (trigger != NULL && strcmp(trigger, strVal(llast(name))) == 0)
		refuse(j, rel, migration, psprintf("trigger %s", quote_identifier(trigger)));
}

/* Is it one of our own relations?  Then nothing is done to it while migrations live. */
static bool
is_own(Judgement *j, FactRelation *rel)
{
	if (strcmp(rel->schema, "zdm") != 0 || rel->fresh)
		return false;
	if (facts_any_migration())
		refuse_own(j, facts_name(rel));
	return true;
}

/* Refuse it for migrations of these tables: their expressions use it. */
static void
judge_used(Judgement *j, List *relids, const char *what)
{
	ListCell   *lc;

	foreach(lc, relids)
	{
		FactRelation *rel = facts_by_oid(j->facts, lfirst_oid(lc));
		ListCell   *lm;

		foreach(lm, rel ? facts_migrations(rel->oid) : NIL)
			refuse(j, rel, (Migration *) lfirst(lm), psprintf("%s as it is", what));
	}
}

void
rules_migration_function(Judgement *j, Oid funcid)
{
	if (funcid >= FirstNormalObjectId)
		judge_used(j, facts_synced_with(ProcedureRelationId, funcid),
				   psprintf("function %s", format_procedure(funcid)));
}

/* A type; an expression may name its array type alone. */
static void
judge_type(Judgement *j, List *name)
{
	Oid			type = LookupTypeNameOid(NULL, makeTypeNameFromNameList(name), true);

	if (type >= FirstNormalObjectId)
		judge_used(j, list_concat_unique_oid(facts_synced_with(TypeRelationId, type),
											 facts_synced_with(TypeRelationId, get_array_type(type))),
				   psprintf("type %s", format_type_be(type)));
}

static bool
is_type(ObjectType type)
{
	return type == OBJECT_TYPE || type == OBJECT_DOMAIN;
}

static bool
is_function(ObjectType type)
{
	return type == OBJECT_FUNCTION || type == OBJECT_PROCEDURE || type == OBJECT_ROUTINE;
}

/* A function that the statement names, to drop, rename, move or alter it. */
static void
judge_function(Judgement *j, ObjectType type, Node *name)
{
	if (is_function(type))
		rules_migration_function(j, LookupFuncWithArgs(type, castNode(ObjectWithArgs, name), true));
}

/* Steps to come of a migration on another table may name the relation: a view, a foreign key's other end. */
static void
judge_needed(Judgement *j, RangeVar *name)
{
	Oid			relid;
	ListCell   *lc;

	relid = RangeVarGetRelid(name, NoLock, true);
	foreach(lc, OidIsValid(relid) ? migration_needing(relid) : NIL)
	{
		Migration  *migration = (Migration *) lfirst(lc);
		FactRelation *rel = facts_by_oid(j->facts, migration->relid);

		if (rel != NULL)
			refuse(j, rel, migration, psprintf("%s", names_relation(relid)));
	}
}

/* Does the type of object have relations' names? */
static bool
is_relation(ObjectType type)
{
	return type == OBJECT_TABLE || type == OBJECT_VIEW || type == OBJECT_MATVIEW ||
		type == OBJECT_SEQUENCE || type == OBJECT_INDEX;
}

void
rules_claims_drop(Judgement *j, Node *node)
{
	DropStmt   *stmt = castNode(DropStmt, node);
	ListCell   *lc;

	foreach(lc, stmt->objects)
	{
		List	   *name = (List *) lfirst(lc);
		FactRelation *rel;
		ListCell   *lm;

		if (stmt->removeType == OBJECT_EXTENSION || stmt->removeType == OBJECT_SCHEMA)
		{
			const char *dropped = strVal(lfirst(lc));

			if ((strcmp(dropped, "pg_zdm") == 0 || strcmp(dropped, "zdm") == 0) &&
				facts_any_migration())
				refuse_own(j, dropped);
			continue;
		}
		judge_function(j, stmt->removeType, (Node *) name);
		if (is_relation(stmt->removeType))
			judge_needed(j, makeRangeVarFromNameList(name));
		if (stmt->removeType == OBJECT_INDEX && (rel = facts_find(j->facts, makeRangeVarFromNameList(name))) != NULL)
			judge_index(j, rel);
		if (stmt->removeType != OBJECT_TABLE && stmt->removeType != OBJECT_TRIGGER)
			continue;
		rel = facts_find(j->facts, makeRangeVarFromNameList(stmt->removeType == OBJECT_TABLE ? name :
															list_truncate(list_copy(name), list_length(name) - 1)));
		if (rel == NULL || !OidIsValid(rel->oid) || is_own(j, rel))
			continue;
		foreach(lm, facts_migrations(rel->oid))
			drop_object(j, rel, (Migration *) lfirst(lm), stmt, name);
	}
}

/* Is it a relation whose migrations are to be asked?  What is our own, and an index, is judged here. */
static bool
has_migrations(Judgement *j, FactRelation *rel)
{
	return rel != NULL && OidIsValid(rel->oid) && !is_own(j, rel) && !judge_index(j, rel);
}

void
rules_claims_alter_table(Judgement *j, Node *node)
{
	AlterTableStmt *stmt = castNode(AlterTableStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->relation);
	ListCell   *lc;

	judge_children(j, stmt);
	if (!has_migrations(j, rel))
		return;
	foreach(lc, facts_migrations_above(rel->oid))
		alter_table(j, rel, (Migration *) lfirst(lc), stmt);
	alter_named(j, rel, stmt);
}

/* What is to have another name, or schema: functions, types and views are found again by theirs. */
static void
judge_found_by_name(Judgement *j, ObjectType type, Node *object, RangeVar *relation)
{
	judge_function(j, type, object);
	if (is_type(type))
		judge_type(j, castNode(List, object));
	if (type == OBJECT_VIEW || type == OBJECT_MATVIEW)
		judge_needed(j, relation);
}

void
rules_claims_rename(Judgement *j, Node *node)
{
	RenameStmt *stmt = castNode(RenameStmt, node);
	FactRelation *rel;
	ListCell   *lc;

	judge_found_by_name(j, stmt->renameType, stmt->object, stmt->relation);
	rel = stmt->relation != NULL ? facts_find(j->facts, stmt->relation) : NULL;
	if (!has_migrations(j, rel))
		return;
	foreach(lc, facts_migrations_above(rel->oid))
		rename_object(j, rel, (Migration *) lfirst(lc), stmt);
	rename_named(j, rel, stmt);
}

void
rules_claims_set_schema(Judgement *j, Node *node)
{
	AlterObjectSchemaStmt *stmt = castNode(AlterObjectSchemaStmt, node);
	FactRelation *rel;
	ListCell   *lc;

	judge_found_by_name(j, stmt->objectType, stmt->object, stmt->relation);
	rel = stmt->objectType == OBJECT_TABLE ? facts_find(j->facts, stmt->relation) : NULL;
	if (!has_migrations(j, rel))
		return;
	foreach(lc, facts_migrations_above(rel->oid))
	{
		Migration  *migration = (Migration *) lfirst(lc);

		if (migration->relid == rel->oid)
			refuse(j, rel, migration, pstrdup("the table in its schema"));
	}
}

/* Rows may go while it works on them; not ours. */
void
rules_claims_truncate(Judgement *j, Node *node)
{
	FactRelation *rel = facts_find(j->facts, linitial_node(RangeVar, castNode(TruncateStmt, node)->relations));

	if (rel != NULL && OidIsValid(rel->oid))
		(void) is_own(j, rel);
}

void
rules_claims_alter_function(Judgement *j, Node *node)
{
	AlterFunctionStmt *stmt = castNode(AlterFunctionStmt, node);

	judge_function(j, stmt->objtype, (Node *) stmt->func);
}

/* A value that is added takes nothing away. */
void
rules_claims_alter_enum(Judgement *j, Node *node)
{
	AlterEnumStmt *stmt = castNode(AlterEnumStmt, node);

	if (stmt->oldVal != NULL)
		judge_type(j, stmt->typeName);
}
