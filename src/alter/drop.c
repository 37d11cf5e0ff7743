/*-------------------------------------------------------------------------
 *
 * drop.c
 *		The plan of DROP TABLE, DROP VIEW, DROP TYPE and the like.
 *
 * There is nothing to prepare, and nothing to undo afterwards: so the migration
 * rests at once, for as long as it takes to be sure, and only contract drops.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "alter/alter.h"
#include "alter/drop.h"
#include "catalog/migration.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

/* Dropping a partition's or a foreign key's table locks the other one too. */
static List *
locked_with(Oid relid)
{
	QuerySession session;
	List	   *others;

	query_begin(&session);
	QUERY("SELECT array_agg(DISTINCT o) FROM (SELECT inhparent FROM pg_inherits WHERE inhrelid = $1 "
		  "UNION ALL SELECT conrelid FROM pg_constraint WHERE contype = 'f' AND confrelid = $1 "
		  "UNION ALL SELECT confrelid FROM pg_constraint WHERE contype = 'f' AND conrelid = $1) x (o) WHERE o <> $1",
		  arg_oid(relid));
	others = query_oids(0, 1);
	query_end(&session);
	return others;
}

static void
refuse_in_use(Oid relid)
{
	List	   *live = migration_live_on(relid);
	Migration  *other = live ? linitial(live) : NULL;

	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("migration " INT64_FORMAT " is at work on %s", other->id, names_relation(relid)),
				 errdetail("It is %s and its state is %s.", other->kind, state_name(other->state)),
				 errhint("Let it come to its end, or go back with SELECT zdm.revert(" INT64_FORMAT ").",
						 other->id)));
}

/* What DROP calls a relation that goes by its number, whatever its name by then. */
static const struct
{
	ObjectType	type;
	const char *keyword;
	const char *name;
	int			undefined;
}			relations[] =
{
	{OBJECT_TABLE, "TABLE", "table", ERRCODE_UNDEFINED_TABLE},
	{OBJECT_VIEW, "VIEW", "view", ERRCODE_UNDEFINED_TABLE},
	{OBJECT_MATVIEW, "MATERIALIZED VIEW", "materialized view", ERRCODE_UNDEFINED_TABLE},
	{OBJECT_SEQUENCE, "SEQUENCE", "sequence", ERRCODE_UNDEFINED_TABLE},
	{OBJECT_FOREIGN_TABLE, "FOREIGN TABLE", "foreign table", ERRCODE_UNDEFINED_OBJECT},
};

/* Its place in the table, or -1. */
static int
relation_type(ObjectType type)
{
	for (int i = 0; i < lengthof(relations); i++)
	{
		if (relations[i].type == type)
			return i;
	}
	return -1;
}

static void
check_exists(const DropStmt *stmt, Node *object)
{
	int			type = relation_type(stmt->removeType);
	RangeVar   *name = type >= 0 ? makeRangeVarFromNameList((List *) object) : NULL;

	if (name == NULL || stmt->missing_ok ||
		(name->schemaname != NULL && !OidIsValid(get_namespace_oid(name->schemaname, false))) ||
		OidIsValid(RangeVarGetRelid(name, NoLock, true)))
		return;
	ereport(ERROR,
			(errcode(relations[type].undefined),
			 errmsg("%s \"%s\" does not exist", relations[type].name, name->relname)));
}

/* Find one of the objects, as DROP would, and add it to the list; and what it locks. */
static List *
look_at(const DropStmt *stmt, Node *object, List **addresses)
{
	Relation	rel = NULL;
	ObjectAddress address;
	List	   *locked = NIL;

	check_exists(stmt, object);
	address = get_object_address(stmt->removeType, object, &rel, AccessShareLock, stmt->missing_ok);
	if (!OidIsValid(address.objectId))
		return NIL;
	check_object_ownership(GetUserId(), stmt->removeType, address, object, rel);
	if (rel != NULL)
	{
		locked = list_make1_oid(RelationGetRelid(rel));
		relation_close(rel, NoLock);
		refuse_in_use(linitial_oid(locked));
		locked = list_concat(locked, locked_with(linitial_oid(locked)));
	}
	*addresses = lappend(*addresses, memcpy(palloc(sizeof(address)), &address, sizeof(address)));
	return locked;
}

static List *
oids_of(List *addresses)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, addresses)
		oids = lappend_oid(oids, ((ObjectAddress *) lfirst(lc))->objectId);
	return oids;
}

static void
make(MigrationPlan *plan, Change *change)
{
	DropStmt   *stmt = castNode(DropStmt, change->stmt);
	List	   *locked = NIL;
	List	   *addresses = NIL;
	int			type = relation_type(stmt->removeType);
	Step		step = {.phase = "contract", .work = CATALOG_ONLY, .note = "cannot be undone"};
	ListCell   *lc;

	foreach(lc, stmt->objects)
		locked = list_concat_unique_oid(locked, look_at(stmt, lfirst(lc), &addresses));
	ddl_refuse_needed(change);
	drop_check_dependents(addresses, stmt->behavior,
						  addresses != NIL ? getObjectDescription(linitial(addresses), false) : "it");
	step.relations = locked;
	step.needs = oids_of(addresses);
	step.lock = locked != NIL ? AccessExclusiveLock : NoLock;
	if (type < 0 || addresses == NIL)
		plan_step(plan, &verb_statement, &(StatementArgs) {
			.has_path = true, .path = ddl_search_path(), .text = pstrdup(change->statement),
		}, &step);
	else
		plan_step(plan, &verb_drop_relations, &(DropArgs) {
			.keyword = pstrdup(relations[type].keyword), .relations = oids_of(addresses),
		}, &step);
}

const PlanKind plan_drop = {
	.name = "drop",
	.make = make,
	.one_shape = true,
};
