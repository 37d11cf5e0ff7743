/*-------------------------------------------------------------------------
 *
 * partition_probe.c
 *		Partitions that are only tried.
 *
 * What a key may be, how a bound reads and which of them overlap is asked of
 * PostgreSQL, in a subtransaction that makes the partitions, beside an empty table,
 * under the names that they are to have.  So the errors are the server's own, whatever
 * its version, with the names that the caller gave; and a name that is taken, or a
 * schema without the right to create in it, is found the same way.
 *
 * Key and tables are the owner's, and are made and opened as such.  A bound is read as
 * its author, the caller; what is kept of it is the constant that came out, written so
 * that it reads the same in every session.
 *
 * While they are there, rows that none of them takes are sought by their constraints.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/folded.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_partitioned_table.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "draft/deparse.h"
#include "draft/probe.h"
#include "executor/spi.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "facts/facts_catalog.h"
#include "facts/facts_partition.h"
#include "parser/parser.h"
#include "plan/partition_every.h"
#include "plan/partition_probe.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"
#include "compat.h"

/* The table of the probe; its partitions beside those that are tried have a number behind it. */
#define PROBE_NAME "zdm_partition_probe"

/* Behind it, of the one that has the name of the partition that is split. */
#define OWN "own"

/* What is known only while the tables of the probe are there. */
typedef struct Trial
{
	PartitionProbe *probe;
	Oid			owner;
	List	   *commands;		/* PartitionCmd *: what the caller wrote */
	char	   *parent;			/* qualified name of the probe's table, */
	Oid			parent_id;		/* and it */
	StringInfoData taken;		/* condition: some partition takes the row */
	char	   *row;			/* that none takes, or NULL */
} Trial;

static void
run_as_owner(const Trial *trial, const char *sql)
{
	Identity	saved;

	identity_enter(trial->owner, NIL, &saved);
	probe_run(sql);
	identity_leave(&saved);
}

static char *
qualified(Oid namespace, const char *name)
{
	return quote_qualified_identifier(get_namespace_name(namespace), name);
}

static void
make_parent(Trial *trial)
{
	const PartitionProbe *probe = trial->probe;
	char	   *name = PROBE_NAME;

	while (OidIsValid(get_relname_relid(name, get_rel_namespace(probe->relid))))
		name = psprintf("%s_", name);
	trial->parent = qualified(get_rel_namespace(probe->relid), name);
	run_as_owner(trial, psprintf("CREATE TABLE %s (LIKE %s INCLUDING GENERATED) PARTITION BY %s", trial->parent,
								 names_relation(probe->relid), partition_layout_key_sql(probe->layout, probe->relid, false)));
	trial->parent_id = get_relname_relid(name, get_rel_namespace(probe->relid));
}

/* The parent's other partitions, so that none of the new ones comes to overlap them. */
static void
make_siblings(const Trial *trial)
{
	QuerySession session;
	List	   *statements = NIL;
	uint64		n;
	ListCell   *lc;

	if (!OidIsValid(trial->probe->parent))
		return;
	query_begin_printing(&session, trial->probe->parent);
	identity_pin_formats();
	n = QUERY("SELECT inhrelid::text, pg_get_expr(relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid "
			  "WHERE inhparent = $1 AND inhrelid <> $2", arg_oid(trial->probe->parent), arg_oid(trial->probe->relid));
	for (uint64 row = 0; row < n; row++)
		statements = lappend(statements, psprintf("CREATE TABLE %s PARTITION OF %s %s",
												  qualified(get_rel_namespace(trial->probe->relid), psprintf(PROBE_NAME "_%s", query_text(row, 1))),
												  trial->parent, query_text(row, 2)));
	query_end(&session);
	foreach(lc, statements)
		run_as_owner(trial, lfirst(lc));
}

/* The name and the bound of the text, as ATTACH PARTITION has them. */
static PartitionCmd *
parse_part(const char *text)
{
	char	   *sql = psprintf("ALTER TABLE t ATTACH PARTITION %s", text);
	DdlReading	reading;
	List	   *statements;
	AlterTableStmt *stmt;

	ddl_reading_begin(&reading, sql, "partitions");
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	ddl_reading_end(&reading);
	stmt = list_length(statements) == 1 ? (AlterTableStmt *) linitial_node(RawStmt, statements)->stmt : NULL;
	if (stmt == NULL || !IsA(stmt, AlterTableStmt) || list_length(stmt->cmds) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a partition must be a name and a bound"),
				 errdetail("It reads: %s", text),
				 errhint("As it stands after PARTITION OF: 'event_2024 FOR VALUES FROM (''2024-01-01'') TO (''2025-01-01'')'.")));
	return (PartitionCmd *) linitial_node(AlterTableCmd, stmt->cmds)->def;
}

/* The bound as PostgreSQL reads it. */
static char *
read_bound(const Trial *trial, PartitionBoundSpec *spec)
{
	Facts	   *facts = facts_create(true);
	FactBound	bound;
	Identity	saved;
	char	   *text;

	facts_bound(facts, facts_by_oid(facts, trial->parent_id), spec, &bound);
	identity_enter_to_read(&saved);
	text = deparse_bound(bound.spec);
	identity_leave(&saved);
	return text;
}

static LayoutPart *
read_part(const Trial *trial, const PartitionCmd *cmd)
{
	LayoutPart *part = palloc0(sizeof(LayoutPart));

	part->name = pstrdup(cmd->name->relname);
	part->namespace = get_rel_namespace(trial->probe->relid);
	if (cmd->name->catalogname != NULL || cmd->name->schemaname != NULL)
		part->namespace = RangeVarGetCreationNamespace(cmd->name);
	part->bound = cmd->bound->is_default ? pstrdup("DEFAULT") : read_bound(trial, cmd->bound);
	return part;
}

/* A partition that is split may give its name to one of those in its place. */
static char *
trial_name(const Trial *trial, const LayoutPart *part)
{
	bool		own = get_relname_relid(part->name, part->namespace) == trial->probe->relid &&
		OidIsValid(trial->probe->parent);

	return qualified(part->namespace, own ? PROBE_NAME "_" OWN : part->name);
}

/* Which rows it takes, as SQL over the columns' names. */
static void
add_condition(Trial *trial, const char *name)
{
	QuerySession session;
	char	   *condition;

	query_begin_printing(&session, trial->probe->relid);
	identity_pin_formats();
	QUERY("SELECT pg_get_partition_constraintdef($1::regclass)", arg_text(name));
	condition = query_text(0, 1);
	query_end(&session);
	appendStringInfo(&trial->taken, "%s(%s)", trial->taken.len > 0 ? " OR " : "", condition != NULL ? condition : "true");
}

static void
make_part(Trial *trial, const LayoutPart *part)
{
	char	   *name = trial_name(trial, part);

	run_as_owner(trial, psprintf("CREATE TABLE %s PARTITION OF %s %s", name, trial->parent, part->bound));
}

/* Run a query on the table's rows as its owner; row security must hide none. */
static char *
query_rows(Oid owner, const char *sql, int column)
{
	MemoryContext caller = CurrentMemoryContext;
	Identity	saved;
	char	   *result = NULL;

	identity_enter(owner, NIL, &saved);
	identity_pin_formats();
	(void) set_config_option("row_security", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("rows could not be read")));
	if (SPI_processed > 0)
		result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
	if (result != NULL)
		result = MemoryContextStrdup(caller, result);
	SPI_finish();
	PopActiveSnapshot();
	identity_leave(&saved);
	return result;
}

/* The rows that a partition takes, as the planner reads it. */
static List *
partition_qual(const char *name)
{
	RangeVar   *range = makeRangeVarFromNameList(textToQualifiedNameList(cstring_to_text(name)));
	Relation	rel = table_openrv(range, AccessShareLock);
	List	   *qual = folded_partition_qual(rel);

	table_close(rel, NoLock);
	return qual;
}

/* Is it proved that none of the parts takes a row that the partition does not, in whose place they are to be? */
static bool
is_within(const Trial *trial)
{
	const PartitionProbe *probe = trial->probe;
	Oid			namespace = get_rel_namespace(probe->relid);
	char	   *parent = qualified(namespace, PROBE_NAME "_whole");
	char	   *whole = qualified(namespace, PROBE_NAME "_whole_part");
	List	   *qual;
	ListCell   *lc;

	run_as_owner(trial, psprintf("CREATE TABLE %s (LIKE %s INCLUDING GENERATED) PARTITION BY %s", parent,
								 names_relation(probe->relid), partition_layout_key_sql(probe->layout, probe->relid, false)));
	run_as_owner(trial, psprintf("CREATE TABLE %s PARTITION OF %s %s", whole, parent, probe->whole->bound));
	qual = partition_qual(whole);
	foreach(lc, probe->parts)
	{
		if (!predicate_implied_by(qual, partition_qual(trial_name(trial, lfirst(lc))), false))
			return false;
	}
	return true;
}

/* What none of the parts takes, if none is there for that, stays in the default partition that is split. */
static void
make_rest(Trial *trial)
{
	PartitionProbe *probe = trial->probe;
	ListCell   *lc;

	foreach(lc, probe->parts)
	{
		if (strcmp(((LayoutPart *) lfirst(lc))->bound, "DEFAULT") == 0)
			return;
	}
	make_part(trial, probe->rest);
	probe->parts = lappend(probe->parts, probe->rest);
}

static void
run_trial(void *arg)
{
	Trial	   *trial = arg;
	PartitionProbe *probe = trial->probe;
	ListCell   *lc;

	make_parent(trial);
	make_siblings(trial);
	foreach(lc, probe->parts)
		make_part(trial, lfirst(lc));
	foreach(lc, trial->commands)
	{
		LayoutPart *part = read_part(trial, lfirst_node(PartitionCmd, lc));

		make_part(trial, part);
		probe->parts = lappend(probe->parts, part);
	}
	if (probe->rest != NULL)
		make_rest(trial);
	/* what a default one takes is known when the others are there */
	foreach(lc, probe->parts)
	{
		add_condition(trial, trial_name(trial, lfirst(lc)));
		if (probe->first_only)
			break;
	}
	trial->row = query_rows(trial->owner,
							psprintf("SELECT %s FROM ONLY %s WHERE (%s) IS NOT TRUE AND (%s) IS NOT TRUE",
									 expression_sql(fit_row_name(probe->relid), probe->relid, false),
									 names_relation(probe->relid), trial->taken.data, probe->but != NULL ? probe->but : "false"), 1);
	if (probe->whole != NULL)
		probe->within = is_within(trial);
}

/* PostgreSQL names a table of the probe, where the user has one. */
static char *
with_own_names(const char *message, Oid split)
{
	const char *at = message != NULL ? strstr(message, PROBE_NAME "_") : NULL;
	const char *rest;
	char	   *end;
	const char *name;

	if (at == NULL)
		return message != NULL ? pstrdup(message) : NULL;
	rest = at + strlen(PROBE_NAME "_");
	if (strncmp(rest, OWN, strlen(OWN)) == 0)
		return psprintf("%.*s%s%s", (int) (at - message), message, get_rel_name(split), rest + strlen(OWN));
	name = get_rel_name((Oid) strtoul(rest, &end, 10));
	return psprintf("%.*s%s%s", (int) (at - message), message, name != NULL ? name : "?", end);
}

/* The condition was written to be read by a pinned search_path. */
static List *
keep_condition(const Trial *trial)
{
	Identity	saved;
	List	   *kept;

	identity_enter(trial->owner, NIL, &saved);
	kept = ddl_expression_text(trial->probe->relid, trial->taken.data, "partitions", BOOLOID, -1, NULL);
	identity_leave(&saved);
	return kept;
}

pg_noreturn static void refuse_row(const Trial *trial);

static void
refuse_row(const Trial *trial)
{
	const PartitionProbe *probe = trial->probe;

	if (probe->first_only)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg("the first partition, which %s is to become, does not take all of its rows", names_relation(probe->relid)),
				 errdetail("Row %s is beyond its bound.", trial->row),
				 probe->layout->strategy == PARTITION_STRATEGY_HASH ? errhint("By HASH no partition takes all rows: give way => 'copy'.") :
				 errhint("Give it a bound that takes all rows.")));
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("no partition takes some row of %s", names_relation(probe->relid)),
			 errdetail("Row %s is beyond all bounds.", trial->row),
			 OidIsValid(probe->parent) ? errhint("Add a partition for it.") :
			 errhint("Add a partition for it, or give with_default => true.")));
}

void
partition_probe(PartitionProbe *probe)
{
	Trial		trial = {.probe = probe, .owner = identity_of(probe->relid)};
	ErrorData  *error;
	ListCell   *lc;

	foreach(lc, probe->texts)
		trial.commands = lappend(trial.commands, parse_part(lfirst(lc)));
	initStringInfo(&trial.taken);
	if (!attempt_run(run_trial, &trial, ATTEMPT_UNDO, &error))
	{
		/* what was run says nothing to the caller */
		error->message = with_own_names(error->message, probe->relid);
		error->context = NULL;
		error->cursorpos = error->internalpos = 0;
		error->internalquery = NULL;
		ReThrowError(error);
	}
	if (trial.row != NULL)
		refuse_row(&trial);
	if (probe->first_only)
		probe->takes = keep_condition(&trial);
}

void
partition_probe_span(Oid relid, const PartitionLayout *layout, Oid type, char **lowest, char **highest)
{
	char	   *column = names_attribute(relid, (AttrNumber) linitial_int(layout->columns));
	char	   *from = psprintf("FROM ONLY %s WHERE true%s", names_relation(relid), partition_every_finite(column, type));
	Oid			owner = identity_of(relid);

	*lowest = query_rows(owner, psprintf("SELECT min(%s) %s", column, from), 1);
	*highest = query_rows(owner, psprintf("SELECT max(%s) %s", column, from), 1);
}

List *
partition_probe_used(Oid relid, const PartitionLayout *layout, Oid type, List *parts)
{
	StringInfoData bounds;
	List	   *used = NIL;
	ListCell   *lc;
	char	   *numbers;

	initStringInfo(&bounds);
	foreach(lc, parts)
		appendStringInfo(&bounds, "%s%s", bounds.len > 0 ? ", " : "", partition_bound_from(lfirst(lc)));
	numbers = query_rows(identity_of(relid),
						 psprintf("SELECT pg_catalog.string_agg(DISTINCT '.' || pg_catalog.width_bucket(%s, ARRAY[%s]::%s[]) || '.', ' ') FROM ONLY %s",
								  names_attribute(relid, (AttrNumber) linitial_int(layout->columns)), bounds.data,
								  format_type_be_qualified(getBaseType(type)), names_relation(relid)), 1);
	foreach(lc, parts)
	{
		if (numbers != NULL && strstr(numbers, psprintf(".%d.", foreach_current_index(lc) + 1)) != NULL)
			used = lappend(used, lfirst(lc));
	}
	return used;
}
