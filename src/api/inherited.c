/*-------------------------------------------------------------------------
 *
 * inherited.c
 *		Giving a partition's NOT NULL back to the table that it was inherited from.
 *
 * From 18 on, a primary key that a partition is given by itself, as it has to be when
 * the indexes are built CONCURRENTLY, makes the NOT NULLs of its columns the
 * partition's own as well.  With the key of the whole table in place they are as plain
 * ADD PRIMARY KEY leaves them only if they are inherited alone: what is the
 * partition's own stays when the table has its own dropped.  SQL has no word for that,
 * so the row of pg_constraint is changed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "api/access.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/syscache.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_inherit_not_null);

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
	Datum	   *constraints;
	int			n;

	access_check_table(relid, true);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &constraints, NULL, &n);
	pg_constraint = table_open(ConstraintRelationId, RowExclusiveLock);
	for (int i = 0; i < n; i++)
		disown(pg_constraint, relid, DatumGetObjectId(constraints[i]));
	table_close(pg_constraint, RowExclusiveLock);
	PG_RETURN_VOID();
}
