/*-------------------------------------------------------------------------
 *
 * authors.h
 *		Who wrote what PostgreSQL would open.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_AUTHORS_H
#define ZDM_AUTHORS_H

#include "nodes/parsenodes.h"

/*
 * Roles, other than the current user and superusers, that own what planning the
 * query would open: the functions and domains in it, and those in what hangs on
 * its tables and their children (as authors_of_relation()).  An Oid list.  The
 * query is analyzed and rewritten.  Takes ACCESS SHARE on the tables.
 */
extern List *authors_of_query(Query *query);

/*
 * The same of a relation alone: its defaults, CHECKs and partition key, the
 * expressions and predicates of its indexes, and of extended statistics.
 */
extern List *authors_of_relation(Oid relid);

#endif							/* ZDM_AUTHORS_H */
