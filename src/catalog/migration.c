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

#include "catalog/crash.h"
#include "catalog/live.h"
#include "catalog/migration.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "catalog/step.h"
#include "catalog/step_progress.h"
#include "core/errors.h"
#include "core/names.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rls.h"
#include "utils/syscache.h"
#include "compat.h"

typedef Migration Row;

static const RowTable migrations = ROW_TABLE("zdm.migration", MIGRATION_COLUMNS);

void
migration_insert(Migration *m)
{
	row_insert(&migrations, m);
}

void
migration_set_notes(int64 id, List *notes)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET notes = $2 WHERE id = $1",
					  arg_int8(id), arg_texts(notes));
}

void
migration_add_known(int64 id, List *known)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET known = CASE WHEN known = '{}' THEN $2 ELSE known || $2[2:] END WHERE id = $1", arg_int8(id), arg_texts(known));
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
	return ROW_FIRST(&migrations, psprintf("WHERE id = $1%s", lock_clause(lock)), arg_int8(id));
}

List *
migration_labelled(const char *label)
{
	return ROW_LIST(&migrations, "WHERE label = $1 ORDER BY state = 'reverted', id DESC", arg_text(label));
}

void
migration_set_outcome(Migration *m, List *outcome)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET outcome = $2 WHERE id = $1", arg_int8(m->id), arg_texts(outcome));
	m->outcome = outcome;
}

void
migration_set_completed(Migration *m)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET state = 'completed', changed = clock_timestamp() WHERE id = $1", arg_int8(m->id));
	m->state = STATE_COMPLETED;
}

void
migration_set_again(Migration *m, const char *settings, List *known)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET again = $2::jsonb IS NOT NULL, settings = coalesce($2, settings), known_again = $3 WHERE id = $1",
					  arg_int8(m->id), arg_jsonb(settings), arg_texts(known));
	m->again = settings != NULL;
}

/*
 * At the end, or at a new beginning: which rows were written past the trigger, and who was
 * at work, is asked by nobody any more.  Of conflicts the history keeps the sum; what a writer is just
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
	crash_forget(id);
}

/* All that a migration knows of its rows and its work is of the first time. */
void
migration_begin_anew(Migration *m)
{
	QuerySession session;

	query_begin(&session);
	QUERY("UPDATE zdm.migration SET state = 'queued', again = false, known = known_again, changed = clock_timestamp(), failed_from = NULL, "
		  "error_state = NULL, error_message = NULL, error_detail = NULL, error_hint = NULL, "
		  "error_context = NULL WHERE id = $1", arg_int8(m->id));
	QUERY("UPDATE zdm.pair SET new_attnum = NULL, authoritative = 'old', "
		  "up_resolution = coalesce(up_again, up_resolution), down_resolution = coalesce(down_again, down_resolution) WHERE migration = $1", arg_int8(m->id));
	QUERY("DELETE FROM zdm.misfit WHERE migration = $1", arg_int8(m->id));
	query_end(&session);
	step_begin_anew(m->id);
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

List *
migration_live_on(Oid relid)
{
	return live_on(relid) ? ROW_LIST(&migrations, "WHERE relid = $1 AND state NOT IN ('completed', 'reverted') ORDER BY id",
									 arg_oid(relid)) : NIL;
}

List *
migration_live_on_partitioned(void)
{
	if (!live_any())
		return NIL;
	return ROW_LIST(&migrations, "WHERE state NOT IN ('completed', 'reverted') "
					"AND relid IN (SELECT oid FROM pg_class WHERE relkind = 'p') ORDER BY id");
}

/*
 * A view by its name, as one that is dropped and made again has another Oid; other
 * relations by that.
 */
List *
migration_needing(Oid relid)
{
	if (!live_any())
		return NIL;
	return ROW_LIST(&migrations, "m WHERE relid <> $1 AND state NOT IN ('completed', 'reverted') AND EXISTS "
					"(SELECT 1 FROM zdm.step s WHERE s.migration = m.id AND "
					"  ((s.state <> 'done' OR s.only_back) AND $1 = ANY (s.needs) "
					/* the view under a table's other name */
					"   OR s.state <> 'done' AND s.verb = 'drop_view' AND $1 = ANY (s.relations) "
					"   OR (s.state <> 'done' OR s.undoable) AND jsonb_path_exists(s.args, "
					"     '$.old.views[*].name ? (@ == $name)', jsonb_build_object('name', $2)) "
					"   OR s.state <> 'done' AND s.verb = 'create_matviews' AND jsonb_path_exists(s.args, "
					"     '$.old.matviews[*].oid ? (@ == $oid)', jsonb_build_object('oid', $1::bigint)))) "
					"ORDER BY id", arg_oid(relid), arg_text(names_relation(relid)));
}

List *
migration_naming(Oid relid, const char *name)
{
	if (!live_any())
		return NIL;
	return ROW_LIST(&migrations, "m WHERE state NOT IN ('completed', 'reverted') AND EXISTS "
					"(SELECT 1 FROM zdm.step s WHERE s.migration = m.id AND (s.state <> 'done' OR s.undoable) "
					"   AND (m.relid = $1 OR $1 = ANY (s.needs || s.relations)) "
					"   AND jsonb_path_exists(s.args, '$.** ? (@ == $name)', jsonb_build_object('name', $2))) "
					"ORDER BY id", arg_oid(relid), arg_text(name));
}

bool
migration_is_reversible(const Migration *m)
{
	return QUERY_ONCE("SELECT WHERE ($1 ->> 'zdm.reversible')::boolean", arg_jsonb(m->settings)) > 0;
}

void
migration_set_relation(int64 id, Oid relid)
{
	/* a label that comes again is compared with what it stood for, which names the table */
	(void) QUERY_ONCE("UPDATE zdm.migration SET relid = $2, definition = definition || jsonb_build_object('relation', $2) WHERE id = $1",
					  arg_int8(id), arg_oid(relid));
}

bool
migration_has_cutover(int64 id)
{
	return QUERY_ONCE("SELECT FROM zdm.step WHERE migration = $1 AND phase = 'cutover' LIMIT 1", arg_int8(id)) > 0;
}

bool
migration_in_prepared_transaction(void)
{
	return QUERY_ONCE("SELECT FROM pg_locks WHERE locktype = 'relation' AND pid IS NULL "
					  "AND relation = 'zdm.migration'::regclass AND mode = 'RowExclusiveLock' "
					  "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") > 0;
}

bool
migration_is_urgent(const Migration *m)
{
	return m->state == STATE_CUTTING_OVER || m->state == STATE_CONTRACTING ||
		m->state == STATE_REVERTING;
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
	(void) QUERY_ONCE("UPDATE zdm.migration SET paused = $2, changed = clock_timestamp() WHERE id = $1",
					  arg_int8(m->id), arg_bool(paused));
	m->paused = paused;
}

void
migration_set_owner(Migration *m, Oid owner)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET owner = $2 WHERE id = $1",
					  arg_int8(m->id), arg_oid(owner));
	m->owner = owner;
}

void
migration_follow(Migration *migration, Oid relid)
{
	/* a label that comes again is compared with what it stood for, which names the table */
	(void) QUERY_ONCE("UPDATE zdm.migration SET relid = $2, definition = CASE WHEN definition ->> 'relation' = $1::text "
					  "  THEN definition || jsonb_build_object('relation', $2) ELSE definition END WHERE relid = $1",
					  arg_oid(migration->relid), arg_oid(relid));
	step_follow(migration->id, migration->relid, relid);
	migration->relid = relid;
}

void
migration_set_setting(Migration *m, const char *name, const char *value)
{
	(void) QUERY_ONCE("UPDATE zdm.migration SET settings = settings || jsonb_build_object($2::text, $3::text) "
					  "WHERE id = $1",
					  arg_int8(m->id), arg_text(name), arg_text(value));
}
