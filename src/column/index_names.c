/*-------------------------------------------------------------------------
 *
 * index_names.c
 *		What indexes and their columns are called.
 *
 * An index's columns have the names that the table's had when it was built, and
 * PostgreSQL does not change them with those.  One that was built while its
 * column had a temporary name gets the lasting one when the table is locked
 * anyway.  Which indexes these are is looked up then: partitions come and go.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "column/carry.h"
#include "column/index_names.h"

/*
 * Index columns of table $1 and its partitions, and of expressions too, that are
 * called after $2, a temporary name of the column that is $3 now: PostgreSQL
 * puts a number behind a name that it has given already.  A partitioned index
 * hands the new name on to its parts, so all of them must have the old one, and
 * none the new.
 */
#define COLUMNS_SQL \
	"WITH x AS (SELECT x.attrelid, x.attnum, x.attname, " \
	"                  ($3 || substr(x.attname, length($2) + 1))::name AS lasting " \
	"  FROM (SELECT $1 UNION SELECT relid FROM pg_partition_tree($1)) t(oid) " \
	"  JOIN pg_index i ON i.indrelid = t.oid " \
	"  JOIN pg_attribute x ON x.attrelid = i.indexrelid AND starts_with(x.attname, $2) " \
	"   AND substr(x.attname, length($2) + 1) ~ '^\\d*$' " \
	" WHERE NOT EXISTS (SELECT 1 FROM pg_inherits WHERE inhrelid = i.indexrelid)) " \
	"SELECT format('ALTER TABLE %I.%I RENAME COLUMN %I TO %I', n.nspname, r.relname, x.attname, x.lasting) " \
	"FROM x JOIN pg_class r ON r.oid = x.attrelid JOIN pg_namespace n ON n.oid = r.relnamespace " \
	"WHERE NOT EXISTS (SELECT 1 FROM (SELECT x.attrelid UNION SELECT relid FROM pg_partition_tree(x.attrelid)) part(oid) " \
	"  WHERE NOT EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = part.oid AND attname = x.attname) " \
	"     OR EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = part.oid AND attname = x.lasting)) " \
	"ORDER BY r.oid, x.attnum"

/*
 * The indexes themselves that PostgreSQL has named after the column: those of
 * partitions that came meanwhile.  What had the name before is gone.
 */
#define NAMED_AFTER_SQL \
	"SELECT format('ALTER INDEX %I.%I RENAME TO %I', n.nspname, r.relname, replace(r.relname, $2, $3)) " \
	"FROM pg_partition_tree($1) t JOIN pg_index i ON i.indrelid = t.relid " \
	"JOIN pg_class r ON r.oid = i.indexrelid JOIN pg_namespace n ON n.oid = r.relnamespace " \
	"WHERE strpos(r.relname, '_' || $2 || '_') > 0 AND NOT EXISTS (SELECT 1 FROM pg_class " \
	"  WHERE relnamespace = r.relnamespace AND relname = replace(r.relname, $2, $3)) ORDER BY r.oid"

/* The temporary name that the column called "name" had. */
static char *
temporary_name(int64 migration, const char *name)
{
	return sql_own_name(migration, name);
}

static void
append_renames(StringInfo sql, const char *query, Oid relid, const char *from, const char *to)
{
	uint64		n = query_run(query, (QueryArg[]) {arg_oid(relid), arg_text(from), arg_text(to)}, 3);

	for (uint64 row = 0; row < n; row++)
		appendStringInfo(sql, ";\n%s", query_text(row, 1));
}

char *
index_names_sql(int64 migration, bool new)
{
	QuerySession session;
	StringInfoData sql;
	List	   *names = NIL;
	List	   *relations = NIL;
	uint64		n;
	ListCell   *name;
	ListCell   *relid;

	initStringInfo(&sql);
	query_begin(&session);
	n = QUERY("SELECT p.relid, c.attname FROM zdm.pair p JOIN pg_attribute c ON c.attrelid = p.relid "
			  "AND c.attnum = CASE WHEN $2 THEN p.new_attnum ELSE p.old_attnum END WHERE p.migration = $1",
			  arg_int8(migration), arg_bool(new));
	for (uint64 row = 0; row < n; row++)
	{
		relations = lappend_oid(relations, query_oid(row, 1));
		names = lappend(names, query_text(row, 2));
	}
	forboth(relid, relations, name, names)
	{
		char	   *from = temporary_name(migration, lfirst(name));

		append_renames(&sql, COLUMNS_SQL, lfirst_oid(relid), from, lfirst(name));
		append_renames(&sql, NAMED_AFTER_SQL, lfirst_oid(relid), from, lfirst(name));
	}
	query_end(&session);
	return sql.data;
}
