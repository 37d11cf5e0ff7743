/*-------------------------------------------------------------------------
 *
 * view_query.h
 *		The queries of views, as text and read again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_VIEW_QUERY_H
#define ZDM_VIEW_QUERY_H

#include "nodes/parsenodes.h"

/* An object of a catalog "o" depends on one of the tables ($1), on its indexes or its constraints. */
#define REFERS(o) \
	"EXISTS (SELECT FROM pg_depend d WHERE d.classid = " o ".tableoid AND d.objid = " o ".oid AND d.deptype = 'n' " \
	"  AND (d.refclassid = 'pg_class'::regclass AND (d.refobjid = ANY ($1) " \
	"       OR d.refobjid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ANY ($1))) " \
	"    OR d.refclassid = 'pg_constraint'::regclass AND d.refobjid IN (SELECT oid FROM pg_constraint WHERE conrelid = ANY ($1))))"

/* The views and materialized views (Oid) that refer to one of the tables themselves. */
extern List *view_query_users(List *tables);

/*
 * Does what the view gives come from that column of one of the tables?  Not if the
 * column is read to choose, join or sort rows alone.
 */
extern bool view_query_shows(Oid view, List *tables, const char *column);

/* The text, without a semicolon; and what it means to whoever reads it. */
extern char *view_query_text(Oid view);
extern Query *view_query_read(const char *text);

#endif							/* ZDM_VIEW_QUERY_H */
