/*-------------------------------------------------------------------------
 *
 * look_again.c
 *		What is looked at again when it counts.
 *
 * Between the call and the cutover, and from there to contract or the way back,
 * days pass in which others work on the table.  What the plan relied on is asked
 * again by who steers, so that it is told at once, and in the transaction that
 * does it, with the locks held: the table under its name, what hangs on its columns
 * (catalog/twin.c), what was dropped of it, the trigger, and whether the sequences
 * can go back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/misfit.h"
#include "catalog/owners.h"
#include "catalog/pair.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "catalog/twin.h"
#include "column/twin.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "run/look_again.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/verb.h"
#include "verbs/verbs.h"

static bool
table_is_gone(const Migration *migration)
{
	return !OidIsValid(migration->relid) || get_rel_name(migration->relid) == NULL;
}

/*
 * A table that has another name, or is in another schema, is the same; but not if
 * another table has taken its name: then applications are there.
 */
static void
refuse_swapped_table(const Migration *migration)
{
	QuerySession session;
	bool		swapped;

	query_begin(&session);
	swapped = QUERY("SELECT 1 FROM pg_class WHERE oid = to_regclass($1) AND oid <> $2 AND relkind IN ('r', 'p')",
					arg_text(migration->relation), arg_oid(migration->relid)) > 0;
	query_end(&session);
	if (swapped)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("another table has taken the name %s since migration " INT64_FORMAT " was stated",
						migration->relation, migration->id),
				 errdetail("The table that the migration is about is called %s now.",
						   names_relation(migration->relid)),
				 errhint("Give it its name back, or go back with SELECT zdm.revert(" INT64_FORMAT ").", migration->id)));
}

/*
 * What somebody has dropped would be there again: the copy on the new column gets its
 * name.  Under the guard it cannot be dropped.
 */
static void
refuse_gone(const Migration *migration, const char *again)
{
	char	   *gone = twin_gone(migration->id);

	if (gone != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s would be there again", gone),
				 errdetail("That was dropped since the migration was stated, which has made a copy of it on the new column."),
				 errhint("Make it again on the old column, then SELECT zdm.%s(" INT64_FORMAT "), and drop it when the migration has completed; or SELECT zdm.revert(" INT64_FORMAT ").",
						 again, migration->id, migration->id)));
}

/* A child that inherits, or a foreign partition, of a table with a pair of columns. */
#define OUT_OF_STEP \
	"SELECT c.oid::regclass::text, i.inhparent::regclass::text, c.relkind = 'f' AND c.relispartition FROM pg_inherits i " \
	"JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent " \
	"WHERE (i.inhparent = $1 OR i.inhparent IN (SELECT relid FROM pg_partition_tree($1))) AND (p.relkind = 'r' OR c.relkind = 'f') " \
	"AND EXISTS (SELECT 1 FROM zdm.pair WHERE migration = $2 AND new_attnum IS NOT NULL) ORDER BY 1 LIMIT 1"

/* Its rows have the second column too, and nobody fills it: the call refuses such a table. */
static void
refuse_out_of_step(const Migration *migration, const char *again)
{
	QuerySession session;
	char	   *member = NULL;
	char	   *parent = NULL;
	bool		foreign = false;

	query_begin(&session);
	if (QUERY(OUT_OF_STEP, arg_oid(migration->relid), arg_int8(migration->id)) > 0)
	{
		member = query_text(0, 1);
		parent = query_text(0, 2);
		foreign = query_bool(0, 3);
	}
	query_end(&session);
	if (member != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s, %s of %s since the migration was stated, would lose a column's values", member,
						foreign ? "a foreign partition" : "an inheritance child", parent),
				 errdetail("Its rows could not be kept in step."),
				 errhint("ALTER TABLE %s; then SELECT zdm.%s(" INT64_FORMAT ").",
						 foreign ? psprintf("%s DETACH PARTITION %s", parent, member) :
						 psprintf("%s NO INHERIT %s", member, parent), again, migration->id)));
}

void
look_again_before_cutover(const Migration *migration, const char *again)
{
	char	   *unknown;

	if (table_is_gone(migration))
		return;
	refuse_swapped_table(migration);
	owners_check(migration->relid, identity_of(migration->relid));
	unknown = twin_unknown(migration->id, TWIN_OLD);
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("%s would stay with the old column", unknown),
				 errdetail("The migration was stated before that was made."),
				 errhint("Drop it, then SELECT zdm.%s(" INT64_FORMAT "), and make it again afterwards; or SELECT zdm.revert(" INT64_FORMAT ") and state the migration anew.",
						 again, migration->id, migration->id)));
	refuse_gone(migration, again);
	refuse_out_of_step(migration, again);
	twin_look_again(migration->id, true, again);
}

void
look_again_before_contract(const Migration *migration, const char *again)
{
	char	   *unknown;

	if (table_is_gone(migration))
		return;
	refuse_swapped_table(migration);
	owners_check(migration->relid, identity_of(migration->relid));
	unknown = twin_unknown(migration->id, TWIN_OLD);
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("%s would be dropped with the old column", unknown),
				 errdetail("The migration was stated before that was made."),
				 errhint("Make the same over the new column, drop this one, then SELECT zdm.%s(" INT64_FORMAT ").",
						 again, migration->id)));
	refuse_gone(migration, again);
	refuse_out_of_step(migration, again);
}

/* The sequences of the new column that are to have the old one's type again, and cannot. */
#define STUCK_SEQUENCES \
	"SELECT s.seqrelid::regclass::text, pg_sequence_last_value(s.seqrelid::regclass), l.high, " \
	"  pg_sequence_last_value(s.seqrelid::regclass) > l.high, s.seqstart > l.high, p.relid::regclass::text, quote_ident(n.attname), s.seqmax " \
	"FROM zdm.pair p JOIN zdm.migration m ON m.id = p.migration AND m.kind = 'change_column_type' " \
	"JOIN pg_attribute o ON o.attrelid = p.relid AND o.attnum = p.old_attnum " \
	"JOIN pg_attribute n ON n.attrelid = p.relid AND n.attnum = p.new_attnum " \
	"JOIN (VALUES ('int2'::regtype, 32767::bigint), ('int4', 2147483647)) l(type, high) ON l.type = o.atttypid " \
	"JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass " \
	"  AND d.refobjid = p.relid AND d.refobjsubid = p.new_attnum AND d.deptype IN ('a', 'i') " \
	"JOIN pg_sequence s ON s.seqrelid = d.objid AND s.seqtypid = n.atttypid " \
	/* the highest that its type has goes along with the type */ \
	"WHERE p.migration = $1 AND p.authoritative = 'new' AND (pg_sequence_last_value(s.seqrelid::regclass) > l.high OR s.seqstart > l.high " \
	"  OR s.seqmax > l.high AND s.seqmax <> CASE s.seqtypid WHEN 'int8'::regtype THEN 9223372036854775807 WHEN 'int4'::regtype THEN 2147483647 ELSE 0 END) " \
	"ORDER BY 1 LIMIT 1"

static void
refuse_stuck_sequence(const Migration *migration, const char *again)
{
	QuerySession session;
	char	   *sequence = NULL;
	char	   *hint = NULL;
	char	   *what = NULL;
	int64		high = 0;

	query_begin(&session);
	if (QUERY(STUCK_SEQUENCES, arg_int8(migration->id)) > 0)
	{
		sequence = query_text(0, 1);
		high = query_int8(0, 3);
		if (query_bool(0, 4))
		{
			what = psprintf("is at " INT64_FORMAT, query_int8(0, 2));
			hint = psprintf("SELECT setval(%s, (SELECT coalesce(max(%s), 1) FROM %s));",
							quote_literal_cstr(sequence), query_text(0, 7), query_text(0, 6));
		}
		else if (query_bool(0, 5))
		{
			what = "starts beyond that";
			hint = psprintf("ALTER SEQUENCE %s START 1;", sequence);
		}
		else
		{
			what = psprintf("has MAXVALUE " INT64_FORMAT, query_int8(0, 8));
			hint = psprintf("ALTER SEQUENCE %s MAXVALUE " INT64_FORMAT ";", sequence, high);
		}
	}
	query_end(&session);
	if (sequence != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("migration " INT64_FORMAT " cannot go back: sequence %s %s, and the old type ends at " INT64_FORMAT,
						migration->id, sequence, what, high),
				 errhint("%s then SELECT zdm.%s(" INT64_FORMAT ").", hint, again, migration->id)));
}

void
look_again_before_revert(const Migration *migration, const char *again)
{
	char	   *unknown;

	if (table_is_gone(migration) || pair_old_side_gone(migration->id))
		return;
	refuse_stuck_sequence(migration, again);
	refuse_out_of_step(migration, again);
	unknown = twin_unknown(migration->id, TWIN_NEW);
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("%s would be lost with the new column", unknown),
				 errdetail("It was made on that column since."),
				 errhint("Drop it, then SELECT zdm.%s(" INT64_FORMAT "), and make it again on the old column afterwards.",
						 again, migration->id)));
	twin_look_again(migration->id, false, again);
}

void
look_again_asserts(const Step *step, bool undo)
{
	ListCell   *lc;

	foreach(lc, verb_asserts(step, undo, FLAVOUR_RUN))
	{
		const Assertion *assertion = lfirst(lc);
		char	   *found = QUERY_ONCE_TEXT(assertion->query);

		if (found != NULL)
			ereport(ERROR,
					(errcode(errors_sqlstate(assertion->sqlstate)),
					 errmsg("%s: %s", assertion->message, found),
					 errhint("%s", assertion->hint)));
	}
}

/* Of the table and its partitions, the first whose trigger is not as it was made. */
#define BAD_TRIGGER \
	"SELECT t.relid::regclass::text, quote_ident(s.tgname), s.tgenabled::text FROM " \
	"(SELECT relid FROM pg_partition_tree($1) UNION SELECT $1) t JOIN pg_class c ON c.oid = t.relid AND c.relkind IN ('r', 'p') " \
	"LEFT JOIN pg_trigger s ON s.tgrelid = t.relid AND s.tgfoid = 'zdm.sync'::regproc AND s.tgtype = 23 AND s.tgqual IS NULL AND s.tgattr = '' " \
	"WHERE EXISTS (SELECT 1 FROM zdm.pair WHERE migration = $2 AND new_attnum IS NOT NULL) " \
	"AND (s.oid IS NULL OR s.tgenabled <> 'A' OR EXISTS (SELECT 1 FROM pg_trigger o WHERE o.tgrelid = t.relid AND o.tgfoid <> s.tgfoid " \
	"  AND o.tgtype & 3 = 3 AND o.tgtype & 20 <> 0 AND o.tgname > s.tgname)) ORDER BY t.relid <> $1, 1 LIMIT 1"

char *
look_again_trigger(const Migration *migration, char **hint)
{
	QuerySession session;
	char	   *table = NULL;
	char	   *trigger = NULL;
	char	   *enabled = NULL;

	query_begin(&session);
	if (QUERY(BAD_TRIGGER, arg_oid(migration->relid), arg_int8(migration->id)) > 0)
	{
		table = query_text(0, 1);
		trigger = query_text(0, 2);
		enabled = query_text(0, 3);
	}
	query_end(&session);
	if (table == NULL)
		return NULL;
	if (trigger == NULL)
	{
		trigger = names_sync_trigger(migration->relid, false);
		*hint = psprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION zdm.sync(); ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;",
						 trigger, table, table, trigger);
		return psprintf("table %s has no trigger any more that keeps the columns in step", table);
	}
	if (enabled[0] != 'A')
	{
		*hint = psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s;", table, trigger);
		return psprintf("trigger %s of %s, which keeps the columns in step, is %s", trigger, table,
						enabled[0] == 'D' ? "disabled" : "not enabled for all writers");
	}
	*hint = psprintf("ALTER TRIGGER %s ON %s RENAME TO %s;", trigger, table,
					 quote_identifier(trigger_name_choose(migration->relid, false)));
	return psprintf("trigger %s of %s, which keeps the columns in step, is not the last one to fire", trigger, table);
}

/*
 * Has a new application written what the old column cannot hold, after the way
 * back was taken?  Whoever resumes it has seen the error.
 */
bool
look_again_lost(const Migration *migration, MigrationError *loss)
{
	char	   *rows = misfit_describe(migration->id, MISFIT_DOWN);

	if (rows == NULL)
		return false;
	*loss = (MigrationError) {
		.sqlstate = unpack_sql_state(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		.message = psprintf("migration " INT64_FORMAT " cannot go back: rows were written that the old side cannot hold",
							migration->id),
		.detail = psprintf("Among them: %s.", rows),
		.hint = psprintf("Give them values that it can hold, then SELECT zdm.resume(" INT64_FORMAT
						 "); what is not mended by then is lost.", migration->id),
	};
	return true;
}

void
look_again_loss(const Migration *migration, const Step *step)
{
	MigrationError loss;

	if ((verb_is(step, &verb_exchange) || step->action == ACTION_EXCHANGE) && look_again_lost(migration, &loss))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_internal("%s", loss.message),
				 errdetail_internal("%s", loss.detail),
				 errhint("%s", loss.hint)));
}
