/*-------------------------------------------------------------------------
 *
 * load.c
 *		What hangs on a column, as the catalog has it.
 *
 * pg_depend is asked what depends on the column, and everything it names must
 * be taken by one of the parts: what none takes is refused, since a plan that
 * forgets something loses it in silence.  What pg_depend does not tell (grants,
 * comments, a partition's own settings) is looked up beside it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/folded.h"
#include "catalog/partition.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/load.h"
#include "column/part.h"
#include "core/errors.h"
#include "core/names.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "compat.h"

/*
 * The column options that users set.  Some servers keep notes of their own
 * beside them, which belong to the one column only.
 */
#define USER_OPTIONS "option_name IN ('n_distinct', 'n_distinct_inherited')"

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
		column_refuse_at_once("a security label", relid, name,
							  "Remove the security label first, and set it again afterwards.");
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
			column_refuse_at_once(psprintf("a privilege granted to %s by %s, who is not the owner,",
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

bool
dependent_is_index(const Dependent *dependent)
{
	return dependent->relkind == RELKIND_INDEX || dependent->relkind == RELKIND_PARTITIONED_INDEX;
}

static const char *
hint_for_dependent(const Dependent *dependent)
{
	const char *catalog = dependent->catalog;

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
	return "Remove the dependency first.";
}

/* Of the table, or of one of its partitions that is partitioned itself. */
bool
column_in_partition_key(Oid relid, const char *name, bool *in_expression)
{
	bool		found = false;
	ListCell   *lc;

	*in_expression = false;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		Relation	rel = relation_open(lfirst_oid(lc), NoLock);
		AttrNumber	attnum = get_attnum(lfirst_oid(lc), name);
		bool		in_this = false;

		if (attnum != InvalidAttrNumber)
			found |= folded_partition_key_has(rel, attnum, &in_this);
		*in_expression |= in_this;
		relation_close(rel, NoLock);
	}
	return found;
}

/* Has one of the parts taken it?  Of a partition, only some can have any of their own. */
static bool
take(Column *column, const Dependent *dependent)
{
	for (int i = 0; i < column_parts_length; i++)
	{
		const ColumnPart *part = column_parts[i];

		if (part->load != NULL && (dependent->relid == column->relid || part->of_partitions) &&
			part->load(column, dependent))
			return true;
	}
	return false;
}

static void
load_dependent(Column *column, const Dependent *dependent)
{
	if (take(column, dependent))
		return;
	if (dependent->relid != column->relid &&
		(dependent_is_index(dependent) || dependent->contype == 'c' || dependent->contype == 'f'))
		column_refuse(psprintf("%s of the single partition %s", dependent->description,
							   names_relation(dependent->relid)), column,
					  "Create it on the partitioned table, or drop it first.");
	else
		column_refuse(dependent->description, column, hint_for_dependent(dependent));
}

/*
 * Look at everything that depends on one attribute of one relation, the table
 * or a partition.  What a partition inherits from its parent is the parent's matter.
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
			  "d.classid = 'pg_attrdef'::regclass AND f.adnum = d.refobjsubid, "
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
		Dependent	dependent = {
			.relid = relid, .catalog = query_text(row, 1), .object = query_oid(row, 2),
			.attnum = (AttrNumber) query_int4(row, 3), .description = query_text(row, 4),
			.relkind = query_text(row, 5)[0], .contype = query_text(row, 6)[0],
			.view = query_bool(row, 9),
		};
		bool		inherited = query_bool(row, 7);
		bool		own_default = query_bool(row, 8);

		/* what is made of a foreign key for each partition goes with it */
		if (own_default || dependent.contype == 'n' || (inherited && (!is_root || dependent.contype == 'f')))
			continue;
		load_dependent(column, &dependent);
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

		load_dependents(column, member, get_attnum(member, name));
		if (member != relid)
			refuse_partition_settings(column, member);
	}
	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->look != NULL)
			column_parts[i]->look(column);
	}
	column_raise_refused(column);
	return column;
}

List *
column_claims(Oid relid, const char *name)
{
	Column	   *column = column_load(relid, name);
	List	   *claims = NIL;

	for (int i = 0; i < column_parts_length; i++)
	{
		if (column_parts[i]->claims != NULL)
			claims = list_concat(claims, column_parts[i]->claims(column));
	}
	return claims;
}
