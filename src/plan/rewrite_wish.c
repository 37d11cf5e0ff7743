/*-------------------------------------------------------------------------
 *
 * rewrite_wish.c
 *		What a table that is written anew is to be otherwise.
 *
 * VACUUM FULL wants nothing; CLUSTER an order, by an index; ALTER TABLE another
 * tablespace, persistence or access method, or several of them.  What PostgreSQL asks
 * when such a statement runs is asked here, of the caller: later a worker does it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/index.h"
#include "catalog/partition.h"
#include "catalog/persistence.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_tablespace.h"
#include "commands/cluster.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "plan/order_by.h"
#include "plan/rewrite_wish.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

static Oid
read_tablespace(const char *name)
{
	Oid			tablespace = get_tablespace_oid(name, false);

	/* everybody may use the database's own */
	if (tablespace != MyDatabaseTableSpace)
	{
		AclResult	result = object_aclcheck(TableSpaceRelationId, tablespace, GetUserId(), ACL_CREATE);

		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_TABLESPACE, name);
	}
	if (tablespace == GLOBALTABLESPACE_OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("only shared relations can be placed in pg_global tablespace")));
	return tablespace;
}

/* Rows are written one by one, and read by blocks: heap's own ways of it are what we know. */
static Oid
read_access_method(const char *name)
{
	const char *wanted = name != NULL ? name : default_table_access_method;
	Oid			am = get_table_am_oid(wanted, false);
	HeapTuple	tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(am));
	bool		heap = GetTableAmRoutine(((Form_pg_am) GETSTRUCT(tuple))->amhandler) == GetHeapamTableAmRoutine();

	ReleaseSysCache(tuple);
	if (!heap)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("access method \"%s\" is not heap by another name", wanted),
				 errdetail("A table is written anew row by row, with updates, by the ways of heap alone."),
				 errhint("Make a new table of it, and move the rows.")));
	return am;
}

static void
read_subcommand(const AlterTableCmd *cmd, Oid relid, SecondArgs *args)
{
	bool		again;

	switch ((int) cmd->subtype)
	{
		case AT_SetTableSpace:
			again = OidIsValid(args->tablespace);
			args->tablespace = read_tablespace(cmd->name);
			break;
		case AT_SetAccessMethod:
			again = OidIsValid(args->access_method);
			args->access_method = read_access_method(cmd->name);
			break;
		default:
			again = args->persistence != '\0';
			args->persistence = cmd->subtype == AT_SetLogged ? RELPERSISTENCE_PERMANENT : RELPERSISTENCE_UNLOGGED;
			persistence_check(relid, args->persistence);
	}
	if (again)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("ALTER TABLE says the same of table \"%s\" more than once", get_rel_name(relid))));
}

/* The index that CLUSTER names, or the one that the table was clustered by before. */
static Oid
find_index(const char *name, Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);
	Oid			found = name != NULL ? get_relname_relid(name, RelationGetNamespace(rel)) : InvalidOid;
	ListCell   *lc;

	foreach(lc, name == NULL ? RelationGetIndexList(rel) : NIL)
	{
		if (get_index_isclustered(lfirst_oid(lc)))
			found = lfirst_oid(lc);
	}
	if (!OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 name != NULL ? errmsg("index \"%s\" for table \"%s\" does not exist", name, RelationGetRelationName(rel)) :
				 errmsg("there is no previously clustered index for table \"%s\"", RelationGetRelationName(rel))));
	zdm_check_index_is_clusterable(rel, found, AccessShareLock);
	table_close(rel, NoLock);
	return found;
}

/* The partition's part of the partitioned index. */
static Oid
find_part(Oid index, Oid relid)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(index, NoLock, NULL))
	{
		if (IndexGetRelation(lfirst_oid(lc), true) == relid)
			return lfirst_oid(lc);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("partition %s has no part of index \"%s\"", names_relation(relid), get_rel_name(index))));
}

static void
read_cluster(const Change *change, Oid relid, SecondArgs *args)
{
	args->index = find_index(castNode(ClusterStmt, change->stmt)->indexname, change->relid);
	if (relid != change->relid)
		args->index = find_part(args->index, relid);
	args->index_name = get_rel_name(args->index);
}

void
rewrite_wish_read(const Change *change, Oid relid, SecondArgs *args)
{
	ListCell   *lc;

	if (change->order_by != NULL)
		args->order = order_by_read(relid, change->order_by);
	if (change->stmt == NULL)
		return;
	if (IsA(change->stmt, ClusterStmt))
		read_cluster(change, relid, args);
	if (IsA(change->stmt, AlterTableStmt))
	{
		foreach(lc, ((AlterTableStmt *) change->stmt)->cmds)
			read_subcommand(lfirst_node(AlterTableCmd, lc), relid, args);
	}
}
