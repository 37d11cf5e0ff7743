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

/* Has "member" the privileges of "role"?  And note that it is given that membership, or loses it. */
extern bool facts_acts_as(Facts *facts, Oid member, Oid role);
extern void facts_note_membership(Facts *facts, Oid member, Oid role, bool taken);

/* Note that the role (or everyone) is let in. */
extern void facts_note_connecting(Facts *facts, Oid role);

/* May "member" SET ROLE to "role" by one membership of its own and no other? */
extern bool facts_sets_role_by_one(Oid member, Oid role);

/* The roles whose privileges "member" has by a membership of its own. */
extern List *facts_memberships(Facts *facts, Oid member);

/* The roles that log in and have the privileges of "role" (or all), but for superusers, who need none. */
extern List *facts_logins_as(Facts *facts, Oid role);

/*
 * The relations here that are owned by or granted to a role whose privileges
 * "role" has, and those in the schemas that it may use by that.
 */
extern List *facts_reached_by(Facts *facts, Oid role);

/* May "role" read the relation, or add to it?  And one that is here already of which that is so, or NULL. */
extern bool facts_can_use(Facts *facts, FactRelation *rel, Oid role);
extern FactRelation *facts_used_by(Facts *facts, Oid role);

/* May "role" use the schema? */
extern bool facts_schema_usable(Facts *facts, const char *schema, Oid role);

/* Fill grants and policies. */
extern void facts_access(Facts *facts, FactRelation *rel);

/* The relation goes to another role, and with it what was granted to the old owner. */
extern void facts_change_owner(Facts *facts, FactRelation *rel, Oid owner);

/* Does "role" hold all of "privileges" on the relation, by any way? */
extern bool facts_has_privileges(Facts *facts, FactRelation *rel, Oid role, AclMode privileges);

/* The one privilege on a column, or on the relation? */
extern bool facts_has_column_privilege(Facts *facts, FactRelation *rel, Oid role, const char *column, AclMode privilege);

#endif							/* ZDM_FACTS_ACCESS_H */
