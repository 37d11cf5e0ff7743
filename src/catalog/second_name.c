/*-------------------------------------------------------------------------
 *
 * second_name.c
 *		Two relations that show the same rows: who may do what by either.
 *
 * While a table is renamed, a view has the other name.  Where it reads with its
 * owner's rights (before PostgreSQL 15, and where privileges are on single columns),
 * its own privileges are all that stands between a role and the rows, so they have to
 * be the table's at any moment: what is granted or revoked by one name is by the
 * other, too.  Elsewhere it is a convenience.
 *
 * While a column is migrated, a second one is made of a materialized view over it, which
 * gets its name at cutover: whoever may no longer read the one must not read the other.
 *
 * Both are compared as they are, nothing is kept: a REVOKE leaves what both give, a
 * GRANT what either gives.  The right to grant is an item of its own, as it can be
 * revoked alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/acl_hold.h"
#include "catalog/live.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "catalog/second_name.h"
#include "core/errors.h"
#include "core/names.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* A view that is gone, after the way back, is none. */
#define NAMES \
	"SELECT m.id, m.relid, v.oid, NOT coalesce(v.reloptions @> '{security_invoker=true}', false) " \
	"FROM zdm.migration m JOIN zdm.step s ON s.migration = m.id AND s.phase = 'contract' " \
	"JOIN pg_class v ON v.oid = s.relations[array_upper(s.relations, 1)] AND v.relkind = 'v' AND m.kind = 'rename_table' "

static List *
views(uint64 n)
{
	List	   *list = NIL;

	for (uint64 row = 0; row < n; row++)
	{
		SecondName *name = palloc(sizeof(SecondName));

		*name = (SecondName) {query_int8(row, 1), query_oid(row, 2), query_oid(row, 3), query_bool(row, 4)};
		list = lappend(list, name);
	}
	return list;
}

/*
 * Before the cutover the second one has a name of ours, and after it the first; both
 * are over the table of the pair.
 */
#define MATVIEWS \
	"SELECT m.id, s.oid, h.oid, h.relname, s.relname || CASE p.authoritative WHEN 'new' THEN '_old' ELSE '' END " \
	"FROM zdm.migration m JOIN zdm.pair p ON p.migration = m.id JOIN LATERAL (SELECT DISTINCT r.ev_class FROM pg_depend d " \
	"  JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.relid) o ON true " \
	"JOIN pg_class h ON h.oid = o.ev_class AND h.relkind = 'm' AND h.relname ~ ('_zdm' || m.id || '$') " \
	"JOIN pg_class s ON s.relkind = 'm' AND s.relnamespace = h.relnamespace AND s.oid <> h.oid "

static List *
matviews(uint64 n)
{
	List	   *list = NIL;

	for (uint64 row = 0; row < n; row++)
	{
		SecondName *name;

		if (strcmp(query_text(row, 4), names_make(query_text(row, 5), psprintf("_zdm" INT64_FORMAT, query_int8(row, 1)))) != 0)
			continue;
		name = palloc(sizeof(SecondName));
		*name = (SecondName) {query_int8(row, 1), query_oid(row, 2), query_oid(row, 3), false};
		list = lappend(list, name);
	}
	return list;
}

List *
second_names(int64 migration)
{
	static const char *const live = "AND m.state NOT IN ('completed', 'reverted') AND $1 IN (0, m.id) ORDER BY 1";
	QuerySession session;
	List	   *found;

	if (!live_any())
		return NIL;
	query_begin(&session);
	found = views(QUERY(psprintf("%s%s", NAMES, live), arg_int8(migration)));
	found = list_concat(found, matviews(QUERY(psprintf("%s%s", MATVIEWS, live), arg_int8(migration))));
	query_end(&session);
	return found;
}

static bool
is_written_here(HeapTuple tuple)
{
	return TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
}

/* The relation, or one of its columns. */
static bool
relation_is_written(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	AttrNumber	natts;
	bool		written;

	if (!HeapTupleIsValid(tuple))
		return false;
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	written = is_written_here(tuple);
	ReleaseSysCache(tuple);
	for (AttrNumber attnum = 1; attnum <= natts && !written; attnum++)
	{
		tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
		if (!HeapTupleIsValid(tuple))
			continue;
		written = is_written_here(tuple);
		ReleaseSysCache(tuple);
	}
	return written;
}

bool
second_name_is_written(const SecondName *name)
{
	return relation_is_written(name->table) || relation_is_written(name->view);
}

/*
 * $1 is the table, $2 the view, $3 the one of them that is written to, and $4 the
 * rule.  An item is a privilege, or with a star the right to grant it, on a column by
 * name, or on all for ''.  A column that was added since is not in the view.
 */
#define STATEMENTS \
	"WITH entry AS (SELECT c.oid AS relid, ''::name AS col, c.relowner, x.* " \
	"  FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x WHERE c.oid IN ($1, $2) " \
	"  UNION ALL SELECT c.oid, a.attname, c.relowner, x.* FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped, " \
	"  aclexplode(a.attacl) x WHERE c.oid IN ($1, $2) " \
	"  AND EXISTS (SELECT FROM pg_attribute o WHERE o.attrelid = $2 AND o.attname = a.attname AND NOT o.attisdropped)), " \
	"item AS (SELECT DISTINCT e.relid, e.col, e.grantee, p.privilege FROM entry e, " \
	"  LATERAL (VALUES (e.privilege_type), (CASE WHEN e.is_grantable AND e.grantee <> e.relowner THEN e.privilege_type || '*' END)) p(privilege) " \
	"  WHERE p.privilege IS NOT NULL), " \
	"wanted AS (SELECT col, grantee, privilege FROM item GROUP BY col, grantee, privilege " \
	"  HAVING CASE $4 WHEN 0 THEN bool_or(relid = $1) WHEN 1 THEN count(DISTINCT relid) = 2 ELSE true END), " \
	"surplus AS (SELECT i.* FROM item i WHERE i.relid = $3 AND NOT EXISTS (SELECT FROM wanted w WHERE w.col = i.col " \
	"  AND w.grantee = i.grantee AND w.privilege = i.privilege)), " \
	"missing AS (SELECT FROM wanted w WHERE NOT EXISTS (SELECT FROM item i WHERE i.relid = $3 AND w.col = i.col " \
	"  AND w.grantee = i.grantee AND w.privilege = i.privilege)), " \
	"named AS (SELECT i.*, 0 AS kind FROM surplus i " \
	/* of what somebody else has granted, the owner takes away the right to */ \
	"  UNION SELECT e.relid, e.col, e.grantor, e.privilege_type || '*', 0 FROM surplus s JOIN entry e ON e.relid = s.relid AND e.col = s.col " \
	"    AND e.grantee = s.grantee AND e.privilege_type = rtrim(s.privilege, '*') AND e.grantor <> e.relowner " \
	"  UNION SELECT $3, w.*, 1 FROM wanted w WHERE EXISTS (SELECT FROM surplus) OR EXISTS (SELECT FROM missing)) " \
	"SELECT CASE WHEN n.kind = 0 THEN format('REVOKE %s%s%s ON %s FROM %s CASCADE', CASE WHEN n.privilege LIKE '%*' THEN 'GRANT OPTION FOR ' END, " \
	"    rtrim(n.privilege, '*'), q.col, $3::regclass, q.grantee) " \
	"  ELSE format('GRANT %s%s ON %s TO %s%s', rtrim(n.privilege, '*'), q.col, $3::regclass, q.grantee, " \
	"    CASE WHEN n.privilege LIKE '%*' THEN ' WITH GRANT OPTION' END) END " \
	"FROM named n, LATERAL (SELECT CASE WHEN n.col <> '' THEN format(' (%I)', n.col) END, " \
	"  CASE n.grantee WHEN 0 THEN 'PUBLIC' ELSE n.grantee::regrole::text END) q(col, grantee) " \
	/* the right to grant goes first, and comes last */ \
	"ORDER BY n.kind, CASE WHEN n.privilege LIKE '%*' THEN n.kind ELSE 1 - n.kind END, 1"

char *
second_name_sql(const SecondName *name, Oid relid, SecondNameRule rule)
{
	QuerySession session;
	StringInfoData sql;
	uint64		n;

	initStringInfo(&sql);
	query_begin(&session);
	n = QUERY(STATEMENTS, arg_oid(name->table), arg_oid(name->view), arg_oid(relid), arg_int4(rule));
	for (uint64 row = 0; row < n; row++)
		appendStringInfo(&sql, "%s;\n", query_text(row, 1));
	query_end(&session);
	return sql.data;
}

void
second_name_check_policies(const SecondName *name)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(name->table));
	bool		row_security;

	if (!HeapTupleIsValid(tuple))
		return;
	row_security = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;
	ReleaseSysCache(tuple);
	if (!row_security || !name->as_owner)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("%s cannot have row-level security while %s shows its rows",
					names_relation(name->table), names_relation(name->view)),
			 errdetail("The view is of migration " INT64_FORMAT " and reads with its owner's rights, whom no policy binds.",
					   name->migration),
			 errhint("Let SELECT zdm.contract(" INT64_FORMAT "); or SELECT zdm.revert(" INT64_FORMAT "); take the view away first.",
					 name->migration, name->migration)));
}

char *
second_name_start(int64 migration)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, second_names(migration))
	{
		SecondName *name = lfirst(lc);

		acl_hold(name->table, 0);
		second_name_check_policies(name);
		appendStringInfoString(&sql, second_name_sql(name, name->view, SECOND_NAME_TABLE));
	}
	return sql.data;
}
