/*-------------------------------------------------------------------------
 *
 * exclusion.c
 *		Exclusion constraints: rows that exclude each other are looked for, and an
 *		index that is there becomes the constraint's.
 *
 * A key WITHOUT OVERLAPS (18) is one by which rows exclude each other that are equal in
 * all its columns but the last, and overlap in that; and no value of that is empty.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "core/expression.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

/* Pairs of rows that are named. */
#define EXAMPLES "10"

static const Field fields[] = {
	FIELD(ExclusionArgs, relation, OID),
	FIELD(ExclusionArgs, root, OID),
	FIELD(ExclusionArgs, name, TEXT),
	FIELD(ExclusionArgs, type, CHAR),
	FIELD(ExclusionArgs, index, TEXT),
	FIELD_OF(ExclusionArgs, spec, STRUCT, &index_spec_fields),
	FIELD(ExclusionArgs, operators, TEXTS),
	FIELD(ExclusionArgs, row, EXPRESSION),
	FIELD(ExclusionArgs, deferrable, BOOL),
	FIELD(ExclusionArgs, deferred, BOOL),
	FIELD(ExclusionArgs, made, BOOL),
	FIELD(ExclusionArgs, known, OIDS),
};

static const Fields args = FIELDS(ExclusionArgs, fields);

/* A key as it is compared. */
static char *
compared(const Making *making, const ExclusionArgs *con, int i)
{
	return psprintf("(%s)", index_key_sql(making, con->spec, list_nth(con->spec->keys, i)));
}

/* The keys as columns that the other side of the join can name. */
static char *
numbered_keys(const Making *making, const ExclusionArgs *con)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < list_length(con->spec->keys); i++)
		appendStringInfo(&buf, "%s AS zdm_k%d, ", compared(making, con, i), i + 1);
	return buf.data;
}

/* Rows that take part: a NULL excludes nothing. */
static char *
partners(const Making *making, const ExclusionArgs *con)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "pg_catalog.num_nulls(");
	for (int i = 0; i < list_length(con->spec->keys); i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", compared(making, con, i));
	appendStringInfoString(&buf, ") OPERATOR(pg_catalog.=) 0");
	if (con->spec->predicate != NIL)
		appendStringInfo(&buf, " AND (%s)", sql_expression(making, con->spec->predicate, con->spec->of));
	return buf.data;
}

static char *
comparisons(const Making *making, const ExclusionArgs *con)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < list_length(con->spec->keys); i++)
		appendStringInfo(&buf, " AND %s OPERATOR(%s) zdm_x.zdm_k%d", compared(making, con, i),
						 (char *) list_nth(con->operators, i), i + 1);
	return buf.data;
}

static bool
is_key(const ExclusionArgs *con)
{
	return con->type != CONSTRAINT_EXCLUSION;
}

/*
 * A pair is given once: the operators are commutative.  Of the table alone: the
 * constraint is none of its children's.
 */
static char *
pairs_sql(const Making *making, const ExclusionArgs *con)
{
	char	   *table = sql_table(making, con->relation);
	char	   *row = sql_expression(making, con->row, con->relation);
	char	   *rows = partners(making, con);

	return psprintf("SELECT '23P01', %s, pg_catalog.concat(zdm_x.zdm_row, ' and ', zdm_y.zdm_row)\n"
					"FROM (SELECT %sctid AS zdm_ctid, %s AS zdm_row FROM ONLY %s AS zdm_t WHERE %s) AS zdm_x,\n"
					"  LATERAL (SELECT %s AS zdm_row FROM ONLY %s AS zdm_t WHERE %s%s\n"
					"    AND ctid OPERATOR(pg_catalog.>) zdm_x.zdm_ctid) AS zdm_y LIMIT " EXAMPLES,
					sql_literal(psprintf("rows of %s conflict by %s %s", table,
										 is_key(con) ? "constraint" : "exclusion constraint", sql_name(con->name))),
					numbered_keys(making, con), row, table, rows,
					row, table, rows, comparisons(making, con));
}

/* Beside a NULL, too. */
static char *
empty_sql(const Making *making, const ExclusionArgs *con)
{
	char	   *table = sql_table(making, con->relation);
	char	   *last = index_key_sql(making, con->spec, llast(con->spec->keys));

	return psprintf("SELECT '23514', %s, %s FROM ONLY %s AS zdm_t WHERE pg_catalog.isempty(%s) LIMIT " EXAMPLES,
					sql_literal(psprintf("empty WITHOUT OVERLAPS value in column %s of %s, for constraint %s", last, table, sql_name(con->name))),
					sql_expression(making, con->row, con->relation), table, last);
}

char *
exclusion_look_sql(const Making *making, const ExclusionArgs *con)
{
	char	   *pairs = pairs_sql(making, con);

	return is_key(con) ? psprintf("(%s)\nUNION ALL (%s)", empty_sql(making, con), pairs) : pairs;
}

static char *
look_sql(const Making *making, const void *data)
{
	const ExclusionArgs *con = data;

	return sql_is_member(making, con->relation, con->root) ? exclusion_look_sql(making, con) : pstrdup("");
}

/* Without the index the look would compare every row with every other, and there would be nothing to make the constraint of. */
static List *
look_asserts(const Making *making, const void *data)
{
	const ExclusionArgs *con = data;
	Assertion  *there;

	if (making->flavour != FLAVOUR_RUN || !sql_is_member(making, con->relation, con->root))
		return NIL;
	there = palloc(sizeof(Assertion));
	*there = (Assertion) {
		.query = psprintf("SELECT %s WHERE NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(%s) "
						  "AND indrelid = %u AND indisvalid AND indisexclusion = %s)",
						  sql_literal(sql_index(making, con->relation, con->made ? con->name : con->index)),
						  sql_literal(sql_index(making, con->relation, con->made ? con->name : con->index)),
						  con->relation, con->made ? "true" : "false"),
		.sqlstate = "42704",
		.message = con->made ? "the constraint was dropped, or its index is not valid" : "the index was dropped, or is not valid",
		.hint = psprintf("Go back with SELECT zdm.revert(" INT64_FORMAT "), and state it again.", making->migration),
	};
	return list_make1(there);
}

static char *
elements(const Making *making, const ExclusionArgs *con)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < list_length(con->spec->keys); i++)
	{
		const IndexKey *key = list_nth(con->spec->keys, i);

		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", index_key_sql(making, con->spec, key));
		if (!is_key(con))
			appendStringInfo(&buf, "%s WITH OPERATOR(%s)", key->properties ? key->properties : "",
							 (char *) list_nth(con->operators, i));
	}
	if (is_key(con))
		appendStringInfoString(&buf, " WITHOUT OVERLAPS");
	return buf.data;
}

static char *
kind_sql(const ExclusionArgs *con)
{
	return con->type == CONSTRAINT_PRIMARY ? pstrdup("PRIMARY KEY") : con->type == CONSTRAINT_UNIQUE ? pstrdup("UNIQUE") :
		psprintf("EXCLUDE USING %s", con->spec->method);
}

/* What a person would have to say, of which the worker does only the end (run/index_constraint.c). */
static char *
definition(const Making *making, const ExclusionArgs *con)
{
	const IndexSpec *spec = con->spec;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s (%s)", kind_sql(con), elements(making, con));
	if (spec->included != NIL)
		appendStringInfo(&buf, " INCLUDE (%s)", sql_expression(making, expression_join(spec->included, ", "), spec->of));
	appendStringInfoString(&buf, spec->options != NULL ? spec->options : "");
	if (spec->tablespace != NULL)
		appendStringInfo(&buf, " USING INDEX TABLESPACE %s", spec->tablespace);
	if (spec->predicate != NIL)
		appendStringInfo(&buf, " WHERE (%s)", sql_expression(making, spec->predicate, spec->of));
	if (con->deferrable)
		appendStringInfo(&buf, " DEFERRABLE%s", con->deferred ? " INITIALLY DEFERRED" : "");
	return buf.data;
}

char *
exclusion_add_sql(const Making *making, const ExclusionArgs *con)
{
	return psprintf("ALTER TABLE %s ADD CONSTRAINT %s %s", sql_table(making, con->relation), sql_name(con->name),
					definition(making, con));
}

static char *
make_sql(const Making *making, const void *data)
{
	const ExclusionArgs *con = data;

	if (making->flavour == FLAVOUR_SCRIPT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("zdm.script() has no plain form for %s", is_key(con) ? "a key WITHOUT OVERLAPS" : "an exclusion constraint"),
				 errdetail("SQL has no word by which an index that was built CONCURRENTLY becomes that of %s: ADD CONSTRAINT builds its own under ACCESS EXCLUSIVE.",
						   is_key(con) ? "such a key" : "an exclusion constraint"),
				 errhint("Have the extension carry it out, or add it with plain DDL when nobody uses the table.")));
	if (making->back)
		return !sql_exists(making, con->relation) ? pstrdup("") :
			psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", sql_table(making, con->relation), sql_name(con->name));
	if (!sql_is_member(making, con->relation, con->root))
		return pstrdup("");
	return exclusion_add_sql(making, con);
}

/*
 * A partition that was attached since the plan was made has its index built with the
 * constraint of the whole, under the strongest lock: it must be small.
 */
static List *
complete_asserts(const Making *making, const void *data)
{
	const ExclusionArgs *con = data;
	List	   *all = NIL;
	ListCell   *lc;

	foreach(lc, making->back ? NIL : lcons_oid(con->relation, list_copy(con->known)))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_PARTITIONED_TABLE)
			all = lappend(all, constraint_none_late(making, lfirst_oid(lc), con->known));
	}
	return all;
}

const Verb verb_look_for_conflicts = {
	.name = "look_for_conflicts", .action = ACTION_LOOK, .args = &args, .sql = look_sql, .asserts = look_asserts,
};
const Verb verb_make_exclusion = {.name = "make_exclusion", .args = &args, .sql = make_sql};
const Verb verb_complete_exclusion = {
	.name = "complete_exclusion", .args = &args, .sql = make_sql, .asserts = complete_asserts,
};
