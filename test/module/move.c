/*-------------------------------------------------------------------------
 *
 * move.c
 *		Moving what hangs on a table, without a migration.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/seclabel.h"
#include "core/debug_point.h"
#include "fmgr.h"
#include "move/move.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(zdm_test_move);
PG_FUNCTION_INFO_V1(zdm_test_move_check);
PG_FUNCTION_INFO_V1(zdm_test_label);

static List *
oids(ArrayType *array)
{
	Datum	   *datums;
	int			n;
	List	   *list = NIL;

	deconstruct_array(array, OIDOID, sizeof(Oid), true, TYPALIGN_INT, &datums, NULL, &n);
	for (int i = 0; i < n; i++)
		list = lappend_oid(list, DatumGetObjectId(datums[i]));
	return list;
}

static void
lock_all(List *relations)
{
	ListCell   *lc;

	foreach(lc, relations)
		LockRelationOid(lfirst_oid(lc), AccessExclusiveLock);
}

/* (from regclass, to regclass, indexes oid[], likes oid[], leaves_from oid[], leaves_to oid[], attach boolean, middle text) -> text; middle: '' for none */
Datum
zdm_test_move(PG_FUNCTION_ARGS)
{
	Move		move = {
		.migration = 1, .from = PG_GETARG_OID(0), .to = PG_GETARG_OID(1),
		.indexes = oids(PG_GETARG_ARRAYTYPE_P(2)), .likes = oids(PG_GETARG_ARRAYTYPE_P(3)),
		.leaves_from = oids(PG_GETARG_ARRAYTYPE_P(4)), .leaves_to = oids(PG_GETARG_ARRAYTYPE_P(5)),
		.attach = PG_GETARG_BOOL(6),
	};
	char	   *middle = text_to_cstring(PG_GETARG_TEXT_PP(7));
	List	   *acts;

	move.middle = middle[0] != '\0' ? middle : NULL;
	/* of the second copy of our objects: see zdm_test.c */
	debug_point_init();
	lock_all(list_make2_oid(move.from, move.to));
	lock_all(list_concat_copy(move.leaves_from, move.leaves_to));
	lock_all(move_relations(move.from, move.to, false));
	acts = move_acts(&move);
	move_run(acts);
	PG_RETURN_TEXT_P(cstring_to_text(move_sql(acts)));
}

/* (relation regclass, partitioned boolean) */
Datum
zdm_test_move_check(PG_FUNCTION_ARGS)
{
	move_check(PG_GETARG_OID(0), &(MoveTarget) {.partitioned = PG_GETARG_BOOL(1)});
	PG_RETURN_VOID();
}

/* (relation regclass, column int, label text): of a provider that is not there */
Datum
zdm_test_label(PG_FUNCTION_ARGS)
{
	ObjectAddress object;

	ObjectAddressSubSet(object, RelationRelationId, PG_GETARG_OID(0), PG_GETARG_INT32(1));
	SetSecurityLabel(&object, "zdm_test", text_to_cstring(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_VOID();
}
