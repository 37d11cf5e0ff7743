/*-------------------------------------------------------------------------
 *
 * calls.c
 *		That what has moved calls what it called before.
 *
 * Triggers, policies, rules, defaults, constraints and views are given again by their
 * text, and a text is read anew: a function, an operator or a cast that somebody has
 * made since may fit it better than the one that was meant.  What each object calls of
 * what users have made stands in pg_depend: it is read before anything is moved, and
 * again at the end, before anybody else can see the outcome.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "move/act.h"
#include "move/view_query.h"

/*
 * Each object of the tables ($1), by what it is known by on both of them, and one thing
 * that it calls.  $2: indexes have other names on the other one.
 */
#define CALLS \
	"WITH hung(class, oid, key) AS (" \
	"SELECT r.tableoid, r.oid, CASE WHEN r.ev_class = ANY ($1) THEN 'rule ' || r.rulename ELSE r.oid::text END FROM pg_rewrite r " \
	"WHERE r.ev_class = ANY ($1) OR " REFERS("r") \
	" UNION ALL SELECT p.tableoid, p.oid, CASE WHEN p.polrelid = ANY ($1) THEN 'policy ' || p.polname ELSE p.oid::text END FROM pg_policy p " \
	"WHERE p.polrelid = ANY ($1) OR " REFERS("p") \
	" UNION ALL SELECT t.tableoid, t.oid, 'trigger ' || t.tgname FROM pg_trigger t " \
	"WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND (t.tgrelid = ANY ($1) OR t.tgconstrrelid = ANY ($1)) " \
	"UNION ALL SELECT e.tableoid, e.oid, 'default ' || a.attname FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum " \
	"WHERE e.adrelid = ANY ($1) " \
	"UNION ALL SELECT c.tableoid, c.oid, 'constraint ' || c.conname FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid = ANY ($1) " \
	"UNION ALL SELECT s.tableoid, s.oid, 'statistics ' || s.stxname FROM pg_statistic_ext s WHERE s.stxrelid = ANY ($1) " \
	"UNION ALL SELECT c.tableoid, c.oid, CASE WHEN $2 THEN 'index' ELSE 'index ' || c.relname END FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY ($1) " \
	"UNION ALL SELECT f.tableoid, f.oid, f.oid::text FROM pg_proc f WHERE " REFERS("f") ") " \
	"SELECT hung.*, d.refclassid, d.refobjid, format('%s calls %s %s', hung.key, d.refclassid::oid, d.refobjid) AS call " \
	"FROM hung JOIN pg_depend d ON d.classid = hung.class AND d.objid = hung.oid " \
	"WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)"

/* A constraint, or an index, of $1 is about a column of $4: it has other values, and was looked at with these. */
#define ON_OWN_COLUMN \
	"EXISTS (SELECT FROM pg_depend o JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid " \
	"  WHERE o.classid = x.class AND o.objid = x.oid AND o.classid IN ('pg_constraint'::regclass, 'pg_class'::regclass) " \
	"  AND o.refclassid = 'pg_class'::regclass AND o.refobjid = ANY ($1) AND a.attname = ANY ($4))"

static void
run(const MoveAct *act)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("SELECT pg_describe_object(class, oid, 0), pg_describe_object(refclassid, refobjid, 0) FROM (" CALLS ") x "
			  "WHERE call <> ALL ($3) AND key NOT IN (SELECT 'default ' || o FROM unnest($4) o) AND NOT " ON_OWN_COLUMN " ORDER BY call LIMIT 1",
			  arg_oids(linitial(act->list)), arg_bool(act->type == 'c'), arg_texts(lsecond(act->list)), arg_texts(lthird(act->list))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s would call %s, which it does not call now", query_text(0, 1), query_text(0, 2)),
				 errdetail("That was made since, or has become reachable, and fits its text better than what was meant."),
				 errhint("Drop or rename it, then SELECT zdm.resume(%s).", act->text)));
	query_end(&session);
}

static void
add_all(Moving *moving)
{
	QuerySession session;
	List	   *others = NIL;
	List	   *calls;
	ListCell   *lc;

	foreach(lc, moving->pairs)
		others = lappend_oid(others, ((MovePair *) lfirst(lc))->to);
	query_begin(&session);
	QUERY("SELECT coalesce(array_agg(call), '{}') FROM (" CALLS ") x", arg_oids(moving->tables), arg_bool(moving->move->copies));
	calls = query_texts(0, 1);
	query_end(&session);
	act_add(&moving->last, &(MoveAct) {
		.type = moving->move->copies ? 'c' : '\0', .sql = "-- all of it calls what it called before", .run = run,
		.list = list_make3(others, calls, moving->move->own),
		.text = psprintf(INT64_FORMAT, moving->move->migration),
	});
}

const MovePart move_calls = {.all = add_all};
