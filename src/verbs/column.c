/*-------------------------------------------------------------------------
 *
 * column.c
 *		A column that is added, altered or dropped by itself.
 *
 * One that takes another's place is in column/twin.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/query.h"
#include "core/expression.h"
#include "utils/builtins.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field default_fields[] = {
	FIELD(SetDefaultArgs, relation, OID),
	FIELD(SetDefaultArgs, column, EXPRESSION),
	FIELD(SetDefaultArgs, value, EXPRESSION),
	FIELD(SetDefaultArgs, former, EXPRESSION),
};

static const Fields default_args = FIELDS(SetDefaultArgs, default_fields);

static const Field column_fields[] = {
	FIELD(ColumnArgs, relation, OID),
	FIELD(ColumnArgs, column, ATTNUM),
};

static const Fields column_args = FIELDS(ColumnArgs, column_fields);

static const Field add_fields[] = {
	FIELD(AddColumnArgs, relation, OID),
	FIELD(AddColumnArgs, name, TEXT),
	FIELD(AddColumnArgs, type, TEXT),
	FIELD(AddColumnArgs, sequence, TEXT),
	FIELD(AddColumnArgs, value, EXPRESSION),
	FIELD(AddColumnArgs, set_default, BOOL),
	FIELD(AddColumnArgs, not_null, BOOL),
	FIELD(AddColumnArgs, type_default, BOOL),
	FIELD(AddColumnArgs, null_first, BOOL),
};

static const Fields add_args = FIELDS(AddColumnArgs, add_fields);

static const Field identity_fields[] = {
	FIELD(AddIdentityArgs, relation, OID),
	FIELD(AddIdentityArgs, column, TEXT),
	FIELD(AddIdentityArgs, sequence, TEXT),
	FIELD(AddIdentityArgs, always, BOOL),
};

static const Fields identity_args = FIELDS(AddIdentityArgs, identity_fields);

static const Field type_fields[] = {
	FIELD(SetTypeArgs, relation, OID),
	FIELD(SetTypeArgs, column, ATTNUM),
	FIELD(SetTypeArgs, type, TEXT),
	FIELD(SetTypeArgs, time_zone, TEXT),
};

static const Fields type_args = FIELDS(SetTypeArgs, type_fields);

static char *
default_sql(const Making *making, const void *data)
{
	const SetDefaultArgs *set = data;
	List	   *value = making->back ? set->former : set->value;
	char	   *table = sql_table(making, set->relation);
	char	   *column = sql_expression(making, set->column, set->relation);

	if (value == NIL)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, column);
	return psprintf("ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, column,
					sql_expression(making, value, set->relation));
}

static char *
drop_sql(const Making *making, const void *data)
{
	const ColumnArgs *drop = data;

	return psprintf("ALTER TABLE %s DROP COLUMN %s", sql_table(making, drop->relation),
					sql_column(making, drop->relation, drop->column));
}

/*
 * Whoever may insert rows draws from the sequence from then on, without having said so:
 * no INSERT may fail for want of a privilege.  Also into partitions and children.
 */
static void
grant_sequence(StringInfo sql, Oid relid, const char *sequence)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY("WITH RECURSIVE tree AS (SELECT $1 AS relid UNION SELECT inhrelid FROM pg_inherits, tree WHERE inhparent = tree.relid), "
			  "granted AS (SELECT x.* FROM tree JOIN pg_class c ON c.oid = relid, aclexplode(c.relacl) x "
			  "  UNION SELECT x.* FROM tree JOIN pg_attribute a ON a.attrelid = relid AND NOT attisdropped, aclexplode(a.attacl) x) "
			  "SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END "
			  "FROM granted, pg_class c WHERE c.oid = $1 AND privilege_type = 'INSERT' AND grantee <> relowner ORDER BY 1",
			  arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
		sql_statement(sql, "GRANT USAGE ON SEQUENCE %s TO %s", sequence, query_text(row, 1));
	query_end(&session);
}

/* The column itself, with what costs nothing. */
static char *
add_sql(const Making *making, const void *data)
{
	const AddColumnArgs *add = data;
	char	   *table = sql_table(making, add->relation);
	char	   *column = sql_name(add->name);
	StringInfoData buf;

	if (making->back)
		return psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", table, column);
	initStringInfo(&buf);
	if (add->sequence != NULL)
		sql_statement(&buf, "CREATE SEQUENCE %s AS %s", add->sequence, add->type);
	sql_statement(&buf, "ALTER TABLE %s ADD COLUMN %s %s", table, column, add->type);
	if (add->value != NIL && !add->set_default)
		appendStringInfo(&buf, " DEFAULT %s%s", sql_expression(making, add->value, add->relation),
						 add->not_null ? " NOT NULL" : "");
	else if (add->null_first)
		appendStringInfoString(&buf, " DEFAULT NULL");
	if (add->type_default)
		sql_statement(&buf, "ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT", table, column);
	else if (add->value != NIL && add->set_default)
		sql_statement(&buf, "ALTER TABLE %s ALTER COLUMN %s SET DEFAULT %s", table, column,
					  sql_expression(making, add->value, add->relation));
	if (add->sequence != NULL)
	{
		sql_statement(&buf, "ALTER SEQUENCE %s OWNED BY %s.%s", add->sequence, table, column);
		grant_sequence(&buf, add->relation, add->sequence);
	}
	return buf.data;
}

char *
column_sequence_number(const char *sequence)
{
	return psprintf("%s::pg_catalog.regclass", quote_literal_cstr(sequence));
}

/* From a default that draws from a sequence to an identity that goes on from there. */
static char *
identity_sql(const Making *making, const void *data)
{
	const AddIdentityArgs *identity = data;
	char	   *table = sql_table(making, identity->relation);
	char	   *column = sql_name(identity->column);
	char	   *number = column_sequence_number(identity->sequence);

	if (making->back)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP IDENTITY IF EXISTS", table, column);
	return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP DEFAULT;\n"
					"ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY;\n"
					"SELECT pg_catalog.setval((SELECT i.objid::pg_catalog.regclass FROM pg_catalog.pg_depend o\n"
					"  JOIN pg_catalog.pg_depend i USING (classid, refclassid, refobjid, refobjsubid)\n"
					"  WHERE o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND o.objid = %s\n"
					"  AND o.deptype = 'a' AND i.deptype = 'i'), pg_catalog.nextval(%s), false);\n"
					"DROP SEQUENCE %s",
					table, column, table, column, identity->always ? "ALWAYS" : "BY DEFAULT",
					number, number, identity->sequence);
}

static char *
type_sql(const Making *making, const void *data)
{
	const SetTypeArgs *set = data;
	StringInfoData buf;

	initStringInfo(&buf);
	/* whether it needs a rewrite may depend on it */
	if (set->time_zone != NULL)
		sql_statement(&buf, "SET LOCAL TimeZone = %s", sql_literal(set->time_zone));
	sql_statement(&buf, "ALTER TABLE %s ALTER COLUMN %s TYPE %s", sql_table(making, set->relation),
				  sql_column(making, set->relation, set->column), set->type);
	return buf.data;
}

const Verb verb_set_default = {.name = "set_default", .args = &default_args, .sql = default_sql};
const Verb verb_drop_column = {.name = "drop_column", .args = &column_args, .sql = drop_sql};
const Verb verb_add_column = {.name = "add_column", .args = &add_args, .sql = add_sql};
const Verb verb_add_identity = {.name = "add_identity", .args = &identity_args, .sql = identity_sql};
const Verb verb_set_type = {.name = "set_type", .args = &type_args, .sql = type_sql};
