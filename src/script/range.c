/*-------------------------------------------------------------------------
 *
 * range.c
 *		Which rows of a table a batch is about.
 *
 * A table of heap is walked through by ranges of blocks, which need no key and no
 * statistics: a range of ctid is a scan of its own since 14.  What another access
 * method keeps may have no blocks, and a range of ctid would be looked for in the
 * whole of it each time: it is walked through in the order of its key.  The file
 * finds out which, partition by partition, on the server where it runs.
 *
 * Where a walk is by key stands as the text of constants, whose types are those that
 * the columns have at that moment.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/table_key.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/rel.h"

/* The columns of the table's key, and their values as constants; false if it has none. */
static bool
read_key(const Script *script, char **columns, char **constants)
{
	Relation	rel = table_open(script->subject, AccessShareLock);
	Oid			key = table_key_find(rel);
	StringInfoData names;
	StringInfoData values;

	table_close(rel, NoLock);
	if (!OidIsValid(key))
		return false;
	initStringInfo(&names);
	initStringInfo(&values);
	rel = RelationIdGetRelation(key);
	for (int i = 0; i < rel->rd_index->indnkeyatts; i++)
	{
		char	   *name = names_attribute(script->subject, rel->rd_index->indkey.values[i]);

		appendStringInfo(&names, "%st.%s", i > 0 ? ", " : "", name);
		appendStringInfo(&values, "%squote_literal(t.%s)", i > 0 ? ", " : "", name);
	}
	RelationClose(rel);
	*columns = names.data;
	*constants = values.data;
	return true;
}

const char *
range_declarations(void)
{
	return "	zdm_by_key boolean;\n"
		"	zdm_range text;\n"
		"	zdm_last text;\n"
		"	zdm_read bigint;\n";
}

char *
range_kind(const Script *script, const char *indent)
{
	char	   *columns;
	char	   *constants;
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"{i}zdm_by_key := EXISTS (SELECT FROM pg_class c LEFT JOIN pg_am a ON a.oid = c.relam\n"
		"{i}	WHERE c.oid = zdm_part.part AND a.amhandler IS DISTINCT FROM 'heap_tableam_handler'::regproc);\n"
		"{i}IF EXISTS (SELECT FROM pg_class WHERE oid = zdm_part.part AND relkind = 'f') THEN\n"
		"{i}	RAISE feature_not_supported USING MESSAGE = format('partition %s is a foreign table', zdm_part.part::regclass),\n"
		"{i}		DETAIL = 'Its rows are not this server''s to fill in.', HINT = 'Detach it until the change is done.';\n"
		"{i}END IF;\n",
		"i", indent);
	if (!read_key(script, &columns, &constants))
		PUT(&buf,
			"{i}IF zdm_by_key THEN\n"
			"{i}	RAISE feature_not_supported USING MESSAGE = format('%s is no heap, and has no key by which to go through its rows', zdm_part.part::regclass),\n"
			"{i}		HINT = 'Add a primary key, or make the files again once it has one.';\n"
			"{i}END IF;\n",
			"i", indent);
	return buf.data;
}

char *
range_next(const Script *script, const char *indent, const char *from, const char *upto, const char *last)
{
	char	   *columns;
	char	   *constants;
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf, "{i}zdm_range := format('t.ctid >= %L AND t.ctid < %L', format('(%s,0)', {from}), format('(%s,0)', {upto}));\n",
		"i", indent, "from", from, "upto", upto);
	if (!read_key(script, &columns, &constants))
		return buf.data;
	PUT(&buf,
		"{i}IF zdm_by_key THEN\n"
		"{i}	zdm_range := coalesce({columns} || ' > (' || {last} || ')', 'true');\n"
		"{i}	EXECUTE replace(replace({bound}, '" RANGE_PART "', zdm_part.part::regclass::text), '" RANGE_ROWS "', zdm_range)\n"
		"{i}		INTO zdm_read, zdm_last USING zdm_size;\n"
		"{i}	zdm_range := zdm_range || coalesce(' AND ' || {columns} || ' <= (' || zdm_last || ')', ' AND false');\n"
		"{i}END IF;\n",
		"i", indent, "last", last, "columns", quote_literal_cstr(psprintf("(%s)", columns)),
		"bound", sql_dollar_quoted(psprintf("SELECT count(*), (array_agg(b.last ORDER BY b.n DESC))[1] FROM (SELECT concat_ws(', ', %s) AS last, row_number() OVER (ORDER BY %s) AS n"
											" FROM ONLY " RANGE_PART " t WHERE " RANGE_ROWS " ORDER BY %s LIMIT $1) b",
											constants, columns, columns)));
	return buf.data;
}
