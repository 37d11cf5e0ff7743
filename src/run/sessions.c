/*-------------------------------------------------------------------------
 *
 * sessions.c
 *		Sessions that were there before a table's rows changed.
 *
 * PL/pgSQL keeps the types that a function's variables and parameters had when
 * it was first called, for the life of the session: after a cutover each write
 * through such a trigger would fail, for ever, in every pooled session.  A row of
 * pg_proc that is written anew, with nothing changed, makes all sessions compile
 * the function again at its next call.
 *
 * The rule: whoever changes a table's columns does that, in the same transaction,
 * for each function that may have seen them: triggers of the table, its partitions
 * and the views over it, functions with their row types, and those whose text
 * names one of them or a column that changed, or runs what is not known before.
 * Whether columns have changed is asked of the catalog, so that it holds for every
 * kind of migration, on the way there and back.
 *
 * The texts of twenty thousand functions take seconds to read, and the table is
 * locked meanwhile.  So they are read before, for every name that may come to count;
 * with the locks held, only those that have been written since are read once more, or
 * all of them if there is a name that was not asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "run/sessions.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

/* The table ($1), its partitions and children, and the views over them. */
#define RELATIONS \
	"WITH RECURSIVE rel(oid) AS (SELECT $1 UNION SELECT n.oid FROM rel, LATERAL " \
	"  (SELECT inhrelid FROM pg_inherits WHERE inhparent = rel.oid UNION ALL " \
	"   SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' " \
	"    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = rel.oid) n(oid)), " \
	"typ AS (SELECT unnest(ARRAY[t.oid, t.typarray]) AS oid FROM pg_type t JOIN rel ON rel.oid = t.typrelid), "

/*
 * What a text names, of those and the columns ($2).  Most partitions have the
 * table's own name within theirs.
 */
#define NAMES \
	"name(name) AS (SELECT lower(unnest($2)) UNION SELECT lower(c.relname) FROM rel JOIN pg_class c ON c.oid = rel.oid " \
	"  WHERE c.oid = $1 OR strpos(c.relname, (SELECT relname FROM pg_class WHERE oid = $1)) = 0) "

/*
 * Does a text (src, in lower case) name it, as a word?  The table's own name may be
 * within a partition's.
 */
#define NAMED(relid) \
	"strpos(src, name.name) > 0 AND (name.name = (SELECT lower(relname) FROM pg_class WHERE oid = " relid ") OR src ~ ('(^|[^a-z0-9_$])' || regexp_replace(name.name, '([^a-z0-9_])', '\\\1', 'g') || '($|[^a-z0-9_$])'))"

/* What says nothing by its text: it may run anything. */
#define RUNS_TEXTS \
	"src ~ '\\mexecute\\M'"

#define WRITTEN_IN \
	"p.prolang IN (SELECT oid FROM pg_language WHERE lanname NOT IN ('internal', 'c', 'sql')) "

/* Known of before: $3 and $4, all that was asked for: $5, at a time when $6 was the oldest transaction. */
#define FUNCTIONS \
	", unknown AS (SELECT EXISTS (SELECT FROM name WHERE name.name <> ALL ($5)) AS wanted), " \
	"late AS (SELECT p.oid, lower(p.prosrc) AS src FROM pg_proc p WHERE " WRITTEN_IN \
	"  AND ((SELECT wanted FROM unknown) OR age(p.xmin) <= age($6::text::xid)) OFFSET 0), " \
	"found AS (SELECT t.tgfoid AS oid FROM pg_trigger t JOIN rel ON rel.oid = t.tgrelid " \
	"  UNION SELECT d.objid FROM pg_depend d JOIN typ ON typ.oid = d.refobjid " \
	"    WHERE d.refclassid = 'pg_type'::regclass AND d.classid = 'pg_proc'::regclass " \
	"  UNION SELECT k.oid FROM unnest($3, $4) k(oid, name) WHERE k.name = '' OR k.name IN (SELECT name FROM name) " \
	"  UNION SELECT oid FROM late WHERE " RUNS_TEXTS " OR EXISTS (SELECT FROM name WHERE " NAMED("$1") ")) " \
	"SELECT p.oid FROM pg_proc p WHERE p.oid IN (SELECT oid FROM found) AND " WRITTEN_IN \
	"ORDER BY p.oid FOR UPDATE OF p NOWAIT"

TupleDesc
sessions_columns(Oid relid)
{
	Relation	relation;
	TupleDesc	columns;

	/* who has locked it will get it; and nobody waits for it with others in hand */
	if (!OidIsValid(relid) || !ConditionalLockRelationOid(relid, AccessShareLock) || get_rel_name(relid) == NULL)
		return NULL;
	relation = relation_open(relid, NoLock);
	columns = CreateTupleDescCopy(RelationGetDescr(relation));
	relation_close(relation, NoLock);
	return columns;
}

/* Is the column in one of the two, or as it is in one of them only? */
static bool
has_changed(TupleDesc before, TupleDesc now, int i)
{
	Form_pg_attribute was = i < before->natts ? TupleDescAttr(before, i) : NULL;
	Form_pg_attribute is = i < now->natts ? TupleDescAttr(now, i) : NULL;

	return was == NULL || is == NULL || was->attisdropped != is->attisdropped ||
		was->atttypid != is->atttypid || was->atttypmod != is->atttypmod ||
		strcmp(NameStr(was->attname), NameStr(is->attname)) != 0;
}

static List *
add_name(List *names, TupleDesc columns, int i)
{
	if (i >= columns->natts || TupleDescAttr(columns, i)->attisdropped)
		return names;
	return lappend(names, NameStr(TupleDescAttr(columns, i)->attname));
}

/* Names that the migration's table may come to have among its columns, or lose. */
static List *
names_to_come(int64 migration, Oid relid)
{
	QuerySession session;
	List	   *names;

	query_begin(&session);
	QUERY("SELECT array_agg(DISTINCT name) FROM ("
		  "SELECT attname::text FROM pg_attribute WHERE attrelid = $2 AND attnum > 0 AND NOT attisdropped "
		  "UNION ALL SELECT unnest(columns) FROM zdm.migration WHERE id = $1 "
		  "UNION ALL SELECT new_name FROM zdm.pair WHERE migration = $1) n(name)",
		  arg_int8(migration), arg_oid(relid));
	names = query_texts(0, 1);
	query_end(&session);
	return names;
}

void
sessions_read(SessionFunctions *functions, int64 migration, Oid relid)
{
	MemoryContext caller;
	SessionFunctions read = {0};
	List	   *names;
	QuerySession session;
	uint64		n;

	if (functions->context != NULL)
		return;
	read.context = AllocSetContextCreate(CurrentMemoryContext, "zdm functions", ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(read.context);
	names = names_to_come(migration, relid);
	query_begin(&session);

	/* before they are read: what is written meanwhile is read again */
	(void) query_run("SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text", NULL, 0);
	read.horizon = query_text(0, 1);
	QUERY(RELATIONS NAMES "SELECT array_agg(name) FROM name", arg_oid(relid), arg_texts(names));
	read.asked = query_texts(0, 1);
	n = QUERY("SELECT p.oid, coalesce(name.name, '') FROM "
			  "(SELECT p.oid, lower(p.prosrc) AS src FROM pg_proc p WHERE " WRITTEN_IN " OFFSET 0) p "
			  "LEFT JOIN unnest($1) name(name) ON NOT " RUNS_TEXTS " AND " NAMED("$2")
			  " WHERE name.name IS NOT NULL OR " RUNS_TEXTS, arg_texts(read.asked), arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
	{
		read.oids = lappend_oid(read.oids, query_oid(row, 1));
		read.names = lappend(read.names, query_text(row, 2));
	}
	query_end(&session);
	MemoryContextSwitchTo(caller);

	/* all of it, or nothing */
	MemoryContextSetParent(read.context, TopMemoryContext);
	*functions = read;
}

void
sessions_forget(SessionFunctions *functions)
{
	if (functions->context != NULL)
		MemoryContextDelete(functions->context);
	memset(functions, 0, sizeof(SessionFunctions));
}

/* Write anew the rows of pg_proc of the functions that may have seen one of the names. */
static void
compile_anew(Oid relid, List *names, const SessionFunctions *known)
{
	List	   *found = NIL;
	QuerySession session;
	uint64		n;

	query_begin(&session);

	/*
	 * In one order, and without waiting with the table's lock in hand.  Closes the
	 * race with who replaces a function just now.
	 */
	n = QUERY(RELATIONS NAMES FUNCTIONS, arg_oid(relid), arg_texts(names),
			  arg_oids(known->oids), arg_texts(known->names), arg_texts(known->asked),
			  arg_text(known->horizon != NULL ? known->horizon : "3"));
	for (uint64 row = 0; row < n; row++)
		found = lappend_oid(found, query_oid(row, 1));
	QUERY("UPDATE pg_proc SET procost = procost WHERE oid = ANY ($1)", arg_oids(found));
	query_end(&session);
}

void
sessions_compile_anew(Oid relid, TupleDesc before, const SessionFunctions *known)
{
	TupleDesc	now = before ? sessions_columns(relid) : NULL;
	List	   *names = NIL;

	if (now == NULL)
		return;
	for (int i = 0; i < Max(before->natts, now->natts); i++)
	{
		if (has_changed(before, now, i))
			names = add_name(add_name(names, before, i), now, i);
	}
	if (names != NIL)
		compile_anew(relid, names, known);
}

void
sessions_compile_all(Oid relid, const SessionFunctions *known)
{
	TupleDesc	now = sessions_columns(relid);
	List	   *names = NIL;

	for (int i = 0; now != NULL && i < now->natts; i++)
		names = add_name(names, now, i);
	if (names != NIL)
		compile_anew(relid, names, known);
}
