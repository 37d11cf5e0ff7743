/*-------------------------------------------------------------------------
 *
 * app_path.c
 *		By which schemas running applications find what they do not qualify.
 *
 * What goes from one schema to another is found again by those whose
 * search_path has both, if nothing of its name comes before it there.  What a
 * session begins with is known from the settings of its role and database; of
 * the server's own setting only that it is the default.  A role that nobody logs
 * in as has no sessions; superusers count where they are clients themselves.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "facts/app_path.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
#include "compat.h"

#define SETTING "search_path="
#define DEFAULT_PATH "\"$user\", public"

/* The search_path among settings; NULL if it is not. */
static char *
path_among(Datum settings)
{
	Datum	   *elements;
	int			count;

	deconstruct_array(DatumGetArrayTypeP(settings), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *setting = TextDatumGetCString(elements[i]);

		if (strncmp(setting, SETTING, strlen(SETTING)) == 0)
			return setting + strlen(SETTING);
	}
	return NULL;
}

/* What ALTER ROLE or ALTER DATABASE has set it to; NULL if neither. */
static char *
path_set_for(Relation catalog, Oid database, Oid role)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *path = NULL;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(role));
	scan = systable_beginscan(catalog, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
	if (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		settings = heap_getattr(tuple, Anum_pg_db_role_setting_setconfig,
											RelationGetDescr(catalog), &isnull);

		if (!isnull)
			path = path_among(settings);
	}
	systable_endscan(scan);
	return path;
}

/* What a session of the role begins with, as PostgreSQL puts its sources in order; NULL if not known. */
static char *
path_of_role(Relation catalog, const PathChange *change, Oid role)
{
	const Oid	sources[][2] = {{MyDatabaseId, role}, {InvalidOid, role}, {MyDatabaseId, InvalidOid}, {InvalidOid, InvalidOid}};
	char	   *path = NULL;

	for (int i = 0; i < lengthof(sources) && path == NULL; i++)
	{
		if (change != NULL && change->database == sources[i][0] && change->role == sources[i][1])
			path = change->path != NULL ? pstrdup(change->path) : NULL;
		else
			path = path_set_for(catalog, sources[i][0], sources[i][1]);
	}
	if (path == NULL && strcmp(GetConfigOptionResetString("search_path"), DEFAULT_PATH) == 0)
		path = pstrdup(DEFAULT_PATH);
	return path;
}

/* The schemas of a path that are there. */
static List *
schemas_of(const char *path, Oid role)
{
	List	   *names;
	List	   *schemas = NIL;
	ListCell   *lc;

	if (!SplitIdentifierString(pstrdup(path), ',', &names))
		return NIL;
	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		Oid			schema = get_namespace_oid(strcmp(name, "$user") == 0 && OidIsValid(role) ?
											   GetUserNameFromId(role, false) : name, true);

		if (OidIsValid(schema))
			schemas = lappend_oid(schemas, schema);
	}
	return schemas;
}

/* Is there one of that name in the schema? */
static bool
is_taken(const MovedObject *object, Oid schema)
{
	if (object->classid == RelationRelationId)
		return OidIsValid(get_relname_relid(object->name, schema));
	if (object->classid == TypeRelationId)
		return SearchSysCacheExists2(TYPENAMENSP, CStringGetDatum(object->name), ObjectIdGetDatum(schema));
	return SearchSysCacheExists3(PROCNAMEARGSNSP, CStringGetDatum(object->name),
								 PointerGetDatum(object->arguments), ObjectIdGetDatum(schema));
}

/* The place among the schemas of the first one that has it, if it is in "home"; -1 if another comes first, or none. */
static int
place_found(const MovedObject *object, List *schemas, Oid home)
{
	ListCell   *lc;

	foreach(lc, schemas)
	{
		Oid			schema = lfirst_oid(lc);

		if (schema == home)
			return foreach_current_index(lc);
		/* before it goes and when it is gone, the two schemas count for where it is alone */
		if (schema != object->from && schema != object->to && is_taken(object, schema))
			return -1;
	}
	return -1;
}

static bool
role_finds(Relation catalog, const MovedObject *object, Oid role)
{
	char	   *path = path_of_role(catalog, NULL, role);
	List	   *schemas = path != NULL ? schemas_of(path, role) : NIL;

	return place_found(object, schemas, object->from) >= 0 && place_found(object, schemas, object->to) >= 0 &&
		object_aclcheck(NamespaceRelationId, object->to, role, ACL_USAGE) == ACLCHECK_OK;
}

/* Does a session of the role count on it as one of the clients? */
static bool
is_client(const MovedObject *object, Form_pg_authid role, List *clients)
{
	ListCell   *lc;

	if (list_member_oid(clients, role->oid))
		return true;
	if (role->rolsuper)
		return false;
	foreach(lc, clients)
	{
		Oid			client = lfirst_oid(lc);

		if (client == ACL_ID_PUBLIC ?
			object_aclcheck(NamespaceRelationId, object->from, role->oid, ACL_USAGE) == ACLCHECK_OK :
			is_member_of_role_nosuper(role->oid, client))
			return true;
	}
	return false;
}

/* Those who log in and count on it; NIL if nobody does. */
static List *
logins(const MovedObject *object, List *clients)
{
	Relation	catalog = table_open(AuthIdRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	List	   *roles = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_authid role = (Form_pg_authid) GETSTRUCT(tuple);

		if (role->rolcanlogin && is_client(object, role, clients))
			roles = lappend_oid(roles, role->oid);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return roles;
}

/* A function has a search_path of its own, or qualifies the name in its text. */
static bool
function_finds(const MovedObject *object, HeapTuple tuple, TupleDesc desc, const char *qualified)
{
	Form_pg_proc proc = (Form_pg_proc) GETSTRUCT(tuple);
	bool		isnull;
	Datum		value;
	char	   *path = NULL;

	if (proc->prolang == INTERNALlanguageId || proc->prolang == ClanguageId)
		return true;
	value = heap_getattr(tuple, Anum_pg_proc_prosrc, desc, &isnull);
	if (!isnull && strstr(TextDatumGetCString(value), qualified) != NULL)
		return false;
	value = heap_getattr(tuple, Anum_pg_proc_proconfig, desc, &isnull);
	if (!isnull)
		path = path_among(value);
	if (path != NULL)
	{
		List	   *schemas = schemas_of(path, InvalidOid);

		return place_found(object, schemas, object->from) < 0 || place_found(object, schemas, object->to) >= 0;
	}
	return true;
}

static bool
functions_find(const MovedObject *object)
{
	Relation	catalog = table_open(ProcedureRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, NULL, 0, NULL);
	char	   *qualified = quote_qualified_identifier(get_namespace_name(object->from), object->name);
	bool		all = true;
	HeapTuple	tuple;

	while (all && HeapTupleIsValid(tuple = systable_getnext(scan)))
		all = function_finds(object, tuple, RelationGetDescr(catalog), qualified);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return all;
}

bool
app_path_finds(const MovedObject *object, List *clients)
{
	List	   *roles = logins(object, clients);
	Relation	catalog;
	ListCell   *lc;
	bool		all = true;

	/* what nobody can reach but its owner is his */
	if (roles == NIL)
		roles = logins(object, list_make1_oid(object->owner));
	if (roles == NIL)
		return false;
	catalog = table_open(DbRoleSettingRelationId, AccessShareLock);
	foreach(lc, roles)
		all = all && role_finds(catalog, object, lfirst_oid(lc));
	table_close(catalog, AccessShareLock);
	return all && functions_find(object);
}

bool
app_path_schemas(const PathChange *change, Oid role, List **schemas)
{
	Relation	catalog = table_open(DbRoleSettingRelationId, AccessShareLock);
	char	   *path = path_of_role(catalog, change, role);

	table_close(catalog, AccessShareLock);
	*schemas = path != NULL ? schemas_of(path, role) : NIL;
	return path != NULL;
}

Oid
app_path_first(List *schemas, const char *name)
{
	Oid			found = InvalidOid;
	ListCell   *lc;

	foreach(lc, schemas)
	{
		found = get_relname_relid(name, lfirst_oid(lc));
		if (OidIsValid(found))
			break;
	}
	return found;
}
