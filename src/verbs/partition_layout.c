/*-------------------------------------------------------------------------
 *
 * partition_layout.c
 *		How a table is to be partitioned, as it is kept with a step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/migration.h"
#include "catalog/pg_partitioned_table.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "core/resolution.h"
#include "nodes/value.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "verbs/partition_layout.h"
#include "verbs/sql.h"

static const Field part_fields[] = {
	FIELD(LayoutPart, namespace, OID),
	FIELD(LayoutPart, name, TEXT),
	FIELD(LayoutPart, bound, TEXT),
	FIELD(LayoutPart, like, OID),
	FIELD(LayoutPart, above, OID),
	FIELD(LayoutPart, by, TEXT),
	FIELD(LayoutPart, was, TEXT),
};

static const Fields part = FIELDS(LayoutPart, part_fields);

static const Field fields[] = {
	FIELD(PartitionLayout, strategy, CHAR),
	FIELD(PartitionLayout, key, EXPRESSION),
	FIELD(PartitionLayout, columns, INTS),
	FIELD_OF(PartitionLayout, parts, STRUCTS, &part),
	FIELD(PartitionLayout, within, BOOL),
	FIELD(PartitionLayout, takes, EXPRESSION),
	FIELD(PartitionLayout, every, TEXT),
	FIELD(PartitionLayout, time_zone, TEXT),
	FIELD(PartitionLayout, names, TEXT),
	FIELD(PartitionLayout, ahead, INT),
	FIELD(PartitionLayout, primary_key, INTS),
	FIELD(PartitionLayout, no_primary_key, BOOL),
};

const Fields partition_layout_fields = FIELDS(PartitionLayout, fields);

char *
partition_layout_part_name(const LayoutPart *part)
{
	return sql_qualified(part->namespace, part->name);
}

char *
partition_layout_key_sql(const PartitionLayout *layout, Oid relid, bool missing_ok)
{
	return expression_sql(layout->key, relid, missing_ok);
}

static void
check_column(Oid relid, AttrNumber attnum, int64 migration)
{
	HeapTuple	tuple = SearchSysCacheAttNum(relid, attnum);

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("a column of %s was dropped by which it is to be partitioned, or which is in its new primary key", names_relation(relid)),
				 errhint("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state it anew.", migration)));
	ReleaseSysCache(tuple);
}

void
partition_layout_check(const PartitionLayout *layout, Oid relid, int64 migration)
{
	ListCell   *lc;

	foreach(lc, layout->key)
	{
		if (IsA(lfirst(lc), Integer))
			check_column(relid, (AttrNumber) intVal(lfirst(lc)), migration);
	}
	foreach(lc, layout->primary_key)
		check_column(relid, (AttrNumber) lfirst_int(lc), migration);
}

void
partition_layout_check_key(Oid parent, const char *key, int64 migration)
{
	HeapTuple	tuple = SearchSysCache1(PARTRELID, ObjectIdGetDatum(parent));
	bool		isnull;
	/* as they were read: in the relcache functions may have been inlined */
	Datum		stored = SysCacheGetAttr(PARTRELID, tuple, Anum_pg_partitioned_table_partexprs, &isnull);

	if (!isnull)
		resolution_compare(migration_known(migration), resolution_calls(stringToNode(TextDatumGetCString(stored))),
						   key, migration);
	ReleaseSysCache(tuple);
}
