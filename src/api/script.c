/*-------------------------------------------------------------------------
 *
 * script.c
 *		zdm.script(): a change as files for servers without the extension.
 *
 * Like zdm.plan() it goes the way of a change as far as the plan, which it writes
 * out instead of storing it.  Of a migration that has been stated the change is
 * read from what was asked, and planned again: so both forms are one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/access.h"
#include "api/change.h"
#include "api/ddl.h"
#include "catalog/heap.h"
#include "catalog/hold_author.h"
#include "catalog/query.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/target.h"
#include "draft/ddl_text.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "plan/plan.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "compat.h"

PG_FUNCTION_INFO_V1(zdm_script);
PG_FUNCTION_INFO_V1(zdm_script_migration);

#define OLDEST_TARGET 14
#define NEWEST_TARGET 18

static void
check_target(int target)
{
	if (target < OLDEST_TARGET || target > NEWEST_TARGET)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target must be a major version from %d to %d", OLDEST_TARGET, NEWEST_TARGET),
				 errdetail("It is %d.", target),
				 errhint("Leave it out for the version of this server.")));
}

static void
ask_size(void *arg)
{
	QueryArg   *size = arg;

	*size = arg_int8(DatumGetInt64(DirectFunctionCall1(pg_size_bytes, size->value)));
}

static int64
size_argument(FunctionCallInfo fcinfo, int n)
{
	QueryArg	size;
	ErrorData  *error;

	if (PG_ARGISNULL(n))
		return -1;
	size.value = PG_GETARG_DATUM(n);
	if (!attempt_run(ask_size, &size, ATTEMPT_UNDO, &error) || DatumGetInt64(size.value) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must be a number of bytes, or one with a unit"),
				 errdetail("It is \"%s\".", text_to_cstring(PG_GETARG_TEXT_PP(n))),
				 errhint("Write it as in size => '2 TB', with bytes, kB, MB, GB or TB.")));
	return DatumGetInt64(size.value);
}

static int64
count_argument(FunctionCallInfo fcinfo, int n, const char *what)
{
	if (PG_ARGISNULL(n))
		return -1;
	if (PG_GETARG_INT64(n) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must not be negative", what),
				 errdetail("It is " INT64_FORMAT ".", PG_GETARG_INT64(n)),
				 errhint("Leave it out where it is not known.")));
	return PG_GETARG_INT64(n);
}

/* The arguments from "target" on, which is the one with number n. */
static ScriptOptions
read_options(FunctionCallInfo fcinfo, int n)
{
	ScriptOptions options = {
		.target = PG_ARGISNULL(n) ? ZDM_MAJOR : PG_GETARG_INT32(n),
		.size = size_argument(fcinfo, n + 2),
		.rows = count_argument(fcinfo, n + 3, "rows"),
		.writes = count_argument(fcinfo, n + 4, "writes_per_second"),
	};

	check_target(options.target);
	options.style = style_find(PG_ARGISNULL(n + 1) ? "psql" : text_to_cstring(PG_GETARG_TEXT_PP(n + 1)));
	return options;
}

static void
put_files(ReturnSetInfo *rsinfo, List *files)
{
	ListCell   *lc;

	foreach(lc, files)
	{
		ScriptFile *file = lfirst(lc);
		Datum		values[2] = {CStringGetTextDatum(file->name), CStringGetTextDatum(file->body)};
		bool		nulls[2] = {0};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * A plan for that server.  Constants of what is read of the catalog are written as the files
 * read them; what was stated has no backslashes that they would read otherwise (api/change.c).
 */
static void
begin_making(const ScriptOptions *options)
{
	target_set(options->target);
	(void) set_config_option("standard_conforming_strings", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* As its plan was made: what is read of the catalog is read back by others. */
static void
write_files(FunctionCallInfo fcinfo, const MigrationPlan *plan, const Change *change, const ScriptOptions *options)
{
	int			nestlevel = NewGUCNestLevel();

	if (!plan_kind(change->kind)->one_shape)
		identity_pin_formats();
	put_files((ReturnSetInfo *) fcinfo->resultinfo, script_files(plan, change, options));
	AtEOXact_GUC(false, nestlevel);
}

Datum
zdm_script(PG_FUNCTION_ARGS)
{
	char	   *ddl = change_required_sql(fcinfo, 0, "ddl");
	char	   *up = change_sql_argument(fcinfo, 1);
	char	   *down = change_sql_argument(fcinfo, 2);
	ScriptOptions options = read_options(fcinfo, 3);
	Change	   *change = ddl_read_change(ddl, up, down);
	MigrationPlan plan = {0};
	int			nestlevel;

	hold_author_check();
	InitMaterializedSRF(fcinfo, 0);
	plan.migration = script_number(change->relid, change->definition);
	nestlevel = NewGUCNestLevel();
	begin_making(&options);
	change_plan(change, &plan, NULL);
	write_files(fcinfo, &plan, change, &options);
	AtEOXact_GUC(false, nestlevel);
	return (Datum) 0;
}

/* How a table is to be partitioned, or a partition split, read by the names of the functions' arguments. */
static PartitionWish *
read_partition(const Migration *migration)
{
	PartitionWish *wish = palloc0(sizeof(PartitionWish));
	QuerySession session;

	query_begin(&session);
	QUERY("SELECT d->>'partition_by', CASE WHEN jsonb_typeof(d->'partitions') = 'array' THEN "
		  "ARRAY(SELECT p FROM jsonb_array_elements_text(d->'partitions') WITH ORDINALITY e(p, n) ORDER BY n) END, "
		  "d->>'every', (d->>'ahead')::int, (d->>'with_default')::bool, d->>'primary_key', (d->>'attach')::bool, to_regclass(d->>'partition')::oid "
		  "FROM (SELECT $1) x(d)", arg_jsonb(migration->definition));
	wish->by = query_text(0, 1);
	wish->partitions = query_texts(0, 2);
	wish->every = query_text(0, 3);
	wish->ahead = query_null(0, 4) ? 0 : query_int4(0, 4);
	wish->with_default = !query_null(0, 5) && query_bool(0, 5);
	wish->primary_key = query_text(0, 6);
	wish->attach = !query_null(0, 7) && query_bool(0, 7);
	wish->split = query_null(0, 8) ? InvalidOid : query_oid(0, 8);
	query_end(&session);
	return wish;
}

/* What a migration was asked to do. */
static Change *
read_definition(const Migration *migration)
{
	QuerySession session;
	Change	   *change = palloc0(sizeof(Change));
	char	   *type;

	query_begin(&session);
	QUERY("SELECT d->>'ddl', d->>'up', d->>'down', d->>'column', d->>'new_name', d->>'type', d->>'fill', "
		  "d->>'assignments', d->>'condition', d->>'fire_triggers' = 'true', d->>'order_by', "
		  "CASE WHEN jsonb_typeof(d->'columns') = 'array' THEN "
		  "ARRAY(SELECT c FROM jsonb_array_elements_text(d->'columns') WITH ORDINALITY e(c, n) ORDER BY n) END FROM (SELECT $1) x(d)",
		  arg_jsonb(migration->definition));
	change->ddl = query_text(0, 1);
	change->up_source = query_text(0, 2);
	change->down_source = query_text(0, 3);
	change->column = query_text(0, 4);
	change->new_name = query_text(0, 5);
	type = query_text(0, 6);
	if (query_text(0, 7) != NULL)
		change->up_source = query_text(0, 7);
	change->assignments = query_text(0, 8);
	change->condition = query_text(0, 9);
	change->fire_triggers = !query_null(0, 10) && query_bool(0, 10);
	change->order_by = query_text(0, 11);
	change->columns = query_texts(0, 12);
	query_end(&session);
	if (change->ddl != NULL)
		return ddl_read_change(change->ddl, change->up_source, change->down_source);
	change->kind = migration->kind;
	change->relid = migration->relid;
	if (strcmp(change->kind, "partition_table") == 0 || strcmp(change->kind, "split_partition") == 0)
	{
		/* what comes of the wish is found by the check */
		change->partition = read_partition(migration);
		plan_kind(change->kind)->check(change);
	}
	if (strcmp(change->kind, "set_not_null") == 0)
		return ddl_read_change(psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", names_relation(change->relid),
										quote_identifier(change->column)), change->up_source, NULL);
	if (type != NULL)
		zdm_parse_type(type, &change->type, &change->typmod);
	return change;
}

Datum
zdm_script_migration(PG_FUNCTION_ARGS)
{
	Migration  *migration;
	ScriptOptions options;
	MigrationPlan plan = {0};
	Change	   *change;
	int			nestlevel;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a migration must not be null")));
	hold_author_check();
	migration = access_migration(PG_GETARG_INT64(0), MIGRATION_READ);
	options = read_options(fcinfo, 1);

	/* what its expressions were found to mean is not written: they are read anew, which runs code */
	if (migration->owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("the script of migration " INT64_FORMAT " is written by role %s alone",
						migration->id, GetUserNameFromId(migration->owner, false)),
				 errdetail("What the migration calls is looked up with the rights of whoever asks for the script."),
				 errhint("SET ROLE %s; first.", quote_identifier(GetUserNameFromId(migration->owner, false)))));
	if (migration->state != STATE_QUEUED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " is %s, and has a script only before it is begun",
						migration->id, state_name(migration->state)),
				 errhint("BEGIN; state it; SELECT * FROM zdm.script(...); ROLLBACK;")));
	change = read_definition(migration);
	InitMaterializedSRF(fcinfo, 0);
	plan.migration = migration->id;
	nestlevel = NewGUCNestLevel();
	begin_making(&options);
	change_make(change, &plan, NULL);
	write_files(fcinfo, &plan, change, &options);
	AtEOXact_GUC(false, nestlevel);
	return (Datum) 0;
}
