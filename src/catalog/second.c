/*-------------------------------------------------------------------------
 *
 * second.c
 *		Rows of zdm.second: the hidden table that is kept beside another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "catalog/second.h"
#include "core/names.h"

typedef Second Row;

static const RowTable seconds = ROW_TABLE("zdm.second", SECOND_COLUMNS);

char *
second_name(int64 migration, const char *relation)
{
	return names_make(psprintf("zdm_" INT64_FORMAT "_%s", migration, relation), "");
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
second_stamp(Oid relid, Oid key)
{
	return QUERY_ONCE_TEXT("SELECT concat_ws(' ', (SELECT i.xmin FROM pg_index i WHERE i.indexrelid = $2), "
						   "(SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a, pg_index i "
						   " WHERE i.indexrelid = $2 AND a.attrelid = $1 AND a.attnum = ANY (i.indkey)), "
						   "(SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t "
						   " WHERE t.tgrelid = $1 AND t.tgfoid = 'zdm.sync_table'::regproc))",
						   arg_oid(relid), arg_oid(key));
}

void
second_insert(Second *second)
{
	second->stamp = second_stamp(second->relid, second->key);
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
