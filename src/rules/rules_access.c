/*-------------------------------------------------------------------------
 *
 * rules_access.c
 *		GRANT, REVOKE, policies, publications.
 *
 * Here only the facts change; what that means to the clients of a relation is
 * told by its reliance.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_publication.h"
#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_query.h"
#include "rules/rules.h"
#include "rules/rules_work.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_func.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "compat.h"

static AclMode
privilege_bit(const char *name)
{
	static const struct
	{
		const char *name;
		AclMode		bit;
	}			privileges[] = {
		{"select", ACL_SELECT}, {"insert", ACL_INSERT}, {"update", ACL_UPDATE},
		{"delete", ACL_DELETE}, {"truncate", ACL_TRUNCATE}, {"references", ACL_REFERENCES},
		{"trigger", ACL_TRIGGER}, {"usage", ACL_USAGE}, {"execute", ACL_EXECUTE},
		{"create", ACL_CREATE}, {"connect", ACL_CONNECT}
	};

	for (int i = 0; i < lengthof(privileges); i++)
	{
		if (strcmp(privileges[i].name, name) == 0)
			return privileges[i].bit;
	}
	return 0;
}

static AclMode
privilege_bits(List *privileges)
{
	AclMode		bits = 0;
	ListCell   *lc;

	if (privileges == NIL)
		return ~((AclMode) 0);
	foreach(lc, privileges)
	{
		AccessPriv *priv = (AccessPriv *) lfirst(lc);

		if (priv->cols == NIL && priv->priv_name != NULL)
			bits |= privilege_bit(priv->priv_name);
	}
	return bits;
}

static Oid
grantee_oid(RoleSpec *spec)
{
	return spec->roletype == ROLESPEC_PUBLIC ? ACL_ID_PUBLIC : get_rolespec_oid(spec, false);
}

static void
change_grant(List **grants, Oid role, const char *column, AclMode bits, bool grant)
{
	FactGrant  *added;
	ListCell   *lc;

	foreach(lc, *grants)
	{
		FactGrant  *existing = (FactGrant *) lfirst(lc);

		if (existing->role != role || (column != NULL && strcmp(existing->column, column) != 0))
			continue;
		existing->privileges = grant ? existing->privileges | bits : existing->privileges & ~bits;
		return;
	}
	if (!grant)
		return;
	added = palloc0(sizeof(FactGrant));
	added->role = role;
	added->column = column != NULL ? pstrdup(column) : NULL;
	added->privileges = bits;
	*grants = lappend(*grants, added);
}

/* Of single columns; what is revoked of the relation is of each of them, too. */
static void
change_column_grants(FactRelation *rel, Oid role, const GrantStmt *stmt, AclMode of_relation)
{
	ListCell   *lc;
	ListCell   *c;

	foreach(lc, stmt->is_grant ? NIL : rel->column_grants)
	{
		FactGrant  *existing = (FactGrant *) lfirst(lc);

		if (existing->role == role)
			existing->privileges &= ~of_relation;
	}
	foreach(lc, stmt->privileges)
	{
		AccessPriv *priv = (AccessPriv *) lfirst(lc);

		foreach(c, priv->cols)
			change_grant(&rel->column_grants, role, strVal(lfirst(c)),
						 priv->priv_name != NULL ? privilege_bit(priv->priv_name) : ~((AclMode) 0), stmt->is_grant);
	}
}

#define GRANT_HINT "GRANT the privilege again in the same transaction, or revoke it once no application needs it."

/* An INSERT draws from the sequence as whoever does it. */
static void
touch_filled(Judgement *j, FactRelation *seq)
{
	ListCell   *lc;

	foreach(lc, OidIsValid(seq->oid) ? facts_filled_by(j->facts, seq->oid) : NIL)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		facts_detail(j->facts, rel);
		rules_touch(j, rel, GRANT_HINT);
	}
}

static void
grant_on_relation(Judgement *j, GrantStmt *stmt, FactRelation *rel)
{
	AclMode		bits = privilege_bits(stmt->privileges);
	ListCell   *lc;

	if (!stmt->is_grant)
		rules_touch(j, rel, GRANT_HINT);
	if (!stmt->is_grant && rel->kind == RELKIND_SEQUENCE)
		touch_filled(j, rel);
	facts_access(j->facts, rel);
	foreach(lc, stmt->grantees)
	{
		Oid			role = grantee_oid((RoleSpec *) lfirst(lc));

		change_grant(&rel->grants, role, NULL, bits, stmt->is_grant);
		change_column_grants(rel, role, stmt, bits);
	}
}

/* Does a role that the schema's relations name get in only by what is revoked? */
static bool
locks_out(Judgement *j, Oid nspid, Oid role)
{
	ListCell   *lc;

	foreach(lc, facts_in_schema(j->facts, nspid))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);
		ListCell   *lg;

		facts_access(j->facts, rel);
		foreach(lg, rel->grants)
		{
			Oid			client = ((FactGrant *) lfirst(lg))->role;

			if (client == ACL_ID_PUBLIC || has_privs_of_role(client, rel->owner))
				continue;
			if (role != ACL_ID_PUBLIC && !has_privs_of_role(client, role))
				continue;
			if (facts_schema_usage_only_by(nspid, client, role))
				return true;
		}
	}
	return false;
}

/* Or one that logs in, and uses them by what others are granted? */
static bool
locks_out_logins(Judgement *j, Oid nspid, Oid role)
{
	char	   *schema = get_namespace_name(nspid);
	ListCell   *lc;

	foreach(lc, facts_logins_as(j->facts, role))
	{
		Oid			login = lfirst_oid(lc);
		ListCell   *lr;

		if (!facts_schema_usage_only_by(nspid, login, role))
			continue;
		foreach(lr, facts_reached_by(j->facts, login))
		{
			FactRelation *rel = (FactRelation *) lfirst(lr);

			if (!rel->fresh && strcmp(rel->schema, schema) == 0 && facts_can_use(j->facts, rel, login))
				return true;
		}
	}
	return false;
}

static void
revoke_schema(Judgement *j, GrantStmt *stmt, const char *name)
{
	Oid			nspid = get_namespace_oid(name, true);
	ListCell   *lc;

	if (!OidIsValid(nspid) || stmt->is_grant || !(privilege_bits(stmt->privileges) & ACL_USAGE))
		return;
	foreach(lc, stmt->grantees)
	{
		Oid			role = grantee_oid((RoleSpec *) lfirst(lc));

		if (locks_out(j, nspid, role) || locks_out_logins(j, nspid, role))
			rules_find(j, RULE_BREAKS_CLIENTS, quote_identifier(name), NoLock,
					   psprintf("Roles that use relations of schema %s can no longer reach them.",
								quote_identifier(name)),
					   pstrdup(GRANT_HINT));
	}
}

static void
revoke_function(Judgement *j, GrantStmt *stmt, ObjectWithArgs *name)
{
	Oid			funcid = LookupFuncWithArgs(stmt->objtype, name, true);
	ListCell   *lc;

	if (!OidIsValid(funcid) || stmt->is_grant || !(privilege_bits(stmt->privileges) & ACL_EXECUTE))
		return;
	/* Nobody calls a trigger's function: who may is asked when the trigger is made. */
	if (get_func_rettype(funcid) == TRIGGEROID || get_func_rettype(funcid) == EVENT_TRIGGEROID)
		return;
	foreach(lc, stmt->grantees)
	{
		if (facts_function_granted(funcid, grantee_oid((RoleSpec *) lfirst(lc))))
			rules_find(j, RULE_BREAKS_CLIENTS, format_procedure_qualified(funcid), NoLock,
					   psprintf("Roles that call %s today may no longer be allowed to.",
								format_procedure_qualified(funcid)),
					   pstrdup(GRANT_HINT));
	}
}

/* Who has been let in by the text otherwise? */
static bool
may_connect(Judgement *j, Oid role)
{
	ListCell   *lc;

	foreach(lc, j->facts->connecting)
	{
		if (lfirst_oid(lc) == ACL_ID_PUBLIC || facts_acts_as(j->facts, role, lfirst_oid(lc)))
			return true;
	}
	return false;
}

static void
revoke_connect(Judgement *j, Oid role)
{
	ListCell   *lc;

	foreach(lc, facts_logins_as(j->facts, role))
	{
		Oid			login = lfirst_oid(lc);
		FactRelation *rel = facts_connects_only_by(login, role) && !may_connect(j, login) ? facts_used_by(j->facts, login) : NULL;
		const char *name = quote_identifier(GetUserNameFromId(login, false));

		if (rel == NULL)
			continue;
		rules_find(j, RULE_BREAKS_CLIENTS, quote_identifier(get_database_name(MyDatabaseId)), NoLock,
				   psprintf("Role %s, which has privileges on %s, can no longer connect.", name, facts_name(rel)),
				   psprintf("GRANT CONNECT ON DATABASE %s TO %s; first.",
							quote_identifier(get_database_name(MyDatabaseId)), name));
		return;
	}
}

static void
grant_on_database(Judgement *j, GrantStmt *stmt, const char *name)
{
	ListCell   *lc;

	if (get_database_oid(name, true) != MyDatabaseId || !(privilege_bits(stmt->privileges) & ACL_CONNECT))
		return;
	foreach(lc, stmt->grantees)
	{
		Oid			role = grantee_oid((RoleSpec *) lfirst(lc));

		if (stmt->is_grant)
			facts_note_connecting(j->facts, role);
		else
			revoke_connect(j, role);
	}
}

static void
grant_on_object(Judgement *j, GrantStmt *stmt, Node *object)
{
	FactRelation *rel;

	switch (stmt->objtype)
	{
		case OBJECT_TABLE:
		case OBJECT_SEQUENCE:
			rel = facts_find(j->facts, (RangeVar *) object);
			if (rel != NULL)
				grant_on_relation(j, stmt, rel);
			break;
		case OBJECT_SCHEMA:
			revoke_schema(j, stmt, strVal(object));
			break;
		case OBJECT_DATABASE:
			grant_on_database(j, stmt, strVal(object));
			break;
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
			revoke_function(j, stmt, (ObjectWithArgs *) object);
			break;
		default:
			break;
	}
}

static void
grant_in_schema(Judgement *j, GrantStmt *stmt, const char *schema)
{
	ListCell   *lc;

	foreach(lc, facts_in_schema(j->facts, get_namespace_oid(schema, true)))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);
		bool		is_sequence = rel->kind == RELKIND_SEQUENCE;

		if (is_sequence == (stmt->objtype == OBJECT_SEQUENCE) && rel->kind != RELKIND_INDEX)
			grant_on_relation(j, stmt, rel);
	}
	/* Relations that the text made in that schema. */
	foreach(lc, j->facts->relations)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);
		bool		is_sequence = rel->kind == RELKIND_SEQUENCE;

		if (!OidIsValid(rel->oid) && !rel->gone && strcmp(rel->schema, schema) == 0 &&
			is_sequence == (stmt->objtype == OBJECT_SEQUENCE))
			grant_on_relation(j, stmt, rel);
	}
}

void
rules_grant(Judgement *j, Node *node)
{
	GrantStmt  *stmt = castNode(GrantStmt, node);
	ListCell   *lc;

	/* REVOKE GRANT OPTION FOR leaves everyone his privileges. */
	if (!stmt->is_grant && stmt->grant_option)
		return;
	foreach(lc, stmt->objects)
	{
		if (stmt->targtype == ACL_TARGET_OBJECT)
			grant_on_object(j, stmt, (Node *) lfirst(lc));
		else if (stmt->targtype == ACL_TARGET_ALL_IN_SCHEMA &&
				 (stmt->objtype == OBJECT_TABLE || stmt->objtype == OBJECT_SEQUENCE))
			grant_in_schema(j, stmt, strVal(lfirst(lc)));
	}
}

static List *
policy_roles(List *specs)
{
	List	   *roles = NIL;
	ListCell   *lc;

	foreach(lc, specs)
		roles = lappend_oid(roles, grantee_oid((RoleSpec *) lfirst(lc)));
	return roles;
}

static char
policy_command(const char *name)
{
	if (strcmp(name, "select") == 0)
		return ACL_SELECT_CHR;
	if (strcmp(name, "insert") == 0)
		return ACL_INSERT_CHR;
	if (strcmp(name, "update") == 0)
		return ACL_UPDATE_CHR;
	if (strcmp(name, "delete") == 0)
		return ACL_DELETE_CHR;
	return '*';
}

/* Anything that is not of constants alone may let some row through. */
static bool
not_constant(Node *raw, void *context)
{
	if (raw == NULL)
		return false;
	if (IsA(raw, ColumnRef) || IsA(raw, FuncCall) || IsA(raw, SubLink) || IsA(raw, ParamRef))
		return true;
	return raw_expression_tree_walker(raw, not_constant, context);
}

static bool
never_true(Node *raw)
{
	return !not_constant(raw, NULL) && facts_is_false(facts_analyze(NULL, raw, EXPR_KIND_POLICY));
}

/* Where a policy says nothing of new rows, they are checked by USING. */
static void
read_policy(FactPolicy *policy, Node *qual, Node *with_check)
{
	bool		followed = policy->rejects == policy->hides;

	if (qual != NULL)
		policy->hides = never_true(qual);
	if (with_check != NULL)
		policy->rejects = never_true(with_check);
	else if (qual != NULL && followed)
		policy->rejects = policy->hides;
}

void
rules_create_policy(Judgement *j, Node *node)
{
	CreatePolicyStmt *stmt = castNode(CreatePolicyStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->table);
	FactPolicy *policy;

	if (rel == NULL)
		return;
	rules_lock(j, rel, AccessExclusiveLock);
	if (!stmt->permissive)
		rules_touch(j, rel, "A restrictive policy takes rows away from everyone whom it is for.");
	facts_access(j->facts, rel);
	policy = palloc0(sizeof(FactPolicy));
	policy->name = stmt->policy_name;
	policy->command = policy_command(stmt->cmd_name);
	policy->permissive = stmt->permissive;
	policy->roles = policy_roles(stmt->roles);
	read_policy(policy, stmt->qual, stmt->with_check);
	rel->policies = lappend(rel->policies, policy);
}

void
rules_alter_policy(Judgement *j, Node *node)
{
	AlterPolicyStmt *stmt = castNode(AlterPolicyStmt, node);
	FactRelation *rel = facts_find(j->facts, stmt->table);
	ListCell   *lc;

	if (rel == NULL)
		return;
	rules_lock(j, rel, AccessExclusiveLock);
	rules_touch(j, rel, "Add a policy for the roles that use the table.");
	facts_access(j->facts, rel);
	foreach(lc, rel->policies)
	{
		FactPolicy *policy = (FactPolicy *) lfirst(lc);

		if (strcmp(policy->name, stmt->policy_name) != 0)
			continue;
		if (stmt->roles != NIL)
			policy->roles = policy_roles(stmt->roles);
		read_policy(policy, stmt->qual, stmt->with_check);
	}
}

/* Does the "publish" option, or its absence, carry UPDATE or DELETE? */
static bool
publishes_changes(List *options, bool otherwise)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);
		char	   *what;

		if (strcmp(option->defname, "publish") != 0)
			continue;
		what = defGetString(option);
		return strstr(what, "update") != NULL || strstr(what, "delete") != NULL;
	}
	return otherwise;
}

/* Columns of the replica identity; NIL when it is the whole row or there is none. */
static List *
identity_columns(Facts *facts, FactRelation *rel)
{
	List	   *names = NIL;
	ListCell   *lc;

	facts_detail(facts, rel);
	foreach(lc, rel->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);
		bool		is_identity = rel->replica_identity == REPLICA_IDENTITY_INDEX ?
			idx->replica_identity : idx->primary;

		if (idx->dropped || !is_identity || rel->replica_identity == REPLICA_IDENTITY_FULL)
			continue;
		for (int i = 0; i < idx->nkeys; i++)
		{
			FactColumn *col = facts_attribute(rel, idx->columns[i]);

			if (col != NULL)
				names = lappend(names, makeString(col->name));
		}
	}
	return names;
}

static bool
uses_other_column(Node *node, List *names)
{
	if (node == NULL)
		return false;
	if (IsA(node, ColumnRef))
		return !list_member(names, llast(((ColumnRef *) node)->fields));
	return raw_expression_tree_walker(node, uses_other_column, names);
}

/* Do the published columns hold the replica identity, and does the filter use nothing else? */
static bool
identity_fits(Facts *facts, FactRelation *rel, List *columns, Node *filter)
{
	List	   *names = identity_columns(facts, rel);
	ListCell   *lc;

	if (rel->replica_identity == REPLICA_IDENTITY_FULL)
		return columns == NIL;
	foreach(lc, names)
	{
		if (columns != NIL && !list_member(columns, lfirst(lc)))
			return false;
	}
	return !uses_other_column(filter, names);
}

static void
publish(Judgement *j, FactRelation *rel, List *columns, Node *filter)
{
	ListCell   *lc;

	if (rel->kind != RELKIND_RELATION && rel->kind != RELKIND_PARTITIONED_TABLE)
		return;
	if (rel->persistence != RELPERSISTENCE_PERMANENT)
		return;
	rules_touch(j, rel, psprintf("ALTER TABLE %s REPLICA IDENTITY FULL; or give it a primary key, in the same transaction.",
								 facts_name(rel)));
	foreach(lc, facts_tree(j->facts, rel, true))
	{
		FactRelation *member = (FactRelation *) lfirst(lc);

		member->published = true;
	}
	if (!identity_fits(j->facts, rel, columns, filter))
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock,
				   psprintf("The publication's columns or row filter do not fit the replica identity of %s: every UPDATE and DELETE would fail.",
							facts_name(rel)),
				   pstrdup("Publish the columns of the replica identity, and filter by nothing else."));
}

static void
publish_schema(Judgement *j, Oid nspid)
{
	ListCell   *lc;

	foreach(lc, facts_in_schema(j->facts, nspid))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (rel->kind == RELKIND_RELATION && rel->oid >= FirstNormalObjectId)
			publish(j, rel, NIL, NULL);
	}
}

static void
publish_table(Judgement *j, RangeVar *table, List *columns, Node *filter)
{
	FactRelation *rel = facts_find(j->facts, table);

	if (rel == NULL)
		return;
	rules_touch_root(j, rel, "ALTER TABLE ... REPLICA IDENTITY FULL; on the partition, or give it a primary key.");
	publish(j, rel, columns, filter);
}

static void
publish_objects(Judgement *j, List *objects)
{
	ListCell   *lc;

	foreach(lc, objects)
	{
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
		PublicationObjSpec *object = (PublicationObjSpec *) lfirst(lc);

		if (object->pubtable != NULL)
			publish_table(j, object->pubtable->relation, object->pubtable->columns,
						  object->pubtable->whereClause);
		else if (object->name != NULL)
			publish_schema(j, get_namespace_oid(object->name, true));
#else
		publish_table(j, (RangeVar *) lfirst(lc), NIL, NULL);
#endif
	}
}

void
rules_create_publication(Judgement *j, Node *node)
{
	CreatePublicationStmt *stmt = castNode(CreatePublicationStmt, node);

	if (!publishes_changes(stmt->options, true))
		return;
	if (stmt->for_all_tables)
		publish_schema(j, InvalidOid);
	else
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
		publish_objects(j, stmt->pubobjects);
#else
		publish_objects(j, stmt->tables);
#endif
}

/* Tables of a publication that now carries UPDATE or DELETE. */
static void
publish_published(Judgement *j, const char *name)
{
	ListCell   *lc;

	foreach(lc, facts_publication_tables(j->facts, name))
		publish(j, (FactRelation *) lfirst(lc), NIL, NULL);
}

void
rules_alter_publication(Judgement *j, Node *node)
{
	AlterPublicationStmt *stmt = castNode(AlterPublicationStmt, node);
	Publication *pub;

	if (stmt->options != NIL)
	{
		if (publishes_changes(stmt->options, false))
			publish_published(j, stmt->pubname);
		return;
	}
	pub = GetPublicationByName(stmt->pubname, true);
	if (pub == NULL || (!pub->pubactions.pubupdate && !pub->pubactions.pubdelete))
		return;
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
	if (stmt->action != AP_DropObjects)
		publish_objects(j, stmt->pubobjects);
#else
	if (stmt->tableAction != DEFELEM_DROP)
		publish_objects(j, stmt->tables);
#endif
}
