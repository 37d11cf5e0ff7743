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
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/identity.h"
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

/* What is known of the partition that is to be split. */
typedef struct Split
{
	Oid			relid;
	Oid			parent;
	LayoutPart	whole;			/* its own name and bound */
	bool		is_default;
} Split;

/* With names and constants that the caller's settings have no part in. */
static void
read_split(Split *split, PartitionLayout *layout, Oid *type)
{
	QuerySession session;
	Identity	saved;
	char	   *key;

	split->parent = get_partition_parent(split->relid, false);
	split->whole.namespace = get_rel_namespace(split->relid);
	split->whole.name = get_rel_name(split->relid);
	query_begin_printing(&session, split->parent);
	identity_pin_formats();
	QUERY("SELECT pg_get_partkeydef($1), pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = $2",
		  arg_oid(split->parent), arg_oid(split->relid));
	key = query_text(0, 1);
	split->whole.bound = query_text(0, 2);
	query_end(&session);
	split->is_default = strcmp(split->whole.bound, "DEFAULT") == 0;
	/* it was written to be read by a pinned search_path */
	identity_enter(identity_of(split->relid), NIL, &saved);
	*type = partition_key_read(layout, split->relid, key);
	identity_leave(&saved);
}

/* As it stands in a bound; NULL: there is no such end. */
static char *
finite_end(const char *value)
{
	QuerySession session;
	char	   *text;

	if (strcmp(value, "MINVALUE") == 0 || strcmp(value, "MAXVALUE") == 0)
		return NULL;
	query_begin(&session);
	QUERY(psprintf("SELECT %s::text", value));
	text = query_text(0, 1);
	query_end(&session);
	return text;
}

/* However they are written: a constant of the catalog need not be as we write it. */
static bool
is_same_end(const char *one, const char *other, Oid type)
{
	char	   *texts[] = {finite_end(one), finite_end(other)};

	if (texts[0] == NULL || texts[1] == NULL)
		return false;
	return query_once_text(psprintf("SELECT 'x' WHERE $1::%s = $2::%s", format_type_be_qualified(getBaseType(type)),
									format_type_be_qualified(getBaseType(type))),
						   QUERY_ARGS(arg_text(texts[0]), arg_text(texts[1]))) != NULL;
}

/* Those of one width that take the partition's place: together its range, or, of the default one, where it has rows. */
static List *
parts_of_split(const Split *split, PartitionLayout *layout, Oid type)
{
	EverySpan	span;
	char	   *from;
	char	   *to;
	List	   *parts;

	check_every(layout);
	partition_every_settle(layout, type);
	partition_probe_span(split->relid, layout, type, &span.lowest, &span.highest);
	if (split->is_default)
	{
		parts = partition_every_parts(layout, type, get_rel_name(split->parent), split->whole.namespace, &span);
		return partition_probe_used(split->relid, layout, type, parts);
	}
	from = partition_bound_from(&split->whole);
	to = partition_bound_to(&split->whole);
	span.lowest = finite_end(from) ? finite_end(from) : span.lowest ? span.lowest : finite_end(to);
	span.highest = finite_end(to) ? finite_end(to) : span.highest ? span.highest : finite_end(from);
	parts = partition_every_parts(layout, type, get_rel_name(split->parent), split->whole.namespace, &span);
	/* the end itself is beyond it */
	if (list_length(parts) > 1 && is_same_end(partition_bound_from(llast(parts)), to, type))
		parts = list_truncate(parts, list_length(parts) - 1);
	linitial(parts) = partition_bound_set(linitial(parts), from, partition_bound_to(linitial(parts)));
	llast(parts) = partition_bound_set(llast(parts), partition_bound_from(llast(parts)), to);
	return parts;
}

/* One that takes what no other does comes when the others are there: else it would be asked for their rows. */
static List *
default_last(List *parts)
{
	List	   *first = NIL;
	List	   *last = NIL;
	ListCell   *lc;

	foreach(lc, parts)
	{
		LayoutPart *part = lfirst(lc);

		if (strcmp(part->bound, "DEFAULT") == 0)
			last = lappend(last, part);
		else
			first = lappend(first, part);
	}
	return list_concat(first, last);
}

static void
check_is_split(const Split *split, const PartitionLayout *layout)
{
	if (list_length(layout->parts) < 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is nothing to split %s into", names_relation(split->relid)),
				 errdetail("One partition would take its place: %s %s.", ((LayoutPart *) linitial(layout->parts))->name,
						   ((LayoutPart *) linitial(layout->parts))->bound),
				 errhint("Give more partitions, or a smaller width.")));
}

PartitionLayout *
partition_layout_read_split(const Change *change)
{
	const PartitionWish *wish = change->partition;
	PartitionLayout *layout = palloc0(sizeof(PartitionLayout));
	Split		split = {.relid = wish->split};
	PartitionProbe probe = {.relid = wish->split, .layout = layout, .texts = wish->partitions};
	Oid			type;

	check_wish(wish);
	read_split(&split, layout, &type);
	probe.parent = split.parent;
	if (wish->every != NULL)
	{
		layout->every = wish->every;
		probe.parts = parts_of_split(&split, layout, type);
	}
	/* what no other takes stays where it is */
	if (split.is_default)
		probe.rest = memcpy(palloc(sizeof(LayoutPart)), &split.whole, sizeof(LayoutPart));
	else
		probe.whole = &split.whole;
	partition_probe(&probe);
	layout->parts = default_last(probe.parts);
	layout->within = probe.within;
	check_is_split(&split, layout);
	return layout;
}

void
partition_layout_note(MigrationPlan *plan, const PartitionLayout *layout)
{
	ListCell   *lc;

	foreach(lc, layout->parts)
	{
		const LayoutPart *part = lfirst(lc);

		plan_note(plan, "%s %s", quote_identifier(part->name), part->bound);
	}
}
