/*-------------------------------------------------------------------------
 *
 * identity.c
 *		Making another column of a table its identity column.
 *
 * SQL knows DROP IDENTITY and ADD GENERATED only, and the sequence is lost in
 * between: with its position, its privileges, and what currval() and lastval()
 * in running sessions refer to.  So the two catalog rows that say whose the
 * sequence is are changed instead.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "api/access.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_move_identity);

/* ALTER TABLE ... ADD GENERATED would ask the same of a column. */
static void
check_target(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCacheAttNum(relid, attnum);
	Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
	bool		fits = att->attnotnull && !att->atthasdef && att->attidentity == '\0' &&
		(att->atttypid == INT2OID || att->atttypid == INT4OID || att->atttypid == INT8OID);

	ReleaseSysCache(tuple);
	if (!fits)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of %s cannot be an identity column",
						get_attname(relid, attnum, false), names_relation(relid)),
				 errdetail("It must be smallint, integer or bigint, NOT NULL, and without a default.")));
}

/* Set attidentity, and return what it was. */
static char
set_identity(Relation pg_attribute, Oid relid, const char *name, char identity)
{
	HeapTuple	tuple = SearchSysCacheCopyAttName(relid, name);
	Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
	char		was = att->attidentity;

	att->attidentity = identity;
	CatalogTupleUpdate(pg_attribute, &tuple->t_self, tuple);
	CacheInvalidateRelcacheByRelid(relid);
	return was;
}

static void
move_attribute(Oid relid, const char *from, const char *to)
{
	Relation	pg_attribute = table_open(AttributeRelationId, RowExclusiveLock);
	ListCell   *lc;

	/* from 17 on, partitions have the identity of the partitioned table */
	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
	{
		char		identity = set_identity(pg_attribute, lfirst_oid(lc), from, '\0');

		CommandCounterIncrement();
		(void) set_identity(pg_attribute, lfirst_oid(lc), to, identity);
		CommandCounterIncrement();
	}
	table_close(pg_attribute, RowExclusiveLock);
}

static void
move_sequence(Oid sequence, Oid relid, AttrNumber to)
{
	ObjectAddress self;
	ObjectAddress owner;

	ObjectAddressSet(self, RelationRelationId, sequence);
	ObjectAddressSubSet(owner, RelationRelationId, relid, to);
	(void) deleteDependencyRecordsForClass(RelationRelationId, sequence,
										   RelationRelationId, DEPENDENCY_INTERNAL);
	recordDependencyOn(&self, &owner, DEPENDENCY_INTERNAL);
}

Datum
zdm_move_identity(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *from = NameStr(*PG_GETARG_NAME(1));
	char	   *to = NameStr(*PG_GETARG_NAME(2));
	AttrNumber	from_attnum;
	AttrNumber	to_attnum;
	Oid			sequence;

	access_check_table(relid, false);

	/* nobody may have a plan that still asks the other column's sequence */
	LockRelationOid(relid, AccessExclusiveLock);
	from_attnum = ddl_attribute(relid, from);
	to_attnum = ddl_attribute(relid, to);
	sequence = zdm_identity_sequence(relid, from_attnum);
	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column \"%s\" of %s is not an identity column", from, names_relation(relid))));
	check_target(relid, to_attnum);
	move_attribute(relid, from, to);
	move_sequence(sequence, relid, to_attnum);
	PG_RETURN_VOID();
}
