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
