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
 * What PostgreSQL refuses it refuses of our table.  The rule: an error about an
 * index, a constraint or a default names that of the user's table; so what hangs
 * on the column is then tried one by one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/probe.h"
#include "draft/retype.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_utilcmd.h"
#include "parser/parser.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
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

/* One thing that hangs on the table's columns, as the empty table is to have it. */
typedef struct Part
{
	char	   *what;			/* of the user's, named */
	char	   *drop;			/* the statement that takes it away, or NULL */
	Node	   *stmt;
} Part;

static void
add_part(List **parts, Node *stmt, char *what, char *drop)
{
	Part	   *part = palloc(sizeof(Part));

	part->stmt = stmt;
	part->what = what;
	part->drop = drop;
	*parts = lappend(*parts, part);
}

/* An index may be a constraint's. */
static char *
drop_index(Oid indexid)
{
	Oid			constraint = get_index_constraint(indexid);

	return OidIsValid(constraint) ?
		psprintf("ALTER TABLE %s DROP CONSTRAINT %s;", names_relation(IndexGetRelation(indexid, false)),
				 quote_identifier(get_constraint_name(constraint))) :
		psprintf("DROP INDEX %s;", names_relation(indexid));
}

/* Each default and each CHECK by itself: LIKE adds them all at once. */
static void
add_subcommands(List **parts, Oid relid, const AlterTableStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);
		AlterTableStmt *alone = copyObject((AlterTableStmt *) stmt);
		char	   *what = pstrdup("the default of a column");
		char	   *drop = NULL;

		alone->cmds = list_make1(cmd);
		if (cmd->subtype == AT_AddConstraint && castNode(Constraint, cmd->def)->conname != NULL)
		{
			char	   *name = castNode(Constraint, cmd->def)->conname;

			what = psprintf("constraint \"%s\" of %s", name, names_relation(relid));
			drop = psprintf("ALTER TABLE %s DROP CONSTRAINT %s;", names_relation(relid), quote_identifier(name));
		}
		add_part(parts, (Node *) alone, what, drop);
	}
}

/* What hangs on the columns: here code of the owner's is run. */
static List *
dependents(Oid relid)
{
	TableLikeClause *like = makeNode(TableLikeClause);
	RangeVar   *probe = makeRangeVar("pg_temp", "zdm_probe", -1);
	Relation	rel = table_open(relid, NoLock);
	List	   *indexes = RelationGetIndexList(rel);
	List	   *parts = NIL;
	ListCell   *lc;

	table_close(rel, NoLock);
	like->relation = makeRangeVar(get_namespace_name(get_rel_namespace(relid)),
								  get_rel_name(relid), -1);
	like->relationOid = relid;
	/* a generated column as a plain one: the server will not alter what it depends on */
	like->options = CREATE_TABLE_LIKE_ALL & ~CREATE_TABLE_LIKE_GENERATED;
	foreach(lc, expandTableLikeClause(probe, like))
	{
		Node	   *stmt = lfirst(lc);

		if (IsA(stmt, AlterTableStmt))
			add_subcommands(&parts, relid, (AlterTableStmt *) stmt);
		else if (IsA(stmt, IndexStmt) && indexes != NIL)
		{
			Oid			indexid = linitial_oid(indexes);

			add_part(&parts, stmt, psprintf("index %s", names_relation(indexid)), drop_index(indexid));
			indexes = list_delete_first(indexes);
		}
		else
			add_part(&parts, stmt, pstrdup("what hangs on the table"), NULL);
	}
	return parts;
}

typedef struct Probe
{
	Oid			relid;
	Oid			owner;
	const char *column;
	const char *type;
	const char *using;
	List	   *further;
	int			only;			/* of what hangs on the columns, this alone; or one of these */
#define ALL_PARTS (-1)
#define NO_PART (-2)
	Part	   *part;			/* that one, if there are as many */
	bool		rewrites;
	void		(*look) (void *arg);	/* or NULL */
	void	   *look_arg;
} Probe;

static void
add_dependents(Probe *probe)
{
	List	   *parts = dependents(probe->relid);
	ListCell   *lc;

	probe->part = probe->only >= 0 && probe->only < list_length(parts) ? list_nth(parts, probe->only) : NULL;
	foreach(lc, parts)
	{
		Part	   *part = lfirst(lc);

		if (probe->only == ALL_PARTS || part == probe->part)
			probe_statement(part->stmt, "");
	}
}

static void
run_probe(void *arg)
{
	Probe	   *probe = arg;
	const char *column = quote_identifier(probe->column);
	List	   *further = probe->only == ALL_PARTS ? probe->further : NIL;
	Identity	saved;
	Oid			probeid;
	char	   *before;
	ListCell   *lc;

	identity_enter_to_create(probe->owner, &saved);
	run(psprintf("CREATE TEMPORARY TABLE zdm_probe (LIKE %s INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMPRESSION)",
				 names_relation(probe->relid)), true);
	foreach(lc, further)
		run(lfirst(lc), true);
	identity_leave(&saved);

	identity_enter(probe->owner, NIL, &saved);
	add_dependents(probe);
	probeid = RangeVarGetRelid(makeRangeVar("pg_temp", "zdm_probe", -1), NoLock, false);
	/* it does not go the server's way then, but through the expression */
	if (probe->using != NULL)
		run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s DROP DEFAULT", column), false);
	before = files(probeid);
	run(psprintf("ALTER TABLE " RETYPE_PROBE " ALTER COLUMN %s TYPE %s%s%s%s", column,
				 probe->type, probe->using ? " USING (" : "", probe->using ? probe->using : "",
				 probe->using ? ")" : ""), false);
	probe->rewrites = strcmp(before, files(probeid)) != 0;
	foreach(lc, further)
		run(lfirst(lc), false);
	identity_leave(&saved);
	if (probe->look != NULL)
		probe->look(probe->look_arg);
}

/* "message" with the user's table for ours. */
static char *
in_users_words(char *message, const Probe *probe)
{
	Datum		replaced;

	if (message == NULL)
		return NULL;
	replaced = DirectFunctionCall3Coll(replace_text, DEFAULT_COLLATION_OID, CStringGetTextDatum(message),
									   CStringGetTextDatum("zdm_probe"),
									   CStringGetTextDatum(get_rel_name(probe->relid)));
	return TextDatumGetCString(replaced);
}

/* What was run, on a table of ours, says nothing to the caller. */
pg_noreturn static void
raise_of(ErrorData *error, const Probe *probe, const char *what, char *hint)
{
	error->context = NULL;
	error->cursorpos = 0;
	error->internalpos = 0;
	error->internalquery = NULL;
	error->message = in_users_words(error->message, probe);
	error->detail = in_users_words(error->detail, probe);
	if (what != NULL)
		error->message = psprintf("%s does not go with type %s of column \"%s\": %s",
								  what, probe->type, probe->column, error->message);
	if (hint != NULL)
		error->hint = hint;
	ReThrowError(error);
}

/* Why it failed: the change itself, one of the things that hang on the column, or a foreign key. */
pg_noreturn static void
explain(const Probe *failed, ErrorData *error)
{
	Probe		probe = *failed;
	ErrorData  *alone;

	probe.only = NO_PART;
	if (!attempt_run(run_probe, &probe, ATTEMPT_UNDO, &alone))
		raise_of(alone, &probe, NULL, NULL);
	for (probe.only = 0;; probe.only++)
	{
		bool		passed = attempt_run(run_probe, &probe, ATTEMPT_UNDO, &alone);

		if (probe.part == NULL)
			break;
		if (!passed)
			raise_of(alone, &probe, probe.part->what, probe.part->drop == NULL ? NULL :
				  psprintf("%s then state the change again, and make it anew in terms of the new type afterwards.",
						   probe.part->drop));
	}
	raise_of(error, &probe, NULL, error->hint != NULL || failed->further == NIL ? NULL :
		  pstrdup("Drop the foreign key, change both ends, and add it again with zdm.migrate()."));
}

/* Nothing can be made for a moment on a standby, where a plan may be read. */
static bool
can_be_asked(const Probe *probe)
{
	return !XactReadOnly &&
		object_aclcheck(DatabaseRelationId, MyDatabaseId, probe->owner, ACL_CREATE_TEMP) == ACLCHECK_OK;
}

void
retype_try(Oid relid, const char *column, const char *type, const char *using, void (*look) (void *arg), void *arg)
{
	Probe		probe = {
		relid, identity_of(relid), column, type, using, .only = NO_PART, .look = look, .look_arg = arg,
	};
	ErrorData  *error;

	if (can_be_asked(&probe) && !attempt_run(run_probe, &probe, ATTEMPT_UNDO, &error))
		raise_of(error, &probe, NULL, NULL);
}

RetypeWork
retype_ask(Oid relid, const char *column, const char *type, const char *using, List *further)
{
	Probe		probe = {relid, identity_of(relid), column, type, using, further, ALL_PARTS};
	ErrorData  *error;

	if (!can_be_asked(&probe))
		return RETYPE_UNKNOWN;
	if (!attempt_run(run_probe, &probe, ATTEMPT_UNDO, &error))
		explain(&probe, error);
	return probe.rewrites ? RETYPE_REWRITE : RETYPE_CATALOG_ONLY;
}

/*
 * A cast that is written out cuts strings and bits that are too long; the functions
 * below it can be told not to.
 */
char *
retype_value(Oid type, int32 typmod, const char *value)
{
	const char *function = type == VARCHAROID ? "varchar" :
		type == BPCHAROID ? "bpchar" :
		type == BITOID ? "\"bit\"" :
		type == VARBITOID ? "varbit" : NULL;

	if (function == NULL || typmod < 0)
		return psprintf("(%s)::%s", value,
						format_type_extended(type, typmod, FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
	return psprintf("pg_catalog.%s((%s)::pg_catalog.%s, %d, false)", function, value, function, typmod);
}
