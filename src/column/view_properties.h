/*-------------------------------------------------------------------------
 *
 * view_properties.h
 *		What a view has beside its query.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VIEW_PROPERTIES_H
#define ZDM_VIEW_PROPERTIES_H

#include "column/column.h"
#include "verbs/sql.h"

/* So many views over each other, and one is taken to be over itself, which PostgreSQL finds out when it is read. */
#define VIEWS_DEEPEST "100"

/* WITH v(oid, level): views that "seed" gives with level 1, and all over them; of one over itself there is an end, too. */
#define WITH_VIEWS_OVER(seed) \
	"WITH RECURSIVE v(oid, level) AS (" seed \
	"  UNION SELECT r.ev_class, v.level + 1 FROM v JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid " \
	"  AND d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n' " \
	"  JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' AND r.ev_class <> v.oid " \
	"  JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v' WHERE v.level < " VIEWS_DEEPEST ") "

/* What gives view $1, called $2, its options, if it has any. */
#define VIEW_OPTIONS_SQL \
	"SELECT 'ALTER VIEW ' || $2 || ' SET (' || " \
	"string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') || ')' " \
	"FROM pg_class v, pg_options_to_table(v.reloptions) WHERE v.oid = $1 HAVING count(*) > 0"

/* A role, not its owner, that has granted something on the view, quoted: NULL if there is none. */
#define VIEW_GRANTORS_SQL(oid) \
	"SELECT min(x.grantor::regrole::text) FROM pg_class c, LATERAL (SELECT grantor FROM aclexplode(c.relacl) UNION ALL " \
	"  SELECT e.grantor FROM pg_attribute a, aclexplode(a.attacl) e WHERE a.attrelid = c.oid) x WHERE c.oid = " oid " AND x.grantor <> c.relowner"

/* A view that is made anew in the place, or beside, the one of that Oid. */
typedef struct ViewProperties
{
	Oid			oid;
	const char *name;			/* qualified and quoted, of the new one */
	const char *owner;			/* quoted */
	const char *kind;			/* VIEW or MATERIALIZED VIEW */
} ViewProperties;

/* The statements (char *) by which "maker" gives a view, or materialized view, made anew what the other one has. */
extern List *view_properties(Oid maker, const ViewProperties *view);

/* Append them, for one that the owner of the column's table makes. */
extern void view_append_properties(StringInfo sql, const Column *old, const ViewProperties *view);

#endif							/* ZDM_VIEW_PROPERTIES_H */
