/*-------------------------------------------------------------------------
 *
 * facts_access.h
 *		Who may do what with a relation: grants and policies.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_FACTS_ACCESS_H
#define ZDM_FACTS_ACCESS_H

#include "facts/facts.h"

/* Fill grants and policies. */
extern void facts_access(Facts *facts, FactRelation *rel);

/* The relation goes to another role, and with it what was granted to the old owner. */
extern void facts_change_owner(Facts *facts, FactRelation *rel, Oid owner);

/* Does "role" hold all of "privileges" on the relation, by any way? */
extern bool facts_has_privileges(Facts *facts, FactRelation *rel, Oid role, AclMode privileges);

/* The one privilege on a column, or on the relation? */
extern bool facts_has_column_privilege(Facts *facts, FactRelation *rel, Oid role, const char *column, AclMode privilege);

#endif							/* ZDM_FACTS_ACCESS_H */
