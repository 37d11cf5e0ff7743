/*-------------------------------------------------------------------------
 *
 * inherited.c
 *		What partitions and children have of their own, and what they have inherited.
 *
 * From 18 on, a primary key that a partition is given by itself, as it has to be when
 * the indexes are built CONCURRENTLY, makes the NOT NULLs of its columns the
 * partition's own as well.  With the key of the whole table in place they are as plain
 * ADD PRIMARY KEY leaves them only if they are inherited alone: what is the
 * partition's own stays when the table has its own dropped.  SQL has no word for that,
 * so the row of pg_constraint is changed.
 *
 * And what they had of their own before a migration gave the table the like, they are
 * to have after its way back.  PostgreSQL takes it from partitions together with the
 * table's: a CHECK of theirs is merged into the inherited one, and a NOT NULL before 18
 * is nobody's own.  To add it again would read every row under the lock, with what
 * proves it just dropped; so the rows of the catalog are changed here, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "api/access.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "core/names.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_inherit_not_null);
PG_FUNCTION_INFO_V1(zdm_own_checks);
PG_FUNCTION_INFO_V1(zdm_drop_not_null);

static List *
oids_of(ArrayType *array)
{
	Datum	   *values;
	List	   *oids = NIL;
	int			n;

	deconstruct_array(array, OIDOID, sizeof(Oid), true, TYPALIGN_INT, &values, NULL, &n);
	for (int i = 0; i < n; i++)
		oids = lappend_oid(oids, DatumGetObjectId(values[i]));
	return oids;
}

/* What has gone meanwhile, or is inherited from nowhere, stays as it is. */
static void
disown(Relation pg_constraint, Oid relid, Oid constraint)
{
	HeapTuple	tuple = SearchSysCacheCopy1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->conrelid == relid && form->contype == 'n' && form->conislocal && form->coninhcount > 0)
	{
		form->conislocal = false;
		CatalogTupleUpdate(pg_constraint, &tuple->t_self, tuple);
	}
	heap_freetuple(tuple);
}

Datum
zdm_inherit_not_null(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	pg_constraint;
	ListCell   *lc;

	access_check_table(relid, true);
	pg_constraint = table_open(ConstraintRelationId, RowExclusiveLock);
	foreach(lc, oids_of(PG_GETARG_ARRAYTYPE_P(1)))
		disown(pg_constraint, relid, lfirst_oid(lc));
	table_close(pg_constraint, RowExclusiveLock);
	PG_RETURN_VOID();
}

static void
own_check(Relation pg_constraint, Oid relid, const char *name)
{
	Oid			constraint = get_relation_constraint_oid(relid, name, true);
	HeapTuple	tuple = SearchSysCacheCopy1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;

	if (!HeapTupleIsValid(tuple))
		return;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	if (form->contype == CONSTRAINT_CHECK && !form->conislocal)
	{
		form->conislocal = true;
		CatalogTupleUpdate(pg_constraint, &tuple->t_self, tuple);
		CacheInvalidateRelcacheByRelid(relid);
	}
	heap_freetuple(tuple);
}

/* Those of the array that are partitions or children; what is none any more stays as it is. */
static List *
members_of(Oid relid, ArrayType *array)
{
	/* as what follows: nobody alters one of them, or writes a NULL, in between */
	List	   *members = find_all_inheritors(relid, AccessExclusiveLock, NULL);

	return list_difference_oid(members, list_difference_oid(members, oids_of(array)));
}

Datum
zdm_own_checks(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Relation	pg_constraint;
	ListCell   *lc;

	access_check_table(relid, true);
	pg_constraint = table_open(ConstraintRelationId, RowExclusiveLock);
	foreach(lc, members_of(relid, PG_GETARG_ARRAYTYPE_P(2)))
		own_check(pg_constraint, lfirst_oid(lc), NameStr(*PG_GETARG_NAME(1)));
	table_close(pg_constraint, RowExclusiveLock);
	PG_RETURN_VOID();
}

static bool
is_not_null(Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheAttName(relid, column);
	bool		result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

static void
set_not_null(Relation pg_attribute, Oid relid, const char *column)
{
	HeapTuple	tuple = SearchSysCacheCopyAttName(relid, column);

	((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull = true;
	CatalogTupleUpdate(pg_attribute, &tuple->t_self, tuple);
	CacheInvalidateRelcacheByRelid(relid);
	heap_freetuple(tuple);
}

Datum
zdm_drop_not_null(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	List	   *names = textToQualifiedNameList(PG_GETARG_TEXT_PP(1));
	char	   *column = strVal(linitial(names));
	List	   *kept = NIL;
	char	   *sql;
	Relation	pg_attribute;
	ListCell   *lc;

	access_check_table(relid, true);
	if (list_length(names) != 1 || get_attnum(relid, column) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("%s has no column %s", names_relation(relid), text_to_cstring(PG_GETARG_TEXT_PP(1)))));
	foreach(lc, members_of(relid, PG_GETARG_ARRAYTYPE_P(2)))
	{
		if (is_not_null(lfirst_oid(lc), column))
			kept = lappend_oid(kept, lfirst_oid(lc));
	}
	sql = psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", names_relation(relid), quote_identifier(column));
	SPI_connect();
	if (SPI_execute(sql, false, 0) != SPI_OK_UTILITY)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not run \"%s\"", sql)));
	SPI_finish();
	pg_attribute = table_open(AttributeRelationId, RowExclusiveLock);
	foreach(lc, kept)
		set_not_null(pg_attribute, lfirst_oid(lc), column);
	table_close(pg_attribute, RowExclusiveLock);
	PG_RETURN_VOID();
}
