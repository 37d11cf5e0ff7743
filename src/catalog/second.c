/*-------------------------------------------------------------------------
 *
 * second.c
 *		Rows of zdm.second: the hidden table that is kept beside another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/live.h"
#include "catalog/query.h"
#include "catalog/second.h"
#include "core/errors.h"
#include "core/names.h"
#include "utils/lsyscache.h"

typedef Second Row;

static const RowTable seconds = ROW_TABLE("zdm.second", SECOND_COLUMNS);

char *
second_name(int64 migration, Oid relid)
{
	char	   *name = names_make(psprintf("zdm_" INT64_FORMAT "_%s", migration, get_rel_name(relid)), "");
	Oid			other = get_relname_relid(name, get_rel_namespace(relid));

	if (OidIsValid(other))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_TABLE),
				 errmsg("%s is in the way", names_relation(other)),
				 errdetail("The table that is made beside %s is to be called so.  A dump that was taken while there was one has it.", names_relation(relid)),
				 errhint("DROP TABLE %s; if that has left it there, else rename it; then try again.", names_relation(other))));
	return name;
}

bool
second_load(int64 migration, Second *second)
{
	Second	   *found = ROW_FIRST(&seconds, "WHERE migration = $1", arg_int8(migration));

	if (found != NULL)
		*second = *found;
	return found != NULL;
}

char *
second_stamp(const Second *second, List *without)
{
	return QUERY_ONCE_TEXT("SELECT concat_ws(' ', (SELECT i.xmin FROM pg_index i WHERE i.indexrelid = $2), "
						   "(SELECT string_agg(a.xmin::text, ',' ORDER BY a.attrelid, a.attnum) FROM pg_attribute a "
						   " WHERE a.attnum > 0 AND NOT a.attisdropped AND (a.attrelid = $1 AND a.attnum = ANY (SELECT unnest(i.indkey) FROM pg_index i WHERE i.indexrelid = $2) "
						   "  OR $4 AND a.attrelid IN ($1, $5))), "
						   "(SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t "
						   " WHERE t.tgrelid = $1 AND t.tgfoid = 'zdm.sync_table'::regproc), "
						   "(SELECT string_agg(concat_ws(':', c.oid, c.relfilenode), ',' ORDER BY c.oid) FROM pg_partition_tree($1) p JOIN pg_class c ON c.oid = p.relid "
						   " WHERE p.isleaf AND p.level > 0 AND c.oid <> ALL ($3)))",
						   arg_oid(second->relid), arg_oid(second->key), arg_oids(without),
						   arg_bool(second->new_shape), arg_oid(second->hidden));
}

/* Of a table that is partitioned; NIL otherwise. */
static List *
leaves_of(Oid relid)
{
	QuerySession session;
	List	   *leaves;

	query_begin(&session);
	QUERY("SELECT array_agg(relid::oid ORDER BY relid) FROM pg_partition_tree($1) WHERE isleaf AND level > 0", arg_oid(relid));
	leaves = query_oids(0, 1);
	query_end(&session);
	return leaves;
}

bool
second_lacks_leaves(const Second *second)
{
	return list_difference_oid(second->hidden_leaves, leaves_of(second->hidden)) != NIL;
}

void
second_follow_leaves(Second *second)
{
	List	   *come = list_difference_oid(leaves_of(second->hidden), second->hidden_leaves);

	if (come == NIL)
		return;
	/* one that goes at the same time stays known */
	second->hidden_leaves = list_concat(second->hidden_leaves, come);
	(void) QUERY_ONCE("UPDATE zdm.second SET hidden_leaves = $2 WHERE migration = $1", arg_int8(second->migration),
					  arg_oids(second->hidden_leaves));
}

List *
second_all(void)
{
	if (!live_any())
		return NIL;
	return ROW_LIST(&seconds, "ORDER BY migration");
}

List *
second_of_partitioned(void)
{
	if (!live_any())
		return NIL;
	return ROW_LIST(&seconds, "WHERE relid IN (SELECT oid FROM pg_class WHERE relkind = 'p') ORDER BY migration");
}

/* Of one relation.  Neither defaults nor settings: those go along when the names are exchanged. */
#define LAYOUT_OF(relid) \
	"concat_ws(' ', (SELECT string_agg(concat_ws(' ', a.attname, a.atttypid, a.atttypmod, a.attcollation, " \
	"  a.attnotnull, a.attgenerated, CASE WHEN a.attgenerated <> '' THEN d.adbin::text END), ',' ORDER BY a.attnum) " \
	" FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum " \
	" WHERE a.attrelid = " relid " AND a.attnum > 0 AND NOT a.attisdropped), " \
	"(SELECT string_agg(concat_ws(' ', c.conname, c.contype, c.convalidated, c.conbin::text), ',' ORDER BY c.conname) " \
	" FROM pg_constraint c WHERE c.conrelid = " relid " AND c.contype IN ('c', 'n')))"

static const char layout_of_parts[] =
	"SELECT string_agg(concat_ws(' ', p.oid, i.inhparent, p.relpartbound::text, i.inhdetachpending, " LAYOUT_OF("p.oid") "), ' ' ORDER BY p.oid) "
	"FROM pg_partition_tree($1) t JOIN pg_class p ON p.oid = t.relid JOIN pg_inherits i ON i.inhrelid = p.oid WHERE t.level > 0";

char *
second_layout(Oid relid, bool parts)
{
	char	   *own = QUERY_ONCE_TEXT("SELECT " LAYOUT_OF("$1"), arg_oid(relid));
	char	   *others = parts ? QUERY_ONCE_TEXT(layout_of_parts, arg_oid(relid)) : NULL;

	return others != NULL ? psprintf("%s %s", own, others) : own;
}

void
second_update(Second *second)
{
	int64		migration = second->migration;

	second->stamp = second_stamp(second, NIL);
	second->hidden_leaves = leaves_of(second->hidden);
	(void) QUERY_ONCE("DELETE FROM zdm.second WHERE migration = $1", arg_int8(migration));
	row_insert(&seconds, second);
}

void
second_insert(Second *second)
{
	second->stamp = second_stamp(second, NIL);
	second->hidden_leaves = leaves_of(second->hidden);
	row_insert(&seconds, second);
	(void) QUERY_ONCE("INSERT INTO zdm.witness VALUES ($1)", arg_int8(second->migration));
}

void
second_delete(int64 migration)
{
	(void) QUERY_ONCE("DELETE FROM zdm.second WHERE migration = $1", arg_int8(migration));
	(void) QUERY_ONCE("DELETE FROM zdm.witness WHERE migration = $1", arg_int8(migration));
}

bool
second_has_witness(int64 migration)
{
	return QUERY_ONCE("SELECT FROM zdm.witness WHERE migration = $1", arg_int8(migration)) > 0;
}
