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

char *
second_name(int64 migration, const char *relation)
{
	return names_make(psprintf("zdm_" INT64_FORMAT "_%s", migration, relation), "");
}

bool
second_load(int64 migration, Second *second)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("SELECT relid, hidden, key, filenode, stamp FROM zdm.second WHERE migration = $1",
				  arg_int8(migration)) > 0;
	if (found)
		*second = (Second) {
			.migration = migration,
			.relid = query_oid(0, 1),
			.hidden = query_oid(0, 2),
			.key = query_oid(0, 3),
			.filenode = query_oid(0, 4),
			.stamp = query_text(0, 5),
		};
	query_end(&session);
	return found;
}

char *
second_stamp(Oid relid, Oid key)
{
	QuerySession session;
	char	   *stamp;

	query_begin(&session);
	QUERY("SELECT concat_ws(' ', (SELECT i.xmin FROM pg_index i WHERE i.indexrelid = $2), "
		  "(SELECT string_agg(a.xmin::text, ',' ORDER BY a.attnum) FROM pg_attribute a, pg_index i "
		  " WHERE i.indexrelid = $2 AND a.attrelid = $1 AND a.attnum = ANY (i.indkey)), "
		  "(SELECT string_agg(t.xmin::text, ',' ORDER BY t.oid) FROM pg_trigger t "
		  " WHERE t.tgrelid = $1 AND t.tgfoid = 'zdm.sync_table'::regproc))",
		  arg_oid(relid), arg_oid(key));
	stamp = query_text(0, 1);
	query_end(&session);
	return stamp;
}

void
second_insert(const Second *second)
{
	char	   *stamp = second_stamp(second->relid, second->key);
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.second (migration, relid, hidden, key, filenode, stamp) VALUES ($1, $2, $3, $4, $5, $6)",
		  arg_int8(second->migration), arg_oid(second->relid), arg_oid(second->hidden),
		  arg_oid(second->key), arg_oid(second->filenode), arg_text(stamp));
	query_end(&session);
}

void
second_delete(int64 migration)
{
	QuerySession session;

	query_begin(&session);
	QUERY("DELETE FROM zdm.second WHERE migration = $1", arg_int8(migration));
	query_end(&session);
}
