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

typedef Misfit Row;

static const RowTable misfits = ROW_TABLE("zdm.misfit", MISFIT_COLUMNS);

void
misfit_insert(Misfit *misfit)
{
	row_insert(&misfits, misfit);
}

bool
misfit_any(int64 migration, const char *direction)
{
	return QUERY_ONCE("SELECT FROM zdm.misfit WHERE migration = $1 AND direction = $2 LIMIT 1",
					  arg_int8(migration), arg_text(direction)) > 0;
}

char *
misfit_describe(int64 migration, const char *direction)
{
	return QUERY_ONCE_TEXT("SELECT string_agg(line, '; ' ORDER BY line) FROM "
						   "(SELECT DISTINCT format('%s of %s: %s', key, relation, message) AS line "
						   "FROM zdm.misfit WHERE migration = $1 AND direction = $2 AND NOT dealt_with ORDER BY 1 LIMIT 5) m",
						   arg_int8(migration), arg_text(direction));
}

bool
misfit_deal_with(int64 migration, const char *direction)
{
	return QUERY_ONCE("UPDATE zdm.misfit SET dealt_with = true "
					  "WHERE migration = $1 AND direction = $2 AND NOT dealt_with",
					  arg_int8(migration), arg_text(direction)) > 0;
}

void
misfit_accept_loss(int64 migration)
{
	(void) QUERY_ONCE("UPDATE zdm.misfit f SET dealt_with = true FROM zdm.migration m "
					  "WHERE f.migration = $1 AND m.id = $1 AND f.direction = $2 AND NOT f.dealt_with "
					  "AND m.failed_from = 'reverting' AND m.error_state = '55000' AND f.noted < m.changed",
					  arg_int8(migration), arg_text(MISFIT_DOWN));
}
