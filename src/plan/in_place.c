/*-------------------------------------------------------------------------
 *
 * in_place.c
 *		A column's type that is changed where it stands: what hangs on it keeps its
 *		meaning.
 *
 * ALTER COLUMN TYPE gives PostgreSQL the indexes, CHECKs and statistics of the column
 * as text again, and converts its default anew, by what matches best at that moment.
 * What the texts will call with the new type cannot be asked before; but it can only
 * be what has the names that they call now.  So whatever has one of these names has to
 * have been there when the migration was stated; and afterwards, in the same
 * transaction, nothing else may be called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/migration.h"
#include "catalog/query.h"
#include "core/resolution.h"
#include "lib/stringinfo.h"
#include "plan/in_place.h"
#include "verbs/verbs.h"

/* The tables in which the column is, and its number there. */
#define COLUMNS \
	"(SELECT t.relid, a.attnum FROM (SELECT relid FROM pg_partition_tree($1) UNION SELECT $1) t JOIN pg_attribute a ON a.attrelid = t.relid " \
	"  AND a.attname = (SELECT attname FROM pg_attribute WHERE attrelid = $1 AND attnum = $2)) c "
#define DEPENDS(object, catalog) \
	"EXISTS (SELECT FROM pg_depend d WHERE d.classid = '" catalog "'::regclass AND d.objid = " object \
	"  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.relid AND d.refobjsubid = c.attnum)"

/* What hangs on it: how it is called, its text, its trees. */
#define HANGING \
	"SELECT 'index ' || i.indexrelid::regclass AS what, pg_get_indexdef(i.indexrelid) AS text, ARRAY[i.indexprs::text, i.indpred::text] AS trees " \
	"FROM " COLUMNS "JOIN pg_index i ON i.indrelid = c.relid WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL " \
	"UNION ALL SELECT 'constraint ' || quote_ident(o.conname), pg_get_constraintdef(o.oid), ARRAY[o.conbin::text] " \
	"FROM " COLUMNS "JOIN pg_constraint o ON o.conrelid = c.relid AND o.contype = 'c' AND c.attnum = ANY (o.conkey) " \
	"UNION ALL SELECT 'statistics ' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid), ARRAY[s.stxexprs::text] " \
	"FROM " COLUMNS "JOIN pg_statistic_ext s ON s.stxrelid = c.relid WHERE " DEPENDS("s.oid", "pg_statistic_ext") " " \
	"UNION ALL SELECT 'the default', pg_get_expr(f.adbin, f.adrelid), ARRAY[f.adbin::text] " \
	"FROM " COLUMNS "JOIN pg_attrdef f ON f.adrelid = c.relid AND f.adnum = c.attnum"

static const SetTypeArgs *
args_of(const Step *step)
{
	return verb_is(step, &verb_set_type) ? verb_args(step) : NULL;
}

char *
in_place_texts(const Step *step)
{
	const SetTypeArgs *set = args_of(step);
	QuerySession session;
	char	   *texts;

	if (set == NULL)
		return pstrdup("");
	query_begin_printing(&session, set->relation);
	QUERY("SELECT coalesce(string_agg(text, E'\\n'), '') FROM (" HANGING ") h", arg_oid(set->relation), arg_int2(set->column));
	texts = query_text(0, 1);
	query_end(&session);
	return texts;
}

/* What hangs on the column calls of what users have made, each with who calls it. */
typedef struct Calls
{
	List	   *calls;			/* char * */
	List	   *of;				/* char *, of each */
} Calls;

static Calls
read_calls(const SetTypeArgs *set)
{
	QuerySession session;
	List	   *whats = NIL;
	List	   *trees = NIL;
	Calls		found = {NIL};
	uint64		n;

	query_begin_printing(&session, set->relation);
	n = QUERY("SELECT h.what, t FROM (" HANGING ") h, unnest(h.trees) t WHERE t IS NOT NULL ORDER BY 1",
			  arg_oid(set->relation), arg_int2(set->column));
	for (uint64 row = 0; row < n; row++)
	{
		whats = lappend(whats, query_text(row, 1));
		trees = lappend(trees, query_text(row, 2));
	}
	query_end(&session);
	for (int i = 0; i < list_length(trees); i++)
	{
		List	   *calls = resolution_calls(stringToNode(list_nth(trees, i)));

		found.calls = list_concat(found.calls, calls);
		for (int call = 0; call < list_length(calls); call++)
			found.of = lappend(found.of, list_nth(whats, i));
	}
	return found;
}

/* All that has the same name as what is called, as resolution_call() writes it (char *). */
static List *
namesakes(const char *call)
{
	static const char *const operators = "SELECT o.oid FROM pg_operator o JOIN pg_operator c ON c.oprname = o.oprname AND c.oprnamespace = o.oprnamespace WHERE c.oid = $1";
	static const char *const functions = "SELECT o.oid FROM pg_proc o JOIN pg_proc c ON c.proname = o.proname AND c.pronamespace = o.pronamespace WHERE c.oid = $1";
	QuerySession session;
	List	   *oids = NIL;
	List	   *names = NIL;
	uint64		n;
	ListCell   *lc;

	/* of a cast there is only the one */
	if (call[0] == CALL_CAST)
		return list_make1(pstrdup(call));
	query_begin(&session);
	n = QUERY(call[0] == CALL_OPERATOR ? operators : functions, arg_oid(atooid(call + 2)));
	for (uint64 row = 0; row < n; row++)
		oids = lappend_oid(oids, query_oid(row, 1));
	query_end(&session);
	foreach(lc, oids)
	{
		char	   *name = lfirst_oid(lc) >= FirstNormalObjectId ? resolution_call(call[0], lfirst_oid(lc)) : NULL;

		if (name != NULL)
			names = lappend(names, name);
	}
	return names;
}

/*
 * What is called, and with "could" all that has its name, is compared with what there was.
 */
static void
check(const Step *step, bool could)
{
	const SetTypeArgs *set = args_of(step);
	List	   *known = NIL;
	Calls		now;

	if (set == NULL)
		return;
	now = read_calls(set);
	if (now.calls != NIL)
		known = migration_known(step->migration);
	for (int i = 0; i < list_length(now.calls); i++)
	{
		char	   *call = list_nth(now.calls, i);

		resolution_compare(known, could ? namesakes(call) : list_make1(call), list_nth(now.of, i), step->migration);
	}
}

void
in_place_check_before(const Step *step)
{
	check(step, true);
}

void
in_place_check_after(const Step *step)
{
	check(step, false);
}
