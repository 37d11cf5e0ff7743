/*-------------------------------------------------------------------------
 *
 * stored_like.c
 *		How a table is stored that is stored as another one is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "commands/tablespace.h"
#include "miscadmin.h"
#include "run/stored_like.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#define OPTIONS \
	"SELECT string_agg(format('%s%I = %L', prefix, option_name, option_value), ', ') FROM " \
	"(SELECT '' AS prefix, reloptions FROM pg_class WHERE oid = $1 UNION ALL " \
	" SELECT 'toast.', t.reloptions FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = $1) o, pg_options_to_table(o.reloptions)"

char *
stored_like(Relation source)
{
	char	   *options = QUERY_ONCE_TEXT(OPTIONS, arg_oid(RelationGetRelid(source)));
	Oid			tablespace = OidIsValid(source->rd_rel->reltablespace) ? source->rd_rel->reltablespace : MyDatabaseTableSpace;

	/* what it says is where its partitions are to be */
	if (source->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return OidIsValid(source->rd_rel->reltablespace) ? psprintf(" TABLESPACE %s", quote_identifier(get_tablespace_name(tablespace))) : pstrdup("");
	return psprintf(" USING %s%s%s%s TABLESPACE %s", quote_identifier(get_am_name(source->rd_rel->relam)),
					options != NULL ? " WITH (" : "", options != NULL ? options : "", options != NULL ? ")" : "",
					quote_identifier(get_tablespace_name(tablespace)));
}
