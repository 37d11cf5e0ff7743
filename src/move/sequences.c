/*-------------------------------------------------------------------------
 *
 * sequences.c
 *		Sequences that columns own, those of identity columns first.
 *
 * The sequence itself goes over: with its Oid, which defaults, views and functions know
 * it by, its position, its name and its privileges.  No statement does so for an identity
 * column; what ties the two is one row of pg_depend, and a mark on the column.
 *
 * The rows of the table that is left come with their numbers: it needs no identity.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "core/names.h"
#include "move/act.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

static void
depend_on(const MoveAct *act)
{
	ObjectAddress sequence;
	ObjectAddress column;

	(void) deleteDependencyRecordsForSpecific(RelationRelationId, linitial_oid(act->list), act->type,
											  RelationRelationId, act->object);
	ObjectAddressSet(sequence, RelationRelationId, linitial_oid(act->list));
	ObjectAddressSubSet(column, RelationRelationId, act->other, act->other_sub);
	recordDependencyOn(&sequence, &column, (DependencyType) act->type);
}

static void
mark_column(Oid relid, AttrNumber attnum, char identity)
{
	Relation	catalog = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));

	((Form_pg_attribute) GETSTRUCT(tuple))->attidentity = identity;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
}

/* From 17 on, partitions have the identity of their parents. */
static void
mark_tree(Oid relid, AttrNumber attnum, char identity)
{
	char	   *name = get_attname(relid, attnum, false);
	ListCell   *lc;

	mark_column(relid, attnum, identity);
	if (ZDM_MAJOR < 17 || get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return;
	foreach(lc, find_all_inheritors(relid, AccessExclusiveLock, NULL))
	{
		if (lfirst_oid(lc) != relid)
			mark_column(lfirst_oid(lc), get_attnum(lfirst_oid(lc), name), identity);
	}
}

static char
identity_of_column(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	char		identity = ((Form_pg_attribute) GETSTRUCT(tuple))->attidentity;

	ReleaseSysCache(tuple);
	return identity;
}

static void
run(const MoveAct *act)
{
	char		identity = identity_of_column(act->object, (AttrNumber) act->sub);

	depend_on(act);
	if (act->type != DEPENDENCY_INTERNAL)
		return;
	mark_tree(act->object, (AttrNumber) act->sub, '\0');
	mark_tree(act->other, (AttrNumber) act->other_sub, identity);
}

/* Of a column that is of another type there, whose type theirs is. */
static void
add_types(Moving *moving, const MovePair *pair)
{
	const MoveConverted *converted = moving->move->converted;
	ListCell   *lc;

	foreach(lc, converted != NULL ? converted->sequences : NIL)
	{
		ACT_ROWS(&moving->enter, pair->owner, pair->from,
				 "SELECT format('ALTER SEQUENCE %s AS %s', s.seqrelid::regclass, format_type(a.atttypid, NULL)) "
				 "FROM pg_sequence s, pg_attribute a WHERE s.seqrelid = $1 AND a.attrelid = $2 AND a.attname = $3 AND s.seqtypid <> a.atttypid",
				 arg_oid(lfirst_oid(lc)), arg_oid(pair->to), arg_text(converted->name));
	}
}

static void
add_pair(Moving *moving, const MovePair *pair)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT c.oid, d.refobjsubid::int2, d.deptype::text, a.attidentity::text, quote_ident(a.attname) "
			  "FROM pg_depend d JOIN pg_class c ON c.oid = d.objid "
			  "JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
			  "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 "
			  "AND d.deptype IN ('a', 'i') AND c.relkind = 'S' ORDER BY c.oid", arg_oid(pair->from));
	for (uint64 row = 0; row < n; row++)
	{
		Oid			sequence = query_oid(row, 1);
		AttrNumber	attnum = query_int2(row, 2);
		char		type = query_text(row, 3)[0];
		char	   *column = query_text(row, 5);
		char	   *name = names_of_relation(sequence, false);

		act_add(&moving->enter, &(MoveAct) {
			.sql = type == DEPENDENCY_INTERNAL ?
			psprintf("ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY /* with sequence %s as it is */",
					 pair->name, column, query_text(row, 4)[0] == ATTRIBUTE_IDENTITY_ALWAYS ? "ALWAYS" : "BY DEFAULT", name) :
			psprintf("ALTER SEQUENCE %s OWNED BY %s.%s", name, pair->name, column),
			.run = run, .object = pair->from, .sub = attnum, .other = pair->to,
			.other_sub = act_column(pair->from, attnum, pair->to), .type = type, .list = list_make1_oid(sequence),
		});
	}
	query_end(&session);
	add_types(moving, pair);
}

const MovePart move_sequences = {.pair = add_pair};
