/*-------------------------------------------------------------------------
 *
 * constraint.c
 *		Constraints are added, validated and dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_constraint.h"
#include "catalog/query.h"
#include "core/expression.h"
#include "core/guc.h"
#include "core/target.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"
#include "compat.h"

static const Field constraint_fields[] = {
	FIELD(ConstraintArgs, relation, OID),
	FIELD(ConstraintArgs, root, OID),
	FIELD(ConstraintArgs, name, TEXT),
	FIELD(ConstraintArgs, kind, CHAR),
	FIELD(ConstraintArgs, expression, EXPRESSION),
	FIELD(ConstraintArgs, index, TEXT),
	FIELD(ConstraintArgs, definition, TEXT),
	FIELD(ConstraintArgs, deferral, TEXT),
	FIELD(ConstraintArgs, no_inherit, BOOL),
	FIELD(ConstraintArgs, not_enforced, BOOL),
	FIELD(ConstraintArgs, not_valid, BOOL),
	FIELD(ConstraintArgs, only, BOOL),
	FIELD(ConstraintArgs, own, OIDS),
};

static const Fields constraint_args = FIELDS(ConstraintArgs, constraint_fields);

static const Field key_fields[] = {
	FIELD(ForeignKeyArgs, relation, OID),
	FIELD(ForeignKeyArgs, root, OID),
	FIELD(ForeignKeyArgs, name, TEXT),
	FIELD(ForeignKeyArgs, of, OID),
	FIELD(ForeignKeyArgs, columns, EXPRESSION),
	FIELD(ForeignKeyArgs, references, OID),
	FIELD(ForeignKeyArgs, refcolumns, EXPRESSION),
	FIELD(ForeignKeyArgs, delete_columns, EXPRESSION),
	FIELD(ForeignKeyArgs, match, CHAR),
	FIELD(ForeignKeyArgs, on_update, CHAR),
	FIELD(ForeignKeyArgs, on_delete, CHAR),
	FIELD(ForeignKeyArgs, deferrable, BOOL),
	FIELD(ForeignKeyArgs, deferred, BOOL),
	FIELD(ForeignKeyArgs, not_enforced, BOOL),
	FIELD(ForeignKeyArgs, not_valid, BOOL),
	FIELD(ForeignKeyArgs, while_both, BOOL),
	FIELD(ForeignKeyArgs, known, OIDS),
	FIELD(ForeignKeyArgs, comment, TEXT),
};

const Fields foreign_key_fields = FIELDS(ForeignKeyArgs, key_fields);

static const Field validate_fields[] = {
	FIELD(ValidateArgs, relation, OID),
	FIELD(ValidateArgs, root, OID),
	FIELD(ValidateArgs, name, TEXT),
	FIELD(ValidateArgs, references, OID),
};

static const Fields validate_args = FIELDS(ValidateArgs, validate_fields);

static const Field set_fields[] = {
	FIELD(SetNotNullArgs, relation, OID),
	FIELD(SetNotNullArgs, column, EXPRESSION),
	FIELD(SetNotNullArgs, proof, TEXT),
	FIELD(SetNotNullArgs, own, OIDS),
};

static const Fields set_args = FIELDS(SetNotNullArgs, set_fields);

static const Field unset_fields[] = {
	FIELD(DropNotNullArgs, relation, OID),
	FIELD(DropNotNullArgs, column, EXPRESSION),
	FIELD(DropNotNullArgs, proof, TEXT),
};

static const Fields unset_args = FIELDS(DropNotNullArgs, unset_fields);

static const Field parts_fields[] = {
	FIELD(DropPartsArgs, relation, OID),
	FIELD(DropPartsArgs, nullable, EXPRESSIONS),
	FIELD(DropPartsArgs, constraints, TEXTS),
	FIELD(DropPartsArgs, optional, TEXTS),
	FIELD(DropPartsArgs, renamed, TEXTS),
};

static const Fields parts_args = FIELDS(DropPartsArgs, parts_fields);

/*
 * NOT NULL without a scan under a strong lock: on 18 a constraint of its own,
 * NOT VALID and then validated; before, a CHECK that proves it.
 */
char *
constraint_not_null(const char *table, const char *name, const char *column)
{
	return psprintf(target_has_named_not_null() ?
					"ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s NOT VALID" :
					"ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID",
					table, name, column);
}

/*
 * From 18 on, a primary key that a partition is given by itself makes NOT NULLs that it
 * has inherited its own.  A server without the extension has to live with that.
 */
char *
constraint_disown_not_null(const Making *making, Oid relid)
{
	QuerySession session;
	char	   *inherited;

	if (making->flavour != FLAVOUR_RUN || !target_has_named_not_null() || !get_rel_relispartition(relid))
		return pstrdup("");
	query_begin(&session);
	QUERY("SELECT array_agg(oid)::text FROM pg_constraint WHERE conrelid = $1 AND contype = 'n' AND NOT conislocal", arg_oid(relid));
	inherited = query_text(0, 1);
	query_end(&session);
	return inherited == NULL ? pstrdup("") :
		psprintf("SELECT zdm.inherit_not_null(%u::oid::regclass, %s)", relid, sql_literal(inherited));
}

static char *
key_on_index(const Making *making, const ConstraintArgs *con, const char *table, const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	sql_statement(&sql, "ALTER TABLE %s ADD CONSTRAINT %s %s USING INDEX %s%s", table, name,
				  con->kind == CONSTRAINT_PRIMARY ? "PRIMARY KEY" : "UNIQUE",
				  sql_name(con->index), con->deferral ? con->deferral : "");
	if (con->kind == CONSTRAINT_PRIMARY)
		sql_statement(&sql, "%s", constraint_disown_not_null(making, con->relation));
	return sql.data;
}

static char *
constraint_add(const Making *making, const ConstraintArgs *con)
{
	char	   *table = sql_table(making, con->relation);
	char	   *name = sql_name(con->name);
	char	   *expression = sql_expression(making, con->expression, con->relation);

	switch (con->kind)
	{
		case CONSTRAINT_CHECK:
			return psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s)%s%s", table, name, expression,
							con->no_inherit ? " NO INHERIT" : "",
							con->not_enforced ? " NOT ENFORCED" : " NOT VALID");
		case 'n':
			if (con->no_inherit)
				return psprintf("ALTER TABLE %s ADD CONSTRAINT %s NOT NULL %s NO INHERIT NOT VALID",
								table, name, expression);
			return constraint_not_null(table, name, expression);
		case CONSTRAINT_PRIMARY:
		case CONSTRAINT_UNIQUE:
			return key_on_index(making, con, table, name);
		default:
			return psprintf("ALTER TABLE %s%s ADD CONSTRAINT %s %s%s", con->only ? "ONLY " : "", table, name,
							con->definition, con->not_valid ? " NOT VALID" : "");
	}
}

static char *
constraint_drop(const Making *making, Oid relid, const char *name)
{
	return !sql_exists(making, relid) ? pstrdup("") :
		psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", sql_table(making, relid), sql_name(name));
}

/* An array of them, quoted. */
static char *
oids_literal(List *oids)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, oids)
		appendStringInfo(&buf, "%s%u", buf.len > 0 ? "," : "'{", lfirst_oid(lc));
	appendStringInfoString(&buf, "}'");
	return buf.data;
}

/* A server without the extension takes what partitions had before, too. */
static char *
constraint_undo(const Making *making, const ConstraintArgs *con)
{
	StringInfoData sql;

	initStringInfo(&sql);
	if (con->own != NIL && making->flavour != FLAVOUR_SCRIPT && sql_exists(making, con->relation))
		sql_statement(&sql, "SELECT zdm.own_checks(%u::oid::regclass, %s, %s)", con->relation,
					  sql_literal(con->name), oids_literal(con->own));
	sql_statement(&sql, "%s", constraint_drop(making, con->relation, con->name));
	return sql.data;
}

static char *
constraint_sql(const Making *making, const void *data)
{
	const ConstraintArgs *con = data;

	if (making->back)
		return constraint_undo(making, con);
	return sql_is_member(making, con->relation, con->root) ? constraint_add(making, con) : pstrdup("");
}

/*
 * A foreign key is gone when either of its tables is, or when a partition is
 * none any more, and so is all that there was to do about it: the migration of
 * the one must not end there.
 */
static bool
is_moot(const Making *making, const ForeignKeyArgs *fk)
{
	return !sql_is_member(making, fk->relation, fk->root) ||
		(fk->while_both && (!sql_exists(making, fk->relation) || !sql_exists(making, fk->references)));
}

static const char *
action_name(char action)
{
	switch (action)
	{
		case FKCONSTR_ACTION_RESTRICT:
			return "RESTRICT";
		case FKCONSTR_ACTION_CASCADE:
			return "CASCADE";
		case FKCONSTR_ACTION_SETNULL:
			return "SET NULL";
		case FKCONSTR_ACTION_SETDEFAULT:
			return "SET DEFAULT";
		default:
			return NULL;
	}
}

char *
foreign_key_sql(const Making *making, const ForeignKeyArgs *fk)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (is_moot(making, fk))
		return buf.data;
	appendStringInfo(&buf, "ALTER TABLE %s ADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s",
					 sql_table(making, fk->relation), sql_name(fk->name),
					 sql_expression(making, fk->columns, fk->of), sql_table(making, fk->references));
	if (fk->refcolumns != NIL)
		appendStringInfo(&buf, " (%s)", sql_expression(making, fk->refcolumns, fk->references));
	if (fk->match == FKCONSTR_MATCH_FULL)
		appendStringInfoString(&buf, " MATCH FULL");
	if (action_name(fk->on_update) != NULL)
		appendStringInfo(&buf, " ON UPDATE %s", action_name(fk->on_update));
	if (action_name(fk->on_delete) != NULL)
		appendStringInfo(&buf, " ON DELETE %s", action_name(fk->on_delete));
	if (fk->delete_columns != NIL)
		appendStringInfo(&buf, " (%s)", sql_expression(making, fk->delete_columns, fk->of));
	if (fk->deferrable)
		appendStringInfo(&buf, " DEFERRABLE%s", fk->deferred ? " INITIALLY DEFERRED" : "");
	if (fk->not_enforced)
		appendStringInfoString(&buf, " NOT ENFORCED");
	else if (fk->not_valid)
		appendStringInfoString(&buf, " NOT VALID");
	return buf.data;
}

char *
foreign_key_drop(const Making *making, const ForeignKeyArgs *fk)
{
	if (fk->while_both && is_moot(making, fk))
		return pstrdup("");
	return constraint_drop(making, fk->relation, fk->name);
}

Assertion *
constraint_none_late(const Making *making, Oid parent, List *known)
{
	Assertion  *none = palloc(sizeof(Assertion));
	StringInfoData list;
	ListCell   *lc;

	initStringInfo(&list);
	foreach(lc, known)
		appendStringInfo(&list, "%s%u", list.len > 0 ? ", " : "", lfirst_oid(lc));
	*none = (Assertion) {
		.query = psprintf("SELECT string_agg(inhrelid::regclass::text, ', ') "
						  "FROM pg_inherits, LATERAL (SELECT sum(pg_relation_size(relid)) AS size FROM pg_partition_tree(inhrelid)) s "
						  "WHERE inhparent = %u AND inhrelid NOT IN (%s) AND size > " INT64_FORMAT,
						  parent, list.data, (int64) guc_guard_min_size * BLCKSZ),
		.sqlstate = "55000",
		.message = "partitions with rows have come since the migration was stated",
		.hint = making->flavour == FLAVOUR_SCRIPT ? SCRIPT_HINT :
		"Go back with zdm.revert(), and state the migration again.",
	};
	return none;
}

static char *
key_sql(const Making *making, const void *data)
{
	const ForeignKeyArgs *fk = data;
	StringInfoData buf;

	if (making->back)
		return foreign_key_drop(making, fk);
	initStringInfo(&buf);
	sql_statement(&buf, "%s", foreign_key_sql(making, fk));
	if (fk->comment != NULL && !is_moot(making, fk))
		sql_statement(&buf, "COMMENT ON CONSTRAINT %s ON %s IS %s", sql_name(fk->name),
					  sql_table(making, fk->relation), sql_literal(fk->comment));
	return buf.data;
}

static List *
key_asserts(const Making *making, const void *data)
{
	const ForeignKeyArgs *fk = data;

	return making->back || fk->known == NIL ? NIL :
		list_make1(constraint_none_late(making, fk->relation, fk->known));
}

static bool
key_follow(void *data, Oid relid, AttrNumber from, AttrNumber to)
{
	ForeignKeyArgs *fk = data;
	bool		found = false;

	if (fk->of == relid)
	{
		found |= expression_follow(&fk->columns, from, to);
		found |= expression_follow(&fk->delete_columns, from, to);
	}
	if (fk->references == relid)
		found |= expression_follow(&fk->refcolumns, from, to);
	return found;
}

static char *
validate_sql(const Making *making, const void *data)
{
	const ValidateArgs *con = data;

	if (!sql_is_member(making, con->relation, con->root) ||
		(OidIsValid(con->references) &&
		 (!sql_exists(making, con->references) || !sql_exists(making, con->relation))))
		return pstrdup("");
	return psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", sql_table(making, con->relation), sql_name(con->name));
}

static char *
set_sql(const Making *making, const void *data)
{
	const SetNotNullArgs *set = data;
	char	   *table = sql_table(making, set->relation);
	char	   *column = sql_expression(making, set->column, set->relation);

	if (making->back && set->own != NIL && making->flavour != FLAVOUR_SCRIPT)
		return psprintf("SELECT zdm.drop_not_null(%u::oid::regclass, %s, %s)", set->relation,
						sql_literal(column), oids_literal(set->own));
	if (making->back)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, column);
	if (set->proof == NULL)
		return psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL", table, column);
	/* two statements: in one, the drop would come first and with it the proof */
	return psprintf("ALTER TABLE %s ALTER COLUMN %s SET NOT NULL;\n"
					"ALTER TABLE %s DROP CONSTRAINT %s", table, column, table, sql_name(set->proof));
}

static char *
unset_sql(const Making *making, const void *data)
{
	const DropNotNullArgs *unset = data;
	char	   *table = sql_table(making, unset->relation);
	char	   *column = sql_expression(making, unset->column, unset->relation);

	if (making->back)
		return psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL) NOT VALID", table,
						sql_name(unset->proof), column);
	return psprintf("ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table, column);
}

static char *
parts_sql(const Making *making, const void *data)
{
	const DropPartsArgs *parts = data;
	char	   *table = sql_table(making, parts->relation);
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, parts->nullable)
		sql_statement(&buf, "ALTER TABLE %s ALTER COLUMN %s DROP NOT NULL", table,
					  sql_expression(making, lfirst(lc), parts->relation));
	foreach(lc, parts->constraints)
		sql_statement(&buf, "ALTER TABLE %s DROP CONSTRAINT %s", table, sql_name(lfirst(lc)));
	foreach(lc, parts->optional)
		sql_statement(&buf, "ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", table, sql_name(lfirst(lc)));
	for (int i = 0; i < list_length(parts->renamed); i += 2)
		sql_statement(&buf, "ALTER TABLE %s RENAME CONSTRAINT %s TO %s", table,
					  sql_name(list_nth(parts->renamed, i)), sql_name(list_nth(parts->renamed, i + 1)));
	return buf.data;
}

const Verb verb_add_constraint = {.name = "add_constraint", .args = &constraint_args, .sql = constraint_sql};
const Verb verb_add_foreign_key = {
	.name = "add_foreign_key", .args = &foreign_key_fields, .sql = key_sql, .asserts = key_asserts,
	.follow = key_follow,
};
const Verb verb_complete_foreign_key = {
	.name = "complete_foreign_key", .args = &foreign_key_fields, .sql = key_sql, .asserts = key_asserts,
	.follow = key_follow,
};
const Verb verb_validate_constraint = {
	.name = "validate_constraint", .args = &validate_args, .sql = validate_sql,
};
const Verb verb_set_not_null = {.name = "set_not_null", .args = &set_args, .sql = set_sql};
const Verb verb_drop_not_null = {.name = "drop_not_null", .args = &unset_args, .sql = unset_sql};
const Verb verb_drop_parts = {.name = "drop_parts", .args = &parts_args, .sql = parts_sql};
