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
#include "core/names.h"
#include "move/act.h"
#include "move/view_query.h"
#include "utils/lsyscache.h"

/* Views that are made anew, by their names ($3). */
#define RETYPED "SELECT to_regclass(n) FROM unnest($3) n"

/*
 * Each object of the tables ($1) and of views that are made anew ($3), by what it is known
 * by before and afterwards, and one thing that it calls.  $2: indexes have other names on
 * the other table.
 */
#define CALLS \
	"WITH hung(class, oid, key) AS (" \
	"SELECT r.tableoid, r.oid, CASE WHEN r.ev_class = ANY ($1) THEN 'rule ' || r.rulename ELSE format('rule %s of %s.%s', r.rulename, c.relnamespace, c.relname) END " \
	"FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.ev_class = ANY ($1) OR r.ev_class IN (" RETYPED ") OR " REFERS("r") \
	" UNION ALL SELECT p.tableoid, p.oid, CASE WHEN p.polrelid = ANY ($1) THEN 'policy ' || p.polname ELSE p.oid::text END FROM pg_policy p " \
	"WHERE p.polrelid = ANY ($1) OR " REFERS("p") \
	" UNION ALL SELECT t.tableoid, t.oid, 'trigger ' || t.tgname FROM pg_trigger t " \
	"WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND (t.tgrelid = ANY ($1) OR t.tgconstrrelid = ANY ($1)) " \
	"UNION ALL SELECT e.tableoid, e.oid, 'default ' || a.attname || CASE WHEN e.adrelid = ANY ($1) THEN '' ELSE format(' of %s.%s', c.relnamespace, c.relname) END " \
	"FROM pg_attrdef e JOIN pg_attribute a ON a.attrelid = e.adrelid AND a.attnum = e.adnum JOIN pg_class c ON c.oid = e.adrelid " \
	"WHERE e.adrelid = ANY ($1) OR e.adrelid IN (" RETYPED ") " \
	"UNION ALL SELECT c.tableoid, c.oid, 'constraint ' || c.conname FROM pg_constraint c WHERE c.contype = 'c' AND c.conrelid = ANY ($1) " \
	"UNION ALL SELECT s.tableoid, s.oid, 'statistics ' || s.stxname FROM pg_statistic_ext s WHERE s.stxrelid = ANY ($1) " \
	"UNION ALL SELECT c.tableoid, c.oid, CASE WHEN $2 THEN 'index' ELSE 'index ' || c.relname END FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY ($1) " \
	"UNION ALL SELECT f.tableoid, f.oid, f.oid::text FROM pg_proc f WHERE " REFERS("f") ") " \
	"SELECT hung.*, d.refclassid, d.refobjid, format('%s calls %s %s', hung.key, d.refclassid::oid, d.refobjid) AS call " \
	"FROM hung JOIN pg_depend d ON d.classid = hung.class AND d.objid = hung.oid " \
	"WHERE d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass)"

/* A constraint, or an index, of $1 is about a column of $5: it has other values, and was looked at with these. */
#define ON_OWN_COLUMN \
	"EXISTS (SELECT FROM pg_depend o JOIN pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid " \
	"  WHERE o.classid = x.class AND o.objid = x.oid AND o.classid IN ('pg_constraint'::regclass, 'pg_class'::regclass) " \
	"  AND o.refclassid = 'pg_class'::regclass AND o.refobjid = ANY ($1) AND a.attname = ANY ($5))"

/*
 * What a view that is made anew has come to call, as it is about another type ($6): a type;
 * what the type's owner has made for it; or an overload of what it called before, of the
 * same owner.  Nobody else can have put one of these in its way.
 */
#define OF_THE_TYPE \
	"EXISTS (SELECT FROM pg_type t LEFT JOIN pg_proc f ON x.refclassid = 'pg_proc'::regclass AND f.oid = x.refobjid " \
	"  LEFT JOIN pg_operator o ON x.refclassid = 'pg_operator'::regclass AND o.oid = x.refobjid " \
	"  WHERE t.oid = $6 AND (x.refclassid = 'pg_type'::regclass OR coalesce(f.proowner, o.oprowner) = t.typowner " \
	"    OR EXISTS (SELECT FROM pg_proc g WHERE (g.proname, g.pronamespace, g.proowner) = (f.proname, f.pronamespace, f.proowner) " \
	"      AND format('%s calls %s %s', x.key, 'pg_proc'::regclass::oid, g.oid) = ANY ($4)) " \
	"    OR EXISTS (SELECT FROM pg_operator p WHERE (p.oprname, p.oprnamespace, p.oprowner) = (o.oprname, o.oprnamespace, o.oprowner) " \
	"      AND format('%s calls %s %s', x.key, 'pg_operator'::regclass::oid, p.oid) = ANY ($4))) " \
	"  AND x.class = 'pg_rewrite'::regclass AND x.oid IN (SELECT w.oid FROM pg_rewrite w WHERE w.ev_class IN (" RETYPED ")))"

static void
run(const MoveAct *act)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("SELECT pg_describe_object(class, oid, 0), pg_describe_object(refclassid, refobjid, 0) FROM (" CALLS ") x "
			  "WHERE call <> ALL ($4) AND key NOT IN (SELECT 'default ' || o FROM unnest($5) o) AND NOT " ON_OWN_COLUMN
			  " AND NOT " OF_THE_TYPE " ORDER BY call LIMIT 1",
			  arg_oids(linitial(act->list)), arg_bool(act->type == 'c'), arg_texts(lfourth(act->list)), arg_texts(lsecond(act->list)),
			  arg_texts(lthird(act->list)), arg_oid(act->other)) > 0)
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
	const MoveConverted *converted = moving->move->converted;
	List	   *others = NIL;
	List	   *retyped = NIL;
	List	   *calls;
	ListCell   *lc;

	foreach(lc, moving->pairs)
		others = lappend_oid(others, ((MovePair *) lfirst(lc))->to);
	foreach(lc, moving->retyped)
		retyped = lappend(retyped, names_of_relation(lfirst_oid(lc), false));
	query_begin(&session);
	QUERY("SELECT coalesce(array_agg(call), '{}') FROM (" CALLS ") x", arg_oids(moving->tables), arg_bool(moving->move->copies),
		  arg_texts(retyped));
	calls = query_texts(0, 1);
	query_end(&session);
	act_add(&moving->last, &(MoveAct) {
		.type = moving->move->copies ? 'c' : '\0', .sql = "-- all of it calls what it called before", .run = run,
		.list = list_make4(others, calls, moving->move->own, retyped),
		.other = converted != NULL ? get_atttype(moving->move->to, get_attnum(moving->move->to, converted->name)) : InvalidOid,
		.text = psprintf(INT64_FORMAT, moving->move->migration),
	});
}

const MovePart move_calls = {.all = add_all};
