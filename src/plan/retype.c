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
 * Defaults, CHECKs and index expressions come along, and ALTER TABLE plans and
 * folds them: so all is done as the table's owner, in a restricted operation,
 * but for what that refuses: making the temporary table, of bare columns.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "plan/probe.h"
#include "plan/retype.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "compat.h"

/* Those statements that make a table, or the others. */
static void
run(const char *sql, bool creations)
{
	ListCell   *lc;

	foreach(lc, raw_parser(sql, RAW_PARSE_DEFAULT))
	{
		Node	   *stmt = lfirst_node(RawStmt, lc)->stmt;

		if (IsA(stmt, CreateStmt) == creations)
			probe_statement(stmt, sql);
	}
}

/* The files of the table and its indexes, as one string. */
static char *
files(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	StringInfoData result;
	ListCell   *lc;

	initStringInfo(&result);
	appendStringInfo(&result, "%u", zdm_relfilenode(rel));
	foreach(lc, RelationGetIndexList(rel))
	{
		Relation	index = relation_open(lfirst_oid(lc), NoLock);

		appendStringInfo(&result, " %u", zdm_relfilenode(index));
		relation_close(index, NoLock);
	}
	table_close(rel, NoLock);
	return result.data;
}

/* What hangs on the columns: here code of the owner's is run. */
static void
add_dependents(Oid relid)
{
	TableLikeClause *like = makeNode(TableLikeClause);
	RangeVar   *probe = makeRangeVar("pg_temp", "zdm_probe", -1);
	ListCell   *lc;

	like->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relid)),
								  get_rel_name(relid), -1);
	like->relationOid = relid;
	/* a generated column as a plain one: the server will not alter what it depends on */
	like->options = CREATE_TABLE_LIKE_ALL & ~CREATE_TABLE_LIKE_GENERATED;
	foreach(lc, expandTableLikeClause(probe, like))
		probe_statement(lfirst(lc), "");
}

typedef struct Probe
{
	Oid			relid;
	Oid			owner;
	const char *column;
	const char *type;
	const char *using;
	List	   *further;
	bool		rewrites;
} Probe;

static void
run_probe(void *arg)
{
	Probe	   *probe = arg;
	const char *column = quote_identifier(probe->column);
	Identity	saved;
	Oid			probeid;
	char	   *before;
	ListCell   *lc;

	identity_enter_to_create(probe->owner, &saved);
	run(psprintf("CREATE TEMPORARY TABLE zdm_probe (LIKE %s INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMPRESSION)",
				 names_relation(probe->relid)), true);
	foreach(lc, probe->further)
		run(lfirst(lc), true);
	identity_leave(&saved);

	identity_enter(probe->owner, NIL, &saved);
	add_dependents(probe->relid);
	probeid = RangeVarGetRelid(makeRangeVar("pg_temp", "zdm_probe", -1), NoLock, false);
	/* it does not go the server's way then, but through the expression */
	if (probe->using != NULL)
		run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s DROP DEFAULT", column), false);
	before = files(probeid);
	run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s TYPE %s%s%s%s", column,
				 probe->type, probe->using ? " USING (" : "", probe->using ? probe->using : "",
				 probe->using ? ")" : ""), false);
	probe->rewrites = strcmp(before, files(probeid)) != 0;
	foreach(lc, probe->further)
		run(lfirst(lc), false);
	identity_leave(&saved);
}

RetypeWork
retype_ask(Oid relid, const char *column, const char *type, const char *using, List *further)
{
	Probe		probe = {relid, identity_of(relid), column, type, using, further};
	ErrorData  *error;

	/* nothing can be made for a moment on a standby, where a plan may be read */
	if (XactReadOnly ||
		object_aclcheck(DatabaseRelationId, MyDatabaseId, probe.owner, ACL_CREATE_TEMP) != ACLCHECK_OK)
		return RETYPE_UNKNOWN;
	if (!attempt_run(run_probe, &probe, ATTEMPT_UNDO, &error))
	{
		/* what was run, on a table of ours, says nothing to the caller */
		error->context = NULL;
		error->cursorpos = 0;
		error->internalpos = 0;
		error->internalquery = NULL;
		ReThrowError(error);
	}
	return probe.rewrites ? RETYPE_REWRITE : RETYPE_CATALOG_ONLY;
}
