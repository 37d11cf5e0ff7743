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
	found = QUERY("SELECT relid, hidden, key, filenode FROM zdm.second WHERE migration = $1",
				  arg_int8(migration)) > 0;
	if (found)
		*second = (Second) {
			.migration = migration,
			.relid = query_oid(0, 1),
			.hidden = query_oid(0, 2),
			.key = query_oid(0, 3),
			.filenode = query_oid(0, 4),
		};
	query_end(&session);
	return found;
}

void
second_insert(const Second *second)
{
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.second (migration, relid, hidden, key, filenode) VALUES ($1, $2, $3, $4, $5)",
		  arg_int8(second->migration), arg_oid(second->relid), arg_oid(second->hidden),
		  arg_oid(second->key), arg_oid(second->filenode));
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
