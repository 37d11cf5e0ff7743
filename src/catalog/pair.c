/*-------------------------------------------------------------------------
 *
 * pair.c
 *		Writing rows of zdm.pair: what the sync trigger keeps in step.
 *
 * A pair is written by the plan, when its new column does not exist yet, and
 * put into force in the transaction that adds the column: the trigger skips
 * rows without a new_attnum.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pair.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "catalog/twin.h"
#include "core/errors.h"
#include "core/names.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef Pair Row;

static const RowTable pairs = ROW_TABLE("zdm.pair", PAIR_COLUMNS);

void
pair_insert(Pair *pair)
{
	row_insert(&pairs, pair);
	twin_note_dependents(pair->migration);
}

/* The tables whose sessions must hear of a change, each once. */
static void
invalidate_migration(int64 migration)
{
	QuerySession session;
	List	   *relids;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT coalesce(array_agg(DISTINCT relid), '{}') FROM zdm.pair WHERE migration = $1",
		  arg_int8(migration));
	relids = query_oids(0, 1);
	query_end(&session);
	foreach(lc, relids)
		pair_invalidate(lfirst_oid(lc));
}

void
pair_activate(int64 migration)
{
	QuerySession session;

	query_begin(&session);
	/* what came before the column came is like all the rest */
	QUERY("DELETE FROM zdm.arrival WHERE migration = $1", arg_int8(migration));
	/* the locks are held: whoever is in progress now has not written to the table yet */
	QUERY("UPDATE zdm.pair p SET new_attnum = a.attnum, past = pg_current_snapshot(), old_not_null = "
		  "  (SELECT attnotnull FROM pg_attribute o WHERE o.attrelid = p.relid AND o.attnum = p.old_attnum) FROM pg_attribute a "
		  "WHERE p.migration = $1 AND a.attrelid = p.relid AND a.attname = p.new_name "
		  "AND a.attnum > 0", arg_int8(migration));
	if (QUERY("SELECT new_name, relid FROM zdm.pair WHERE migration = $1 AND new_attnum IS NULL",
			  arg_int8(migration)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation %s does not exist",
						query_text(0, 1), names_relation(query_oid(0, 2)))));
	query_end(&session);
	twin_note_privileges(migration);
	invalidate_migration(migration);
}

void
pair_deactivate(int64 migration)
{
	(void) QUERY_ONCE("UPDATE zdm.pair SET new_attnum = NULL WHERE migration = $1",
					  arg_int8(migration));
	invalidate_migration(migration);
}

void
pair_set_authoritative(int64 migration, const char *side)
{
	(void) QUERY_ONCE("UPDATE zdm.pair SET authoritative = $2 WHERE migration = $1",
					  arg_int8(migration), arg_text(side));
	invalidate_migration(migration);
}

void
pair_set_on_conflict(int64 migration, const char *on_conflict)
{
	(void) QUERY_ONCE("UPDATE zdm.pair SET on_conflict = $2 WHERE migration = $1",
					  arg_int8(migration), arg_text(on_conflict));
	invalidate_migration(migration);
}

void
pair_set_reversible(int64 migration, bool reversible)
{
	(void) QUERY_ONCE("UPDATE zdm.pair SET reversible = $2 WHERE migration = $1",
					  arg_int8(migration), arg_bool(reversible));
	invalidate_migration(migration);
}

List *
pair_left_behind(List *tables, Oid relid)
{
	QuerySession session;
	List	   *names = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT new_name FROM zdm.pair p JOIN pg_attribute a ON attrelid = $2 AND attname = new_name AND attnotnull "
			  "WHERE p.relid = ANY ($1) AND new_attnum <> 0 ORDER BY 1", arg_oids(tables), arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
		names = lappend(names, query_text(row, 1));
	query_end(&session);
	return names;
}

bool
pair_old_side_gone(int64 migration)
{
	return QUERY_ONCE("SELECT 1 FROM zdm.pair p WHERE migration = $1 AND NOT EXISTS "
					  "(SELECT 1 FROM pg_attribute a WHERE a.attrelid = p.relid "
					  "AND a.attnum = p.old_attnum AND NOT a.attisdropped)",
					  arg_int8(migration)) > 0;
}

bool
pair_trigger_needed(Oid relid, int64 migration)
{
	return QUERY_ONCE("SELECT 1 FROM zdm.step s JOIN zdm.migration m ON m.id = s.migration "
					  "WHERE m.relid = $1 AND m.id <> $2 AND s.verb = 'create_sync_trigger' "
					  "AND s.state = 'done' AND m.state NOT IN ('completed', 'reverted') "
					  /* nor does one that has left it to us, and not yet come to its end */
					  "AND NOT EXISTS (SELECT 1 FROM zdm.step d WHERE d.migration = m.id "
					  "  AND d.verb = 'drop_sync_trigger' AND d.state = 'done') "
					  "LIMIT 1", arg_oid(relid), arg_int8(migration)) > 0;
}

void
pair_invalidate(Oid relid)
{
	List	   *relids = list_make1_oid(relid);
	ListCell   *lc;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		relids = find_all_inheritors(relid, NoLock, NULL);
	foreach(lc, relids)
	{
		if (SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(lc))))
			CacheInvalidateRelcacheByRelid(lfirst_oid(lc));
	}
}
