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
