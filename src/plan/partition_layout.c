/*-------------------------------------------------------------------------
 *
 * partition_layout.c
 *		From what somebody asks for to the partitions that a table is to have.
 *
 * All that can be wrong is found here, when the change is stated, before anything is
 * changed; a row that no partition takes too, for which the table is read once.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "core/errors.h"
#include "core/names.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "plan/partition_every.h"
#include "plan/partition_key.h"
#include "plan/partition_layout.h"
#include "plan/partition_probe.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Exactly one of the two says what partitions there are to be. */
static void
check_wish(const PartitionWish *wish)
{
	if ((wish->partitions != NIL) == (wish->every != NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 wish->every == NULL ? errmsg("which partitions there are to be is not said") :
				 errmsg("\"partitions\" and \"every\" cannot be given both"),
				 errhint("Give the one or the other: every => '1 month', or partitions => ARRAY['name FOR VALUES ...', ...].")));
	if (wish->ahead < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"ahead\" must not be less than 0")));
}

/* A width is one of a range of one column. */
static void
check_every(const PartitionLayout *layout)
{
	if (layout->strategy != PARTITION_STRATEGY_RANGE || list_length(layout->columns) != 1 ||
		linitial_int(layout->columns) == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"every\" goes with RANGE by one column"),
				 errhint("Give the bounds one by one: partitions => ARRAY['name FOR VALUES ...', ...].")));
}

/* PostgreSQL would say so when they are made. */
static void
check_names(Oid relid, List *parts)
{
	ListCell   *lc;

	foreach(lc, parts)
	{
		const LayoutPart *part = lfirst(lc);

		if (OidIsValid(get_relname_relid(part->name, part->namespace)))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_TABLE),
					 errmsg("relation \"%s\" already exists", part->name),
					 errdetail("A partition of %s is to be called so.", names_relation(relid)),
					 errhint("Rename it first, or give the partitions' names yourself, by \"partitions\".")));
	}
}

/* The whole range of parts that follow each other, called as the first of them. */
static LayoutPart *
whole_range(List *parts)
{
	return partition_bound_set(linitial(parts), partition_bound_from(linitial(parts)), partition_bound_to(llast(parts)));
}

/* As a partition is written that somebody gives. */
static char *
default_text(Oid relid)
{
	char	   *table = get_rel_name(relid);
	const char *suffix = "_default";
	char	   *name = psprintf("%.*s%s", pg_mbcliplen(table, strlen(table), NAMEDATALEN - 1 - (int) strlen(suffix)), table, suffix);

	return psprintf("%s DEFAULT", quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name));
}

/* Those of one width, from the rows that there are; the table itself first, if it is to be one. */
static List *
parts_of_width(PartitionLayout *layout, Oid relid, Oid type, bool attach)
{
	EverySpan	span;
	List	   *parts;
	int			behind;

	check_every(layout);
	partition_every_settle(layout, type);
	partition_probe_span(relid, layout, type, &span.lowest, &span.highest);
	parts = partition_every_parts(layout, type, get_rel_name(relid), get_rel_namespace(relid), &span);
	if (!attach)
		return parts;
	behind = Max(list_length(parts) - layout->ahead, 1);
	return lcons(whole_range(list_truncate(list_copy(parts), behind)), list_copy_tail(parts, behind));
}

PartitionLayout *
partition_layout_read(const Change *change)
{
	const PartitionWish *wish = change->partition;
	PartitionLayout *layout = palloc0(sizeof(PartitionLayout));
	PartitionProbe probe = {.relid = change->relid, .layout = layout, .texts = list_copy(wish->partitions), .first_only = wish->attach};
	List	   *parts = NIL;
	Oid			type;

	check_wish(wish);
	type = partition_key_read(layout, change->relid, wish->by);
	if (wish->every != NULL)
	{
		layout->every = wish->every;
		layout->ahead = wish->ahead;
		parts = parts_of_width(layout, change->relid, type, wish->attach);
		check_names(change->relid, parts);
		probe.parts = list_make1(wish->attach ? linitial(parts) : whole_range(parts));
		/* one that was written since the highest was looked for moves the bound, as all do that come */
		if (wish->attach)
			probe.but = psprintf("true%s", partition_every_finite(names_attribute(change->relid, (AttrNumber) linitial_int(layout->columns)), type));
	}
	if (wish->with_default)
		probe.texts = lappend(probe.texts, default_text(change->relid));
	partition_key_settle(layout, change->relid, wish->primary_key);
	partition_probe(&probe);
	layout->takes = probe.takes;
	layout->parts = list_concat(parts, list_copy_tail(probe.parts, parts != NIL ? 1 : 0));
	return layout;
}
