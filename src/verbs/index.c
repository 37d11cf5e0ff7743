/*-------------------------------------------------------------------------
 *
 * index.c
 *		Indexes are built, attached, renamed and dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/expression.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field key_fields[] = {
	FIELD(IndexKey, expression, EXPRESSION),
	FIELD(IndexKey, collation, TEXT),
	FIELD(IndexKey, properties, TEXT),
};

static const Fields key = FIELDS(IndexKey, key_fields);

static const Field spec_fields[] = {
	FIELD(IndexSpec, of, OID),
	FIELD(IndexSpec, unique, BOOL),
	FIELD(IndexSpec, nulls_not_distinct, BOOL),
	FIELD(IndexSpec, method, TEXT),
	FIELD_OF(IndexSpec, keys, STRUCTS, &key),
	FIELD(IndexSpec, included, EXPRESSIONS),
	FIELD(IndexSpec, options, TEXT),
	FIELD(IndexSpec, tablespace, TEXT),
	FIELD(IndexSpec, predicate, EXPRESSION),
};

const Fields index_spec_fields = FIELDS(IndexSpec, spec_fields);

static const Field build_fields[] = {
	FIELD(BuildIndexArgs, relation, OID),
	FIELD(BuildIndexArgs, root, OID),
	FIELD(BuildIndexArgs, name, TEXT),
	FIELD_OF(BuildIndexArgs, spec, STRUCT, &index_spec_fields),
};

static const Fields build_args = FIELDS(BuildIndexArgs, build_fields);

static const Field create_fields[] = {
	FIELD(CreateIndexArgs, relation, OID),
	FIELD(CreateIndexArgs, root, OID),
	FIELD(CreateIndexArgs, name, TEXT),
	FIELD(CreateIndexArgs, whole, BOOL),
	FIELD_OF(CreateIndexArgs, spec, STRUCT, &index_spec_fields),
};

static const Fields create_args = FIELDS(CreateIndexArgs, create_fields);

static const Field rename_fields[] = {
	FIELD(RenameIndexArgs, relation, OID),
	FIELD(RenameIndexArgs, from, TEXT),
	FIELD(RenameIndexArgs, to, TEXT),
	FIELD(RenameIndexArgs, if_exists, BOOL),
};

static const Fields rename_args = FIELDS(RenameIndexArgs, rename_fields);

static const Field attach_fields[] = {
	FIELD(AttachIndexArgs, relation, OID),
	FIELD(AttachIndexArgs, root, OID),
	FIELD(AttachIndexArgs, name, TEXT),
	FIELD(AttachIndexArgs, parent, OID),
	FIELD(AttachIndexArgs, parent_name, TEXT),
	FIELD(AttachIndexArgs, constraint, BOOL),
	FIELD(AttachIndexArgs, again, BOOL),
};

static const Fields attach_args = FIELDS(AttachIndexArgs, attach_fields);

static const Field named_fields[] = {
	FIELD(NamedArgs, relation, OID),
	FIELD(NamedArgs, root, OID),
	FIELD(NamedArgs, name, TEXT),
};

static const Fields named_args = FIELDS(NamedArgs, named_fields);

static const Field relation_fields[] = {
	FIELD(RelationArgs, relation, OID),
};

static const Fields relation_args = FIELDS(RelationArgs, relation_fields);

static const Field reindex_fields[] = {
	FIELD(ReindexArgs, relation, OID),
	FIELD(ReindexArgs, index, BOOL),
	FIELD(ReindexArgs, tablespace, TEXT),
};

static const Fields reindex_args = FIELDS(ReindexArgs, reindex_fields);

static const Field targets_fields[] = {
	FIELD(IndexTargetsArgs, relation, OID),
	FIELD(IndexTargetsArgs, root, OID),
	FIELD(IndexTargetsArgs, name, TEXT),
	FIELD(IndexTargetsArgs, columns, INTS),
	FIELD(IndexTargetsArgs, targets, INTS),
};

static const Fields targets_args = FIELDS(IndexTargetsArgs, targets_fields);

char *
index_key_sql(const Making *making, const IndexSpec *spec, const IndexKey *key)
{
	return psprintf("%s%s%s", sql_expression(making, key->expression, spec->of),
					key->collation != NULL ? " COLLATE " : "", key->collation != NULL ? key->collation : "");
}

char *
index_spec_sql(const Making *making, const IndexSpec *spec, const char *on, const char *name, IndexWay way)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	appendStringInfo(&buf, "CREATE %sINDEX %s%s ON %s%s USING %s (", spec->unique ? "UNIQUE " : "",
					 way == INDEX_CONCURRENTLY ? "CONCURRENTLY " : "", quote_identifier(name),
					 way == INDEX_ONLY ? "ONLY " : "", on, spec->method);
	foreach(lc, spec->keys)
	{
		IndexKey   *one = lfirst(lc);

		appendStringInfo(&buf, "%s%s%s", lc == list_head(spec->keys) ? "" : ", ",
						 index_key_sql(making, spec, one), one->properties ? one->properties : "");
	}
	appendStringInfoChar(&buf, ')');
	if (spec->included != NIL)
		appendStringInfo(&buf, " INCLUDE (%s)",
						 sql_expression(making, expression_join(spec->included, ", "), spec->of));
	if (spec->nulls_not_distinct)
		appendStringInfoString(&buf, " NULLS NOT DISTINCT");
	if (spec->options != NULL)
		appendStringInfoString(&buf, spec->options);
	if (spec->tablespace != NULL)
		appendStringInfo(&buf, " TABLESPACE %s", spec->tablespace);
	if (spec->predicate != NIL)
		appendStringInfo(&buf, " WHERE %s", sql_expression(making, spec->predicate, spec->of));
	return buf.data;
}

static char *
build_sql(const Making *making, const void *data)
{
	const BuildIndexArgs *index = data;

	if (making->back)
		return !sql_exists(making, index->relation) ? pstrdup("") :
			psprintf("DROP INDEX CONCURRENTLY IF EXISTS %s", sql_index(making, index->relation, index->name));
	if (!sql_is_member(making, index->relation, index->root))
		return pstrdup("");
	return index_spec_sql(making, index->spec, sql_table(making, index->relation), index->name,
						  INDEX_CONCURRENTLY);
}

static char *
drop(const Making *making, Oid relid, const char *name)
{
	return !sql_exists(making, relid) ? pstrdup("") :
		psprintf("DROP INDEX IF EXISTS %s", sql_index(making, relid, name));
}

static char *
create_sql(const Making *making, const void *data)
{
	const CreateIndexArgs *index = data;

	if (making->back)
		return drop(making, index->relation, index->name);
	if (!sql_is_member(making, index->relation, index->root))
		return pstrdup("");
	return index_spec_sql(making, index->spec, sql_table(making, index->relation), index->name,
						  index->whole ? INDEX_WHOLE : INDEX_ONLY);
}

static char *
rename_sql(const Making *making, const void *data)
{
	const RenameIndexArgs *index = data;

	if (!sql_exists(making, index->relation))
		return pstrdup("");
	return psprintf("ALTER INDEX %s%s RENAME TO %s", index->if_exists || making->back ? "IF EXISTS " : "",
					sql_index(making, index->relation, making->back ? index->to : index->from),
					sql_name(making->back ? index->from : index->to));
}

static char *
attach_sql(const Making *making, const void *data)
{
	const AttachIndexArgs *index = data;

	if (making->back && index->constraint)
		return !sql_exists(making, index->parent) ? pstrdup("") :
			psprintf("ALTER TABLE %s DROP CONSTRAINT IF EXISTS %s", sql_table(making, index->parent),
					 sql_name(index->parent_name));
	if (making->back)
		return drop(making, index->parent, index->parent_name);
	if (!sql_is_member(making, index->relation, index->root))
		return pstrdup("");
	return psprintf("ALTER INDEX %s ATTACH PARTITION %s",
					sql_index(making, index->parent, index->parent_name),
					sql_index(making, index->relation, index->name));
}

static char *
drop_sql(const Making *making, const void *data)
{
	const NamedArgs *index = data;

	return sql_is_member(making, index->relation, index->root) ?
		drop(making, index->relation, index->name) : pstrdup("");
}

static char *
drop_concurrently_sql(const Making *making, const void *data)
{
	return psprintf("DROP INDEX CONCURRENTLY %s", sql_table(making, ((const RelationArgs *) data)->relation));
}

static char *
reindex_sql(const Making *making, const void *data)
{
	const ReindexArgs *reindex = data;

	return psprintf("REINDEX %s%s CONCURRENTLY %s",
					reindex->tablespace == NULL ? "" : psprintf("(TABLESPACE %s) ", sql_name(reindex->tablespace)),
					reindex->index ? "INDEX" : "TABLE", sql_table(making, reindex->relation));
}

/* What a person would ask; a worker does more. */
static char *
complete_sql(const Making *making, const void *data)
{
	const NamedArgs *index = data;

	return psprintf("SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = %s::pg_catalog.regclass",
					sql_literal(sql_index(making, index->relation, index->name)));
}

/* The worker's own code sees to it (index_tree_complete()). */
static List *
complete_asserts(const Making *making, const void *data)
{
	Assertion  *valid = palloc(sizeof(Assertion));

	if (making->flavour != FLAVOUR_SCRIPT)
		return NIL;
	*valid = (Assertion) {
		.query = psprintf("SELECT 'partitions have come since the script was made' WHERE (%s) IS NOT TRUE",
						  complete_sql(making, data)),
		.sqlstate = "55000",
		.message = "the index is not valid",
		.hint = SCRIPT_HINT,
	};
	return list_make1(valid);
}

/* What CREATE INDEX cannot say. */
static char *
targets_sql(const Making *making, const void *data)
{
	const IndexTargetsArgs *index = data;
	StringInfoData buf;

	initStringInfo(&buf);
	if (sql_is_member(making, index->relation, index->root))
	{
		for (int i = 0; i < list_length(index->columns); i++)
			sql_statement(&buf, "ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d",
						  sql_index(making, index->relation, index->name),
						  list_nth_int(index->columns, i), list_nth_int(index->targets, i));
	}
	return buf.data;
}

char *
index_built_by(const Step *step)
{
	return verb_is(step, &verb_build_index) ? ((BuildIndexArgs *) verb_args(step))->name : NULL;
}

const Verb verb_build_index = {
	.name = "build_index", .action = ACTION_TOPLEVEL, .args = &build_args, .sql = build_sql,
};
const Verb verb_create_index = {.name = "create_index", .args = &create_args, .sql = create_sql};
const Verb verb_rename_index = {.name = "rename_index", .args = &rename_args, .sql = rename_sql};
const Verb verb_attach_index = {.name = "attach_index", .args = &attach_args, .sql = attach_sql};
const Verb verb_drop_index = {.name = "drop_index", .args = &named_args, .sql = drop_sql};
const Verb verb_drop_index_concurrently = {
	.name = "drop_index_concurrently", .action = ACTION_TOPLEVEL, .args = &relation_args,
	.sql = drop_concurrently_sql,
};
const Verb verb_reindex = {
	.name = "reindex", .action = ACTION_TOPLEVEL, .args = &reindex_args, .sql = reindex_sql,
};
const Verb verb_complete_index = {.name = "complete_index", .args = &named_args, .sql = complete_sql, .asserts = complete_asserts};
const Verb verb_set_index_statistics = {
	.name = "set_index_statistics", .args = &targets_args, .sql = targets_sql,
};
