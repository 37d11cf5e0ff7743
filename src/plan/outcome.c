/*-------------------------------------------------------------------------
 *
 * outcome.c
 *		What is there when a migration is completed, and whether it still is.
 *
 * A deployment that is rolled back takes away by plain DDL what a migration made,
 * or drops the table; deployed again, it states the change under the same label.
 * The label is then answered with the old migration only while what that did is
 * there.  What to look for is noted when the change is stated, as by the end its
 * statement can no longer be read: a word for what it is, and a name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "alter/alter.h"
#include "alter/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/names.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "plan/outcome.h"
#include "rules/statement.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static List *
add(List *outcome, const char *what, const char *name)
{
	return name == NULL ? outcome : lappend(outcome, psprintf("%s %s", what, name));
}

/* What DROP names: later its names may be others'. */
static List *
add_dropped(List *outcome, const DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_TABLE && stmt->removeType != OBJECT_INDEX &&
		stmt->removeType != OBJECT_VIEW && stmt->removeType != OBJECT_MATVIEW)
		return outcome;
	foreach(lc, stmt->objects)
	{
		Oid			relid = RangeVarGetRelid(makeRangeVarFromNameList(lfirst(lc)), NoLock, true);

		if (OidIsValid(relid))
			outcome = add(outcome, "no-relation",
						  quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
													 get_rel_name(relid)));
	}
	return outcome;
}

/* Its lasting name, be it the one that PostgreSQL will choose. */
static List *
add_index(List *outcome, Oid relid, const IndexStmt *stmt)
{
	char	   *name = stmt->idxname;

	if (name == NULL)
		name = ChooseRelationName(get_rel_name(relid), names_joined(index_columns(stmt)), "idx",
								  get_rel_namespace(relid), false);
	return add(outcome, "index", name);
}

List *
outcome_of(const Change *change)
{
	List	   *outcome = NIL;
	ListCell   *lc;

	if (strcmp(change->kind, "rename_column") == 0)
		return add(add(outcome, "column", change->new_name), "no-column", change->column);
	if (strcmp(change->kind, "rename_table") == 0)
		return add(outcome, "name", change->new_name);
	if (OidIsValid(change->type))
		return add(outcome, psprintf("type %u", change->type), change->column);
	if (change->stmt == NULL)
		return NIL;
	if (IsA(change->stmt, IndexStmt))
		return add_index(NIL, change->relid, (IndexStmt *) change->stmt);
	if (IsA(change->stmt, DropStmt))
		return add_dropped(NIL, (DropStmt *) change->stmt);
	if (IsA(change->stmt, AlterTableStmt))
	{
		foreach(lc, ((AlterTableStmt *) change->stmt)->cmds)
		{
			AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

			/* LOGGED and UNLOGGED say it all */
			if (subcommand_kind(cmd)->outcome != NULL)
				outcome = add(outcome, subcommand_kind(cmd)->outcome,
							  subcommand_kind(cmd)->anew && cmd->name == NULL ? "" : subcommand_object(cmd));
		}
	}
	return outcome;
}

/* One query for all: each word has its own look. */
static const char stands_query[] =
"SELECT coalesce(bool_and(CASE what "
"  WHEN 'column' THEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = name AND NOT attisdropped) "
"  WHEN 'no-column' THEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = name AND NOT attisdropped) "
"  WHEN 'not-null' THEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = name AND attnotnull AND NOT attisdropped) "
"  WHEN 'no-not-null' THEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND attname = name AND attnotnull AND NOT attisdropped) "
"  WHEN 'type' THEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = $1 AND NOT attisdropped "
"    AND attname = substr(name, strpos(name, ' ') + 1) AND atttypid = split_part(name, ' ', 1)::oid) "
"  WHEN 'constraint' THEN EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1 AND conname = name) "
"  WHEN 'no-constraint' THEN NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1 AND conname = name) "
"  WHEN 'index' THEN EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relname = name AND i.indisvalid "
"    AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = $1)) "
"  WHEN 'name' THEN EXISTS (SELECT FROM pg_class WHERE oid = $1 AND relname = name) "
"  WHEN 'tablespace' THEN (SELECT coalesce(nullif(reltablespace, 0), dattablespace) FROM pg_class c, pg_database d WHERE c.oid = $1 "
"    AND datname = current_database()) = (SELECT oid FROM pg_tablespace WHERE spcname = name) "
"  WHEN 'logged' THEN EXISTS (SELECT FROM pg_class WHERE oid = $1 AND relpersistence = 'p') "
"  WHEN 'unlogged' THEN EXISTS (SELECT FROM pg_class WHERE oid = $1 AND relpersistence = 'u') "
"  WHEN 'access-method' THEN name = '' OR EXISTS (SELECT FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE c.oid = $1 AND a.amname = name) "
"  WHEN 'no-relation' THEN to_regclass(name) IS NULL "
"  ELSE true END), true) "
"FROM (SELECT split_part(o, ' ', 1) AS what, substr(o, strpos(o, ' ') + 1) AS name FROM unnest($2) o) w";

bool
outcome_table_gone(const Migration *migration)
{
	bool		drops = strcmp(migration->kind, "drop") == 0 || strcmp(migration->kind, "drop_index") == 0;

	return OidIsValid(migration->relid) && !drops &&
		!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(migration->relid));
}

bool
outcome_stands(const Migration *migration)
{
	QuerySession session;
	bool		stands;

	if (outcome_table_gone(migration))
		return false;
	query_begin(&session);
	QUERY(stands_query, arg_oid(migration->relid), arg_texts(migration->outcome));
	stands = query_bool(0, 1);
	query_end(&session);
	return stands;
}

bool
outcome_has_opposite(const Migration *migration)
{
	static const char *const kinds[] = {"create_index", "add_constraint", "set_not_null"};

	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(migration->kind, kinds[i]) == 0)
			return step_has_undo(migration->id);
	}
	return false;
}
