/*-------------------------------------------------------------------------
 *
 * column.c
 *		What hangs on a column: loading it, and refusing what cannot be carried.
 *
 * pg_depend is asked what depends on the column, and everything it names must
 * be of a kind that is known here: an unknown one is refused, since a plan that
 * forgets something loses it in silence.  What pg_depend does not tell (grants,
 * comments, a partition's own settings) is looked up beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/column.h"
#include "core/errors.h"
#include "core/names.h"
#include "draft/deparse.h"
#include "facts/facts_expr.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

/*
 * The column options that users set.  Some servers keep notes of their own
 * beside them, which belong to the one column only.
 */
#define USER_OPTIONS "option_name IN ('n_distinct', 'n_distinct_inherited')"

pg_noreturn static void refuse(const char *object, Oid relid, const char *column,
							   const char *hint);

static void
refuse(const char *object, Oid relid, const char *column, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s depends on column \"%s\" of %s and cannot be carried to another column",
					object, column, names_relation(relid)),
			 errhint("%s", hint)));
}

/*
 * Several things that are in the way are named together, so that nobody takes one
 * down to learn of the next.
 */
void
column_refuse(const char *object, const Column *column, const char *hint)
{
	if (!column->loading)
		refuse(object, column->relid, column->name, hint);
	((Column *) column)->refused = lappend(lappend(column->refused, pstrdup(object)), pstrdup(hint));
}

static void
raise_refused(Column *column)
{
	StringInfoData objects;
	StringInfoData hints;

	column->loading = false;
	if (column->refused == NIL)
		return;
	if (list_length(column->refused) == 2)
		refuse(linitial(column->refused), column->relid, column->name, lsecond(column->refused));
	initStringInfo(&objects);
	initStringInfo(&hints);
	for (int i = 0; i < list_length(column->refused); i += 2)
	{
		const char *object = list_nth(column->refused, i);
		const char *hint = list_nth(column->refused, i + 1);
		size_t		length = strlen(object);

		/* what is said of it by the way ends in a comma of its own */
		appendStringInfo(&objects, "%s%.*s", objects.len > 0 ? "; " : "",
						 (int) (length - (object[length - 1] == ',')), object);
		if (strstr(hints.data, hint) == NULL)
			appendStringInfo(&hints, "%s%s", hints.len > 0 ? " " : "", hint);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("these depend on column \"%s\" of %s and cannot be carried to another column: %s",
					column->name, names_relation(column->relid), objects.data),
			 errhint("%s", hints.data)));
}

/* What the catalog says of the column itself. */
static Column *
load_attribute(Oid relid, const char *name)
{
	QuerySession session;
	Column	   *column = palloc0(sizeof(Column));

	query_begin_printing(&session, relid);
	if (QUERY("SELECT a.attnum::int, format_type(a.atttypid, a.atttypmod), "
			  "CASE WHEN a.attcollation <> t.typcollation THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(c.collname) "
			  "  FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) END, "
			  "a.attnotnull, pg_get_expr(d.adbin, d.adrelid), "
			  "CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN' "
			  "  WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END, "
			  "CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END, "
			  "coalesce(a.attstattarget, -1)::int, "
			  "coalesce((SELECT array_agg(quote_ident(o.option_name) || ' = ' || quote_literal(o.option_value)) "
			  "  FROM pg_options_to_table(a.attoptions) o WHERE " USER_OPTIONS "), '{}'), "
			  "col_description(a.attrelid, a.attnum), "
			  "a.attidentity <> '', a.attgenerated <> '', a.attinhcount > 0 OR NOT a.attislocal, d.adbin::text, a.atttypid, "
			  "EXISTS (SELECT 1 FROM pg_seclabel s WHERE s.classoid = 'pg_class'::regclass AND s.objoid = a.attrelid AND s.objsubid = a.attnum), "
			  "(SELECT relowner FROM pg_class WHERE oid = a.attrelid) "
			  "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
			  "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
			  "WHERE a.attrelid = $1 AND a.attname = $2 AND NOT a.attisdropped",
			  arg_oid(relid), arg_text(name)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist",
						name, get_rel_name(relid))));
	column->relid = relid;
	column->name = pstrdup(name);
	column->attnum = (AttrNumber) query_int4(0, 1);
	column->type = query_text(0, 2);
	column->collation = query_text(0, 3);
	column->not_null = query_bool(0, 4);
	column->default_text = query_text(0, 5);
	column->storage = query_text(0, 6);
	column->compression = query_text(0, 7);
	column->statistics = query_int4(0, 8);
	column->options = query_texts(0, 9);
	column->comment = query_text(0, 10);
	if (column->attnum < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is a system column", name)));
	if (query_bool(0, 12))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s is a generated column", name, names_relation(relid)),
				 errdetail("A generated column cannot be written, so it cannot be kept in step.")));
	if (query_bool(0, 13))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s is inherited", name, names_relation(relid)),
				 errhint("Call the function for the table that it is inherited from, if that is a partitioned one.")));
	if (query_bool(0, 16))
		refuse("a security label", relid, name, "Remove the security label first, and set it again afterwards.");
	if (column->default_text != NULL)
	{
		char	   *tree = query_text(0, 14);

		column->default_volatile = contain_volatile_functions(stringToNode(tree));
	}
	column->type_oid = query_oid(0, 15);
	column->owner = query_oid(0, 17);
	query_end(&session);
	return column;
}

/* The column's own privileges. */
static List *
load_grants(Oid relid, AttrNumber attnum, const char *name)
{
	QuerySession session;
	List	   *grants = NIL;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT x.privilege_type, CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(g.rolname) END, "
			  "x.is_grantable, x.grantor = c.relowner, quote_ident(r.rolname) "
			  "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid, aclexplode(a.attacl) x "
			  "LEFT JOIN pg_roles g ON g.oid = x.grantee LEFT JOIN pg_roles r ON r.oid = x.grantor "
			  "WHERE a.attrelid = $1 AND a.attnum = $2 ORDER BY 2, 1",
			  arg_oid(relid), arg_int2(attnum));
	for (uint64 row = 0; row < n; row++)
	{
		char	   *grantee = query_text(row, 2);
		ColumnGrant *grant;

		if (!query_bool(row, 4))
			refuse(psprintf("a privilege granted to %s by %s, who is not the owner,",
							grantee, query_text(row, 5)),
				   relid, name, "Let the owner grant it instead.");
		grant = palloc(sizeof(ColumnGrant));
		grant->privilege = query_text(row, 1);
		grant->grantee = grantee;
		grant->grantable = query_bool(row, 3);
		grants = lappend(grants, grant);
	}
	query_end(&session);
	return grants;
}

static const char *
hint_for_dependent(const char *catalog, const char *contype)
{
	if (strcmp(catalog, "pg_rewrite") == 0)
		return "Drop the view or rule first, and create it again over the new column afterwards.";
	if (strcmp(catalog, "pg_policy") == 0)
		return "Drop the policy first, and create it again over the new column afterwards.";
	if (strcmp(catalog, "pg_trigger") == 0)
		return "Create the trigger again without naming the column (UPDATE OF, WHEN), first.";
	if (strcmp(catalog, "pg_statistic_ext") == 0)
		return "Drop the statistics object first, and create it again over the new column afterwards.";
	if (strcmp(catalog, "pg_publication_rel") == 0)
		return "Publish the table without a column list or row filter while the migration runs.";
	if (strcmp(catalog, "pg_proc") == 0)
		return "Create the function again with a string body while the migration runs.";
	if (strcmp(contype, "x") == 0)
		return "PostgreSQL has no way to build an exclusion constraint without locking the table; drop it first.";
	return "Remove the dependency first.";
}

/*
 * A partition key is noted the other way round: its columns depend on the
 * table, so that they cannot be dropped without it.
 */
static void
refuse_partition_key(const Column *column, Oid relid, AttrNumber attnum)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = $1 AND objsubid = $2 "
			  "AND refclassid = 'pg_class'::regclass AND refobjid = $1 AND refobjsubid = 0 AND deptype = 'i'",
			  arg_oid(relid), arg_int2(attnum)) > 0)
		refuse("the partition key", relid, column->name,
			   "A column of the partition key cannot be replaced online.");
	query_end(&session);
}

/*
 * Look at everything that depends on one attribute of one relation, the table
 * or a partition.  Indexes and checks of the table itself go into "column";
 * what a partition inherits from its parent is the parent's matter.
 */
static void
load_dependents(Column *column, Oid relid, AttrNumber attnum)
{
	QuerySession session;
	bool		is_root = relid == column->relid;
	uint64		n;

	query_begin_printing(&session, relid);
	n = QUERY("SELECT DISTINCT d.classid::regclass::text, d.objid, d.objsubid::int, "
			  "CASE WHEN f.oid IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid) "
			  "  ELSE pg_describe_object('pg_class'::regclass, f.adrelid, f.adnum) END, "
			  "coalesce(c.relkind::text, ''), coalesce(o.contype::text, ''), "
			  "coalesce(c.relispartition OR (o.contype = 'c' AND o.coninhcount > 0) "
			  "  OR (o.contype <> 'c' AND o.conparentid <> 0), false), "
			  "d.classid = 'pg_attrdef'::regclass AND f.adnum = d.refobjsubid, d.deptype = 'i', "
			  "coalesce(r.rulename = '_RETURN' AND v.relkind IN ('v', 'm'), false) "
			  "FROM pg_depend d "
			  "LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid "
			  "LEFT JOIN pg_constraint o ON d.classid = 'pg_constraint'::regclass AND o.oid = d.objid "
			  "LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid "
			  "LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
			  "LEFT JOIN pg_class v ON v.oid = r.ev_class "
			  "WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.refobjsubid = $2 "
			  "ORDER BY 4",
			  arg_oid(relid), arg_int2(attnum));
	for (uint64 row = 0; row < n; row++)
	{
		char	   *catalog = query_text(row, 1);
		Oid			object = query_oid(row, 2);
		char	   *description = query_text(row, 4);
		char	   *relkind = query_text(row, 5);
		char	   *contype = query_text(row, 6);
		bool		inherited = query_bool(row, 7);
		bool		own_default = query_bool(row, 8);
		bool		is_index = relkind[0] == RELKIND_INDEX || relkind[0] == RELKIND_PARTITIONED_INDEX;

		/* what is made of a foreign key for each partition goes with it */
		if (own_default || contype[0] == 'n' || (inherited && (!is_root || contype[0] == 'f')))
			continue;

		/* a generated column, or, from PostgreSQL 15 on, its expression */
		if (object == relid && strcmp(catalog, "pg_class") == 0)
		{
			dependent_load_stored(column, get_attname(relid, (AttrNumber) query_int4(row, 3), false));
			continue;
		}
		if (strcmp(catalog, "pg_attrdef") == 0)
		{
			dependent_load_generated(column, relid, object, description);
			continue;
		}
		if (relkind[0] == RELKIND_SEQUENCE && is_root)
		{
			sequence_load(column, object, query_bool(row, 9));
			continue;
		}
		if (is_root && (contype[0] == 'p' || contype[0] == 'u'))
		{
			key_load(column, object);
			continue;
		}
		if (is_root && contype[0] == 'f')
		{
			foreign_key_load(column, object);
			continue;
		}
		if (!is_root && (is_index || contype[0] == 'c' || contype[0] == 'f'))
		{
			column_refuse(psprintf("%s of the single partition %s", description, names_relation(relid)), column,
						  "Create it on the partitioned table, or drop it first.");
			continue;
		}
		if (is_root && strcmp(catalog, "pg_statistic_ext") == 0)
		{
			statistics_load(column, object);
			continue;
		}
		if (is_root && (query_bool(row, 10) || dependent_load(column, catalog, object, description)))
			continue;
		if (!is_index && contype[0] != 'c')
		{
			column_refuse(description, column, hint_for_dependent(catalog, contype));
			continue;
		}

		if (is_index)
			column->indexes = list_append_unique_oid(column->indexes, object);
	}
	query_end(&session);
}

static void
load_checks(Column *column)
{
	QuerySession session;
	List	   *trees = NIL;
	ListCell   *lc;
	uint64		n;

	query_begin(&session);
	n = QUERY("SELECT conname, conbin::text, convalidated, connoinherit, "
			  "coalesce(to_jsonb(o) ->> 'conenforced', 'true') = 'false', "
			  "obj_description(oid, 'pg_constraint') FROM pg_constraint o "
			  "WHERE conrelid = $1 AND contype = 'c' AND $2 = ANY (conkey) ORDER BY conname",
			  arg_oid(column->relid), arg_int2(column->attnum));
	for (uint64 row = 0; row < n; row++)
	{
		ColumnCheck *check = palloc0(sizeof(ColumnCheck));
		char	   *tree = query_text(row, 2);

		check->name = query_text(row, 1);
		trees = lappend(trees, tree);
		check->validated = query_bool(row, 3);
		check->no_inherit = query_bool(row, 4);
		check->not_enforced = query_bool(row, 5);
		check->comment = query_text(row, 6);
		column->checks = lappend(column->checks, check);
	}
	if (QUERY("SELECT conname, NOT convalidated FROM pg_constraint WHERE conrelid = $1 AND contype = 'n' "
			  "AND conkey = ARRAY[$2]", arg_oid(column->relid), arg_int2(column->attnum)) > 0)
	{
		column->not_null_name = query_text(0, 1);
		column->not_null_pending = query_bool(0, 2);
	}
	query_end(&session);
	/* printing runs a user's functions: not as the extension's owner */
	foreach(lc, column->checks)
		((ColumnCheck *) lfirst(lc))->expression =
			deparse_kept(stringToNode(list_nth(trees, foreach_current_index(lc))), column->relid, InvalidAttrNumber, NIL);
}

ColumnIndex *
column_index_load(Oid indexid)
{
	ColumnIndex *index = palloc0(sizeof(ColumnIndex));
	QuerySession session;
	ListCell   *lc;

	index->indexid = indexid;
	index->relid = IndexGetRelation(indexid, false);
	index->name = get_rel_name(indexid);
	index->partitioned = get_rel_relkind(indexid) == RELKIND_PARTITIONED_INDEX;
	query_begin(&session);
	QUERY("SELECT obj_description($1, 'pg_class')", arg_oid(indexid));
	index->comment = query_text(0, 1);
	query_end(&session);
	foreach(lc, index->partitioned ? find_inheritance_children(indexid, AccessShareLock) : NIL)
		index->children = lappend(index->children, column_index_load(lfirst_oid(lc)));
	return index;
}

/* What an index is beside an index; some things cannot simply be made a second time. */
static void
look_at_indexes(Column *column)
{
	QuerySession session;
	List	   *indexes = list_copy(column->indexes);
	ListCell   *lc;

	foreach(lc, column->keys)
		indexes = lappend_oid(indexes, ((ColumnKey *) lfirst(lc))->indexid);
	query_begin(&session);
	foreach(lc, indexes)
	{
		char	   *name = names_relation(lfirst_oid(lc));

		QUERY("SELECT indisreplident, indisclustered, NOT indisvalid, "
			  "EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass "
			  "  AND objid = $1 AND deptype = 'x') FROM pg_index WHERE indexrelid = $1",
			  arg_oid(lfirst_oid(lc)));
		if (query_bool(0, 1))
			column->identity_index = lfirst_oid(lc);
		if (query_bool(0, 2))
			column->cluster_index = lfirst_oid(lc);
		if (query_bool(0, 3))
			refuse(psprintf("index %s, which is invalid,", name), column->relid, column->name,
				   "Drop it, or build it again with REINDEX INDEX CONCURRENTLY.");
		if (query_bool(0, 4))
			refuse(psprintf("index %s, which depends on an extension,", name),
				   column->relid, column->name, "Run ALTER INDEX ... NO DEPENDS ON EXTENSION first.");
	}
	query_end(&session);
}

/*
 * What a partition has set for its own column and its parent has not would be
 * lost: a new column has the parent's settings everywhere.
 */
static void
refuse_partition_settings(const Column *column, Oid leaf)
{
	QuerySession session;
	char	   *differs = NULL;

	query_begin_printing(&session, leaf);
	if (QUERY("SELECT concat_ws(', ', "
			  "CASE WHEN l.attstorage <> r.attstorage THEN 'storage' END, "
			  "CASE WHEN l.attcompression <> r.attcompression THEN 'compression' END, "
			  "CASE WHEN l.attstattarget IS DISTINCT FROM r.attstattarget THEN 'statistics target' END, "
			  "CASE WHEN EXISTS (SELECT option_name, option_value FROM pg_options_to_table(l.attoptions) WHERE " USER_OPTIONS
			  "  EXCEPT SELECT option_name, option_value FROM pg_options_to_table(r.attoptions)) THEN 'options' END, "
			  "CASE WHEN l.attacl IS NOT NULL THEN 'privileges' END, "
			  "CASE WHEN EXISTS (SELECT FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = l.attrelid AND objsubid = l.attnum) THEN 'security label' END, "
			  "CASE WHEN l.attnotnull <> r.attnotnull THEN 'NOT NULL' END, "
			  "CASE WHEN col_description(l.attrelid, l.attnum) IS NOT NULL THEN 'comment' END, "
			  "CASE WHEN pg_get_expr(ld.adbin, ld.adrelid) IS DISTINCT FROM pg_get_expr(rd.adbin, rd.adrelid) THEN 'default' END) "
			  "FROM pg_attribute r JOIN pg_attribute l ON l.attrelid = $3 AND l.attname = r.attname "
			  "LEFT JOIN pg_attrdef rd ON rd.adrelid = r.attrelid AND rd.adnum = r.attnum "
			  "LEFT JOIN pg_attrdef ld ON ld.adrelid = l.attrelid AND ld.adnum = l.attnum "
			  "WHERE r.attrelid = $1 AND r.attnum = $2",
			  arg_oid(column->relid), arg_int2(column->attnum), arg_oid(leaf)) > 0)
		differs = query_text(0, 1);
	query_end(&session);
	if (differs != NULL && differs[0] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("partition %s has its own settings for column \"%s\": %s",
						names_relation(leaf), column->name, differs),
				 errdetail("They cannot be carried to another column."),
				 errhint("Give the partition the settings of the partitioned table first.")));
}

/*
 * A column of the table's row type has values of the old column in it, which
 * nothing would bring over to the new one: PostgreSQL's own error, as for any
 * change to the table's rows.  Its own search locks the types of the table and
 * of every partition, until the caller's transaction ends; to know it, reading
 * is enough.
 */
static void
refuse_row_type_columns(List *members)
{
	QuerySession session;

	query_begin(&session);
	if (QUERY("WITH RECURSIVE t(type, member) AS (SELECT reltype, oid FROM pg_class WHERE oid = ANY ($1) AND reltype <> 0 "
			  "UNION SELECT coalesce(nullif(c.reltype, 0), d.objid), t.member FROM t JOIN pg_depend d ON refclassid = 'pg_type'::regclass AND refobjid = t.type "
			  "LEFT JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid "
			  "WHERE classid = 'pg_type'::regclass AND deptype <> 'e' OR c.relkind = 'c' AND objsubid > 0) "
			  "SELECT r.relname, c.relname, a.attname FROM t JOIN pg_class r ON r.oid = t.member "
			  "JOIN pg_depend d ON refclassid = 'pg_type'::regclass AND refobjid = t.type AND classid = 'pg_class'::regclass AND objsubid > 0 "
			  "JOIN pg_class c ON c.oid = objid AND c.relkind IN ('r', 'p', 'm', 'i') "
			  "JOIN pg_attribute a ON a.attrelid = objid AND a.attnum = objsubid AND NOT attisdropped ORDER BY 1, 2, 3 LIMIT 1",
			  arg_oids(members)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot alter table \"%s\" because column \"%s.%s\" uses its row type",
						query_text(0, 1), query_text(0, 2), query_text(0, 3))));
	query_end(&session);
}

/* Keys that a foreign key can refer to come first, in the order of their making. */
static int
compare_keys(const ListCell *a, const ListCell *b)
{
	const ColumnKey *left = lfirst(a);
	const ColumnKey *right = lfirst(b);

	if (left->deferrable != right->deferrable)
		return left->deferrable ? 1 : -1;
	return left->indexid < right->indexid ? -1 : 1;
}

Column *
column_load(Oid relid, const char *name)
{
	Column	   *column = load_attribute(relid, name);
	List	   *members = find_all_inheritors(relid, AccessShareLock, NULL);
	ListCell   *lc;

	column->grants = load_grants(relid, column->attnum, name);
	refuse_row_type_columns(members);
	column->loading = true;
	foreach(lc, members)
	{
		Oid			member = lfirst_oid(lc);

		refuse_partition_key(column, member, get_attnum(member, name));
		load_dependents(column, member, get_attnum(member, name));
		if (member != relid)
			refuse_partition_settings(column, member);
	}
	list_sort(column->keys, compare_keys);
	load_checks(column);
	matview_load(column);
	view_load(column);
	look_at_indexes(column);
	foreach(lc, column->indexes)
		column->index_trees = lappend(column->index_trees, column_index_load(lfirst_oid(lc)));
	raise_refused(column);
	return column;
}

void
column_check_schema(const Column *column)
{
	Oid			schema = get_rel_namespace(column->relid);
	bool		create = column->indexes != NIL;
	const char *privileges = create ? "USAGE, CREATE" : "USAGE";
	char	   *name = pstrdup(quote_identifier(get_namespace_name(schema)));

	if (object_aclcheck(NamespaceRelationId, schema, column->owner, ACL_USAGE) == ACLCHECK_OK &&
		(!create || object_aclcheck(NamespaceRelationId, schema, column->owner, ACL_CREATE) == ACLCHECK_OK))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the owner of %s needs %s on schema %s", names_relation(column->relid),
					privileges, name),
			 errdetail("The work is done with the rights of the table's owner."),
			 errhint("GRANT %s ON SCHEMA %s TO %s.", privileges, name,
					 quote_identifier(GetUserNameFromId(column->owner, false)))));
}

void
column_check_new_type(const Column *column, Oid type)
{
	if (get_typtype(type) == TYPTYPE_DOMAIN && facts_domain_checked(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" of %s cannot be carried to one of the domain %s, which has constraints",
						column->name, names_relation(column->relid), format_type_be_qualified(type)),
				 errdetail("Adding a second column of that type would rewrite the table."),
				 errhint("Use the domain's base type, and CHECK constraints of the table.")));
}

List *
column_claims(Oid relid, const char *name)
{
	Column	   *column = column_load(relid, name);
	List	   *claims = NIL;
	ListCell   *lc;

	foreach(lc, column->indexes)
		claims = lappend(claims, psprintf("index %s", get_rel_name(lfirst_oid(lc))));
	foreach(lc, column->checks)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnCheck *) lfirst(lc))->name));
	foreach(lc, column->keys)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnKey *) lfirst(lc))->name));
	foreach(lc, column->foreign_keys)
		claims = lappend(claims, psprintf("constraint %s", ((ColumnForeignKey *) lfirst(lc))->name));
	foreach(lc, column->extended)
		claims = lappend(claims, psprintf("statistics %s", ((ColumnStatistics *) lfirst(lc))->name));
	foreach(lc, column->matviews)
		claims = lappend(claims, psprintf("materialized view %s", ((ColumnMatview *) lfirst(lc))->name));
	foreach(lc, column->views)
		claims = lappend(claims, psprintf("view %s", ((ColumnView *) lfirst(lc))->name));
	foreach(lc, column->dependents)
		claims = lappend(claims, ((ColumnDependent *) lfirst(lc))->description);
	return claims;
}

void
column_check_new_name(Oid relid, const char *name)
{
	ListCell   *lc;

	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("a column name cannot be empty")));
	if (get_attnum(relid, name) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("column name \"%s\" conflicts with a system column name", name)));
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (get_attnum(lfirst_oid(lc), name) != InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" already exists",
							name, get_rel_name(lfirst_oid(lc)))));
	}
}
