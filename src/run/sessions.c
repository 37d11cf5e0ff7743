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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "run/sessions.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
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

#define FUNCTIONS \
	"SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c', 'sql') " \
	"WHERE p.oid IN (SELECT t.tgfoid FROM pg_trigger t JOIN rel ON rel.oid = t.tgrelid) " \
	"OR p.prorettype IN (SELECT oid FROM typ) " \
	"OR EXISTS (SELECT FROM typ WHERE typ.oid = ANY (coalesce(p.proallargtypes, p.proargtypes::oid[]))) " \
	"OR p.prosrc ~* '\\mexecute\\M' " \
	"OR EXISTS (SELECT FROM name WHERE strpos(lower(p.prosrc), name.name) > 0) "

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

void
sessions_compile_anew(Oid relid, TupleDesc before)
{
	TupleDesc	now = before ? sessions_columns(relid) : NULL;
	List	   *names = NIL;
	List	   *functions = NIL;
	QuerySession session;
	uint64		n;

	if (now == NULL)
		return;
	for (int i = 0; i < Max(before->natts, now->natts); i++)
	{
		if (has_changed(before, now, i))
			names = add_name(add_name(names, before, i), now, i);
	}
	if (names == NIL)
		return;
	query_begin(&session);

	/*
	 * In one order, and without waiting with the table's lock in hand.  Closes the
	 * race with who replaces a function just now.
	 */
	n = QUERY(RELATIONS NAMES FUNCTIONS "ORDER BY p.oid FOR UPDATE OF p NOWAIT", arg_oid(relid), arg_texts(names));
	for (uint64 row = 0; row < n; row++)
		functions = lappend_oid(functions, query_oid(row, 1));
	QUERY("UPDATE pg_proc SET procost = procost WHERE oid = ANY ($1)", arg_oids(functions));
	query_end(&session);
}
