/*-------------------------------------------------------------------------
 *
 * first_partition.c
 *		A table that becomes the first partition of the one that takes its name.
 *
 * The worker does not run this SQL (run/first_partition.c): it is what a person would
 * do, for who reads the plan.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/lsyscache.h"
#include "verbs/first_partition.h"
#include "verbs/sql.h"

static const Field fields[] = {
	FIELD(FirstArgs, relation, OID),
	FIELD(FirstArgs, hidden, TEXT),
	FIELD_OF(FirstArgs, layout, STRUCT, &partition_layout_fields),
	FIELD(FirstArgs, constraint, TEXT),
	FIELD(FirstArgs, key_index, TEXT),
	FIELD(FirstArgs, kept_index, TEXT),
	FIELD(FirstArgs, beyond, TEXT),
};

static const Fields args = FIELDS(FirstArgs, fields);

const FirstArgs *
first_args(const Step *step)
{
	return verb_of(step)->args == &args ? verb_args(step) : NULL;
}

static char *
become_sql(const Making *making, const void *data)
{
	const FirstArgs *first = data;
	char	   *table = sql_table(making, first->relation);
	char	   *part = partition_layout_part_name(linitial(first->layout->parts));
	StringInfoData buf;

	initStringInfo(&buf);
	if (making->back)
	{
		sql_statement(&buf, "DROP TABLE %s /* when the partition with all rows has been detached */", table);
		sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", part, table);
		return buf.data;
	}
	sql_statement(&buf, "ALTER TABLE %s RENAME TO %s", table, sql_name(((LayoutPart *) linitial(first->layout->parts))->name));
	sql_statement(&buf, "CREATE TABLE %s (LIKE %s INCLUDING ALL) PARTITION BY %s", table, part,
				  partition_layout_key_sql(first->layout, first->relation, making->flavour == FLAVOUR_SHOWN));
	sql_statement(&buf, "ALTER TABLE %s ATTACH PARTITION %s DEFAULT", table, part);
	return buf.data;
}

static char *
settle_sql(const Making *making, const void *data)
{
	const FirstArgs *first = data;
	char	   *table = sql_table(making, first->relation);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, first->layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		if (lc == list_head(first->layout->parts))
			sql_statement(&buf, "ALTER TABLE %s ATTACH PARTITION %s %s /* in the place of DEFAULT */", table, partition_layout_part_name(part), part->bound);
		else
			sql_statement(&buf, "CREATE TABLE %s PARTITION OF %s %s", partition_layout_part_name(part), table, part->bound);
	}
	return buf.data;
}

const Verb verb_become_partition = {
	.name = "become_partition", .action = ACTION_FIRST, .args = &args, .sql = become_sql,
};
const Verb verb_settle_partitions = {
	.name = "settle_partitions", .action = ACTION_FIRST, .args = &args, .sql = settle_sql,
};
