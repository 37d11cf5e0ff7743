/*-------------------------------------------------------------------------
 *
 * facts_access.c
 *		Who may do what with a relation: grants and policies.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_auth_members.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_policy.h"
#include "facts/facts_access.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

List *
facts_memberships(Facts *facts, Oid member)
{
	CatCList   *list = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(member));
	List	   *taken = NIL;
	List	   *roles = NIL;
	ListCell   *lc;

	foreach(lc, facts->memberships)
	{
		FactMembership *membership = (FactMembership *) lfirst(lc);

		if (membership->member != member)
			continue;
		if (membership->taken)
			taken = lappend_oid(taken, membership->role);
		else
		{
			taken = list_delete_oid(taken, membership->role);
			roles = lappend_oid(roles, membership->role);
		}
	}
	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_auth_members form = (Form_pg_auth_members) GETSTRUCT(&list->members[i]->tuple);

		/* given by several, it is taken away by one of them */
		if (list_member_oid(taken, form->roleid))
			taken = list_delete_oid(taken, form->roleid);
		else if (zdm_membership_inherits(form))
			roles = lappend_oid(roles, form->roleid);
	}
	ReleaseSysCacheList(list);
	return roles;
}

bool
facts_acts_as(Facts *facts, Oid member, Oid role)
{
	List	   *roles = list_make1_oid(member);

	/* who owns the database is no matter of memberships */
	if (facts->memberships == NIL || role == ROLE_PG_DATABASE_OWNER || superuser_arg(member))
		return has_privs_of_role(member, role);
	for (int i = 0; i < list_length(roles); i++)
		roles = list_concat_unique_oid(roles, facts_memberships(facts, list_nth_oid(roles, i)));
	return list_member_oid(roles, role);
}

void
facts_note_membership(Facts *facts, Oid member, Oid role, bool taken)
{
	MemoryContext old = MemoryContextSwitchTo(facts->mcxt);
	FactMembership *membership = palloc(sizeof(FactMembership));

	*membership = (FactMembership) {.role = role, .member = member, .taken = taken};
	facts->memberships = lappend(facts->memberships, membership);
	MemoryContextSwitchTo(old);
}

void
facts_note_connecting(Facts *facts, Oid role)
{
	MemoryContext old = MemoryContextSwitchTo(facts->mcxt);

	facts->connecting = lappend_oid(facts->connecting, role);
	MemoryContextSwitchTo(old);
}

/* All roles for which that is so. */
static List *
scan_roles(Facts *facts, bool (*wanted) (Facts *facts, Form_pg_authid form, Oid role), Oid role)
{
	Relation	catalog = table_open(AuthIdRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	List	   *roles = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		if (wanted(facts, form, role))
			roles = lappend_oid(roles, form->oid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	list_sort(roles, list_oid_cmp);
	return roles;
}

static bool
logs_in_as(Facts *facts, Form_pg_authid form, Oid role)
{
	/* one that this transaction made is in use by nobody */
	return form->rolcanlogin && !form->rolsuper && !facts_is_fresh(AUTHOID, form->oid) &&
		(role == ACL_ID_PUBLIC || facts_acts_as(facts, form->oid, role));
}

static bool
is_reached_by(Facts *facts, Form_pg_authid form, Oid role)
{
	/* a superuser reaches all, which says nothing of what is done as him */
	return form->oid == role || (!superuser_arg(role) && facts_acts_as(facts, role, form->oid));
}

List *
facts_logins_as(Facts *facts, Oid role)
{
	return scan_roles(facts, logs_in_as, role);
}

bool
facts_sets_role_by_one(Oid member, Oid role)
{
	CatCList   *list = SearchSysCacheList1(AUTHMEMMEMROLE, ObjectIdGetDatum(member));
	int			ways = 0;
	bool		own = false;

	for (int i = 0; i < list->n_members; i++)
	{
		Oid			roleid = ((Form_pg_auth_members) GETSTRUCT(&list->members[i]->tuple))->roleid;

		own |= roleid == role;
		if (roleid == role || is_member_of_role_nosuper(roleid, role))
			ways++;
	}
	ReleaseSysCacheList(list);
	return own && ways == 1;
}

static int
by_oid(const ListCell *a, const ListCell *b)
{
	Oid			one = ((FactRelation *) lfirst(a))->oid;
	Oid			other = ((FactRelation *) lfirst(b))->oid;

	return one < other ? -1 : one > other;
}

List *
facts_reached_by(Facts *facts, Oid role)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, scan_roles(facts, is_reached_by, role))
		relations = list_concat_unique_ptr(relations, facts_relations_of(facts, lfirst_oid(lc)));
	list_sort(relations, by_oid);
	return relations;
}

bool
facts_can_use(Facts *facts, FactRelation *rel, Oid role)
{
	return facts_has_privileges(facts, rel, role, ACL_SELECT) || facts_has_privileges(facts, rel, role, ACL_INSERT);
}

FactRelation *
facts_used_by(Facts *facts, Oid role)
{
	ListCell   *lc;

	foreach(lc, facts_reached_by(facts, role))
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (!rel->fresh && facts_can_use(facts, rel, role))
			return rel;
	}
	return NULL;
}

bool
facts_schema_usable(Facts *facts, const char *schema, Oid role)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACENAME, CStringGetDatum(schema));
	bool		isnull;
	Datum		datum;
	bool		usable;
	Acl		   *acl;

	if (!HeapTupleIsValid(tuple))
		return false;
	usable = facts_acts_as(facts, role, ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner);
	datum = SysCacheGetAttr(NAMESPACENAME, tuple, Anum_pg_namespace_nspacl, &isnull);
	acl = isnull ? NULL : DatumGetAclPCopy(datum);
	ReleaseSysCache(tuple);
	for (int i = 0; acl != NULL && !usable && i < ACL_NUM(acl); i++)
	{
		AclItem    *item = &ACL_DAT(acl)[i];

		usable = (ACLITEM_GET_PRIVS(*item) & ACL_USAGE) != 0 &&
			(item->ai_grantee == ACL_ID_PUBLIC || facts_acts_as(facts, role, item->ai_grantee));
	}
	return usable;
}

/* An expression of a policy; the default where there is none. */
static bool
policy_never(HeapTuple tuple, Relation catalog, AttrNumber attnum, bool otherwise)
{
	bool		isnull;
	Datum		datum = heap_getattr(tuple, attnum, RelationGetDescr(catalog), &isnull);

	return isnull ? otherwise : facts_is_false(stringToNode(TextDatumGetCString(datum)));
}

static void
load_policies(FactRelation *rel)
{
	Relation	catalog = table_open(PolicyRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_policy_polrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(rel->oid));
	scan = systable_beginscan(catalog, PolicyPolrelidPolnameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_policy form = (Form_pg_policy) GETSTRUCT(tuple);
		FactPolicy *policy = palloc0(sizeof(FactPolicy));
		bool		isnull;
		ArrayType  *roles = DatumGetArrayTypeP(heap_getattr(tuple, Anum_pg_policy_polroles,
															RelationGetDescr(catalog), &isnull));

		policy->name = pstrdup(NameStr(form->polname));
		policy->command = form->polcmd;
		policy->permissive = form->polpermissive;
		policy->hides = policy_never(tuple, catalog, Anum_pg_policy_polqual, false);
		policy->rejects = policy_never(tuple, catalog, Anum_pg_policy_polwithcheck, policy->hides);
		for (int i = 0; i < ARR_DIMS(roles)[0]; i++)
			policy->roles = lappend_oid(policy->roles, ((Oid *) ARR_DATA_PTR(roles))[i]);
		rel->policies = lappend(rel->policies, policy);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
}

static void
load_grants(List **grants, Acl *acl, const char *column)
{
	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		AclItem    *item = &ACL_DAT(acl)[i];
		FactGrant  *grant = palloc0(sizeof(FactGrant));

		grant->role = item->ai_grantee;
		grant->privileges = ACLITEM_GET_PRIVS(*item);
		grant->column = column != NULL ? pstrdup(column) : NULL;
		*grants = lappend(*grants, grant);
	}
}

static void
load_column_grants(FactRelation *rel)
{
	Relation	relation = try_relation_open(rel->oid, AccessShareLock);
	int			natts = relation != NULL ? RelationGetNumberOfAttributes(relation) : 0;

	for (AttrNumber attnum = 1; attnum <= natts; attnum++)
	{
		HeapTuple	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(rel->oid), Int16GetDatum(attnum));
		bool		isnull;
		Datum		datum;

		if (!HeapTupleIsValid(tuple))
			continue;
		datum = SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl, &isnull);
		if (!isnull && !((Form_pg_attribute) GETSTRUCT(tuple))->attisdropped)
			load_grants(&rel->column_grants, DatumGetAclPCopy(datum), NameStr(((Form_pg_attribute) GETSTRUCT(tuple))->attname));
		ReleaseSysCache(tuple);
	}
	if (relation != NULL)
		relation_close(relation, NoLock);
}

void
facts_access(Facts *facts, FactRelation *rel)
{
	MemoryContext old;
	HeapTuple	tuple;

	if (rel->access_known)
		return;
	rel->access_known = true;
	old = MemoryContextSwitchTo(facts->mcxt);
	if (!OidIsValid(rel->oid))
	{
		ObjectType	type = rel->kind == RELKIND_SEQUENCE ? OBJECT_SEQUENCE : OBJECT_TABLE;
		Oid			nspid = LookupExplicitNamespace(rel->schema, true);

		if (OidIsValid(nspid))
			load_grants(&rel->grants, get_user_default_acl(type, rel->owner, nspid), NULL);
		MemoryContextSwitchTo(old);
		return;
	}
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(rel->oid));
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull);

		if (!isnull)
			load_grants(&rel->grants, DatumGetAclPCopy(datum), NULL);
		ReleaseSysCache(tuple);
	}
	load_column_grants(rel);
	load_policies(rel);
	MemoryContextSwitchTo(old);
}

bool
facts_has_column_privilege(Facts *facts, FactRelation *rel, Oid role, const char *column, AclMode privilege)
{
	ListCell   *lc;

	if (facts_has_privileges(facts, rel, role, privilege))
		return true;
	foreach(lc, rel->column_grants)
	{
		FactGrant  *grant = (FactGrant *) lfirst(lc);

		if ((grant->privileges & privilege) != 0 && strcmp(grant->column, column) == 0 &&
			(grant->role == ACL_ID_PUBLIC || (role != ACL_ID_PUBLIC && facts_acts_as(facts, role, grant->role))))
			return true;
	}
	return false;
}

bool
facts_has_privileges(Facts *facts, FactRelation *rel, Oid role, AclMode privileges)
{
	AclMode		had = 0;
	ListCell   *lc;

	if (role != ACL_ID_PUBLIC && facts_acts_as(facts, role, rel->owner))
		return true;
	facts_access(facts, rel);
	foreach(lc, rel->grants)
	{
		FactGrant  *grant = (FactGrant *) lfirst(lc);

		if (grant->role == ACL_ID_PUBLIC ||
			(role != ACL_ID_PUBLIC && facts_acts_as(facts, role, grant->role)))
			had |= grant->privileges;
	}
	return (had & privileges) == privileges;
}

void
facts_change_owner(Facts *facts, FactRelation *rel, Oid owner)
{
	ListCell   *lc;

	facts_access(facts, rel);
	foreach(lc, list_concat_copy(rel->grants, rel->column_grants))
	{
		FactGrant  *grant = (FactGrant *) lfirst(lc);

		if (grant->role == rel->owner)
			grant->role = owner;
	}
	rel->owner = owner;
}
