/*-------------------------------------------------------------------------
 *
 * partition.c
 *		The functions that partition a table, and that split a partition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/change.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "core/errors.h"
#include "core/names.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(zdm_partition_table);
PG_FUNCTION_INFO_V1(zdm_split_partition);

/* The elements of a text[] (char *). */
static List *
text_array_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	List	   *texts = NIL;
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (PG_ARGISNULL(n))
		return NIL;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(n), TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s must not have a null in it", what)));
		texts = lappend(texts, TextDatumGetCString(elements[i]));
		change_check_text(llast(texts));
	}
	return texts;
}

/* Does the table itself become a partition? */
static bool
is_attach(FunctionCallInfo fcinfo, int n)
{
	char	   *way = change_text_argument(fcinfo, n);

	if (way != NULL && strcmp(way, "attach") == 0)
		return true;
	if (way != NULL && strcmp(way, "copy") == 0)
		return false;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 way != NULL ? errmsg("way cannot be \"%s\"", way) : errmsg("way must not be null"),
			 errhint("Give 'copy' or 'attach'.")));
}

static int
number_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be null", what)));
	return PG_GETARG_INT32(n);
}

Datum
zdm_partition_table(PG_FUNCTION_ARGS)
{
	PartitionWish wish = {
		.by = change_required_sql(fcinfo, 1, "partition_by"),
		.partitions = text_array_argument(fcinfo, 2, "partitions"),
		.every = change_text_argument(fcinfo, 3),
		.ahead = number_argument(fcinfo, 4, "ahead"),
		.with_default = !PG_ARGISNULL(5) && PG_GETARG_BOOL(5),
		.primary_key = change_sql_argument(fcinfo, 6),
		.attach = is_attach(fcinfo, 7),
	};
	Change		change = {
		.kind = "partition_table",
		.relid = change_relation_argument(fcinfo, 0),
		.partition = &wish,
	};

	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 8)));
}

/* The migration is one of the partitioned table: the partition is gone in the end. */
static Oid
parent_of(Oid relid)
{
	if (OidIsValid(relid) && !get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a partition", names_relation(relid)),
				 errhint("A table is partitioned by zdm.partition_table().")));
	return OidIsValid(relid) ? get_partition_parent(relid, true) : InvalidOid;
}

Datum
zdm_split_partition(PG_FUNCTION_ARGS)
{
	PartitionWish wish = {
		.split = change_relation_argument(fcinfo, 0),
		.partitions = text_array_argument(fcinfo, 1, "partitions"),
		.every = change_text_argument(fcinfo, 2),
	};
	Change		change = {
		.kind = "split_partition",
		.relid = parent_of(wish.split),
		.partition = &wish,
	};

	PG_RETURN_INT64(change_state(&change, change_text_argument(fcinfo, 3)));
}
