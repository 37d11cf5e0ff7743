/*-------------------------------------------------------------------------
 *
 * rules_role.c
 *		Roles: whose privileges they have, that they log in, where they look.
 *
 * Only what those who log in can do with the relations of this database counts:
 * a role that nobody uses, or that reaches nothing here, loses nothing.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "facts/app_path.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "miscadmin.h"
#include "rules/rules.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "compat.h"

#define MEMBER_HINT "GRANT the role what it needs, or a membership in another one that has it, in the same transaction."

/* Those who log in with the privileges of "member" no longer have those of "role". */
static void
take_membership(Judgement *j, Oid member, Oid role)
{
	List	   *roles = facts_logins_as(j->facts, member);
	List	   *reached = roles != NIL ? facts_reached_by(j->facts, role) : NIL;

	/* The list grows by the tables whose INSERTs draw from a sequence. */
	for (int i = 0; i < list_length(reached); i++)
	{
		FactRelation *rel = (FactRelation *) list_nth(reached, i);

		if (rel->kind == RELKIND_SEQUENCE)
			reached = list_concat_unique_ptr(reached, facts_filled_by(j->facts, rel->oid));
		rules_touch_clients(j, rel, roles, MEMBER_HINT);
	}
	facts_note_membership(j->facts, member, role, true);
}

/* Are there sessions of its own?  Not yet of a role that this transaction made. */
static bool
logs_in(Oid role)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	bool		can;

	if (!HeapTupleIsValid(tuple))
		return false;
	can = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	ReleaseSysCache(tuple);
	return can && !facts_is_fresh(AUTHOID, role);
}

/* A session that does not inherit the privileges has them after SET ROLE. */
static void
lose_set_role(Judgement *j, Oid member, Oid role)
{
	FactRelation *rel = !facts_acts_as(j->facts, member, role) && facts_sets_role_by_one(member, role) &&
		logs_in(member) ? facts_used_by(j->facts, role) : NULL;
	const char *name = quote_identifier(GetUserNameFromId(role, false));

	if (rel != NULL)
		rules_find(j, RULE_BREAKS_CLIENTS, name, NoLock,
				   psprintf("Role %s can no longer SET ROLE %s, which has privileges on %s.",
							quote_identifier(GetUserNameFromId(member, false)), name, facts_name(rel)),
				   rules_escape("Deploy applications that no longer do so first", "in the transaction that does it"));
}

void
rules_grant_role(Judgement *j, Node *node)
{
	GrantRoleStmt *stmt = castNode(GrantRoleStmt, node);
	ListCell   *lc;
	ListCell   *lm;

	if (!stmt->is_grant && !zdm_revokes_membership(stmt))
		return;
	foreach(lc, stmt->granted_roles)
	{
		Oid			role = get_role_oid(((AccessPriv *) lfirst(lc))->priv_name, true);

		foreach(lm, stmt->grantee_roles)
		{
			Oid			member = get_rolespec_oid((RoleSpec *) lfirst(lm), true);

			if (!OidIsValid(role) || !OidIsValid(member))
				continue;
			if (!stmt->is_grant && !zdm_of_option(stmt))
				lose_set_role(j, member, role);
			if (stmt->is_grant)
				facts_note_membership(j->facts, member, role, false);
			else
				take_membership(j, member, role);
		}
	}
}

/* The members that ALTER GROUP adds or drops. */
static void
alter_members(Judgement *j, Oid role, List *members, bool add)
{
	ListCell   *lc;

	foreach(lc, members)
	{
		Oid			member = get_rolespec_oid((RoleSpec *) lfirst(lc), true);

		if (OidIsValid(member) && add)
			facts_note_membership(j->facts, member, role, false);
		else if (OidIsValid(member))
			take_membership(j, member, role);
	}
}

/* The role has no privileges any more but its own, and those who have its privileges neither. */
static void
lose_memberships(Judgement *j, Oid role)
{
	ListCell   *lc;

	foreach(lc, facts_memberships(j->facts, role))
		take_membership(j, role, lfirst_oid(lc));
}

static void
lose_login(Judgement *j, Oid role)
{
	FactRelation *rel = facts_used_by(j->facts, role);
	const char *name = quote_identifier(GetUserNameFromId(role, false));

	if (rel != NULL)
		rules_find(j, RULE_BREAKS_CLIENTS, name, NoLock,
				   psprintf("Applications that log in as %s, which has privileges on %s, can no longer connect.",
							name, facts_name(rel)),
				   rules_escape("Let applications log in as another role first", "in the transaction that does it"));
}

/* A role that bypassed row security, and no longer does, meets the policies of every table. */
static void
lose_bypass(Judgement *j, Oid role)
{
	ListCell   *lc;

	foreach(lc, facts_with_row_security(j->facts))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (reliance_hides_rows(j->facts, rel, role))
			rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock,
					   psprintf("Row security of %s has no policy for role %s, which sees none of its rows afterwards.",
								facts_name(rel), quote_identifier(GetUserNameFromId(role, false))),
					   psprintf("CREATE POLICY ... ON %s TO %s USING (...); first.", facts_name(rel),
								quote_identifier(GetUserNameFromId(role, false))));
	}
}

static bool
turns_off(const DefElem *option, const char *name)
{
	return strcmp(option->defname, name) == 0 && option->arg != NULL && !defGetBoolean(unconstify(DefElem *, option));
}

void
rules_alter_role(Judgement *j, Node *node)
{
	AlterRoleStmt *stmt = castNode(AlterRoleStmt, node);
	Oid			role = get_rolespec_oid(stmt->role, true);
	bool		loses_bypass = false;
	ListCell   *lc;

	foreach(lc, OidIsValid(role) ? stmt->options : NIL)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "rolemembers") == 0)
			alter_members(j, role, (List *) option->arg, stmt->action > 0);
		if (turns_off(option, "canlogin") && logs_in(role))
			lose_login(j, role);
		if (turns_off(option, "inherit") && ZDM_INHERITS_BY_ROLE)
			lose_memberships(j, role);
		loses_bypass |= turns_off(option, "bypassrls") || turns_off(option, "superuser");
	}
	if (loses_bypass && has_bypassrls_privilege(role))
		lose_bypass(j, role);
}

/* One that has privileges of its own here PostgreSQL does not drop, and says why. */
void
rules_drop_role(Judgement *j, Node *node)
{
	ListCell   *lc;

	foreach(lc, castNode(DropRoleStmt, node)->roles)
	{
		Oid			role = get_rolespec_oid((RoleSpec *) lfirst(lc), true);

		if (!OidIsValid(role) || facts_role_matters(role))
			continue;
		if (logs_in(role))
			lose_login(j, role);
		else
			lose_memberships(j, role);
	}
}

/* A relation that the role finds by its bare name by the one list of schemas, and not by the other. */
static FactRelation *
lost_from_path(Judgement *j, Oid role, List *before, List *after)
{
	ListCell   *lc;

	foreach(lc, facts_reached_by(j->facts, role))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!rel->fresh && !rel->is_child && facts_can_use(j->facts, rel, role) &&
			app_path_first(before, rel->name) == rel->oid && !OidIsValid(app_path_first(after, rel->name)))
			return rel;
	}
	return NULL;
}

static void
change_path(Judgement *j, const VariableSetStmt *set, Oid database, Oid role)
{
	PathChange	change = {.database = database, .role = role};
	ListCell   *lc;

	if (set->kind != VAR_RESET_ALL && strcmp(set->name, "search_path") != 0)
		return;
	change.path = ExtractSetVariableArgs(unconstify(VariableSetStmt *, set));
	foreach(lc, facts_logins_as(j->facts, ACL_ID_PUBLIC))
	{
		Oid			login = lfirst_oid(lc);
		List	   *before;
		List	   *after;
		FactRelation *rel;

		if ((OidIsValid(role) && role != login) ||
			!app_path_schemas(NULL, login, &before) || !app_path_schemas(&change, login, &after))
			continue;
		rel = lost_from_path(j, login, before, after);
		if (rel != NULL)
			rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock,
					   psprintf("Role %s finds %s by its bare name today, and no longer when it logs in again: schema %s goes from its search_path.",
								quote_identifier(GetUserNameFromId(login, false)), facts_name(rel),
								quote_identifier(rel->schema)),
					   psprintf("Leave schema %s in the search_path.", quote_identifier(rel->schema)));
	}
}

/* A database that is named, if it is this one; none is any. */
static bool
is_here(const char *name, Oid *database)
{
	*database = name != NULL ? get_database_oid(name, true) : InvalidOid;
	return name == NULL || *database == MyDatabaseId;
}

void
rules_alter_role_set(Judgement *j, Node *node)
{
	AlterRoleSetStmt *stmt = castNode(AlterRoleSetStmt, node);
	Oid			role = stmt->role != NULL ? get_rolespec_oid(stmt->role, true) : InvalidOid;
	Oid			database;

	if (is_here(stmt->database, &database) && (stmt->role == NULL || OidIsValid(role)))
		change_path(j, stmt->setstmt, database, role);
}

void
rules_alter_database_set(Judgement *j, Node *node)
{
	AlterDatabaseSetStmt *stmt = castNode(AlterDatabaseSetStmt, node);
	Oid			database;

	if (is_here(stmt->dbname, &database))
		change_path(j, stmt->setstmt, database, InvalidOid);
}
