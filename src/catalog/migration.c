/*-------------------------------------------------------------------------
 *
 * migration.c
 *		Rows of zdm.migration.
 *
 * The row belongs to the users' sessions and to the worker alike, so it is
 * written only in short transactions; what a worker writes while it works goes
 * to zdm.step, whose rows are its own.  Otherwise a session that has called
 * zdm.pause() and not yet committed would make a batch wait with row locks of
 * the user's table in hand.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/migration.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "compat.h"

#define MIGRATION_COLUMNS \
	"id, label, kind, relid, relation, owner, definition, columns, state, " \
	"failed_from, paused, settings, (settings ->> 'zdm.reversible')::boolean, result_settings, again, outcome"

static Migration *
read_row(uint64 row)
{
	Migration  *m = palloc0(sizeof(Migration));
	char	   *failed_from;

	m->id = query_int8(row, 1);
	m->label = query_text(row, 2);
	m->kind = query_text(row, 3);
	m->relid = query_oid(row, 4);
	m->relation = query_text(row, 5);
	m->owner = query_oid(row, 6);
	m->definition = query_text(row, 7);
	m->columns = query_texts(row, 8);
	m->state = state_from_name(query_text(row, 9));
	failed_from = query_text(row, 10);
	m->failed_from = failed_from ? state_from_name(failed_from) : STATE_FAILED;
	m->paused = query_bool(row, 11);
	m->settings = query_text(row, 12);
	m->reversible = query_bool(row, 13);
	m->result_settings = query_texts(row, 14);
	m->again = query_bool(row, 15);
	m->outcome = query_texts(row, 16);
	return m;
}

void
migration_insert(Migration *m)
{
	QuerySession session;

	query_begin(&session);
	QUERY("INSERT INTO zdm.migration (label, kind, relid, relation, owner, definition, columns, settings, result_settings) "
		  "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
		  arg_text(m->label), arg_text(m->kind), arg_oid(m->relid),
		  arg_text(m->relation), arg_oid(m->owner), arg_jsonb(m->definition),
		  arg_texts(m->columns), arg_jsonb(m->settings),
		  arg_texts(m->result_settings));
	m->id = query_int8(0, 1);
	m->state = STATE_QUEUED;
	query_end(&session);
}

void
migration_set_notes(int64 id, List *notes)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET notes = $2 WHERE id = $1",
		  arg_int8(id), arg_texts(notes));
	query_end(&session);
}

void
migration_add_known(int64 id, List *known)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET known = CASE WHEN known = '{}' THEN $2 ELSE known || $2[2:] END WHERE id = $1", arg_int8(id), arg_texts(known));
	query_end(&session);
}

List *
migration_known(int64 id)
{
	QuerySession session;
	List	   *known = NIL;

	query_begin(&session);
	if (QUERY("SELECT known FROM zdm.migration WHERE id = $1", arg_int8(id)) > 0)
		known = query_texts(0, 1);
	query_end(&session);
	return known;
}

static const char *
lock_clause(MigrationLock lock)
{
	switch (lock)
	{
		case MIGRATION_READ:
			return "";
		case MIGRATION_LOCK:
			return " FOR UPDATE";
		case MIGRATION_LOCK_NOWAIT:
			return " FOR UPDATE NOWAIT";
	}
	return "";
}

Migration *
migration_load(int64 id, MigrationLock lock)
{
	QuerySession session;
	Migration  *m = NULL;

	query_begin(&session);
	if (QUERY(psprintf("SELECT " MIGRATION_COLUMNS
					   " FROM zdm.migration WHERE id = $1%s", lock_clause(lock)),
			  arg_int8(id)) > 0)
		m = read_row(0);
	query_end(&session);
	return m;
}

List *
migration_labelled(const char *label)
{
	QuerySession session;
	List	   *result = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT " MIGRATION_COLUMNS " FROM zdm.migration WHERE label = $1 "
			  "ORDER BY state = 'reverted', id DESC", arg_text(label));
	for (uint64 row = 0; row < n; row++)
	{
		Migration  *m = read_row(row);

		result = lappend(result, m);
	}
	query_end(&session);
	return result;
}

void
migration_set_outcome(Migration *m, List *outcome)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET outcome = $2 WHERE id = $1", arg_int8(m->id), arg_texts(outcome));
	query_end(&session);
	m->outcome = outcome;
}

void
migration_set_completed(Migration *m)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET state = 'completed', changed = clock_timestamp() WHERE id = $1", arg_int8(m->id));
	query_end(&session);
	m->state = STATE_COMPLETED;
}

void
migration_set_again(Migration *m, const char *settings)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET again = $2::jsonb IS NOT NULL, settings = coalesce($2, settings) WHERE id = $1",
		  arg_int8(m->id), arg_jsonb(settings));
	query_end(&session);
	m->again = settings != NULL;
}

/*
 * At the end, or at a new beginning: which rows had come past the trigger is asked by
 * nobody any more.  Of conflicts the history keeps the sum; what a writer is just
 * adding stays beside it.
 */
static void
forget_rows(int64 id)
{
	QuerySession session;

	query_begin(&session);
	QUERY("DELETE FROM zdm.arrival WHERE migration = $1", arg_int8(id));
	QUERY("DELETE FROM zdm.unfilled WHERE migration = $1", arg_int8(id));
	QUERY("WITH gone AS (DELETE FROM zdm.conflict WHERE ctid = ANY (ARRAY("
		  "SELECT ctid FROM zdm.conflict WHERE migration = $1 FOR UPDATE SKIP LOCKED)) RETURNING *) "
		  "INSERT INTO zdm.conflict (migration, rows, last, role, application) "
		  "SELECT $1, sum(rows), max(last), (array_agg(role ORDER BY last DESC))[1], (array_agg(application ORDER BY last DESC))[1] "
		  "FROM gone HAVING count(*) > 0", arg_int8(id));
	query_end(&session);
}

/* All that a migration has come to know of its rows and its work is of the first time. */
void
migration_begin_anew(Migration *m)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET state = 'queued', again = false, changed = clock_timestamp(), failed_from = NULL, "
		  "error_state = NULL, error_message = NULL, error_detail = NULL, error_hint = NULL, "
		  "error_context = NULL WHERE id = $1", arg_int8(m->id));
	QUERY("UPDATE zdm.step SET state = 'pending', executed = NULL, attempts = 0, failures = 0, started = NULL, "
		  "finished = NULL, error = NULL, cursor = NULL, blocks_total = 0, blocks_done = 0, rows_done = 0, "
		  "rows_per_second = NULL, worked_ms = 0, waiting_for = NULL, waiting_since = NULL WHERE migration = $1",
		  arg_int8(m->id));
	QUERY("UPDATE zdm.pair SET new_attnum = NULL, authoritative = 'old' WHERE migration = $1", arg_int8(m->id));
	QUERY("DELETE FROM zdm.misfit WHERE migration = $1", arg_int8(m->id));
	query_end(&session);
	forget_rows(m->id);
	m->state = STATE_QUEUED;
	m->again = false;
}

bool
migration_is_visible(const Migration *migration)
{
	AclMode		any = ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE | ACL_TRUNCATE |
		ACL_REFERENCES | ACL_TRIGGER;
	Oid			relid = migration->relid;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return has_privs_of_role(GetUserId(), migration->owner);
	return object_ownercheck(RelationRelationId, relid, GetUserId()) ||
		pg_class_aclmask(relid, GetUserId(), any, ACLMASK_ANY) != 0 ||
		pg_attribute_aclcheck_all(relid, GetUserId(), any, ACLMASK_ANY) == ACLCHECK_OK;
}

bool
migration_is_trusted(const Migration *migration)
{
	Oid			relid = migration->relid;

	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		return true;
	return object_ownercheck(RelationRelationId, relid, GetUserId()) ||
		(pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		 check_enable_rls(relid, InvalidOid, true) != RLS_ENABLED);
}

/* The rows of a query that selects MIGRATION_COLUMNS, mostly about one relation, of that name. */
static List *
load_about(const char *sql, Oid relid, const char *name)
{
	QuerySession session;
	List	   *result = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY(sql, arg_oid(relid), arg_text(name));
	for (uint64 row = 0; row < n; row++)
	{
		Migration  *m = read_row(row);

		result = lappend(result, m);
	}
	query_end(&session);
	return result;
}

List *
migration_live_on(Oid relid)
{
	return load_about("SELECT " MIGRATION_COLUMNS " FROM zdm.migration "
					  "WHERE relid = $1 AND state NOT IN ('completed', 'reverted') ORDER BY id", relid, NULL);
}

List *
migration_live_on_partitioned(void)
{
	return load_about("SELECT " MIGRATION_COLUMNS " FROM zdm.migration "
					  "WHERE state NOT IN ('completed', 'reverted') "
					  "AND relid IN (SELECT oid FROM pg_class WHERE relkind = 'p') "
					  "AND $1::oid = 0 AND $2::text IS NULL ORDER BY id", InvalidOid, NULL);
}

List *
migration_live_tables(void)
{
	QuerySession session;
	List	   *tables;

	query_begin(&session);
	query_run("SELECT coalesce(array_agg(DISTINCT relid), '{}') FROM zdm.migration WHERE state NOT IN ('completed', 'reverted')", NULL, 0);
	tables = query_oids(0, 1);
	query_end(&session);
	return tables;
}

/* A template names a view by name (plan/definition.h), and other relations by Oid. */
List *
migration_needing(Oid relid)
{
	char	   *name = names_relation(relid);

	/* as it stands in the braces of a token */
	if (name != NULL)
		name = names_escape(name);
	return load_about("SELECT " MIGRATION_COLUMNS " FROM zdm.migration m "
					  "WHERE relid <> $1 AND state NOT IN ('completed', 'reverted') AND EXISTS "
					  "(SELECT 1 FROM zdm.step s, LATERAL (VALUES "
					  "   (CASE WHEN s.state <> 'done' THEN s.statement END), (s.undo)) t(template) "
					  " WHERE s.migration = m.id AND (strpos(t.template, '%V{' || $2 || '}') > 0 "
					  "   OR strpos(t.template, ':' || $2 || '}') > 0 OR strpos(t.template, ':' || $2 || ',') > 0 "
					  "   OR strpos(t.template, '%R{' || $1 || '}') > 0 "
					  /* not a part that is left out when the relation is gone */
					  "      AND strpos(t.template, '%?{' || $1 || '}') = 0)) "
					  "ORDER BY id", relid, name);
}

List *
migration_naming(Oid relid, const char *name)
{
	return load_about("SELECT " MIGRATION_COLUMNS " FROM zdm.migration m "
					  "WHERE state NOT IN ('completed', 'reverted') AND EXISTS "
					  "(SELECT 1 FROM zdm.step s, LATERAL (VALUES "
					  "   (CASE WHEN s.state <> 'done' THEN s.statement END), (s.undo)) t(template) "
					  " WHERE s.migration = m.id AND (m.relid = $1 OR strpos(t.template, '%R{' || $1 || '}') > 0) "
					  "   AND t.template ~ ('(^|[^[:alnum:]_$\"])' || "
					  "     regexp_replace(replace($2, '%', '%%'), '([^[:alnum:]_])', '\\\1', 'g') || "
					  "     '($|[^[:alnum:]_$\"])')) "
					  "ORDER BY id", relid, quote_identifier(name));
}

bool
migration_has_cutover(int64 id)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("SELECT 1 FROM zdm.step WHERE migration = $1 AND phase = 'cutover' LIMIT 1",
				  arg_int8(id)) > 0;
	query_end(&session);
	return found;
}

List *
migration_runnable(void)
{
	QuerySession session;
	List	   *result = NIL;
	uint64		n;

	query_begin(&session);
	n = query_run("SELECT id, owner, urgent FROM (SELECT id, owner, "
				  "state IN ('cutting_over', 'contracting', 'reverting') AS urgent, "
				  "EXISTS (SELECT 1 FROM zdm.step s WHERE s.migration = m.id AND s.waiting_for IS NOT NULL) AS waits, "
				  "row_number() OVER (PARTITION BY owner ORDER BY id) AS turn "
				  "FROM zdm.migration m WHERE NOT paused AND (state IN "
				  "('queued', 'expanding', 'migrating', 'cutting_over', 'contracting', 'reverting') "
				  /* at rest, but a partition has been attached */
				  "OR state IN ('ready', 'switched') AND EXISTS (SELECT 1 FROM zdm.step s "
				  "WHERE s.migration = m.id AND s.phase = 'migrate' AND s.state <> 'done'))) r "
				  "ORDER BY NOT urgent, waits, turn, id", NULL, 0);
	for (uint64 row = 0; row < n; row++)
	{
		RunnableMigration *runnable = palloc(sizeof(RunnableMigration));

		runnable->id = query_int8(row, 1);
		runnable->owner = query_oid(row, 2);
		runnable->urgent = query_bool(row, 3);
		result = lappend(result, runnable);
	}
	query_end(&session);
	return result;
}

bool
migration_is_urgent(const Migration *m)
{
	return m->state == STATE_CUTTING_OVER || m->state == STATE_CONTRACTING ||
		m->state == STATE_REVERTING;
}

bool
migration_in_prepared_transaction(void)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = query_run("SELECT 1 FROM pg_locks WHERE locktype = 'relation' AND pid IS NULL "
					  "AND relation = 'zdm.migration'::regclass AND mode = 'RowExclusiveLock' "
					  "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
					  NULL, 0) > 0;
	query_end(&session);
	return found;
}

bool
migration_transition(Migration *m, MigrationEvent event)
{
	QuerySession session;
	MigrationState next;

	Assert(event != EVENT_FAIL);
	if (!state_next(m->state, m->failed_from, event, &next))
		return false;
	query_begin(&session);
	QUERY("UPDATE zdm.migration SET state = $2, changed = clock_timestamp(), failed_from = NULL, "
		  "error_state = NULL, error_message = NULL, error_detail = NULL, "
		  "error_hint = NULL, error_context = NULL WHERE id = $1",
		  arg_int8(m->id), arg_text(state_name(next)));
	query_end(&session);
	m->state = next;
	if (state_is_final(next))
		forget_rows(m->id);
	return true;
}

void
migration_fail(Migration *m, const MigrationError *error)
{
	QuerySession session;
	MigrationState next;

	if (!state_next(m->state, m->failed_from, EVENT_FAIL, &next))
		return;
	query_begin(&session);
	QUERY("UPDATE zdm.migration SET state = $2, failed_from = $3, changed = clock_timestamp(), "
		  "error_state = $4, error_message = $5, error_detail = $6, error_hint = $7, "
		  "error_context = $8 WHERE id = $1",
		  arg_int8(m->id), arg_text(state_name(next)), arg_text(state_name(m->state)),
		  arg_text(error->sqlstate), arg_text(error->message), arg_text(error->detail),
		  arg_text(error->hint), arg_text(error->context));
	query_end(&session);
	m->failed_from = m->state;
	m->state = next;
}

void
migration_set_paused(Migration *m, bool paused)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET paused = $2, changed = clock_timestamp() WHERE id = $1",
		  arg_int8(m->id), arg_bool(paused));
	query_end(&session);
	m->paused = paused;
}

void
migration_set_owner(Migration *m, Oid owner)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET owner = $2 WHERE id = $1",
		  arg_int8(m->id), arg_oid(owner));
	query_end(&session);
	m->owner = owner;
}

void
migration_set_setting(Migration *m, const char *name, const char *value)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET settings = settings || jsonb_build_object($2::text, $3::text) "
		  "WHERE id = $1",
		  arg_int8(m->id), arg_text(name), arg_text(value));
	query_end(&session);
}
