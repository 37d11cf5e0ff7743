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
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "plan/probe.h"
#include "plan/retype.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
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
		" WHERE indrelid OPERATOR(pg_catalog.=) '" RETYPE_PROBE "'::pg_catalog.regclass) x(f)");
	return MemoryContextStrdup(context,
							   SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

typedef struct Probe
{
	Oid			relid;
	Oid			owner;
	const char *column;
	const char *type;
	const char *using;
	List	   *further;
	MemoryContext context;
	bool		rewrites;
} Probe;

/* As the owner, whose functions in defaults and index expressions run with nobody else's rights. */
static void
run_probe(void *arg)
{
	Probe	   *probe = arg;
	Oid			user;
	int			context;
	char	   *before;
	char	   *after;
	ListCell   *lc;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(probe->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	SPI_connect();
	/* a generated column as a plain one: the server will not alter what it depends on */
	probe_run(psprintf("CREATE TEMPORARY TABLE zdm_probe (LIKE %s INCLUDING ALL EXCLUDING GENERATED)",
					   names_relation(probe->relid)));
	/* it does not go the server's way then, but through the expression */
	if (probe->using != NULL)
		probe_run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s DROP DEFAULT", quote_identifier(probe->column)));
	before = files(probe->context);
	probe_run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s TYPE %s%s%s%s", quote_identifier(probe->column),
					   probe->type, probe->using ? " USING (" : "", probe->using ? probe->using : "",
					   probe->using ? ")" : ""));
	after = files(probe->context);
	foreach(lc, probe->further)
		probe_run(lfirst(lc));
	SPI_finish();
	probe->rewrites = strcmp(before, after) != 0;
}

RetypeWork
retype_ask(Oid relid, const char *column, const char *type, const char *using, List *further)
{
	Probe		probe = {relid, identity_of(relid), column, type, using, further, CurrentMemoryContext};
	ErrorData  *error;

	/* nothing can be made for a moment on a standby, where a plan may be read */
	if (XactReadOnly ||
		object_aclcheck(DatabaseRelationId, MyDatabaseId, probe.owner, ACL_CREATE_TEMP) != ACLCHECK_OK)
		return RETYPE_UNKNOWN;
	if (!attempt_run(run_probe, &probe, ATTEMPT_UNDO, &error))
	{
		/* what was run, on a table of ours, says nothing to the caller */
		error->context = NULL;
		ReThrowError(error);
	}
	return probe.rewrites ? RETYPE_REWRITE : RETYPE_CATALOG_ONLY;
}
