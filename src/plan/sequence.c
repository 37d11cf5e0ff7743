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

#include "catalog/query.h"
#include "core/names.h"
#include "plan/carry.h"
#include "utils/builtins.h"

void
sequence_load(Column *column, Oid sequence, bool identity)
{
	QuerySession session;
	ColumnSequence *result = palloc0(sizeof(ColumnSequence));

	query_begin(&session);
	QUERY("SELECT s.seqtypid = a.atttypid FROM pg_sequence s, pg_attribute a "
		  "WHERE s.seqrelid = $1 AND a.attrelid = $2 AND a.attnum = $3",
		  arg_oid(sequence), arg_oid(column->relid), arg_int2(column->attnum));
	result->relid = sequence;
	result->identity = identity;
	result->typed_as_column = query_bool(0, 1);
	query_end(&session);
	column->sequences = lappend(column->sequences, result);
}

void
sequence_append_exchange(StringInfo sql, const MigrationPlan *plan, const Column *old,
						 const NewColumn *new, bool forward)
{
	const char *from = forward ? old->name : new->final_name;
	const char *to = forward ? new->name : carry_old_name(old, new);
	const char *type = forward ? new->sequence_type : new->old_sequence_type;
	ListCell   *lc;

	foreach(lc, old->sequences)
	{
		ColumnSequence *sequence = lfirst(lc);

		if (sequence->typed_as_column && type != NULL)
			carry_statement(sql, "%s",
							names_template_if(sequence->relid,
											  psprintf("ALTER SEQUENCE %s AS %s",
													   names_template_relation(sequence->relid), type)));
		if (sequence->identity)
			carry_statement(sql, "SELECT zdm.move_identity(%u::oid::regclass, %s, %s)", old->relid,
							carry_literal(from), carry_literal(to));
		else
			carry_statement(sql, "%s",
							names_template_if(sequence->relid,
											  psprintf("ALTER SEQUENCE %s OWNED BY %s.%s",
													   names_template_relation(sequence->relid),
													   names_template_relation(old->relid),
													   carry_quoted(to))));
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
