/*-------------------------------------------------------------------------
 *
 * change.h
 *		One change of a schema, as a function call or a DDL statement states it.
 *
 * The common coin of both front doors: whoever makes one, the way on from here
 * (plan, steps, worker) is the same.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CHANGE_H
#define ZDM_CHANGE_H

typedef struct Change
{
	const char *kind;			/* a name in the table of plan/plan.c */
	Oid			relid;
	char	   *column;			/* the column it is about */
	char	   *new_name;		/* rename: its name afterwards */
} Change;

#endif							/* ZDM_CHANGE_H */
