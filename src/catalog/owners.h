/*-------------------------------------------------------------------------
 *
 * owners.h
 *		Does all of a table belong to the role with whose rights it is changed?
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OWNERS_H
#define ZDM_OWNERS_H

#include "postgres_ext.h"

/*
 * ERRCODE_INSUFFICIENT_PRIVILEGE for the first of relid's partitions and child
 * tables, itself apart, that "owner" has no owner's rights in, with the statement
 * that gives them.  Takes and keeps ACCESS SHARE on all of them.
 */
extern void owners_check(Oid relid, Oid owner);

/* The same for a view over it, unless that has gone. */
extern void owners_check_view(Oid view, Oid relid, Oid owner);

#endif							/* ZDM_OWNERS_H */
