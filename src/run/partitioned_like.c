/*-------------------------------------------------------------------------
 *
 * partitioned_like.c
 *		A partitioned table's like, that has a column of the partition key of another type.
 *
 * A row is in its partition by the column's value, so the column cannot be changed beside
 * itself: the table is made anew, partition by partition, as the catalog has it when that
 * is done.  A bound is a value of the column, and becomes what the rows' values become:
 * by the same expression, computed in the same way (sync/expr.c).  Whether what comes of
 * it are bounds, and of partitions that do not overlap, PostgreSQL says when the empty
 * partitions are made, which the call has done once, and undone.
 *
 * A partition that comes or goes before the cutover makes another table of the first one,
 * and the like is made anew.  After it nothing can be: one that has come then is of no
 * like, and the way back says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/folded.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/table_key.h"
#include "column/load.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "draft/probe.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "run/partitioned_like.h"
#include "run/stored_like.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
#include "compat.h"

/* ---- bounds ---- */

/* The conversion of one value after the other. */
typedef struct BoundConversion
{
	const LikeColumn *column;
	AttrNumber	attnum;			/* of the table */
	SyncExpr   *expr;
	TupleTableSlot *slot;		/* a row of the table, of which only the column counts */
	Oid			part;			/* whose bound it is */
	Const	   *value;			/* in, and out */
} BoundConversion;

void
partitioned_like_check_alone(const SyncExpr *expr, Oid relid, AttrNumber attnum, const char *role)
{
	char	   *name = get_attname(relid, attnum, false);
	bool		in_expression;

	if (!column_in_partition_key(relid, name, &in_expression))
		return;
	if (!bms_is_subset(expr_inputs(expr), bms_make_singleton(attnum - FirstLowInvalidHeapAttributeNumber)))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("\"%s\" reads other columns than \"%s\", which is in the partition key", role, name),
				 errdetail("A partition's bound has a value of this column alone: what it is to become could not be computed."),
				 errhint("Give expressions over %s alone; or make the new value a column of its own, and a new partitioned table by it.",
						 quote_identifier(name))));
}

static void
begin_conversion(BoundConversion *conversion, Relation rel, const LikeColumn *column)
{
	ExprActor	actor = {rel->rd_rel->relowner, column->settings};

	conversion->column = column;
	conversion->attnum = get_attnum(RelationGetRelid(rel), NameStr(column->target->attname));
	conversion->expr = expr_compile(&column->up, RelationGetRelid(rel), rel, conversion->attnum, column->target, &actor,
									CurrentMemoryContext);
	conversion->slot = MakeSingleTupleTableSlot(CreateTupleDescCopy(RelationGetDescr(rel)), &TTSOpsVirtual);
	partitioned_like_check_alone(conversion->expr, RelationGetRelid(rel), conversion->attnum, "up");
}

static void
run_conversion(void *arg)
{
	BoundConversion *conversion = arg;
	Form_pg_attribute target = conversion->column->target;
	TupleTableSlot *slot = conversion->slot;
	bool		isnull;
	Datum		value;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts * sizeof(bool));
	slot->tts_values[conversion->attnum - 1] = conversion->value->constvalue;
	slot->tts_isnull[conversion->attnum - 1] = conversion->value->constisnull;
	ExecStoreVirtualTuple(slot);
	value = expr_eval(conversion->expr, slot, &isnull);
	conversion->value = makeConst(target->atttypid, target->atttypmod, target->attcollation, target->attlen,
								  isnull ? (Datum) 0 : datumCopy(value, target->attbyval, target->attlen), isnull, target->attbyval);
}

static Const *
convert(BoundConversion *conversion, Const *value)
{
	ErrorData  *error;

	conversion->value = value;
	if (attempt_run(run_conversion, conversion, ATTEMPT_KEEP, &error))
		return conversion->value;
	if (!attempt_blames_server(error))
		error->message = psprintf("the bound of partition %s cannot be computed: %s", names_relation(conversion->part), error->message);
	ReThrowError(error);
}

/* One end of a range: of its values, that of the column. */
static void
convert_end(BoundConversion *conversion, List *datums, int place)
{
	PartitionRangeDatum *datum = list_nth_node(PartitionRangeDatum, datums, place);

	if (datum->kind != PARTITION_RANGE_DATUM_VALUE)
		return;
	datum->value = (Node *) convert(conversion, castNode(Const, datum->value));
	if (castNode(Const, datum->value)->constisnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("a bound of partition %s becomes NULL", names_relation(conversion->part)),
				 errhint("Give an up that has a value for it.")));
}

/* "place": of the column in the partition key, or -1. */
static void
convert_bound(BoundConversion *conversion, PartitionBoundSpec *spec, int place)
{
	ListCell   *lc;

	if (spec->is_default || place < 0)
		return;
	if (spec->strategy == PARTITION_STRATEGY_RANGE)
	{
		convert_end(conversion, spec->lowerdatums, place);
		convert_end(conversion, spec->upperdatums, place);
	}
	else if (spec->strategy == PARTITION_STRATEGY_LIST)
	{
		foreach(lc, spec->listdatums)
		{
			Const	   *value = lfirst_node(Const, lc);

			/* NULL stays what it is, as in a row that has none */
			if (!value->constisnull)
				lfirst(lc) = convert(conversion, value);
		}
	}
}

static int
place_in_key(Relation parent, const char *name)
{
	PartitionKey key = folded_partition_key(parent);
	AttrNumber	attnum = get_attnum(RelationGetRelid(parent), name);

	for (int i = 0; i < key->partnatts; i++)
	{
		if (key->partattrs[i] == attnum)
			return i;
	}
	return -1;
}

static PartitionBoundSpec *
read_bound(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		isnull;
	Datum		bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &isnull);
	PartitionBoundSpec *spec = stringToNode(TextDatumGetCString(bound));

	ReleaseSysCache(tuple);
	return spec;
}

static char *
print_bound(PartitionBoundSpec *spec, Oid relid)
{
	Identity	saved;
	char	   *text;

	/* types' functions are run for it */
	identity_enter(identity_of(relid), NIL, &saved);
	text = spec->is_default ? pstrdup("DEFAULT") : deparse_bound(spec);
	identity_leave(&saved);
	return text;
}

/* ---- partitions as they are ---- */

/* Each gives what a like cannot have, why, and what to do.  $1: the table and all of its partitions, itself first. */
static const char *const questions[] = {
	"SELECT format('index %s of partition %s', i.indexrelid::regclass, i.indrelid::regclass), 'is that partition''s own', "
	"CASE WHEN k.oid IS NULL THEN format('DROP INDEX %s; and make it again afterwards, or on %s.', i.indexrelid::regclass, ($1)[1]::regclass) "
	"  ELSE format('ALTER TABLE %s DROP CONSTRAINT %I; and make it again afterwards, or on %s.', i.indrelid::regclass, k.conname, ($1)[1]::regclass) END "
	"FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
	"LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x') "
	"WHERE i.indrelid = ANY ($1) AND i.indrelid <> ($1)[1] AND NOT c.relispartition",
	"SELECT format('index %s', i.indexrelid::regclass), 'is not valid', format('DROP INDEX %s; or attach the parts that it lacks.', i.indexrelid::regclass) "
	"FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ($1)[1] AND NOT i.indisvalid",
	"SELECT format('partition %s', p.oid::regclass), 'has its columns in another order', "
	"'Detach it, make it anew in the order of the partitioned table, and attach that.' FROM unnest($1) p(oid) "
	"WHERE ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = p.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum) <> "
	"  ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = ($1)[1] AND attnum > 0 AND NOT attisdropped ORDER BY attnum)",
	"SELECT format('column %I of partition %s', a.attname, a.attrelid::regclass), 'is computed otherwise than that of the partitioned table', "
	"'Give it the expression of the partitioned table.' FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = ($1)[1] AND b.attname = a.attname "
	"LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_attrdef e ON e.adrelid = b.attrelid AND e.adnum = b.attnum "
	"WHERE a.attrelid = ANY ($1) AND NOT a.attisdropped AND a.attgenerated <> '' "
	"AND pg_get_expr(d.adbin, a.attrelid) IS DISTINCT FROM pg_get_expr(e.adbin, b.attrelid)",
	"SELECT format('partition %s', i.inhrelid::regclass), 'is being detached', "
	"format('ALTER TABLE %s DETACH PARTITION %s FINALIZE;', i.inhparent::regclass, i.inhrelid::regclass) "
	"FROM pg_inherits i WHERE i.inhparent = ANY ($1) AND i.inhdetachpending",
};

/* NULL: nothing is in the way; else what is, and what to do about it in *hint. */
static char *
objections(Oid relid, char **hint)
{
	StringInfoData detail;
	StringInfoData hints;
	QuerySession session;
	List	   *tree = find_all_inheritors(relid, AccessShareLock, NULL);

	initStringInfo(&detail);
	initStringInfo(&hints);
	query_begin_printing(&session, relid);
	for (int i = 0; i < lengthof(questions); i++)
	{
		uint64		n = QUERY(psprintf("SELECT * FROM (%s) x(object, reason, hint) ORDER BY 1", questions[i]), arg_oids(tree));

		for (uint64 row = 0; row < n; row++)
		{
			appendStringInfo(&detail, "%s%s %s.", detail.len > 0 ? "\n" : "", query_text(row, 1), query_text(row, 2));
			appendStringInfo(&hints, "%s%s", hints.len > 0 ? "\n" : "", query_text(row, 3));
		}
	}
	query_end(&session);
	*hint = hints.data;
	return detail.len > 0 ? detail.data : NULL;
}

char *
partitioned_like_key(Oid relid)
{
	return linitial(query_printed_texts(relid, "SELECT pg_get_partkeydef($1)", QUERY_ARGS(arg_oid(relid))));
}

static LayoutPart *
read_part(BoundConversion *conversion, Oid root, Oid relid)
{
	LayoutPart *part = palloc0(sizeof(LayoutPart));
	Oid			above = get_partition_parent(relid, false);
	Relation	parent = relation_open(above, AccessShareLock);
	PartitionBoundSpec *spec = read_bound(relid);

	conversion->part = relid;
	part->like = relid;
	part->above = above == root ? InvalidOid : above;
	part->namespace = get_rel_namespace(relid);
	part->name = get_rel_name(relid);
	part->was = print_bound(spec, relid);
	convert_bound(conversion, spec, place_in_key(parent, NameStr(conversion->column->target->attname)));
	part->bound = print_bound(spec, relid);
	part->by = get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? partitioned_like_key(relid) : NULL;
	relation_close(parent, NoLock);
	return part;
}

List *
partitioned_like_parts(Oid relid, const LikeColumn *column)
{
	Relation	rel = table_open(relid, AccessShareLock);
	BoundConversion	conversion = {0};
	List	   *parts = NIL;
	char	   *hint;
	char	   *detail = objections(relid, &hint);
	ListCell   *lc;

	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a table like %s cannot be made", names_relation(relid)),
				 errdetail("%s", detail),
				 errhint("%s", hint)));
	PushActiveSnapshot(GetTransactionSnapshot());
	begin_conversion(&conversion, rel, column);
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (lfirst_oid(lc) != relid)
			parts = lappend(parts, read_part(&conversion, relid, lfirst_oid(lc)));
	}
	ExecDropSingleTupleTableSlot(conversion.slot);
	PopActiveSnapshot();
	table_close(rel, NoLock);
	return parts;
}

PartitionLayout *
partitioned_like_layout(Oid relid, const LikeColumn *column)
{
	PartitionLayout *layout = palloc0(sizeof(PartitionLayout));
	Relation	rel = table_open(relid, AccessShareLock);

	layout->strategy = folded_partition_key(rel)->strategy;
	table_close(rel, NoLock);
	layout->key = expression_text(partitioned_like_key(relid));
	layout->parts = partitioned_like_parts(relid, column);
	return layout;
}

/* ---- making them ---- */

/*
 * What a partition has that what it is a partition of has not.  $1: it, $2: that, $3: what
 * stands for it, $4: the column of another type.
 */
static const char own_things[] =
	"SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $3, conname, pg_get_constraintdef(oid)) FROM pg_constraint "
	"WHERE conrelid = $1 AND contype IN ('c', 'n') AND coninhcount = 0 "
	"UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', $3, a.attname) "
	"FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $2 AND b.attname = a.attname WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
	"AND a.attnotnull AND NOT b.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conrelid = $1 AND n.contype = 'n' AND n.conkey = ARRAY[a.attnum]) "
	"UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE %s', $3, a.attname, "
	"  CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END) "
	"FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $2 AND b.attname = a.attname WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
	"AND a.attstorage <> b.attstorage AND a.attname <> $4 "
	"UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET COMPRESSION %s', $3, a.attname, "
	"  CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'default' END) "
	"FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $2 AND b.attname = a.attname WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped "
	"AND a.attcompression <> b.attcompression AND a.attname <> $4";

/* What stands behind the bound. */
static char *
storage_of(Relation like, const LayoutPart *part)
{
	return psprintf("%s%s%s", part->by != NULL ? " PARTITION BY " : "", part->by != NULL ? part->by : "", stored_like(like));
}

/* What stands for the partition, as SQL. */
static char *
part_name(const SecondArgs *args, const LayoutPart *part)
{
	return second_like_name(args, part->namespace, part->like);
}

static Oid
make_part(const SecondArgs *args, const LayoutPart *part, const char *hidden)
{
	Relation	like = relation_open(part->like, AccessShareLock);
	char	   *name = part_name(args, part);
	char	   *parent = OidIsValid(part->above) ? second_like_name(args, get_rel_namespace(part->above), part->above) : pstrdup(hidden);
	Oid			above = OidIsValid(part->above) ? part->above : args->relation;
	ListCell   *lc;

	probe_run(psprintf("CREATE %sTABLE %s PARTITION OF %s %s%s",
					   like->rd_rel->relpersistence == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "", name, parent, part->bound,
					   storage_of(like, part)));
	relation_close(like, NoLock);
	foreach(lc, query_printed_texts(part->like, own_things,
									QUERY_ARGS(arg_oid(part->like), arg_oid(above), arg_text(name), arg_text(args->converted->name))))
		probe_run(lfirst(lc));
	return RangeVarGetRelid(makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name))), NoLock, false);
}

typedef struct LikeMaking
{
	const SecondArgs *args;
	List	   *parts;
	const char *hidden;
	Second	   *second;
} LikeMaking;

static void
make_parts(void *arg)
{
	LikeMaking *making = arg;
	ListCell   *lc;

	foreach(lc, making->parts)
	{
		const LayoutPart *part = lfirst(lc);

		making->second->parts = lappend_oid(making->second->parts, part->like);
		making->second->hidden_parts = lappend_oid(making->second->hidden_parts, make_part(making->args, part, making->hidden));
	}
}

/* Each "from", in quotes as PostgreSQL has it, as "to", in which it may stand again. */
static char *
replace_name(const char *message, const char *from, const char *to)
{
	if (message == NULL)
		return NULL;
	return TextDatumGetCString(DirectFunctionCall3Coll(replace_text, C_COLLATION_OID, CStringGetTextDatum(message),
													   CStringGetTextDatum(psprintf("\"%s\"", from)),
													   CStringGetTextDatum(psprintf("\"%s\"", to))));
}

void
partitioned_like_make(const SecondArgs *args, List *parts, const char *hidden, Second *second)
{
	LikeMaking	making = {args, parts, hidden, second};
	ErrorData  *error;
	ListCell   *lc;

	if (attempt_run(make_parts, &making, ATTEMPT_KEEP, &error))
		return;
	/* nobody knows ours */
	foreach(lc, parts)
	{
		const LayoutPart *part = lfirst(lc);
		char	   *name = second_like_rel_name(args, part->like);

		error->message = replace_name(error->message, name, part->name);
		error->detail = replace_name(error->detail, name, part->name);
	}
	ReThrowError(error);
}

/* ---- when both are there ---- */

bool
partitioned_like_is(const Second *second)
{
	return second->converted != NIL && get_rel_relkind(second->relid) == RELKIND_PARTITIONED_TABLE;
}

Oid
partitioned_like_other(const Second *second, Oid relid)
{
	ListCell   *lc;
	ListCell   *other;

	if (relid == second->relid)
		return second->hidden;
	if (relid == second->hidden)
		return second->relid;
	forboth(lc, second->parts, other, second->hidden_parts)
	{
		if (relid == lfirst_oid(lc))
			return lfirst_oid(other);
		if (relid == lfirst_oid(other))
			return lfirst_oid(lc);
	}
	return InvalidOid;
}

bool
partitioned_like_lacks(const Second *second)
{
	ListCell   *lc;

	foreach(lc, second->hidden_parts)
	{
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			return true;
	}
	return false;
}

Oid
partitioned_like_index(const Second *second, Oid relid, Oid indexid)
{
	Relation	rel;
	Oid			other;
	Oid			part;

	if (!partitioned_like_is(second) || relid == second->hidden)
		return indexid;
	other = partitioned_like_other(second, relid);
	rel = relation_open(other, AccessShareLock);
	part = table_key_part(rel, indexid);
	relation_close(rel, NoLock);
	if (!OidIsValid(part))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("partition %s has no part of index %s", names_relation(other), names_relation(indexid)),
				 errhint("Attach one, or drop the index.")));
	return part;
}

static Oid
part_of(Oid relid, Oid indexid)
{
	Relation	rel = relation_open(relid, NoLock);
	Oid			part = table_key_part(rel, indexid);

	relation_close(rel, NoLock);
	return part;
}

void
partitioned_like_add_indexes(const Second *second, List **indexes, List **likes)
{
	int			n = list_length(*indexes);
	ListCell   *lc;
	ListCell   *other;

	*indexes = list_copy(*indexes);
	*likes = list_copy(*likes);
	for (int i = 0; i < n; i++)
	{
		forboth(lc, second->parts, other, second->hidden_parts)
		{
			Oid			part = part_of(lfirst_oid(lc), list_nth_oid(*indexes, i));
			Oid			like = part_of(lfirst_oid(other), list_nth_oid(*likes, i));

			if (!OidIsValid(part) || !OidIsValid(like))
				continue;
			*indexes = lappend_oid(*indexes, part);
			*likes = lappend_oid(*likes, like);
		}
	}
}

static void
check_none_came(int64 migration, const Second *second)
{
	ListCell   *lc;

	foreach(lc, find_all_inheritors(second->relid, NoLock, NULL))
	{
		if (lfirst_oid(lc) != second->relid && !list_member_oid(second->parts, lfirst_oid(lc)))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("partition %s has come to %s since the cutover, and the table that was there first has none like it",
							names_relation(lfirst_oid(lc)), names_relation(second->relid)),
					 errhint("ALTER TABLE %s DETACH PARTITION %s; then SELECT zdm.resume(" INT64_FORMAT "), and attach it again afterwards.",
							 names_relation(get_partition_parent(lfirst_oid(lc), true)), names_relation(lfirst_oid(lc)), migration)));
	}
}

/* What stands for a partition that has been dropped or detached: its rows went with that. */
static void
drop_those_of_gone(Second *second)
{
	List	   *tree = find_all_inheritors(second->relid, NoLock, NULL);
	List	   *parts = NIL;
	List	   *hidden_parts = NIL;
	ListCell   *lc;
	ListCell   *other;

	forboth(lc, second->parts, other, second->hidden_parts)
	{
		ObjectAddress object;

		if (list_member_oid(tree, lfirst_oid(lc)))
		{
			parts = lappend_oid(parts, lfirst_oid(lc));
			hidden_parts = lappend_oid(hidden_parts, lfirst_oid(other));
			continue;
		}
		/* those below one that is gone went with it */
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(other))))
			continue;
		ObjectAddressSet(object, RelationRelationId, lfirst_oid(other));
		performDeletion(&object, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
		CommandCounterIncrement();
	}
	second->parts = parts;
	second->hidden_parts = hidden_parts;
}

void
partitioned_like_settle(int64 migration, Second *second)
{
	char	   *hint;
	char	   *detail;

	if (!partitioned_like_is(second))
		return;
	check_none_came(migration, second);
	drop_those_of_gone(second);
	detail = objections(second->relid, &hint);
	if (detail != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what has been made of %s meanwhile cannot go with its name", names_relation(second->relid)),
				 errdetail("%s", detail),
				 errhint("%s\nThen SELECT zdm.resume(" INT64_FORMAT ").", hint, migration)));
}
