/*-------------------------------------------------------------------------
 *
 * app_path.h
 *		By which schemas running applications find what they do not qualify.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_APP_PATH_H
#define ZDM_APP_PATH_H

/* A relation, type or function that goes from one schema to another. */
typedef struct MovedObject
{
	Oid			classid;		/* of pg_class, pg_type or pg_proc */
	const char *name;
	oidvector  *arguments;		/* of a function */
	Oid			owner;
	Oid			from;
	Oid			to;
} MovedObject;

/*
 * Do all who log in as one of the clients (Oids of roles, ACL_ID_PUBLIC among
 * them) find it by its bare name before and after, and the functions in this
 * database too?  False if that is not known.
 */
extern bool app_path_finds(const MovedObject *object, List *clients);

/* What a statement makes of search_path for a role (InvalidOid: all) in a database (InvalidOid: any). */
typedef struct PathChange
{
	Oid			database;
	Oid			role;
	const char *path;			/* NULL: it is set no more */
} PathChange;

/* The schemas (Oids) of a new session of the role, with the change if there is one; false if that is not known. */
extern bool app_path_schemas(const PathChange *change, Oid role, List **schemas);

/* The relation that is found first by that name; InvalidOid if none is. */
extern Oid	app_path_first(List *schemas, const char *name);

#endif							/* ZDM_APP_PATH_H */
