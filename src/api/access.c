/*-------------------------------------------------------------------------
 *
 * access.c
 *		Who may state, steer and see a migration.
 *
 * The functions are open to everyone, and the tables to nobody: so each of
 * them asks here, about the role that called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "api/access.h"
#include "catalog/holder.h"
#include "catalog/lock_room.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/owners.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

static void
check_relkind(Oid relid, char relkind)
{
	const char *what = NULL;

	switch (relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
			return;
		case RELKIND_VIEW:
			what = "a view";
			break;
		case RELKIND_MATVIEW:
			what = "a materialized view";
			break;
		case RELKIND_FOREIGN_TABLE:
			what = "a foreign table";
			break;
		default:
			what = "not a table";
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("%s is %s", names_relation(relid), what),
			 errhint("A migration is of a table or a partitioned table.")));
}

static void
check_permanent(Oid relid, Form_pg_class form)
{
	/* made by initdb: also those of the information schema */
	if (relid < FirstNormalObjectId || form->relnamespace == get_namespace_oid("zdm", true))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a system table", names_relation(relid)),
				 errdetail("System catalogs and the extension's own tables cannot be migrated.")));
	if (form->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a temporary table", names_relation(relid)),
				 errdetail("A background worker has no access to it."),
				 errhint("Nobody else uses it: change it with plain DDL.")));
}

/* Is there room for one more column, and may there be one? */
static void
check_room(Oid relid, Form_pg_class form)
{
	if (OidIsValid(form->reloftype))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a typed table", names_relation(relid)),
				 errdetail("It can have no other columns than its type, and a migration adds one."),
				 errhint("Run ALTER TABLE ... NOT OF first.")));
	if (form->relnatts >= MaxHeapAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("table %s has %d columns, dropped ones included, and can have no more",
						names_relation(relid), form->relnatts),
				 errdetail("A migration adds one.")));
}

void
access_check_writable(const char *command)
{
	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
}

void
access_begin_steering(const char *command)
{
	PreventCommandDuringRecovery(command);
	if (XactReadOnly && DefaultXactReadOnly)
		XactReadOnly = false;
	PreventCommandIfReadOnly(command);
}

void
access_end_steering(bool was_read_only)
{
	XactReadOnly = was_read_only;
}

void
access_check_owner(Oid relid)
{
	HeapTuple	tuple;
	Form_pg_class form;
	Oid			owner;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation must not be null")));

	/* closes the race with DROP TABLE between here and our commit */
	LockRelationOid(relid, AccessShareLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	form = (Form_pg_class) GETSTRUCT(tuple);
	if (form->relkind != RELKIND_MATVIEW)
		check_relkind(relid, form->relkind);
	check_permanent(relid, form);
	if (!object_ownercheck(RelationRelationId, relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(form->relkind), get_rel_name(relid));
	owner = form->relowner;
	ReleaseSysCache(tuple);
	lock_room_check(list_make1_oid(relid));
	owners_check(relid, owner);
}

void
access_check_table(Oid relid, bool partition_ok)
{
	HeapTuple	tuple;
	Form_pg_class form;
	bool		partition;

	access_check_owner(relid);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	form = (Form_pg_class) GETSTRUCT(tuple);
	check_relkind(relid, form->relkind);
	partition = form->relispartition;
	ReleaseSysCache(tuple);
	if (partition && !partition_ok)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s is a partition", names_relation(relid)),
				 errhint("Call the function for the partitioned table.")));
}

void
access_check_room(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));

	check_room(relid, (Form_pg_class) GETSTRUCT(tuple));
	ReleaseSysCache(tuple);
}

void
access_check_rows(Oid relid, bool kept_in_step)
{
	bool		partitioned = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE;
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Oid			member = lfirst_oid(lc);

		if (member != relid && !partitioned)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("table %s has inheritance children", names_relation(relid)),
					 kept_in_step ?
					 errdetail("Triggers are not inherited, so rows of %s could not be kept in step.", names_relation(member)) :
					 errdetail("Rows are filled in one table and its partitions: those of %s would be left out.", names_relation(member)),
					 errhint("ALTER TABLE %s NO INHERIT %s; makes it a table of its own, which can be changed likewise.",
							 names_relation(member), names_relation(relid))));
		if (get_rel_relkind(member) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("partition %s is a foreign table", names_relation(member)),
					 errdetail("Its rows cannot be filled in from here."),
					 errhint("Detach it first.")));
	}
}

static bool
may_steer(const Migration *migration)
{
	if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(migration->relid)))
		return object_ownercheck(RelationRelationId, migration->relid, GetUserId());
	return superuser() || has_privs_of_role(GetUserId(), migration->owner);
}

/* "named" is how the caller calls the migration. */
static Migration *
check_access(Migration *migration, const char *named)
{
	if (may_steer(migration))
		return migration;
	if (!migration_is_visible(migration))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for migration %s", named)));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of table %s", migration->relation)));
}

static Migration *
load_to_steer(int64 id, MigrationLock lock)
{
	Migration  *migration = migration_load(id, lock);

	if (migration == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("migration " INT64_FORMAT " does not exist", id),
				 errhint("TABLE zdm.migrations lists all there are.")));
	return check_access(migration, psprintf(INT64_FORMAT, id));
}

/* The error of a wait for somebody who steers it, and has not committed, says who that is. */
static Migration *
lock_to_steer(int64 id, MigrationLock lock)
{
	Holder		holder = holder_of_migration(id);
	ErrorContextCallback callback = {.callback = holder_say, .arg = &holder, .previous = error_context_stack};
	Migration  *migration;

	error_context_stack = &callback;
	migration = load_to_steer(id, lock);
	error_context_stack = callback.previous;
	return migration;
}

Migration *
access_migration(int64 id, MigrationLock lock)
{
	/* who may not steer it keeps nobody waiting, and is told nothing of who does */
	Migration  *migration = load_to_steer(id, MIGRATION_READ);

	return lock == MIGRATION_READ ? migration : lock_to_steer(id, lock);
}

/*
 * A label is its role's: others may have the same.  So it means the last that was
 * stated under it of what the caller may steer.
 */
List *
access_labelled(const char *label)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, migration_labelled(label))
	{
		if (may_steer(lfirst(lc)))
			result = lappend(result, lfirst(lc));
	}
	return result;
}

/* Has the role stated another one under the label since? */
static bool
is_superseded(const Migration *migration, List *labelled)
{
	ListCell   *lc;

	foreach(lc, labelled)
	{
		const Migration *other = lfirst(lc);

		if (other->owner == migration->owner && other->id > migration->id)
			return true;
	}
	return false;
}

/*
 * The one that is meant: of each role the last, be it reverted or not.  Whoever waits
 * for its way back must not be given the one before, when that has ended.
 */
static Migration *
meant(List *labelled)
{
	ListCell   *lc;

	foreach(lc, labelled)
	{
		if (!is_superseded(lfirst(lc), labelled))
			break;
	}
	return lfirst(lc);
}

Migration *
access_migration_label(const char *label, MigrationLock lock)
{
	List	   *labelled = access_labelled(label);
	Migration  *migration;

	if (labelled == NIL)
	{
		/* somebody else's: say so to who may know of it */
		labelled = migration_labelled(label);
		if (labelled == NIL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("migration \"%s\" does not exist", label),
					 errhint("TABLE zdm.migrations lists all there are.")));
		return check_access(linitial(labelled), psprintf("\"%s\"", label));
	}
	migration = meant(labelled);
	return lock == MIGRATION_READ ? migration : access_migration(migration->id, lock);
}
