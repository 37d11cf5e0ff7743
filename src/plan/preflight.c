/*-------------------------------------------------------------------------
 *
 * preflight.c
 *		What a plan cannot change but its reader should know.
 *
 * A migration that runs for days meets what the server and its neighbours are
 * up to: standbys, subscribers, old snapshots, full disks.  Whatever of that can
 * be seen now is said now; what would certainly fail is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/statvfs.h>

#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "core/shmem.h"
#include "draft/by_path.h"
#include "miscadmin.h"
#include "plan/by_text.h"
#include "plan/plan.h"
#include "utils/builtins.h"

/* Growth of the table and its indexes, and WAL, as multiples of the table. */
#define GROWTH_ESTIMATE 1.1

/* A snapshot or transaction older than this is worth a note. */
#define OLD_SNAPSHOT "10 minutes"

static char *
pretty_size(int64 bytes)
{
	return TextDatumGetCString(DirectFunctionCall1(pg_size_pretty, Int64GetDatum(bytes)));
}

/*
 * Free space of the data directory against what the backfill will need.  Is it
 * certain to write every row?
 */
static void
note_disk(MigrationPlan *plan, bool certain)
{
	QuerySession session;
	int64		bytes;
	int64		needed;
	struct statvfs disk;

	query_begin(&session);
	QUERY("SELECT coalesce(sum(pg_table_size(relid)), pg_table_size($1))::bigint FROM pg_partition_tree($1)",
		  arg_oid(plan->relid));
	bytes = query_int8(0, 1);
	query_end(&session);
	needed = (int64) (bytes * GROWTH_ESTIMATE);
	if (statvfs(DataDir, &disk) != 0)
	{
		plan_note(plan, "free disk space could not be read: %m");
		return;
	}
	plan_note(plan, "the table has %s; it may grow by %s, and about as much WAL is written; %s are free",
			  pretty_size(bytes), pretty_size(needed),
			  pretty_size((int64) disk.f_bavail * (int64) disk.f_frsize));
	if (certain && (double) disk.f_bavail * disk.f_frsize < (double) needed)
		ereport(ERROR,
				(errcode(ERRCODE_DISK_FULL),
				 errmsg("not enough free disk space to migrate table %s", names_relation(plan->relid)),
				 errdetail("The table has %s and may grow by %s; %s are free.",
						   pretty_size(bytes), pretty_size(needed),
						   pretty_size((int64) disk.f_bavail * (int64) disk.f_frsize))));
}

/*
 * A published table without a replica identity cannot be updated at all, by a
 * backfill no more than by anyone.
 */
static void
check_publications(MigrationPlan *plan, bool new_column, bool retyped)
{
	QuerySession session;
	char	   *publications;
	char	   *no_identity;

	query_begin(&session);
	QUERY("SELECT string_agg(DISTINCT quote_ident(t.pubname), ', '), "
		  "string_agg(DISTINCT r.relid::regclass::text, ', ') FILTER (WHERE p.pubupdate AND (c.relreplident = 'n' "
		  "  OR (c.relreplident = 'd' AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)))) "
		  "FROM (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1) r JOIN pg_class c ON c.oid = r.relid "
		  "JOIN pg_namespace n ON n.oid = c.relnamespace "
		  "JOIN pg_publication_tables t ON t.schemaname = n.nspname AND t.tablename = c.relname "
		  "JOIN pg_publication p ON p.pubname = t.pubname",
		  arg_oid(plan->relid));
	publications = query_text(0, 1);
	no_identity = query_text(0, 2);
	query_end(&session);
	if (no_identity != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is published for updates and has no replica identity", no_identity),
				 errdetail("No row of it can be updated, so none can be filled in."),
				 errhint("Give it one with ALTER TABLE ... REPLICA IDENTITY.")));
	if (publications != NULL && new_column)
		plan_note(plan, "the table is published by %s: add the new column on every subscriber first, or its apply worker stops",
				  publications);
	if (publications != NULL && retyped && plan->pairs != NIL)
		plan_note(plan, "to subscribers that is %s from here to contract, whichever column has the name; the column itself needs its new type there before cutover",
				  quote_identifier(((Pair *) linitial(plan->pairs))->new_name));
}

/* Queries that each give one note, or NULL when there is nothing to say. */
static const char *const questions[] = {
	/* standbys */
	"SELECT 'streaming standbys: ' || string_agg(application_name || ' (' || coalesce(state, 'unknown') || ')', ', ') "
	"|| '; the library must be installed there too, or writes to the table fail after a failover' "
	"FROM pg_stat_replication WHERE $1 <> 0",
	/* old snapshots */
	"SELECT 'old snapshots keep dead rows of the backfill: ' || string_agg('pid ' || pid || ' since ' || date_trunc('second', xact_start), ', ') "
	"FROM pg_stat_activity WHERE $1 <> 0 AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL "
	"AND xact_start < now() - interval '" OLD_SNAPSHOT "'",
	"SELECT 'prepared transactions hold locks and snapshots: ' || string_agg(quote_literal(gid), ', ') "
	"FROM pg_prepared_xacts WHERE $1 <> 0 AND database = current_database()",
	"SELECT 'replication slots keep back dead rows or WAL: ' || string_agg(quote_ident(slot_name), ', ') "
	"FROM pg_replication_slots WHERE $1 <> 0 AND NOT active",
	/* wraparound */
	"SELECT 'the database is ' || round(100.0 * age(datfrozenxid) / 2000000000) || ' % of the way to transaction id wraparound' "
	"FROM pg_database WHERE $1 <> 0 AND datname = current_database() AND age(datfrozenxid) > 1000000000",
	"SELECT 'autovacuum to prevent wraparound will soon run on the table: it holds a lock that steps wait for' "
	"FROM pg_class WHERE oid = $1 AND relfrozenxid <> '0' "
	"AND age(relfrozenxid) > 0.9 * current_setting('autovacuum_freeze_max_age')::bigint",
	/* triggers and functions */
	"SELECT 'BEFORE triggers of the table run before the columns are put in step: ' || string_agg(quote_ident(tgname), ', ' ORDER BY tgname) "
	"FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal AND tgtype & 2 <> 0 AND tgtype & 1 <> 0 AND tgtype & 20 <> 0 "
	"AND tgfoid <> 'zdm.sync'::regproc",
};

static void
note_answers(MigrationPlan *plan)
{
	for (int i = 0; i < lengthof(questions); i++)
	{
		QuerySession session;
		char	   *note = NULL;

		query_begin(&session);
		if (QUERY(questions[i], arg_oid(plan->relid)) > 0)
			note = query_text(0, 1);
		query_end(&session);
		if (note != NULL)
			plan_note(plan, "%s", note);
	}
}

static void
note_second_column(MigrationPlan *plan)
{
	plan_note(plan, "while the migration runs, SELECT *, and INSERT and COPY without a column list, see one column more; "
			  "a prepared SELECT * that is held fails (0A000) from when the column comes, and again from when one goes, until it is prepared again");
}

/* Functions whose text names the column: PostgreSQL knows nothing of them. */
static void
note_functions(MigrationPlan *plan, const Change *change)
{
	QuerySession session;
	char	   *functions;

	if (change->column == NULL)
		return;
	query_begin(&session);
	QUERY("SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text) "
		  "FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang "
		  "JOIN pg_namespace n ON n.oid = p.pronamespace "
		  "WHERE l.lanname NOT IN ('c', 'internal') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'zdm') "
		  "AND p.prosrc ~ ('\\m' || regexp_replace($1, '(\\W)', '\\\\\\1', 'g') || '\\M') "
		  "AND p.prosrc ~ ('\\m' || regexp_replace((SELECT relname FROM pg_class WHERE oid = $2), '(\\W)', '\\\\\\1', 'g') || '\\M')",
		  arg_text(change->column), arg_oid(plan->relid));
	functions = query_text(0, 1);
	query_end(&session);
	if (functions != NULL)
		plan_note(plan, "the text of these functions names table and column, to be changed before contract: %s",
				  functions);
}

/* Triggers of the table and its partitions that are others', with their functions. */
#define OTHERS_TRIGGERS \
	"FROM pg_trigger t JOIN pg_proc p ON p.oid = tgfoid JOIN pg_language l ON l.oid = prolang " \
	"WHERE tgrelid = $1 AND NOT tgisinternal AND tgfoid <> 'zdm.sync'::regproc "

/* What triggers of the table know of its columns by name or by position. */
static void
note_triggers(MigrationPlan *plan, const Change *change)
{
	bool		renamed = change->new_name != NULL;
	QuerySession session;
	char	   *by_name;
	char	   *by_position;

	query_begin(&session);
	QUERY("SELECT string_agg(DISTINCT quote_ident(tgname) || ' (' || tgfoid::regproc::text || ')', ', ') FILTER (WHERE "
		  "$3 AND prosrc ~ ('\\m' || regexp_replace($2, '(\\W)', '\\\\\\1', 'g') || '\\M')), "
		  "string_agg(DISTINCT quote_ident(tgname) || ' (' || tgfoid::regproc::text || ')', ', ') FILTER (WHERE "
		  "prosrc ~* '\\m(new|old)\\M\\s*\\.\\s*\\*|\\$\\d+\\s*\\.\\s*\\*|%rowtype|\\(\\s*(new|old)\\s*[,)]') "
		  OTHERS_TRIGGERS "AND lanname NOT IN ('c', 'internal')",
		  arg_oid(plan->relid), arg_text(change->column), arg_bool(renamed));
	by_name = query_text(0, 1);
	by_position = query_text(0, 2);
	query_end(&session);
	if (by_name != NULL)
		plan_note(plan, "trigger functions that name the column have to know the new name before contract, which refuses while they cannot do without the old one; those of BEFORE triggers see the old one alone meanwhile: %s",
				  by_name);
	if (by_position != NULL)
		plan_note(plan, "trigger functions that use the whole row (NEW.*, %%ROWTYPE and the like) meet one column more from now on, and after contract the column last: %s",
				  by_position);
}

/* Functions with the row type of the table: PostgreSQL checks them when they are called. */
static void
note_row_type(MigrationPlan *plan)
{
	QuerySession session;
	char	   *functions;

	query_begin(&session);
	QUERY("SELECT string_agg(p.oid::regprocedure::text, ', ' ORDER BY p.oid::regprocedure::text) "
		  "FROM pg_class c JOIN pg_type t ON t.oid = c.reltype "
		  "JOIN pg_proc p ON p.prorettype IN (t.oid, t.typarray) OR coalesce(proallargtypes, proargtypes::oid[]) && ARRAY[t.oid, t.typarray] "
		  "JOIN pg_language l ON l.oid = prolang "
		  "WHERE c.oid = $1 AND t.typarray <> 0 AND lanname NOT IN ('c', 'internal')", arg_oid(plan->relid));
	functions = query_text(0, 1);
	query_end(&session);
	if (functions != NULL)
		plan_note(plan, "functions with the table's row type among arguments or result: those that build a row by position fail or shift columns from now on, as it has one column more, and again after contract, when the column is last: %s",
				  functions);
}

static void
check_preload(MigrationPlan *plan)
{
	if (!shmem_available())
		plan_note(plan, "the library is not preloaded by the server: nothing restarts a worker after a crash but the next call");
}

void
preflight_warn(void)
{
	if (shmem_available())
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("pg_zdm is not in shared_preload_libraries"),
			 errdetail("Which columns an INSERT names is unknown in sessions that have not loaded it, so values are compared instead; and no launcher restarts workers after a crash."),
			 errhint("Add pg_zdm to shared_preload_libraries, or, without a restart, to session_preload_libraries.")));
}

/*
 * Row-level security must hide no row from a query of ours.  The owner of a table
 * passes it by, unless it is forced on him: the steps that run a query say so
 * (Step.queries), and each of them would stop at it in the worker.
 */
static void
check_row_security(const MigrationPlan *plan)
{
	ListCell   *lc;
	ListCell   *r;

	foreach(lc, plan->steps)
	{
		const Step *step = lfirst(lc);

		foreach(r, step->queries ? step->relations : NIL)
		{
			QuerySession session;
			bool		bound;
			char	   *owner = NULL;

			query_begin(&session);
			bound = QUERY("SELECT quote_ident(rolname) FROM pg_class c JOIN pg_roles o ON o.oid = relowner "
						  "WHERE c.oid = $1 AND relrowsecurity AND relforcerowsecurity AND NOT rolsuper AND NOT rolbypassrls",
						  arg_oid(lfirst_oid(r))) > 0;
			if (bound)
				owner = query_text(0, 1);
			query_end(&session);
			if (bound)
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						 errmsg("row-level security of %s is forced on its owner, and could hide rows",
								names_relation(lfirst_oid(r))),
						 errdetail("The work is done with the rights of the owner, and has to see every row."),
						 errhint("ALTER TABLE %s NO FORCE ROW LEVEL SECURITY; or, as a superuser, ALTER ROLE %s BYPASSRLS;",
								 names_relation(lfirst_oid(r)), owner)));
		}
	}
}

/*
 * Event triggers of the database fire for the DDL of the steps, which runs as the
 * owner with a pinned search_path: one that needs more fails the step, and the
 * way back.
 */
static void
note_event_triggers(MigrationPlan *plan)
{
	QuerySession session;
	char	   *triggers;
	char	   *owner;

	query_begin(&session);
	QUERY("SELECT string_agg(quote_ident(evtname) || ' (' || p.oid::regproc::text || ')', ', ' ORDER BY evtname), "
		  "(SELECT quote_ident(rolname) FROM pg_class c JOIN pg_roles o ON o.oid = relowner WHERE c.oid = $1) "
		  "FROM pg_event_trigger e JOIN pg_proc p ON p.oid = evtfoid JOIN pg_namespace n ON n.oid = pronamespace "
		  "WHERE evtenabled <> 'D' AND nspname <> 'zdm' AND evtevent <> 'login'", arg_oid(plan->relid));
	triggers = query_text(0, 1);
	owner = query_text(0, 2);
	query_end(&session);
	if (triggers != NULL && owner != NULL)
		plan_note(plan, "event triggers fire for the DDL of the steps, as %s in a security-restricted operation and with search_path pg_catalog, pg_temp: %s",
				  owner, triggers);
}

void
preflight(MigrationPlan *plan, const Change *change)
{
	check_preload(plan);
	check_row_security(plan);
	note_event_triggers(plan);
	if (max_worker_processes == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a migration needs a background worker, and max_worker_processes is 0")));
	/* a type that is changed where it stands has no second column either */
	if (!plan_has_backfill(plan))
		return;
	/* the others have asked before */
	if (plan_kind(change->kind)->one_shape)
		by_path_check_table(plan->relid, InvalidAttrNumber);
	note_disk(plan, !plan_kind(change->kind)->one_shape);
	check_publications(plan, !plan_kind(change->kind)->one_shape || strcmp(change->kind, "add_column") == 0,
					   change->type != InvalidOid);
	note_answers(plan);
	if (plan_kind(change->kind)->one_shape)
		return;
	if (change->new_name != NULL)
		by_text_refuse_before(plan->relid, change->column);
	note_second_column(plan);
	note_functions(plan, change);
	note_triggers(plan, change);
	note_row_type(plan);
}
