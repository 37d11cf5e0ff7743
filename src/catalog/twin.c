/*-------------------------------------------------------------------------
 *
 * twin.c
 *		What the two columns of a pair have in common beside their values.
 *
 * Days pass between the call and the cutover, and again to contract or the way
 * back.  What somebody makes on one of the columns meanwhile (a constraint, a
 * trigger, a view, a policy) would stay with it, in silence, when the other one
 * comes into charge, or go with it.  The rule: whoever exchanges or drops a column
 * reads again what hangs on it, with its locks held, and goes on only if all of it
 * was there when the plan was made, or is the migration's own; else it names it.
 *
 * Privileges are for both columns at any moment, as each shows the other's values:
 * neither may have more than the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/acl_hold.h"
#include "catalog/live.h"
#include "catalog/query.h"
#include "catalog/twin.h"
#include "lib/stringinfo.h"
#include "utils/syscache.h"

/*
 * What hangs on the column number "attnum" of a table and its partitions, whatever
 * it is: name, and object as text.  What is a part of something of the partitioned
 * table comes and goes with that, and our own trigger with the migration.
 */
#define DEPENDENTS(relid, attnum) \
	"(SELECT o.name, d.classid || ':' || d.objid AS object, c.relid " \
	"FROM (SELECT t.relid, a.attnum FROM (SELECT relid FROM pg_partition_tree(" relid ") UNION SELECT " relid ") t " \
	"  JOIN pg_attribute a ON a.attrelid = t.relid AND a.attname = " \
	"    (SELECT attname FROM pg_attribute WHERE attrelid = " relid " AND attnum = " attnum ")) c " \
	"JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relid AND d.refobjsubid = c.attnum " \
	"JOIN LATERAL (SELECT 'index ' || relname FROM pg_class " \
	"    WHERE d.classid = 'pg_class'::regclass AND oid = d.objid AND relkind IN ('i', 'I') AND NOT relispartition " \
	"  UNION ALL SELECT 'constraint ' || conname FROM pg_constraint " \
	"    WHERE d.classid = 'pg_constraint'::regclass AND oid = d.objid AND contype <> 'n' AND coninhcount = 0 AND conparentid = 0 " \
	"  UNION ALL SELECT 'statistics ' || stxname FROM pg_statistic_ext " \
	"    WHERE d.classid = 'pg_statistic_ext'::regclass AND oid = d.objid " \
	"  UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger " \
	"    WHERE d.classid = 'pg_trigger'::regclass AND oid = d.objid AND NOT tgisinternal AND tgparentid = 0 AND tgfoid <> 'zdm.sync'::regproc " \
	"  UNION ALL SELECT 'policy ' || polname FROM pg_policy " \
	"    WHERE d.classid = 'pg_policy'::regclass AND oid = d.objid " \
	"  UNION ALL SELECT CASE WHEN rulename <> '_RETURN' THEN 'rule ' || rulename WHEN relkind = 'm' THEN 'materialized view ' || relname " \
	"      ELSE 'view ' || relname END FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class " \
	"    WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid " \
	"  UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE d.classid = 'pg_proc'::regclass AND oid = d.objid " \
	"  UNION ALL SELECT 'publication ' || pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid " \
	"    WHERE d.classid = 'pg_publication_rel'::regclass AND r.oid = d.objid " \
	"  UNION ALL SELECT 'generated column ' || g.attname FROM pg_attrdef f JOIN pg_attribute g ON g.attrelid = f.adrelid AND g.attnum = f.adnum " \
	"    WHERE d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid AND (f.adrelid <> c.relid OR f.adnum <> c.attnum) " \
	"  UNION ALL SELECT 'generated column ' || g.attname FROM pg_attribute g " \
	"    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.relid AND d.objsubid > 0 AND g.attrelid = d.objid AND g.attnum = d.objsubid " \
	") o(name) ON true)"

/*
 * Those of column "attnum" of pair p that are not in the list "known", neither by
 * name nor as the object that they were.  One that was built again has the name,
 * one that was renamed is the object.
 */
#define UNKNOWN(attnum, known) \
	"SELECT x.name || ' of ' || x.relid::regclass FROM zdm.pair p, LATERAL " \
	DEPENDENTS("p.relid", attnum) " x WHERE p.migration = $1 AND x.name <> ALL (" known ") AND x.object <> ALL (" known ") " \
	"AND x.name !~ '_zdm\\d+(\\D|$)' "

/*
 * What only one of two columns has and the other would show without: security
 * labels, and privileges that another than the owner has granted.
 */
#define UNSHARED(has, lacks) \
	"UNION ALL SELECT 'security label ' || quote_literal(s.label) || ' (' || s.provider || ') of ' || p.relid::regclass " \
	"FROM zdm.pair p JOIN pg_seclabel s ON s.classoid = 'pg_class'::regclass AND s.objoid = p.relid AND s.objsubid = " has " " \
	"WHERE p.migration = $1 AND NOT EXISTS (SELECT FROM pg_seclabel o WHERE o.classoid = s.classoid AND o.objoid = s.objoid " \
	"  AND o.objsubid = " lacks " AND o.provider = s.provider AND o.label = s.label) " \
	"UNION ALL SELECT 'privilege ' || x.privilege_type || ' that ' || x.grantor::regrole || ' has granted to ' " \
	"  || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END || ' on a column of ' || p.relid::regclass " \
	"FROM zdm.pair p JOIN pg_attribute a ON a.attrelid = p.relid AND a.attnum = " has ", aclexplode(a.attacl) x, pg_class c " \
	"WHERE p.migration = $1 AND c.oid = p.relid AND x.grantor <> c.relowner "

/*
 * What a partition has set for a column of its own, other than its parent: the
 * new column has the parent's settings everywhere.  A partition that came by
 * LIKE has copies of some.
 */
#define OF_PARTITIONS(has) \
	"UNION ALL SELECT x.what || ' of column ' || quote_ident(l.attname) || ' of partition ' || l.attrelid::regclass " \
	"FROM zdm.pair p JOIN pg_attribute r ON r.attrelid = p.relid AND r.attnum = " has " " \
	"JOIN pg_partition_tree(p.relid) t ON t.relid <> p.relid " \
	"JOIN pg_attribute l ON l.attrelid = t.relid AND l.attname = r.attname JOIN pg_type y ON y.oid = l.atttypid, LATERAL " \
	"(SELECT 'storage' WHERE l.attstorage NOT IN (r.attstorage, y.typstorage) " \
	" UNION ALL SELECT 'compression' WHERE l.attcompression NOT IN ('', r.attcompression) " \
	" UNION ALL SELECT 'statistics target' WHERE coalesce(l.attstattarget, -1) NOT IN (-1, coalesce(r.attstattarget, -1)) " \
	" UNION ALL SELECT 'option ' || o.option_name FROM pg_options_to_table(l.attoptions) o " \
	"   WHERE o.option_name IN ('n_distinct', 'n_distinct_inherited') AND NOT EXISTS (SELECT FROM pg_options_to_table(r.attoptions) q " \
	"     WHERE q.option_name = o.option_name AND q.option_value = o.option_value) " \
	" UNION ALL SELECT DISTINCT 'privilege ' || a.privilege_type FROM aclexplode(l.attacl) a " \
	" UNION ALL SELECT 'comment' WHERE col_description(l.attrelid, l.attnum) IS DISTINCT FROM col_description(r.attrelid, r.attnum) " \
	"   AND col_description(l.attrelid, l.attnum) IS NOT NULL " \
	" UNION ALL SELECT 'security label ' || quote_literal(b.label) || ' (' || b.provider || ')' FROM pg_seclabel b " \
	"   WHERE b.classoid = 'pg_class'::regclass AND b.objoid = l.attrelid AND b.objsubid = l.attnum) x(what) WHERE p.migration = $1 "

static char *
names_of(const char *query, int64 migration)
{
	QuerySession session;
	char	   *names;

	query_begin(&session);
	QUERY(query, arg_int8(migration));
	names = query_text(0, 1);
	query_end(&session);
	return names;
}

char *
twin_unknown(int64 migration, TwinSide side)
{
	if (side == TWIN_NEW)
		return names_of("SELECT string_agg(DISTINCT x.name, ', ') FROM (" UNKNOWN("p.new_attnum", "p.new_dependents")
						UNSHARED("p.new_attnum", "p.old_attnum") OF_PARTITIONS("p.new_attnum") ") x(name)", migration);
	return names_of("SELECT string_agg(DISTINCT x.name, ', ') FROM (" UNKNOWN("p.old_attnum", "p.dependents")
					UNSHARED("p.old_attnum", "p.new_attnum") OF_PARTITIONS("p.old_attnum") ") x(name)", migration);
}

/*
 * Of what a pair's list has as name and object, one after the other, those of which
 * the new column has a copy and neither column the original; a long name is cut
 * before "_zdm".  A copy that another migration has made is that one's affair.
 */
#define GONE \
	"SELECT string_agg(DISTINCT k.name || ' of ' || n.relid::regclass, ', ') FROM zdm.pair p, LATERAL " \
	"(SELECT p.dependents[i] AS name, p.dependents[i + 1] AS object, regexp_replace(p.dependents[i], '^\\w+ ', '') AS bare " \
	"  FROM generate_series(1, cardinality(p.dependents), 2) i) k, LATERAL " \
	"(SELECT x.relid, regexp_replace(x.name, '^\\w+ ', '') AS name FROM " DEPENDENTS("p.relid", "p.new_attnum") " x) n, LATERAL " \
	"(SELECT '_zdm' || p.migration) z(suffix) " \
	"WHERE p.migration = $1 AND p.new_attnum IS NOT NULL AND k.name ~ '^(index|constraint|statistics) ' AND k.name !~ '_zdm\\d+$' " \
	"AND (n.name = k.bare || z.suffix OR octet_length(k.bare || z.suffix) > 63 AND starts_with(n.name, left(k.bare, 12)) AND n.name LIKE '%\\' || z.suffix) " \
	"AND NOT EXISTS (SELECT FROM " DEPENDENTS("p.relid", "p.old_attnum") " x WHERE k.name = x.name OR k.object = x.object) " \
	"AND NOT EXISTS (SELECT FROM " DEPENDENTS("p.relid", "p.new_attnum") " x WHERE k.name = x.name OR k.object = x.object)"

char *
twin_gone(int64 migration)
{
	return names_of(GONE, migration);
}

void
twin_note_dependents(int64 migration)
{
	(void) QUERY_ONCE("UPDATE zdm.pair p SET dependents = CASE WHEN new_attnum IS NULL THEN hanging ELSE dependents END, "
					  "new_dependents = CASE WHEN new_attnum IS NULL THEN '{}' ELSE hanging END "
					  "FROM (SELECT p.id, ARRAY(SELECT unnest(ARRAY[name, object]) FROM "
					  DEPENDENTS("p.relid", "coalesce(p.new_attnum, p.old_attnum)") " x) AS hanging FROM zdm.pair p WHERE p.migration = $1) h "
					  "WHERE h.id = p.id", arg_int8(migration));
}

/* One row for each privilege on each of the columns: what the owner has granted. */
#define ITEMS \
	"p AS (SELECT * FROM zdm.pair WHERE migration = $1 AND new_attnum IS NOT NULL), " \
	"item AS (SELECT p.id, p.relid, a.attnum, a.attname, x.privilege_type, x.is_grantable, " \
	"  CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END AS grantee, " \
	"  x.grantee || ' ' || x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END AS text " \
	"  FROM p JOIN pg_class c ON c.oid = p.relid JOIN pg_attribute a ON a.attrelid = p.relid AND a.attnum IN (p.old_attnum, p.new_attnum), " \
	"  aclexplode(a.attacl) x WHERE x.grantor = c.relowner) "

/* Of what was noted, what both still have; and all that one of them has got since. */
#define WANTED \
	"wanted AS (SELECT i.id, i.relid, i.privilege_type, i.is_grantable, i.grantee, i.text FROM item i JOIN p USING (id) " \
	"  GROUP BY i.id, i.relid, i.privilege_type, i.is_grantable, i.grantee, i.text, p.privileges " \
	"  HAVING i.text <> ALL (p.privileges) OR count(*) = 2) "

static char *
statements_of(const char *query, int64 migration)
{
	QuerySession session;
	StringInfoData sql;
	uint64		n;

	initStringInfo(&sql);
	query_begin(&session);
	n = QUERY(query, arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
		appendStringInfo(&sql, "%s;\n", query_text(row, 1));
	query_end(&session);
	return sql.data;
}

char *
twin_privileges_sql(int64 migration)
{
	return statements_of("WITH " ITEMS ", " WANTED
						 "SELECT s FROM (SELECT 1, format('REVOKE %s (%I) ON %s FROM %s CASCADE', i.privilege_type, i.attname, i.relid::regclass, i.grantee) "
						 "  FROM item i WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.id = i.id AND w.text = i.text) "
						 "UNION ALL SELECT 2, format('GRANT %s (%I) ON %s TO %s', w.privilege_type, a.attname, w.relid::regclass, w.grantee) "
						 "  || CASE WHEN w.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END "
						 "  FROM wanted w JOIN p USING (id) JOIN pg_attribute a ON a.attrelid = w.relid AND a.attnum IN (p.old_attnum, p.new_attnum) "
						 "    AND NOT a.attisdropped "
						 "  WHERE NOT EXISTS (SELECT FROM item i WHERE i.id = w.id AND i.attnum = a.attnum AND i.text = w.text)) x(o, s) ORDER BY o, s",
						 migration);
}

void
twin_note_privileges(int64 migration)
{
	(void) QUERY_ONCE("WITH " ITEMS ", now AS (SELECT p.id, ARRAY(SELECT text FROM item WHERE item.id = p.id AND item.attnum = p.new_attnum ORDER BY text) AS privileges FROM p) "
					  "UPDATE zdm.pair SET privileges = now.privileges FROM now WHERE now.id = pair.id AND pair.privileges <> now.privileges", arg_int8(migration));
}

void
twin_hold_privileges(int64 migration)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT relid, old_attnum::int FROM zdm.pair WHERE migration = $1 AND new_attnum IS NOT NULL", arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
		acl_hold(query_oid(row, 1), (AttrNumber) query_int4(row, 2));
	query_end(&session);
}

char *
twin_remarks_sql(int64 migration)
{
	/* of two columns with a name each, each keeps what was said of it */
	return statements_of("WITH p AS (SELECT p.relid, f.attnum AS in_charge, t.attname AS name, f.attstattarget AS target, t.attstattarget AS other_target, "
						 "  f.attoptions AS options, t.attoptions AS other_options, CASE WHEN f.atttypid = t.atttypid AND t.attstorage = y.typstorage "
						 "  AND f.attstorage <> t.attstorage THEN CASE f.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage, "
						 "  col_description(p.relid, f.attnum) AS said, col_description(p.relid, t.attnum) AS other, m.kind <> 'rename_column' AS one_name "
						 "  FROM zdm.pair p JOIN zdm.migration m ON m.id = p.migration "
						 "  JOIN pg_attribute f ON f.attrelid = p.relid AND f.attnum = CASE p.authoritative WHEN 'old' THEN p.old_attnum ELSE p.new_attnum END "
						 "  JOIN pg_attribute t ON t.attrelid = p.relid AND t.attnum = CASE p.authoritative WHEN 'old' THEN p.new_attnum ELSE p.old_attnum END "
						 "  JOIN pg_type y ON y.oid = t.atttypid WHERE p.migration = $1 AND p.new_attnum IS NOT NULL AND NOT t.attisdropped) "
						 "SELECT format('COMMENT ON COLUMN %s.%I IS %L', relid::regclass, name, said) FROM p "
						 "  WHERE said IS DISTINCT FROM other AND (one_name OR other IS NULL) "
						 "UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', relid::regclass, name, coalesce(target, -1)) FROM p "
						 "  WHERE target IS DISTINCT FROM other_target AND (one_name OR coalesce(other_target, -1) < 0) "
						 "UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%I = %L)', relid::regclass, name, o.option_name, o.option_value) "
						 "  FROM p, pg_options_to_table(options) o WHERE o.option_name IN ('n_distinct', 'n_distinct_inherited') AND NOT EXISTS (SELECT "
						 "  FROM pg_options_to_table(other_options) q WHERE q.option_name = o.option_name AND (q.option_value = o.option_value OR NOT one_name)) "
						 "UNION ALL SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STORAGE %s', relid::regclass, name, storage) FROM p WHERE storage IS NOT NULL",
						 migration);
}

/* Has this transaction written the column's row in pg_attribute? */
static bool
is_written_here(Oid relid, AttrNumber attnum)
{
	HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	bool		written;

	if (!HeapTupleIsValid(tuple))
		return false;
	written = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
	ReleaseSysCache(tuple);
	return written;
}

/*
 * Others are not looked at: what has become of those is their transaction's to mend,
 * and to write to them could mean to wait for a stranger.
 */
List *
twin_migrations(List **owners)
{
	QuerySession session;
	List	   *ids = NIL;
	uint64		n;

	*owners = NIL;
	if (!live_any())
		return NIL;
	query_begin(&session);
	n = QUERY("SELECT p.migration, c.relowner, p.relid, p.old_attnum::int, p.new_attnum::int FROM zdm.pair p JOIN pg_class c ON c.oid = p.relid "
			  "WHERE p.new_attnum IS NOT NULL ORDER BY 1");
	for (uint64 row = 0; row < n; row++)
	{
		int64	   *id;

		if (!is_written_here(query_oid(row, 3), query_int4(row, 4)) &&
			!is_written_here(query_oid(row, 3), query_int4(row, 5)))
			continue;
		/* of several pairs each is looked at with the first */
		if (ids != NIL && *(int64 *) llast(ids) == query_int8(row, 1))
			continue;
		id = palloc(sizeof(int64));
		*id = query_int8(row, 1);
		ids = lappend(ids, id);
		*owners = lappend_oid(*owners, query_oid(row, 2));
	}
	query_end(&session);
	return ids;
}
