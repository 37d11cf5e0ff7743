/*-------------------------------------------------------------------------
 *
 * retype.c
 *		What ALTER COLUMN TYPE would do, asked of the server itself.
 *
 * Which changes of type need a rewrite differs between versions, types,
 * operator classes and even time zones.  So the change is made to an empty,
 * temporary table of the same structure, in a subtransaction that is always
 * rolled back: files that are the same before and after were not rewritten.
 * The user's table is only locked as by a reader.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "core/errors.h"
#include "core/names.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "plan/probe.h"
#include "plan/retype.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/resowner.h"
#include "utils/syscache.h"
#include "compat.h"

static void
run(const char *sql)
{
	int			rc = SPI_execute(sql, false, 0);

	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("statement failed: %s", SPI_result_code_string(rc))));
}

/* The files of the table and its indexes, as one string. */
static char *
files(MemoryContext context)
{
	run("SELECT pg_catalog.string_agg(f::pg_catalog.text, ' ' ORDER BY f) FROM "
		"(SELECT pg_catalog.pg_relation_filenode('" RETYPE_PROBE "'::pg_catalog.regclass) "
		" UNION ALL SELECT pg_catalog.pg_relation_filenode(indexrelid) FROM pg_catalog.pg_index "
		" WHERE indrelid = '" RETYPE_PROBE "'::pg_catalog.regclass) x(f)");
	return MemoryContextStrdup(context,
							   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

static bool
probe(Oid relid, const char *column, const char *type, const char *using, List *further,
	  MemoryContext context)
{
	char	   *before;
	char	   *after;
	ListCell   *lc;

	SPI_connect();
	/* a generated column as a plain one: the server will not alter what it depends on */
	probe_run(psprintf("CREATE TEMPORARY TABLE zdm_probe (LIKE %s INCLUDING ALL EXCLUDING GENERATED)", names_relation(relid)));
	/* it does not go the server's way then, but through the expression */
	if (using != NULL)
		probe_run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s DROP DEFAULT", quote_identifier(column)));
	before = files(context);
	probe_run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s TYPE %s%s%s%s", quote_identifier(column),
					   type, using ? " USING (" : "", using ? using : "", using ? ")" : ""));
	after = files(context);
	foreach(lc, further)
		probe_run(lfirst(lc));
	SPI_finish();
	return strcmp(before, after) != 0;
}

static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;

	ReleaseSysCache(tuple);
	return owner;
}

RetypeWork
retype_ask(Oid relid, const char *column, const char *type, const char *using, List *further)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner resources = CurrentResourceOwner;
	Oid			owner = owner_of(relid);
	Oid			user;
	int			context;
	ErrorData  *error = NULL;
	volatile bool rewrites = true;

	/* nothing can be made for a moment on a standby, where a plan may be read */
	if (XactReadOnly ||
		object_aclcheck(DatabaseRelationId, MyDatabaseId, owner, ACL_CREATE_TEMP) != ACLCHECK_OK)
		return RETYPE_UNKNOWN;

	/*
	 * As the owner: functions in defaults and index expressions are the owner's
	 * and run with nobody else's rights.
	 */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(owner, context | SECURITY_LOCAL_USERID_CHANGE);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		rewrites = probe(relid, column, type, using, further, caller);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		/* a subtransaction is ours to end before the error goes on */
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = resources;
	SetUserIdAndSecContext(user, context);
	if (error != NULL)
	{
		/* what was run, on a table of ours, says nothing to the caller */
		error->context = NULL;
		ReThrowError(error);
	}
	return rewrites ? RETYPE_REWRITE : RETYPE_CATALOG_ONLY;
}
