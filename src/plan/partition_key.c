/*-------------------------------------------------------------------------
 *
 * partition_key.c
 *		By what a table is to be partitioned, and what of its keys goes with that.
 *
 * PostgreSQL keeps a key unique within each partition, and over all of them only if
 * equal keys are in one partition: so the key has to have the partition key in it.
 * What does not is not given up behind anybody's back: the primary key is changed if
 * that is asked for, and the plan says what is lost; everything else is refused, with
 * the statement that would do away with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_am.h"
#include "catalog/query.h"
#include "commands/defrem.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "draft/ddl_text.h"
#include "draft/deparse.h"
#include "nodes/nodeFuncs.h"
#include "parser/parser.h"
#include "plan/partition_key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* The one statement of that kind that the text is; NULL if it is something else. */
static Node *
parse(const char *sql, NodeTag tag, const char *argument)
{
	DdlReading	reading;
	List	   *statements;

	ddl_reading_begin(&reading, sql, argument);
	statements = raw_parser(sql, RAW_PARSE_DEFAULT);
	ddl_reading_end(&reading);
	if (list_length(statements) != 1 || nodeTag(linitial_node(RawStmt, statements)->stmt) != tag)
		return NULL;
	return linitial_node(RawStmt, statements)->stmt;
}

static PartitionSpec *
parse_by(const char *by)
{
	CreateStmt *stmt = (CreateStmt *) parse(psprintf("CREATE TABLE t () PARTITION BY %s", by), T_CreateStmt, "partition_by");

	if (stmt == NULL || stmt->partspec == NULL || stmt->options != NIL || stmt->accessMethod != NULL ||
		stmt->tablespacename != NULL || stmt->oncommit != ONCOMMIT_NOOP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_by must be what stands after PARTITION BY"),
				 errdetail("It reads: %s", by),
				 errhint("Give strategy and key: 'RANGE (created_at)'.")));
	if (zdm_partition_strategy(stmt->partspec) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("partition_by must begin with RANGE, LIST or HASH"),
				 errdetail("It reads: %s", by)));
	return stmt->partspec;
}

/* A column, or an expression over columns; its type in *type. */
static List *
read_expression(Oid relid, const PartitionElem *elem, AttrNumber *column, Oid *type)
{
	List	   *kept;
	Node	   *tree;

	*column = InvalidAttrNumber;
	if (elem->name != NULL)
	{
		*column = ddl_attribute(relid, elem->name);
		*type = get_atttype(relid, *column);
		return expression_column(*column);
	}
	kept = ddl_expression(relid, elem->expr, NULL, EXPR_KIND_PARTITION_EXPRESSION, InvalidOid, -1, &tree);
	*type = exprType(tree);
	if (IsA(tree, Var))
	{
		*column = ((Var *) tree)->varattno;
		return kept;
	}
	return expression_format("(%e)", kept);
}

static List *
read_element(Oid relid, const PartitionElem *elem, char strategy, AttrNumber *column, Oid *type)
{
	List	   *kept = read_expression(relid, elem, column, type);
	const char *collation = "";
	const char *opclass = "";

	if (elem->collation != NIL)
		collation = psprintf(" COLLATE %s", deparse_collation(get_collation_oid(elem->collation, false)));
	if (elem->opclass != NIL)
		opclass = psprintf(" %s", deparse_opclass(ResolveOpClass(elem->opclass, *type, strategy == PARTITION_STRATEGY_HASH ? "hash" : "btree",
																 strategy == PARTITION_STRATEGY_HASH ? HASH_AM_OID : BTREE_AM_OID)));
	return expression_format("%e%s%s", kept, collation, opclass);
}

static const char *
strategy_word(char strategy)
{
	return strategy == PARTITION_STRATEGY_RANGE ? "RANGE" : strategy == PARTITION_STRATEGY_LIST ? "LIST" : "HASH";
}

Oid
partition_key_read(PartitionLayout *layout, Oid relid, const char *by)
{
	PartitionSpec *spec = parse_by(by);
	List	   *elements = NIL;
	Oid			type = InvalidOid;
	ListCell   *lc;

	layout->strategy = zdm_partition_strategy(spec);
	foreach(lc, spec->partParams)
	{
		AttrNumber	column;

		elements = lappend(elements, read_element(relid, lfirst_node(PartitionElem, lc), layout->strategy, &column, &type));
		layout->columns = lappend_int(layout->columns, column);
	}
	layout->key = expression_format("%s (%e)", strategy_word(layout->strategy), expression_join(elements, ", "));
	return list_length(elements) == 1 ? type : InvalidOid;
}

/* "a, b": columns of relid by their numbers. */
static char *
column_names(Oid relid, List *columns)
{
	StringInfoData names;
	ListCell   *lc;

	initStringInfo(&names);
	foreach(lc, columns)
		appendStringInfo(&names, "%s%s", names.len > 0 ? ", " : "",
						 quote_identifier(get_attname(relid, lfirst_int(lc), false)));
	return names.data;
}

/* The columns that a new primary key is to have, from 'a, b'. */
static List *
read_primary_key(Oid relid, const char *text)
{
	AlterTableStmt *stmt = (AlterTableStmt *) parse(psprintf("ALTER TABLE t ADD PRIMARY KEY (%s)", text), T_AlterTableStmt, "primary_key");
	Constraint *constraint = stmt == NULL || list_length(stmt->cmds) != 1 ? NULL :
		(Constraint *) linitial_node(AlterTableCmd, stmt->cmds)->def;
	List	   *columns = NIL;
	ListCell   *lc;

	if (constraint == NULL || constraint->including != NIL || constraint->options != NIL || constraint->deferrable || constraint->indexspace != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("primary_key must be a list of columns"),
				 errdetail("It reads: %s", text),
				 errhint("Give their names, with commas between: 'id, created_at'; or '' for none.")));
	foreach(lc, constraint->keys)
	{
		AttrNumber	attnum = ddl_attribute(relid, strVal(lfirst(lc)));

		if (list_member_int(columns, attnum))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" appears twice in primary key constraint", strVal(lfirst(lc)))));
		columns = lappend_int(columns, attnum);
	}
	return columns;
}

/* Writers who give it no value must not be the ones to find out. */
static void
check_not_null(Oid relid, List *columns)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		char	   *name = get_attname(relid, lfirst_int(lc), false);

		if (QUERY_ONCE("SELECT FROM pg_attribute WHERE attrelid = $1 AND attnum = $2 AND attnotnull",
					   arg_oid(relid), arg_int2(lfirst_int(lc))) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("column \"%s\" of the new primary key is not NOT NULL", name),
					 errhint("SELECT zdm.set_not_null(%s, %s); first.", quote_literal_cstr(names_relation(relid)), quote_literal_cstr(name))));
	}
}

/* The key's columns are all among the others. */
static bool
has_key(const PartitionLayout *layout, List *columns)
{
	ListCell   *lc;

	foreach(lc, layout->columns)
	{
		if (!list_member_int(columns, lfirst_int(lc)))
			return false;
	}
	return true;
}

static bool
is_expression(const PartitionLayout *layout)
{
	return list_member_int(layout->columns, InvalidAttrNumber);
}

static void
settle_primary_key(PartitionLayout *layout, Oid relid, const char *primary_key)
{
	List	   *columns;

	if (primary_key == NULL)
		return;
	if (strspn(primary_key, " \t\r\n") == strlen(primary_key))
	{
		layout->no_primary_key = true;
		return;
	}
	columns = read_primary_key(relid, primary_key);
	if (!has_key(layout, columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("primary_key must have the partition key in it"),
				 is_expression(layout) ?
				 errdetail("An expression can be in no primary key.") :
				 errdetail("The partition key is (%s).", column_names(relid, layout->columns)),
				 is_expression(layout) ?
				 errhint("Give primary_key => '', for none.") :
				 errhint("primary_key => %s", quote_literal_cstr(psprintf("%s, %s", primary_key,
																		  column_names(relid, list_difference_int(layout->columns, columns)))))));
	check_not_null(relid, columns);
	layout->primary_key = columns;
}

/* A unique or exclusion index of the table. */
typedef struct Key
{
	Oid			index;
	char	   *name;
	List	   *columns;		/* int: plain key columns; 0 an expression */
	bool		primary;
	bool		exclusion;
	char	   *constraint;		/* quoted name, or NULL */
	bool		used;			/* others' foreign keys reference it */
} Key;

static List *
keys_of(Oid relid)
{
	QuerySession session;
	List	   *keys = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT indexrelid, relname::text, (indkey::int2[])[0:indnkeyatts - 1]::text[], indisprimary, indisexclusion, "
			  "(SELECT quote_ident(conname) FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x')) "
			  "FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = $1 AND (indisunique OR indisexclusion) AND indislive "
			  "ORDER BY indisprimary DESC, relname", arg_oid(relid));
	for (uint64 row = 0; row < n; row++)
	{
		Key		   *key = palloc0(sizeof(Key));
		ListCell   *lc;

		key->index = query_oid(row, 1);
		key->name = query_text(row, 2);
		foreach(lc, query_texts(row, 3))
			key->columns = lappend_int(key->columns, atoi(lfirst(lc)));
		key->primary = query_bool(row, 4);
		key->exclusion = query_bool(row, 5);
		key->constraint = query_text(row, 6);
		keys = lappend(keys, key);
	}
	query_end(&session);
	return keys;
}

static char *
describe(const Key *key, Oid relid)
{
	return psprintf("%s \"%s\" of %s", key->primary ? "primary key" : key->exclusion ? "exclusion constraint" : "unique key",
					key->name, names_relation(relid));
}

/* Whoever references a key by a foreign key counts on it. */
static void
refuse_referenced(const Key *key, Oid relid)
{
	QuerySession session;
	char	   *names;
	char	   *drops;

	query_begin(&session);
	QUERY("SELECT string_agg(format('%I of %s', conname, conrelid::regclass), ', ' ORDER BY conrelid::regclass::text, conname), "
		  "string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, conname), ' ' ORDER BY conrelid::regclass::text, conname) "
		  "FROM pg_constraint WHERE contype = 'f' AND confrelid = $1 AND conindid = $2 AND conparentid = 0", arg_oid(relid), arg_oid(key->index));
	names = query_text(0, 1);
	drops = query_text(0, 2);
	query_end(&session);
	if (names != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign keys reference %s, which a partitioned table cannot have without the partition key", describe(key, relid)),
				 errdetail("They are: %s.", names),
				 errhint("%s first; or have them reference all columns of a key that has the partition key in it.", drops)));
}

pg_noreturn static void refuse_primary_key(const PartitionLayout *layout, const Key *key, Oid relid);

static void
refuse_primary_key(const PartitionLayout *layout, const Key *key, Oid relid)
{
	bool		expression = is_expression(layout) || list_member_int(key->columns, InvalidAttrNumber);
	List	   *columns = list_concat_copy(key->columns, list_difference_int(layout->columns, key->columns));

	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s does not have the partition key in it", describe(key, relid)),
			 errdetail("PostgreSQL keeps a key unique over all partitions only if it has the whole partition key in it."),
			 expression ? errhint("Give primary_key => '', and the primary key is given up.") :
			 errhint("Give primary_key => %s, and it is unique by all of these only; or primary_key => '', and it is given up.",
					 quote_literal_cstr(column_names(relid, columns)))));
}

static void
check_key(const PartitionLayout *layout, const Key *key, Oid relid)
{
	bool		stays = has_key(layout, key->columns) && (!key->exclusion || ZDM_HAS_PARTITIONED_EXCLUSION);
	bool		asked = key->primary && (layout->no_primary_key || layout->primary_key != NIL);

	if (stays && !asked)
		return;
	if (key->primary && !asked)
		refuse_primary_key(layout, key, relid);
	if (asked && equal(key->columns, layout->primary_key))
		return;
	if (!key->exclusion)
		refuse_referenced(key, relid);
	if (asked)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s does not have the partition key in it", describe(key, relid)),
			 key->exclusion && !ZDM_HAS_PARTITIONED_EXCLUSION ?
			 errdetail("Before PostgreSQL 17, no partitioned table has exclusion constraints.") :
			 errdetail("PostgreSQL keeps a key over all partitions only if it has the whole partition key in it."),
			 key->constraint != NULL ?
			 errhint("To do without it: ALTER TABLE %s DROP CONSTRAINT %s; first.", names_relation(relid), key->constraint) :
			 errhint("To do without it: SELECT zdm.migrate(%s); first.", quote_literal_cstr(psprintf("DROP INDEX %s", names_relation(key->index))))));
}

void
partition_key_settle(PartitionLayout *layout, Oid relid, const char *primary_key)
{
	ListCell   *lc;

	settle_primary_key(layout, relid, primary_key);
	foreach(lc, keys_of(relid))
		check_key(layout, lfirst(lc), relid);
}

/* Is it by this index that subscribers know a row? */
static bool
is_identity(const Key *key)
{
	return QUERY_ONCE("SELECT FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE indexrelid = $1 AND indisreplident AND relreplident = 'i'",
					  arg_oid(key->index)) > 0;
}

List *
partition_key_losses(Oid relid, const PartitionLayout *layout)
{
	List	   *losses = NIL;
	ListCell   *lc;

	foreach(lc, keys_of(relid))
	{
		const Key  *key = lfirst(lc);

		if (!key->primary || equal(key->columns, layout->primary_key))
			continue;
		if (layout->no_primary_key && is_identity(key))
			losses = lappend(losses, psprintf("the replica identity becomes FULL, as index \"%s\" is given up, and stays so after a revert",
											  key->name));
		if (layout->no_primary_key)
			losses = lappend(losses, psprintf("primary key \"%s\" (%s) is given up: nothing keeps it unique over all partitions",
											  key->name, column_names(relid, key->columns)));
		else if (layout->primary_key != NIL)
			losses = lappend(losses, psprintf("primary key \"%s\" (%s) becomes (%s): nothing keeps (%s) unique by itself over all partitions any more",
											  key->name, column_names(relid, key->columns), column_names(relid, layout->primary_key),
											  column_names(relid, key->columns)));
	}
	return losses;
}
