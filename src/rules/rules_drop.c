/*-------------------------------------------------------------------------
 *
 * rules_drop.c
 *		DROP, TRUNCATE, RENAME, SET SCHEMA.
 *
 * What a relation means to its clients is the matter of facts/reliance.c; here is
 * what can be told at once: data that is lost, and objects that have no
 * what is relied on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "core/guc.h"
#include "facts/app_path.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "compat.h"

#define ESCAPE_HINT \
	rules_escape("Deploy applications that no longer use it first", "in the transaction that does it")

static void
breaks(Judgement *j, const char *object, char *detail)
{
	rules_find(j, RULE_BREAKS_CLIENTS, object, NoLock, detail, ESCAPE_HINT);
}

/* A table goes, and locks its partitions, its parent and what it references. */
static void
lock_for_drop(Judgement *j, FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, facts_tree(j->facts, rel, true))
		rules_lock(j, (FactRelation *) lfirst(lc), AccessExclusiveLock);
	if (rel->kind != RELKIND_RELATION && rel->kind != RELKIND_PARTITIONED_TABLE)
		return;
	facts_detail(j->facts, rel);
	foreach(lc, rel->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);
		FactRelation *other = con->type == 'f' && !con->dropped ?
			facts_by_oid(j->facts, con->referenced) : NULL;

		if (other != NULL)
			rules_lock(j, other, AccessExclusiveLock);
	}
	if (rel->is_partition)
	{
		FactRelation *parent = facts_by_oid(j->facts, facts_parent(rel));

		if (parent != NULL)
			rules_lock(j, parent, AccessExclusiveLock);
	}
}

/* ", and with them goes ...": the views that CASCADE takes along. */
static char *
and_views(List *views)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, views)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? ", " : list_length(views) > 1 ?
						 ", and CASCADE drops the views " : ", and CASCADE drops the view ",
						 facts_name((FactRelation *) lfirst(lc)));
	return buf.data;
}

/* Retention jobs, and tools that build tables anew every night, drop on purpose. */
static char *
drops_on_purpose(void)
{
	return psprintf("-- for a role whose work it is to drop tables, once and for all: ALTER ROLE %s SET zdm.guard = warn;",
					superuser() ? "..." : quote_identifier(GetUserNameFromId(GetUserId(), false)));
}

static void
drop_table(Judgement *j, FactRelation *rel, bool cascade)
{
	List	   *views = NIL;
	ListCell   *lc;

	lock_for_drop(j, rel);
	rules_touch(j, rel, ESCAPE_HINT);
	if (cascade)
		views = facts_dependent_views(j->facts, rel, 0);
	if (!rel->fresh && rel->kind != RELKIND_MATVIEW && rel->kind != RELKIND_VIEW &&
		rel->kind != RELKIND_SEQUENCE && facts_tree_blocks(j->facts, rel) > 0)
	{
		breaks(j, facts_name(rel), psprintf("The rows of %s are lost%s.", facts_name(rel), and_views(views)));
		j->aside = drops_on_purpose();
	}
	rules_drop_views(j, views);
	rules_default_partition(j, rel);
	foreach(lc, facts_tree(j->facts, rel, true))
		((FactRelation *) lfirst(lc))->gone = true;
}

static void
drop_index(Judgement *j, FactRelation *rel, bool concurrent)
{
	FactRelation *heap = facts_by_oid(j->facts, rel->heap);
	FactIndex  *idx;

	if (heap == NULL)
		return;
	rules_lock(j, heap, concurrent ? ShareUpdateExclusiveLock : AccessExclusiveLock);
	if (concurrent && j->facts->in_block)
		rules_find(j, RULE_WOULD_FAIL, facts_name(rel), NoLock,
				   pstrdup("DROP INDEX CONCURRENTLY cannot run inside a transaction block or a function."),
				   pstrdup("Run it by itself, outside a transaction block."));
	rules_touch(j, heap, ESCAPE_HINT);
	facts_detail(j->facts, heap);
	idx = facts_index(heap, rel->name);
	if (idx != NULL)
		idx->dropped = true;
	rel->gone = true;
}

/* Of the kind that DROP says?  ALTER is less strict. */
static bool
is_dropped_as(FactRelation *rel, ObjectType kind)
{
	switch (kind)
	{
		case OBJECT_TABLE:
			return rel->kind == RELKIND_RELATION || rel->kind == RELKIND_PARTITIONED_TABLE;
		case OBJECT_INDEX:
			return rel->kind == RELKIND_INDEX || rel->kind == RELKIND_PARTITIONED_INDEX;
		default:
			return rules_is_of_kind(rel, kind);
	}
}

static void
drop_relation(Judgement *j, DropStmt *stmt, List *name)
{
	FactRelation *rel = facts_find(j->facts, makeRangeVarFromNameList(name));

	if (rel == NULL)
		return;
	/* of several, some would be locked before that */
	if (!is_dropped_as(rel, stmt->removeType) && list_length(stmt->objects) == 1)
		rules_refused(j, rel, psprintf("%s is of another kind than the statement says.", facts_name(rel)));
	else if (rel->kind == RELKIND_INDEX || rel->kind == RELKIND_PARTITIONED_INDEX)
		drop_index(j, rel, stmt->concurrent);
	else
		drop_table(j, rel, stmt->behavior == DROP_CASCADE);
}

/* Objects of a table: the name is that of the table, then the object's own. */
static void
drop_table_object(Judgement *j, DropStmt *stmt, List *name)
{
	List	   *table = list_truncate(list_copy(name), list_length(name) - 1);
	FactRelation *rel = facts_find(j->facts, makeRangeVarFromNameList(table));
	ListCell   *lc;

	if (rel == NULL)
		return;
	rules_lock(j, rel, AccessExclusiveLock);
	rules_touch(j, rel, ESCAPE_HINT);
	if (rel->kind == RELKIND_VIEW)
		rel->writers_lost++;
	if (stmt->removeType != OBJECT_POLICY)
		return;
	facts_access(j->facts, rel);
	foreach(lc, rel->policies)
	{
		if (strcmp(((FactPolicy *) lfirst(lc))->name, strVal(llast(name))) == 0)
			rel->policies = foreach_delete_current(rel->policies, lc);
	}
}

static void
drop_type(Judgement *j, DropStmt *stmt, TypeName *name)
{
	Oid			type = InvalidOid;
	Type		tuple = LookupTypeName(NULL, name, NULL, true);
	List	   *users = NIL;
	ListCell   *lc;

	if (tuple == NULL)
		return;
	type = typeTypeId(tuple);
	ReleaseSysCache(tuple);
	if (facts_is_fresh(TYPEOID, type))
		return;
	if (stmt->behavior == DROP_CASCADE)
		users = facts_type_users(j->facts, type);
	foreach(lc, users)
		rules_lock(j, (FactRelation *) lfirst(lc), AccessExclusiveLock);
	if (users != NIL)
		breaks(j, format_type_be(type),
			   psprintf("The columns of type %s and their data are lost.", format_type_be(type)));
	else
		rules_caution(j, RULE_BREAKS_CLIENTS, format_type_be(type),
					  psprintf("Statements that name type %s fail.", format_type_be(type)), NULL);
}

/* A function that applications can call; a trigger function they cannot. */
static bool
is_callable(Oid funcid)
{
	Oid			result = get_func_rettype(funcid);

	return result != TRIGGEROID && result != EVENT_TRIGGEROID;
}

static void
lose_function(Judgement *j, ObjectType type, ObjectWithArgs *name)
{
	Oid			funcid = LookupFuncWithArgs(type, name, true);

	if (!OidIsValid(funcid) || facts_is_fresh(PROCOID, funcid) || !is_callable(funcid))
		return;
	rules_touch_function(j, funcid, ESCAPE_HINT);
}

static void
lose_schema(Judgement *j, const char *name)
{
	Oid			nspid = get_namespace_oid(name, true);

	if (OidIsValid(nspid) && !facts_is_fresh(NAMESPACEOID, nspid) && facts_schema_is_used(nspid))
		breaks(j, quote_identifier(name),
			   psprintf("What schema %s holds is no longer there under this name.",
						quote_identifier(name)));
}

static void
drop_extension(Judgement *j, DropStmt *stmt, const char *name)
{
	if (!OidIsValid(get_extension_oid(name, true)))
		return;
	if (stmt->behavior == DROP_CASCADE)
		breaks(j, quote_identifier(name),
			   psprintf("Everything that depends on extension %s is dropped with it.",
						quote_identifier(name)));
	else
		rules_caution(j, RULE_BREAKS_CLIENTS, quote_identifier(name),
					  psprintf("Statements that use what extension %s provides fail.",
							   quote_identifier(name)), NULL);
}

static void
drop_object(Judgement *j, DropStmt *stmt, Node *object)
{
	switch (stmt->removeType)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_FOREIGN_TABLE:
		case OBJECT_SEQUENCE:
		case OBJECT_INDEX:
			drop_relation(j, stmt, (List *) object);
			break;
		case OBJECT_POLICY:
		case OBJECT_TRIGGER:
		case OBJECT_RULE:
			drop_table_object(j, stmt, (List *) object);
			break;
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			drop_type(j, stmt, (TypeName *) object);
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			lose_function(j, stmt->removeType, (ObjectWithArgs *) object);
			break;
		case OBJECT_SCHEMA:
			if (stmt->behavior == DROP_CASCADE)
				lose_schema(j, strVal(object));
			break;
		case OBJECT_EXTENSION:
			drop_extension(j, stmt, strVal(object));
			break;
		default:
			break;
	}
}

void
rules_drop(Judgement *j, Node *node)
{
	DropStmt   *stmt = castNode(DropStmt, node);
	ListCell   *lc;

	foreach(lc, stmt->objects)
		drop_object(j, stmt, (Node *) lfirst(lc));
}

static void
truncate_relation(Judgement *j, FactRelation *rel, bool recurse, bool cascade, List **done)
{
	bool		small = facts_tree_blocks(j->facts, rel) < guc_guard_min_size;
	ListCell   *lc;

	if (list_member_ptr(*done, rel))
		return;
	*done = lappend(*done, rel);
	/* A small table is emptied by TRUNCATE as it would be by DELETE, which nobody judges. */
	foreach(lc, facts_tree(j->facts, rel, recurse))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		rules_lock(j, member, AccessExclusiveLock);
		if (!small && !member->fresh && member->heap_blocks > 0)
			breaks(j, facts_name(member), psprintf("The rows of %s are lost.", facts_name(member)));
		member->heap_blocks = 0;
		member->total_blocks = 0;
	}
	if (!cascade)
		return;
	foreach(lc, facts_foreign_keys_to(j->facts, rel))
		truncate_relation(j, ((FactForeignKey *) lfirst(lc))->rel, true, true, done);
}

static bool
is_truncatable(FactRelation *rel)
{
	return rel->kind == RELKIND_RELATION || rel->kind == RELKIND_PARTITIONED_TABLE ||
		rel->kind == RELKIND_FOREIGN_TABLE;
}

void
rules_truncate(Judgement *j, Node *node)
{
	TruncateStmt *stmt = castNode(TruncateStmt, node);
	List	   *done = NIL;
	ListCell   *lc;

	foreach(lc, stmt->relations)
	{
		RangeVar   *name = (RangeVar *) lfirst(lc);
		FactRelation *rel = facts_find(j->facts, name);

		if (rel != NULL && !is_truncatable(rel) && list_length(stmt->relations) == 1)
			rules_refused(j, rel, psprintf("%s is not a table.", facts_name(rel)));
		else if (rel != NULL)
			truncate_relation(j, rel, name->inh, stmt->behavior == DROP_CASCADE, &done);
	}
}

static char *
rename_by_hand(FactRelation *rel, RenameStmt *stmt)
{
	if (rel->kind == RELKIND_SEQUENCE)
		return rules_escape("Leave the sequence its name: it need not be that of its table. Where it must change, deploy applications that do not name it first",
							"in the transaction that renames it");
	if (stmt->renameType == OBJECT_COLUMN && rel->kind == RELKIND_MATVIEW)
		return psprintf("Make another materialized view of the same query, with its indexes and grants, that has both names, %s and %s, and let it take the name of %s in one transaction.",
						quote_identifier(stmt->subname), quote_identifier(stmt->newname), facts_name(rel));
	if (stmt->renameType == OBJECT_COLUMN && rel->kind == RELKIND_VIEW)
		return psprintf("Give the view both names while both are in use: CREATE OR REPLACE VIEW %s AS ..., with %s under the name %s as one more column at its end.",
						facts_name(rel), quote_identifier(stmt->subname), quote_identifier(stmt->newname));
	if (stmt->renameType == OBJECT_COLUMN)
		return psprintf("ADD COLUMN %s beside %s, keep both in step by a trigger, fill it in batches, and drop %s when no application names it.",
						quote_identifier(stmt->newname), quote_identifier(stmt->subname),
						quote_identifier(stmt->subname));
	return psprintf("In one transaction: rename, then CREATE VIEW %s AS ... over the new name, and GRANT on it what %s grants.",
					   facts_name(rel), facts_name(rel));
}

static void
rename_column(Judgement *j, FactRelation *rel, RenameStmt *stmt)
{
	ListCell   *lc;

	if (rel->kind == RELKIND_COMPOSITE_TYPE)
	{
		if (!rel->fresh)
			breaks(j, facts_name(rel), psprintf("Statements that use attribute %s of type %s fail.",
												quote_identifier(stmt->subname), facts_name(rel)));
		return;
	}
	foreach(lc, facts_tree(j->facts, rel, true))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);
		FactColumn *col;

		rules_lock(j, member, AccessExclusiveLock);
		facts_detail(j->facts, member);
		if (member == rel)
		{
			rules_touch(j, rel, rename_by_hand(rel, stmt));
			rules_call(j, psprintf("SELECT zdm.rename_column(%s, %s, %s);", quote_literal_cstr(facts_name(rel)),
								   quote_literal_cstr(stmt->subname), quote_literal_cstr(stmt->newname)));
		}
		col = facts_column(member, stmt->subname);
		if (col != NULL)
			col->name = pstrdup(stmt->newname);
	}
}

static void
rename_index(Judgement *j, FactRelation *rel, const char *name)
{
	FactRelation *heap = facts_by_oid(j->facts, rel->heap);
	FactIndex  *idx;

	rules_lock(j, rel, ShareUpdateExclusiveLock);
	if (heap == NULL)
		return;
	facts_detail(j->facts, heap);
	idx = facts_index(heap, rel->name);
	if (idx != NULL)
		idx->name = pstrdup(name);
	rel->name = pstrdup(name);
}

static void
rename_constraint(Judgement *j, FactRelation *rel, RenameStmt *stmt)
{
	FactConstraint *con;

	rules_lock(j, rel, AccessExclusiveLock);
	facts_detail(j->facts, rel);
	con = facts_constraint(rel, stmt->subname);
	if (con != NULL)
		con->name = pstrdup(stmt->newname);
}

static void
rename_relation(Judgement *j, RenameStmt *stmt)
{
	FactRelation *rel = facts_find(j->facts, stmt->relation);

	if (rel == NULL)
		return;
	if (stmt->renameType == OBJECT_COLUMN || stmt->renameType == OBJECT_ATTRIBUTE)
		rename_column(j, rel, stmt);
	else if (stmt->renameType == OBJECT_TABCONSTRAINT)
		rename_constraint(j, rel, stmt);
	else if (stmt->renameType == OBJECT_TRIGGER || stmt->renameType == OBJECT_POLICY ||
			 stmt->renameType == OBJECT_RULE)
		rules_lock(j, rel, AccessExclusiveLock);
	else if (rel->kind == RELKIND_INDEX || rel->kind == RELKIND_PARTITIONED_INDEX)
		rename_index(j, rel, stmt->newname);
	else if (rules_is_of_kind(rel, stmt->renameType))
	{
		rules_lock(j, rel, AccessExclusiveLock);
		rules_touch(j, rel, rename_by_hand(rel, stmt));
		rel->name = pstrdup(stmt->newname);
	}
}

static void
lose_type(Judgement *j, List *name)
{
	Type		tuple = LookupTypeName(NULL, makeTypeNameFromNameList(name), NULL, true);
	Oid			type;

	if (tuple == NULL)
		return;
	type = typeTypeId(tuple);
	ReleaseSysCache(tuple);
	if (!facts_is_fresh(TYPEOID, type))
		rules_touch_type(j, type, ESCAPE_HINT);
}

void
rules_rename(Judgement *j, Node *node)
{
	RenameStmt *stmt = castNode(RenameStmt, node);

	if (stmt->relation != NULL)
	{
		rename_relation(j, stmt);
		return;
	}
	switch (stmt->renameType)
	{
		case OBJECT_SCHEMA:
			lose_schema(j, stmt->subname);
			break;
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			lose_type(j, (List *) stmt->object);
			rules_gain_type(j, (List *) stmt->object, stmt->newname);
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			lose_function(j, stmt->renameType, (ObjectWithArgs *) stmt->object);
			break;
		default:
			break;
	}
}

/* A type or function that applications find in the new schema by the same bare name. */
static bool
type_stays_in_reach(List *name, const char *newschema)
{
	Oid			type = LookupTypeNameOid(NULL, makeTypeNameFromNameList(name), true);
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	MovedObject object = {.classid = TypeRelationId, .to = get_namespace_oid(newschema, true)};

	if (!HeapTupleIsValid(tuple))
		return false;
	object.name = pstrdup(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname));
	object.owner = ((Form_pg_type) GETSTRUCT(tuple))->typowner;
	object.from = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	return OidIsValid(object.to) && app_path_finds(&object, list_make1_oid(ACL_ID_PUBLIC));
}

static bool
function_stays_in_reach(ObjectType type, ObjectWithArgs *name, const char *newschema)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(LookupFuncWithArgs(type, name, true)));
	MovedObject object = {.classid = ProcedureRelationId, .to = get_namespace_oid(newschema, true)};
	bool		stays;

	if (!HeapTupleIsValid(tuple))
		return false;
	object.name = NameStr(((Form_pg_proc) GETSTRUCT(tuple))->proname);
	object.arguments = &((Form_pg_proc) GETSTRUCT(tuple))->proargtypes;
	object.owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	object.from = ((Form_pg_proc) GETSTRUCT(tuple))->pronamespace;
	stays = OidIsValid(object.to) && app_path_finds(&object, list_make1_oid(ACL_ID_PUBLIC));
	ReleaseSysCache(tuple);
	return stays;
}

void
rules_set_schema(Judgement *j, Node *node)
{
	AlterObjectSchemaStmt *stmt = castNode(AlterObjectSchemaStmt, node);
	FactRelation *rel;

	switch (stmt->objectType)
	{
		case OBJECT_TABLE:
		case OBJECT_VIEW:
		case OBJECT_MATVIEW:
		case OBJECT_FOREIGN_TABLE:
		case OBJECT_SEQUENCE:
			rel = facts_find(j->facts, stmt->relation);
			if (rel == NULL || strcmp(rel->schema, stmt->newschema) == 0 || !rules_is_of_kind(rel, stmt->objectType))
				return;
			rules_lock(j, rel, AccessExclusiveLock);
			rules_touch(j, rel, ESCAPE_HINT);
			rel->schema = pstrdup(stmt->newschema);
			break;
		case OBJECT_TYPE:
		case OBJECT_DOMAIN:
			if (!type_stays_in_reach((List *) stmt->object, stmt->newschema))
				lose_type(j, (List *) stmt->object);
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
		case OBJECT_AGGREGATE:
			if (!function_stays_in_reach(stmt->objectType, (ObjectWithArgs *) stmt->object, stmt->newschema))
				lose_function(j, stmt->objectType, (ObjectWithArgs *) stmt->object);
			break;
		default:
			break;
	}
}

void
rules_drop_owned(Judgement *j, Node *node)
{
	DropOwnedStmt *stmt = castNode(DropOwnedStmt, node);
	ListCell   *lc;

	foreach(lc, stmt->roles)
	{
		Oid			role = get_rolespec_oid((RoleSpec *) lfirst(lc), true);

		if (OidIsValid(role) && facts_role_matters(role))
			breaks(j, quote_identifier(GetUserNameFromId(role, false)),
				   psprintf("What role %s owns in this database is dropped, and its privileges are lost.",
							quote_identifier(GetUserNameFromId(role, false))));
	}
}

void
rules_reassign_owned(Judgement *j, Node *node)
{
	ReassignOwnedStmt *stmt = castNode(ReassignOwnedStmt, node);
	Oid			owner = get_rolespec_oid(stmt->newrole, true);
	ListCell   *lc;
	ListCell   *lr;

	foreach(lc, stmt->roles)
	{
		Oid			role = get_rolespec_oid((RoleSpec *) lfirst(lc), true);

		if (!OidIsValid(role) || !OidIsValid(owner))
			continue;
		foreach(lr, facts_owned_by(j->facts, role))
		{
			FactRelation *rel = (FactRelation *) lfirst(lr);

			rules_lock(j, rel, AccessExclusiveLock);
			rules_touch(j, rel, "GRANT the old owner what it needs, in the same transaction.");
			facts_change_owner(j->facts, rel, owner);
		}
	}
}
