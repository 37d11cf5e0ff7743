/*-------------------------------------------------------------------------
 *
 * other_end.c
 *		Both ends of a foreign key replaced at the same time.
 *
 * Call the foreign key F, its ends c (referencing) and p (referenced), and the
 * columns that are to take their places c' and p'.  Each migration has one
 * counterpart of F with which it can exchange it at any moment: from its own
 * column that is not in charge, to whichever column is in charge at the other
 * end.  Nothing else is ever there, so each state has its set of constraints:
 *
 *		in charge			F			held by c's		held by p's
 *		c   and p			c  -> p		c' -> p			c  -> p'
 *		c   and p'			c  -> p'	c' -> p'		c  -> p
 *		c'  and p			c' -> p		c  -> p			c' -> p'
 *		c'  and p'			c' -> p'	c  -> p'		c' -> p
 *
 * Before cutover the held one is there once the migration has reached it, and
 * validated when it is ready.  After cutover it is not kept; the way back makes
 * it again.  From contract on, and before the column is added, there is none.
 *
 * So whoever exchanges its columns, forth or back, leaves one constraint of the
 * other's that is about the wrong column.  The same transaction makes that one
 * anew, NOT VALID, has the other validate it again before it does anything else,
 * and has the other's steps, done or not, name the column that is in charge now:
 * the one that was may be dropped before they are run.  That is the same for
 * every pair of states that the two can be in:
 *
 *		the other is		what it finds
 *		not there yet		its plan names the column in charge; nothing is moved
 *		migrating, ready	its counterpart is moved and validated again
 *		cutting over		the same, before its own exchange
 *		switched			its way back names the column in charge
 *		reverting			what the way back has made is moved and validated again,
 *							before its own exchange; after that, nothing is left
 *		contracting			nothing: it has only F
 *		failed, paused		as in the state that it was in, when it goes on
 *
 * Two exchanges never overlap, as both lock both tables; and a step chosen before
 * one of them is looked at again when its locks are held (run/steps.c).  Nor does
 * an exchange overlap with a call that reads F for its plan: both claim the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/migration.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "column/other_end.h"
#include "column/part.h"
#include "column/reference.h"
#include "core/claim.h"
#include "core/errors.h"
#include "core/names.h"
#include "utils/lsyscache.h"

/* One constraint that another migration holds at its end. */
typedef struct OtherEndKey
{
	int64		migration;		/* the other */
	ColumnForeignKey *fk;
	Substitute	substitute;		/* the column to leave, and the name of the one to take */
} OtherEndKey;

/* The attributes of pair "p" that are in charge, and are not. */
#define IN_CHARGE "CASE p.authoritative WHEN 'old' THEN p.old_attnum ELSE p.new_attnum END"
#define NOT_IN_CHARGE "CASE p.authoritative WHEN 'old' THEN p.new_attnum ELSE p.old_attnum END"

/* Is pair "p" in force, and its column that is not in charge an end of constraint "o"? */
#define HOLDS "p.new_attnum IS NOT NULL AND (" \
	"p.relid = o.conrelid AND " NOT_IN_CHARGE " = ANY (o.conkey) OR " \
	"p.relid = o.confrelid AND " NOT_IN_CHARGE " = ANY (o.confkey))"

static void
claim_other_end(Oid relid, const char *constraint)
{
	/* closes the race with a session that states one on the other end just now */
	if (!claim_try(CLAIM_STATEMENT, relid))
	{
		char	   *holder = claim_describe(CLAIM_STATEMENT, relid);

		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another transaction is stating or switching a migration on %s, the other end of foreign key \"%s\"",
						names_relation(relid), constraint),
				 holder != NULL ? errdetail_internal("%s", holder) : 0,
				 errhint("Try again when it has ended.")));
	}
}

bool
other_end_holds_it(Oid relid, Oid constraint)
{
	QuerySession session;
	Oid			other = InvalidOid;
	char	   *name = NULL;
	bool		held;

	query_begin(&session);
	if (QUERY("SELECT CASE conrelid WHEN $2 THEN confrelid ELSE conrelid END, conname "
			  "FROM pg_constraint WHERE oid = $1", arg_oid(constraint), arg_oid(relid)) > 0)
	{
		other = query_oid(0, 1);
		name = query_text(0, 2);
	}
	query_end(&session);
	if (OidIsValid(other) && other != relid)
		claim_other_end(other, name);
	query_begin(&session);
	held = QUERY("SELECT 1 FROM pg_constraint o, zdm.pair p WHERE o.oid = $1 AND " HOLDS,
				 arg_oid(constraint)) > 0;
	query_end(&session);
	return held;
}

void
other_end_has_changed(const Column *column)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("a foreign key of column \"%s\" of %s has just been exchanged by a migration at its other end",
					column->name, names_relation(column->relid)),
			 errhint("Try again.")));
}

/* Does the migration replace a column, so that what is written above holds for it? */
static bool
replaces_column(const Migration *migration)
{
	QuerySession session;
	bool		found;

	query_begin(&session);
	found = QUERY("SELECT 1 FROM zdm.pair WHERE migration = $1", arg_int8(migration->id)) > 0;
	query_end(&session);
	return found;
}

/* NOT VALID is not available for a partitioned table on all servers. */
static bool
is_plain(Oid relid)
{
	return get_rel_relkind(relid) == RELKIND_RELATION && !get_rel_relispartition(relid);
}

static void
check_migration(const Migration *migration, Oid other, const char *column,
				const ColumnForeignKey *fk)
{
	ListCell   *lc;

	foreach(lc, migration->columns)
	{
		if (strcmp(column, lfirst(lc)) != 0)
			continue;
		if (is_plain(fk->relid) && is_plain(fk->refrelid) && replaces_column(migration))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("migration " INT64_FORMAT " is at work on \"%s\" of %s, the other end of foreign key \"%s\"",
						migration->id, column, names_relation(other), fk->name),
				 errdetail("It is %s and its state is %s.", migration->kind,
						   state_name(migration->state)),
				 errhint("Let it come to its end first.")));
	}
}

void
other_end_check(const Column *column, const ColumnForeignKey *fk)
{
	Oid			other = fk->relid == column->relid ? fk->refrelid : fk->relid;
	List	   *columns = fk->relid == column->relid ? fk->refcolumns : fk->columns;
	ListCell   *m;
	ListCell   *a;

	if (other == column->relid)
		return;
	foreach(m, migration_live_on(other))
	{
		foreach(a, columns)
			check_migration(lfirst(m), other,
							get_attname(other, (AttrNumber) lfirst_int(a), false), fk);
	}
}

/*
 * Columns that exchange their names go on under the one that is in charge; in a
 * rename, each keeps its own.
 */
List *
other_end_keys(int64 migration)
{
	QuerySession session;
	List	   *keys = NIL;
	List	   *found = NIL;
	uint64		n;
	ListCell   *lc;
	List	   *constraints = NIL;

	query_begin(&session);
	n = QUERY("SELECT o.oid, p.migration, mine.relid, mine.leaves, a.attname "
			  "FROM (SELECT p.relid, " IN_CHARGE " AS leaves, CASE m.kind WHEN 'rename_column' "
			  "        THEN " NOT_IN_CHARGE " ELSE " IN_CHARGE " END AS named "
			  "        FROM zdm.pair p JOIN zdm.migration m ON m.id = p.migration "
			  "       WHERE p.migration = $1 AND p.new_attnum IS NOT NULL) mine "
			  "JOIN pg_attribute a ON a.attrelid = mine.relid AND a.attnum = mine.named "
			  "JOIN pg_constraint o ON o.contype = 'f' AND "
			  "  (o.conrelid = mine.relid AND mine.leaves = ANY (o.conkey) OR "
			  "   o.confrelid = mine.relid AND mine.leaves = ANY (o.confkey)) "
			  "JOIN zdm.pair p ON p.migration <> $1 AND " HOLDS " ORDER BY o.conrelid, o.conname",
			  arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
	{
		OtherEndKey *key = palloc0(sizeof(OtherEndKey));

		key->migration = query_int8(row, 2);
		key->substitute.relid = query_oid(row, 3);
		key->substitute.from = (AttrNumber) query_int4(row, 4);
		key->substitute.to = carry_column(query_text(row, 5));
		keys = lappend(keys, key);
		constraints = lappend_oid(constraints, query_oid(row, 1));
	}
	query_end(&session);
	foreach(lc, keys)
	{
		OtherEndKey *key = lfirst(lc);
		bool		period;

		/* to who only reads a plan, somebody may drop it just now */
		key->fk = reference_read(list_nth_oid(constraints, foreach_current_index(lc)), &period);
		if (key->fk != NULL)
			found = lappend(found, key);
	}
	return found;
}

static void
leave(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *column = exchange->twin->old;
	ListCell   *lc;

	foreach(lc, column->foreign_keys == NIL ? NIL : other_end_keys(making->migration))
	{
		OtherEndKey *key = lfirst(lc);
		ForeignKeyArgs args = reference_args(key->fk, key->fk->name, &key->substitute);

		sql_statement(sql, "%s", foreign_key_drop(making, &args));
	}
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *column = exchange->twin->old;
	ListCell   *lc;

	foreach(lc, column->foreign_keys == NIL ? NIL : other_end_keys(making->migration))
	{
		OtherEndKey *key = lfirst(lc);
		ForeignKeyArgs args = reference_args(key->fk, key->fk->name, &key->substitute);

		sql_statement(sql, "%s", foreign_key_sql(making, &args));
	}
}

/* A column that has left its place, and the one that is there now. */
typedef struct Succession
{
	Oid			relid;
	AttrNumber	from;
	AttrNumber	to;
} Succession;

/* Have the steps of one migration name the column that is in charge now. */
static void
follow_in(int64 migration, const Succession *succession)
{
	ListCell   *lc;

	foreach(lc, step_all(migration))
	{
		Step	   *step = lfirst(lc);
		const Verb *verb = verb_of(step);
		void	   *args = verb->follow != NULL ? verb_args(step) : NULL;

		if (args != NULL && verb->follow(args, succession->relid, succession->from, succession->to))
			step_set_args(step->migration, step->number, fields_to_json(verb->args, args));
	}
}

/* Let the others' steps name the column that is in charge now. */
static void
follow_everywhere(int64 migration)
{
	QuerySession session;
	List	   *others = NIL;
	List	   *successions = NIL;
	uint64		n;
	ListCell   *lc;

	query_begin(&session);
	n = QUERY("SELECT m.id, x.relid, x.out::int, x.in::int FROM zdm.migration m, "
			  "(SELECT p.relid, " NOT_IN_CHARGE " AS out, " IN_CHARGE " AS in "
			  "   FROM zdm.pair p WHERE p.migration = $1 AND p.new_attnum IS NOT NULL) x "
			  "WHERE m.id <> $1 AND m.relid <> x.relid AND m.state NOT IN ('completed', 'reverted') "
			  "AND EXISTS (SELECT FROM zdm.step s WHERE s.migration = m.id AND x.relid = ANY (s.relations || s.undo_relations))",
			  arg_int8(migration));
	for (uint64 row = 0; row < n; row++)
	{
		Succession *succession = palloc(sizeof(Succession));
		int64	   *other = palloc(sizeof(int64));

		*other = query_int8(row, 1);
		*succession = (Succession) {
			.relid = query_oid(row, 2),
			.from = (AttrNumber) query_int4(row, 3), .to = (AttrNumber) query_int4(row, 4),
		};
		others = lappend(others, other);
		successions = lappend(successions, succession);
	}
	query_end(&session);
	foreach(lc, others)
		follow_in(*(int64 *) lfirst(lc), list_nth(successions, foreach_current_index(lc)));
}

/* Open the steps again that validate a key which has been made anew. */
static bool
validate_again(const OtherEndKey *key)
{
	QuerySession session;
	bool		opened;

	query_begin(&session);
	opened = QUERY("UPDATE zdm.step s SET state = CASE s.state WHEN 'done' THEN 'pending' ELSE 'done' END "
				   "FROM zdm.migration m WHERE m.id = s.migration AND m.id = $1 "
				   "AND s.verb = 'validate_constraint' AND s.args ->> 'name' = $2 AND (s.args -> 'relation')::bigint = $3 AND "
				   "CASE WHEN 'reverting' IN (m.state, m.failed_from) "
				   /* on the way back, what is done is still to be undone */
				   "THEN s.only_back AND s.state = 'undone' ELSE NOT s.only_back AND s.state = 'done' END",
				   arg_int8(key->migration), arg_text(key->fk->name), arg_int8(key->fk->relid)) > 0;
	query_end(&session);
	return opened;
}

List *
other_end_follow(int64 migration, List *moved)
{
	List	   *opened = NIL;
	ListCell   *lc;

	follow_everywhere(migration);
	foreach(lc, moved)
	{
		OtherEndKey *key = lfirst(lc);

		if (validate_again(key))
			opened = lappend(opened, &key->migration);
	}
	return opened;
}

const ColumnPart column_other_end = {
	.leave = leave,
	.enter = enter,
};
