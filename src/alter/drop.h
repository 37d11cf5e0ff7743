/*-------------------------------------------------------------------------
 *
 * drop.h
 *		What else a drop would take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DROP_H
#define ZDM_DROP_H

#include "catalog/objectaddress.h"
#include "nodes/parsenodes.h"

/*
 * Refuse a drop of these objects (ObjectAddress *) if others depend on them, by
 * name: ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST; and, as it cannot be known what
 * will by the day of contract, any CASCADE: ERRCODE_FEATURE_NOT_SUPPORTED.
 * "what" is how the statement's target is called.
 */
extern void drop_check_dependents(List *addresses, DropBehavior behavior, const char *what);

#endif							/* ZDM_DROP_H */
