/*-------------------------------------------------------------------------
 *
 * misfit.c
 *		Rows of zdm.misfit: values that the other side of a pair cannot hold.
 *
 * A note does not say whether the row has been mended or deleted since, and
 * nobody keeps it up to date.  So it only tells that there is something to look
 * for, once: whoever has locked out the writers sees every note there is, deals
 * with them, and marks them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/misfit.h"
#include "catalog/query.h"

void
misfit_insert(int64 migration, const char *direction, const char *relation, const char *key,
			  const char *sqlstate, const char *message)
{
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.misfit (migration, direction, relation, key, sqlstate, message) "
		  "VALUES ($1, $2, $3, $4, $5, $6)",
		  arg_int8(migration), arg_text(direction), arg_text(relation), arg_text(key),
		  arg_text(sqlstate), arg_text(message));
	query_end(&session);
}

bool
misfit_any(int64 migration, const char *direction)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("SELECT FROM zdm.misfit WHERE migration = $1 AND direction = $2 LIMIT 1",
				  arg_int8(migration), arg_text(direction)) > 0;
	query_end(&session);
	return found;
}

char *
misfit_describe(int64 migration, const char *direction)
{
	QuerySession session;
	char	   *rows;

	query_begin(&session);
	QUERY("SELECT string_agg(line, '; ' ORDER BY line) FROM (SELECT DISTINCT format('%s of %s: %s', key, relation, message) AS line "
		  "FROM zdm.misfit WHERE migration = $1 AND direction = $2 AND NOT dealt_with ORDER BY 1 LIMIT 5) m",
		  arg_int8(migration), arg_text(direction));
	rows = query_text(0, 1);
	query_end(&session);
	return rows;
}

bool
misfit_deal_with(int64 migration, const char *direction)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("UPDATE zdm.misfit SET dealt_with = true "
				  "WHERE migration = $1 AND direction = $2 AND NOT dealt_with",
				  arg_int8(migration), arg_text(direction)) > 0;
	query_end(&session);
	return found;
}

void
misfit_accept_loss(int64 migration)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.misfit f SET dealt_with = true FROM zdm.migration m "
		  "WHERE f.migration = $1 AND m.id = $1 AND f.direction = $2 AND NOT f.dealt_with "
		  "AND m.failed_from = 'reverting' AND m.error_state = '55000' AND f.noted < m.changed",
		  arg_int8(migration), arg_text(MISFIT_DOWN));
	query_end(&session);
}
