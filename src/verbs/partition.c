/*-------------------------------------------------------------------------
 *
 * partition.c
 *		Partitions are attached and detached.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_inherits.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field proof_fields[] = {
	FIELD(NamedArgs, relation, OID),
	FIELD(NamedArgs, name, TEXT),
};

static const Fields proof = FIELDS(NamedArgs, proof_fields);

static const Field fields[] = {
	FIELD(PartitionArgs, relation, OID),
	FIELD(PartitionArgs, partition, OID),
	FIELD(PartitionArgs, bound, TEXT),
	FIELD_OF(PartitionArgs, proofs, STRUCTS, &proof),
};

static const Fields args = FIELDS(PartitionArgs, fields);

static char *
attach_sql(const Making *making, const void *data)
{
	const PartitionArgs *part = data;
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	sql_statement(&buf, "ALTER TABLE %s ATTACH PARTITION %s %s", sql_table(making, part->relation),
				  sql_table(making, part->partition), part->bound);
	foreach(lc, part->proofs)
	{
		NamedArgs  *one = lfirst(lc);

		sql_statement(&buf, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", sql_table(making, one->relation),
					  sql_name(one->name));
	}
	return buf.data;
}

static char *
detach(const Making *making, const PartitionArgs *part, const char *how)
{
	return psprintf("ALTER TABLE %s DETACH PARTITION %s%s", sql_table(making, part->relation),
					sql_table(making, part->partition), how);
}

static char *
detach_sql(const Making *making, const void *data)
{
	return detach(making, data, "");
}

static char *
concurrently_sql(const Making *making, const void *data)
{
	const PartitionArgs *part = data;

	return sql_is_partition(making, part->partition, part->relation) ?
		detach(making, part, " CONCURRENTLY") : pstrdup("");
}

/* Only of one whose detaching was broken off; a script's is not. */
static char *
finalize_sql(const Making *making, const void *data)
{
	const PartitionArgs *part = data;

	if (making->flavour != FLAVOUR_SHOWN &&
		!(get_rel_relispartition(part->partition) && PartitionHasPendingDetach(part->partition)))
		return pstrdup("");
	return detach(making, part, " FINALIZE");
}

const Verb verb_attach_partition = {.name = "attach_partition", .args = &args, .sql = attach_sql};
const Verb verb_detach_partition = {.name = "detach_partition", .args = &args, .sql = detach_sql};
const Verb verb_detach_partition_concurrently = {
	.name = "detach_partition_concurrently", .action = ACTION_TOPLEVEL, .args = &args, .sql = concurrently_sql,
};
const Verb verb_finalize_detach = {.name = "finalize_detach", .args = &args, .sql = finalize_sql};
