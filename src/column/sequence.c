/*-------------------------------------------------------------------------
 *
 * sequence.c
 *		Sequences of a column that is replaced: identity and owned ones.
 *
 * The sequence itself stays, with its position, its privileges and what
 * sessions know of it by currval(); only what it belongs to changes, and its
 * type.  The default that calls it is moved with the column's default.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/part.h"
#include "core/names.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* Sequences that belong to a column: an identity's, or others. */
static List *
read_sequences(Oid relid, AttrNumber attnum)
{
	QuerySession session;
	List	   *sequences = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT s.seqrelid, d.deptype = 'i', s.seqtypid = a.atttypid FROM pg_attribute a "
			  "JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass "
			  "  AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i') "
			  "JOIN pg_sequence s ON s.seqrelid = d.objid WHERE a.attrelid = $1 AND a.attnum = $2 ORDER BY 1",
			  arg_oid(relid), arg_int2(attnum));
	for (uint64 row = 0; row < n; row++)
	{
		ColumnSequence *sequence = palloc0(sizeof(ColumnSequence));

		sequence->relid = query_oid(row, 1);
		sequence->identity = query_bool(row, 2);
		sequence->typed_as_column = query_bool(row, 3);
		sequences = lappend(sequences, sequence);
	}
	query_end(&session);
	return sequences;
}

/* Days have passed: it may have got others, or none be left. */
static List *
sequences_now(int64 migration, const Column *old, bool forward)
{
	return read_sequences(old->relid, forward ? old->attnum : carry_new_attnum(migration, old));
}

List *
sequence_oids(int64 migration, const Column *old, bool forward)
{
	List	   *oids = NIL;
	ListCell   *lc;

	foreach(lc, sequences_now(migration, old, forward))
		oids = lappend_oid(oids, ((ColumnSequence *) lfirst(lc))->relid);
	return oids;
}

static bool
is_identity(int64 migration, const Column *old, bool forward)
{
	ListCell   *lc;

	foreach(lc, sequences_now(migration, old, forward))
	{
		if (((ColumnSequence *) lfirst(lc))->identity)
			return true;
	}
	return false;
}

void
sequence_check_identity(int64 migration, const TwinArgs *twin, bool forward, const char *again)
{
	const Column *old = twin->old;
	AttrNumber	comes = forward ? carry_new_attnum(migration, old) : old->attnum;
	Oid			type = comes != InvalidAttrNumber ? get_atttype(old->relid, comes) : InvalidOid;
	bool		typed = type == INT2OID || type == INT4OID || type == INT8OID;
	char	   *column;

	if (!OidIsValid(type) || !is_identity(migration, old, forward) ||
		(typed && !carry_not_null_is_late(old, twin->new)))
		return;
	column = pstrdup(quote_identifier(old->name));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("column %s of %s has become an identity column since migration " INT64_FORMAT " %s",
					column, names_relation(old->relid), migration, forward ? "was stated" : "was switched"),
			 typed ? errdetail("In this change NOT NULL passes from one column to the other, and an identity column needs it throughout.") :
			 errdetail("The column that takes its place is of type %s, which an identity column cannot have.",
					   format_type_be(type)),
			 errhint("ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY; then SELECT zdm.%s(" INT64_FORMAT ").",
					 names_relation(old->relid), column, again, migration)));
}

/* They are looked at all together. */
static bool
load(Column *column, const Dependent *dependent)
{
	return dependent->relkind == RELKIND_SEQUENCE;
}

static void
look(Column *column)
{
	column->sequences = read_sequences(column->relid, column->attnum);
}

static List *
relations_of(const Column *old)
{
	List	   *relations = NIL;
	ListCell   *lc;

	foreach(lc, old->sequences)
		relations = lappend_oid(relations, ((ColumnSequence *) lfirst(lc))->relid);
	return relations;
}

/*
 * Without the extension, an identity column's sequence can be given to no other: it
 * is dropped and made again, under its name, where it stands.
 */
static char *
plain_move(Oid relid, const char *from, const char *to)
{
	QuerySession session;
	char	   *sql;

	query_begin(&session);
	if (QUERY("SELECT format("
			  "'DECLARE zdm_last bigint; zdm_called bool;' || E'\\n' || "
			  "'BEGIN' || E'\\n' || "
			  "'SELECT last_value, is_called INTO zdm_last, zdm_called FROM %1$s;' || E'\\n' || "
			  "'ALTER TABLE %2$s ALTER COLUMN %3$s DROP IDENTITY;' || E'\\n' || "
			  "'ALTER TABLE %2$s ALTER COLUMN %4$s ADD GENERATED %5$s AS IDENTITY ' || "
			  "'(SEQUENCE NAME %1$s INCREMENT BY %6$s %7$s %8$s START WITH %9$s CACHE %10$s %11$s);' || E'\\n' || "
			  "'PERFORM setval(%12$L, zdm_last, zdm_called);' || E'\\n' || '%13$s' || 'END', "
			  "quote_ident(sn.nspname) || '.' || quote_ident(s.relname), $2, $4, $5, "
			  "CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, "
			  /* the widest of its type becomes the widest of the other one's */
			  "q.seqincrement, CASE WHEN q.seqmin IN (1, -32768, -2147483648, -9223372036854775808) THEN 'NO MINVALUE' ELSE 'MINVALUE ' || q.seqmin END, "
			  "CASE WHEN q.seqmax IN (-1, 32767, 2147483647, 9223372036854775807) THEN 'NO MAXVALUE' ELSE 'MAXVALUE ' || q.seqmax END, "
			  "q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END, "
			  "quote_ident(sn.nspname) || '.' || quote_ident(s.relname), "
			  "coalesce((SELECT string_agg(format(E'GRANT %s ON SEQUENCE %I.%I TO %s%s;\\n', x.privilege_type, sn.nspname, s.relname, "
			  "   CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END, "
			  "   CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '') "
			  "  FROM aclexplode(s.relacl) x WHERE x.grantee <> s.relowner), '')) "
			  "FROM pg_attribute a JOIN pg_depend d ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum "
			  "AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass "
			  "JOIN pg_class s ON s.oid = d.objid JOIN pg_namespace sn ON sn.oid = s.relnamespace "
			  "JOIN pg_sequence q ON q.seqrelid = s.oid "
			  "WHERE a.attrelid = $1 AND a.attidentity <> '' AND $3 <> ''",
			  arg_oid(relid), arg_text(names_relation(relid)), arg_text(from),
			  arg_text(quote_identifier(from)), arg_text(quote_identifier(to))) == 0)
		elog(ERROR, "no identity column in relation %u", relid);
	sql = query_text(0, 1);
	query_end(&session);
	return psprintf("DO %s", sql_dollar_quoted(sql));
}

static void
enter(StringInfo sql, const Exchange *exchange)
{
	const Making *making = exchange->making;
	const Column *old = exchange->twin->old;
	const NewColumn *new = exchange->twin->new;
	bool		forward = exchange->forward;
	const char *from = forward ? old->name : new->final_name;
	const char *to = forward ? new->name : carry_old_name(old, new);
	const char *type = forward ? new->sequence_type : new->old_sequence_type;
	List	   *sequences = making->flavour == FLAVOUR_RUN ? sequences_now(making->migration, old, forward) : old->sequences;
	ListCell   *lc;

	foreach(lc, sequences)
	{
		ColumnSequence *sequence = lfirst(lc);

		if (sequence->typed_as_column && type != NULL)
			sql_statement(sql, "ALTER SEQUENCE %s AS %s", sql_table(making, sequence->relid), type);
		if (sequence->identity && making->flavour == FLAVOUR_SCRIPT)
			sql_statement(sql, "%s", plain_move(old->relid, from, to));
		else if (sequence->identity)
			sql_statement(sql, "SELECT zdm.move_identity(%u::oid::regclass, %s, %s)", old->relid,
						  sql_literal(from), sql_literal(to));
		else
			sql_statement(sql, "ALTER SEQUENCE %s OWNED BY %s.%s", sql_table(making, sequence->relid),
						  sql_table(making, old->relid), sql_name(to));
	}
}

/*
 * Those that the default calls and that do not become of the column's new type:
 * they belong to no column, or to another, or have a type of their own.
 */
void
sequence_note_smaller(MigrationPlan *plan, const Column *column, Oid type)
{
	QuerySession session;
	char	   *smaller;

	query_begin(&session);
	QUERY("SELECT string_agg(DISTINCT s.seqrelid::regclass || ' (' || format_type(s.seqtypid, NULL) || ')', ', ') "
		  "FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum "
		  "JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass "
		  "JOIN pg_sequence s ON s.seqrelid = d.refobjid "
		  "WHERE f.adrelid = $1 AND f.adnum = $2 AND $3 IN ('int4'::regtype, 'int8'::regtype) "
		  "AND (SELECT typlen FROM pg_type WHERE oid = s.seqtypid) < (SELECT typlen FROM pg_type WHERE oid = $3) "
		  "AND NOT (s.seqtypid = a.atttypid AND EXISTS (SELECT 1 FROM pg_depend o WHERE o.classid = 'pg_class'::regclass "
		  "  AND o.objid = s.seqrelid AND o.refclassid = 'pg_class'::regclass AND o.refobjid = $1 AND o.refobjsubid = $2 AND o.deptype IN ('a', 'i')))",
		  arg_oid(column->relid), arg_int2(column->attnum), arg_oid(type));
	smaller = query_text(0, 1);
	query_end(&session);
	if (smaller != NULL)
		plan_note(plan, "the default calls %s, which does not follow the column's type and ends where its own does: ALTER SEQUENCE ... AS %s",
				  smaller, format_type_be(type));
}

const ColumnPart column_sequence = {
	.load = load,
	.look = look,
	.relations = relations_of,
	.enter = enter,
};
