/*-------------------------------------------------------------------------
 *
 * triggers.c
 *		Triggers and rules of a table.
 *
 * None may stay where they would fire for rows that are carried over: so they are
 * dropped from the one and made on the other, from their own definitions.  Those of a
 * partitioned table make their own copies on its partitions; a copy that fires
 * otherwise than its original is told so afterwards.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "move/act.h"

#define FIRING(letter) \
	"CASE " letter " WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'D' THEN 'DISABLE' WHEN 'O' THEN 'ENABLE' END"

static const char drop_triggers[] =
	"SELECT format('DROP TRIGGER %I ON %s', tgname, $2::text) FROM pg_trigger "
	"WHERE tgrelid = $1 AND NOT tgisinternal AND tgparentid = 0 ORDER BY tgname";

static const char create_triggers[] =
	"SELECT x.s FROM pg_trigger t, LATERAL (VALUES (1, pg_get_triggerdef(t.oid)), "
	"(2, CASE WHEN t.tgenabled <> 'O' THEN format('ALTER TABLE %s %s TRIGGER %I', $2::text, " FIRING("t.tgenabled") ", t.tgname) END), "
	"(3, CASE WHEN obj_description(t.oid, 'pg_trigger') IS NOT NULL THEN "
	"  format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, $2, obj_description(t.oid, 'pg_trigger')) END), "
	"(4, (SELECT string_agg(format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION %I', t.tgname, $2, e.extname), ';') FROM pg_depend d "
	"  JOIN pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'x'))) x(n, s) "
	"WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0 AND x.s IS NOT NULL ORDER BY t.tgname, x.n";

/* Copies that the table's parent has made, and that have been set to fire otherwise. */
static const char set_copies[] =
	"SELECT format('ALTER TABLE %s %s TRIGGER %I', $2::text, " FIRING("t.tgenabled") ", t.tgname) "
	"FROM pg_trigger t JOIN pg_trigger p ON p.oid = t.tgparentid "
	"WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgenabled <> p.tgenabled ORDER BY t.tgname";

static const char drop_rules[] =
	"SELECT format('DROP RULE %I ON %s', rulename, $2::text) FROM pg_rewrite WHERE ev_class = $1 ORDER BY rulename";

static const char create_rules[] =
	"SELECT x.s FROM pg_rewrite r, LATERAL (VALUES (1, rtrim(pg_get_ruledef(r.oid), ';')), "
	"(2, CASE WHEN r.ev_enabled <> 'O' THEN format('ALTER TABLE %s %s RULE %I', $2::text, " FIRING("r.ev_enabled") ", r.rulename) END), "
	"(3, CASE WHEN obj_description(r.oid, 'pg_rewrite') IS NOT NULL THEN "
	"  format('COMMENT ON RULE %I ON %s IS %L', r.rulename, $2, obj_description(r.oid, 'pg_rewrite')) END)) x(n, s) "
	"WHERE r.ev_class = $1 AND x.s IS NOT NULL ORDER BY r.rulename, x.n";

/* Constraint triggers of other tables, FROM this one. */
static const char drop_from[] =
	"SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE oid = $1";

static const char create_from[] =
	"SELECT x.s FROM pg_trigger t, LATERAL (VALUES (1, pg_get_triggerdef(t.oid)), "
	"(2, CASE WHEN t.tgenabled <> 'O' THEN format('ALTER TABLE %s %s TRIGGER %I', t.tgrelid::regclass, " FIRING("t.tgenabled") ", t.tgname) END), "
	"(3, CASE WHEN obj_description(t.oid, 'pg_trigger') IS NOT NULL THEN "
	"  format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, t.tgrelid::regclass, obj_description(t.oid, 'pg_trigger')) END)) x(n, s) "
	"WHERE t.oid = $1 AND x.s IS NOT NULL ORDER BY x.n";

static void
add_pair(Moving *moving, const MovePair *pair)
{
	ACT_ROWS(&moving->leave, pair->owner, pair->from, drop_triggers, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->leave, pair->owner, pair->from, drop_rules, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->enter, pair->owner, pair->from, create_triggers, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->enter, pair->owner, pair->from, create_rules, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->others, pair->owner, pair->from, set_copies, arg_oid(pair->from), arg_text(pair->name));
}

static void
add_all(Moving *moving)
{
	QuerySession session;
	List	   *triggers;
	List	   *tables;
	ListCell   *lc;
	ListCell   *table;

	query_begin(&session);
	QUERY("SELECT array_agg(oid ORDER BY oid), array_agg(tgrelid ORDER BY oid) FROM pg_trigger "
		  "WHERE tgconstrrelid = ANY ($1) AND NOT tgrelid = ANY ($1) AND NOT tgisinternal AND tgparentid = 0",
		  arg_oids(moving->tables));
	triggers = query_oids(0, 1);
	tables = query_oids(0, 2);
	query_end(&session);
	forboth(lc, triggers, table, tables)
	{
		Oid			owner = identity_of(lfirst_oid(table));

		ACT_ROWS(&moving->leave, owner, lfirst_oid(table), drop_from, arg_oid(lfirst_oid(lc)));
		ACT_ROWS(&moving->others, owner, lfirst_oid(table), create_from, arg_oid(lfirst_oid(lc)));
	}
}

const MovePart move_triggers = {.pair = add_pair, .all = add_all};
