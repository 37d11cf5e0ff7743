/*-------------------------------------------------------------------------
 *
 * policies.c
 *		Row-level security.
 *
 * The table that applications do not know is its owner's alone: it has none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "move/act.h"

static const char drop[] =
	"SELECT format('DROP POLICY %I ON %s', polname, $2::text) FROM pg_policy WHERE polrelid = $1 ORDER BY polname";

static const char create[] =
	"SELECT x.s FROM pg_policy p, LATERAL (VALUES (1, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, $2::text, "
	"  CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, "
	"  CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, "
	"  (SELECT string_agg(CASE u.role WHEN 0 THEN 'PUBLIC' ELSE u.role::regrole::text END, ', ' ORDER BY u.n) "
	"   FROM unnest(p.polroles) WITH ORDINALITY u(role, n))) "
	"  || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '') "
	"  || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', '')), "
	"(2, CASE WHEN obj_description(p.oid, 'pg_policy') IS NOT NULL THEN "
	"  format('COMMENT ON POLICY %I ON %s IS %L', p.polname, $2, obj_description(p.oid, 'pg_policy')) END)) x(n, s) "
	"WHERE p.polrelid = $1 AND x.s IS NOT NULL ORDER BY p.polname, x.n";

static const char off[] =
	"SELECT x.s FROM pg_class c, LATERAL (VALUES "
	"(1, CASE WHEN c.relrowsecurity THEN format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', $2::text) END), "
	"(2, CASE WHEN c.relforcerowsecurity THEN format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', $2) END)) x(n, s) "
	"WHERE c.oid = $1 ORDER BY x.n";

static const char on[] =
	"SELECT x.s FROM pg_class c, LATERAL (VALUES "
	"(1, CASE WHEN c.relrowsecurity THEN format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', $2::text) END), "
	"(2, CASE WHEN c.relforcerowsecurity THEN format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', $2) END)) x(n, s) "
	"WHERE c.oid = $1 ORDER BY x.n";

static void
add_pair(Moving *moving, const MovePair *pair)
{
	ACT_ROWS(&moving->leave, pair->owner, pair->from, drop, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->leave, pair->owner, pair->from, off, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->enter, pair->owner, pair->from, create, arg_oid(pair->from), arg_text(pair->name));
	ACT_ROWS(&moving->enter, pair->owner, pair->from, on, arg_oid(pair->from), arg_text(pair->name));
}

const MovePart move_policies = {.pair = add_pair};
