/*-------------------------------------------------------------------------
 *
 * first.c
 *		A table becomes the first partition of the one that takes its name, as plain SQL.
 *
 * As a worker does it (run/first_partition.c), the table is the default partition until
 * contract: no row moves, and none has to come back.  Definitions are taken from the
 * catalog when it is done, so that what has been altered since the files were made is as
 * it is then.  Here a partitioned table is another table to all that refers to a table by
 * its OID.  What has no statement that moves it, or only one that would look at the rows,
 * is looked for under the locks, and stops it by name.
 *
 * The bound has to be proved by a constraint, since no statement takes a word for it.
 * So from its first block on, contract keeps rows out that are beyond the bound.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "core/expression.h"
#include "core/names.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What keeps the table from being exchanged in SQL: rows of one text; $ is its OID. */
#define IN_THE_WAY \
	"SELECT format('%s %s', CASE WHEN c.relkind = 'v' THEN 'view' WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'rule of' END, c.oid::regclass)\n" \
	"FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class\n" \
	"WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {table}::regclass\n" \
	"UNION SELECT format('foreign key %I of %s', conname, conrelid::regclass) FROM pg_constraint WHERE contype = 'f' AND confrelid = {table}::regclass\n" \
	"UNION SELECT format('constraint %I, which is NOT VALID', conname) FROM pg_constraint WHERE conrelid = {table}::regclass AND contype IN ('c', 'f') AND NOT convalidated\n" \
	"UNION SELECT format('constraint %I, with NO INHERIT', conname) FROM pg_constraint WHERE conrelid = {table}::regclass AND contype = 'c' AND connoinherit\n" \
	"UNION SELECT format('exclusion constraint %I', conname) FROM pg_constraint WHERE conrelid = {table}::regclass AND contype = 'x'\n" \
	"UNION SELECT format('trigger %I', tgname) FROM pg_trigger WHERE tgrelid = {table}::regclass AND NOT tgisinternal\n" \
	"UNION SELECT format('policy %I', polname) FROM pg_policy WHERE polrelid = {table}::regclass\n" \
	"UNION SELECT 'row-level security' FROM pg_class WHERE oid = {table}::regclass AND (relrowsecurity OR relforcerowsecurity)\n" \
	"UNION SELECT format('publication %I', pubname) FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid WHERE prrelid = {table}::regclass\n" \
	"UNION SELECT format('statistics object %I', stxname) FROM pg_statistic_ext WHERE stxrelid = {table}::regclass\n" \
	"UNION SELECT format('identity column %I', attname) FROM pg_attribute WHERE attrelid = {table}::regclass AND attidentity <> '' AND NOT attisdropped\n" \
	"UNION SELECT format('privileges on column %I', attname) FROM pg_attribute WHERE attrelid = {table}::regclass AND attacl IS NOT NULL AND NOT attisdropped\n" \
	"UNION SELECT format('privileges that %s granted', a.grantor::regrole) FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = {table}::regclass AND a.grantor <> c.relowner\n" \
	"UNION SELECT format('inheritance: %s', CASE WHEN inhrelid = {table}::regclass THEN inhparent ELSE inhrelid END::regclass) FROM pg_inherits WHERE {table}::regclass IN (inhrelid, inhparent)\n" \
	"UNION SELECT format('type %s', reloftype::regtype) FROM pg_class WHERE oid = {table}::regclass AND reloftype <> 0\n" \
	"UNION SELECT 'replica identity USING INDEX' FROM pg_class WHERE oid = {table}::regclass AND relreplident = 'i'\n" \
	"UNION SELECT 'a security label' FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = {table}::regclass\n" \
	"UNION SELECT 'membership in an extension' FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = {table}::regclass AND deptype = 'e'\n" \
	"UNION SELECT format('function %s', objid::regprocedure) FROM pg_depend WHERE classid = 'pg_proc'::regclass AND deptype = 'n'\n" \
	"	AND (refclassid = 'pg_class'::regclass AND refobjid = {table}::regclass OR refclassid = 'pg_type'::regclass AND refobjid IN ({types}))\n" \
	"UNION SELECT format('column %I of %s, which has the type of its rows', a.attname, a.attrelid::regclass) FROM pg_attribute a\n" \
	"WHERE a.atttypid IN ({types}) AND NOT a.attisdropped"

/* The row type, and the array of it. */
#define TYPES \
	"SELECT unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t JOIN pg_class c ON c.reltype = t.oid WHERE c.oid = {table}::regclass"

/* $from's privileges become $to's, which has none but these. */
#define PRIVILEGES \
	"	FOR zdm_sql IN SELECT format('REVOKE ALL ON %s FROM %s', {to}::regclass, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)\n" \
	"		FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = {to}::regclass GROUP BY grantee LOOP\n" \
	"		EXECUTE zdm_sql;\n" \
	"	END LOOP;\n" \
	"	FOR zdm_sql IN SELECT format('GRANT %s ON %s TO %s%s', privilege_type, {to}::regclass,\n" \
	"			CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END)\n" \
	"		FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a WHERE c.oid = {from}::regclass LOOP\n" \
	"		EXECUTE zdm_sql;\n" \
	"	END LOOP;\n"

/* Sequences that go with a column of $from go with $to's. */
#define SEQUENCES \
	"	FOR zdm_sql IN SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, {to}::regclass, a.attname)\n" \
	"		FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid\n" \
	"		WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {from}::regclass AND d.deptype = 'a' LOOP\n" \
	"		EXECUTE zdm_sql;\n" \
	"	END LOOP;\n"

/*
 * DETACH would look for rows that refer to the partition's, with everybody waiting.  Asked
 * under the locks, which keep a foreign key from being added until the end.
 */
#define NO_REFERENCES \
	"	SELECT string_agg(format('%I of %s', conname, conrelid::regclass), ', ' ORDER BY conname) INTO zdm_found\n" \
	"	FROM pg_constraint WHERE contype = 'f' AND confrelid = {table}::regclass AND conparentid = 0;\n" \
	"	IF zdm_found IS NOT NULL THEN\n" \
	"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'foreign keys to the table have come since: ' || zdm_found,\n" \
	"			HINT = 'Drop them, run this file again, and make them anew.';\n" \
	"	END IF;\n"

static const LayoutPart *
first_part(const FirstArgs *args)
{
	return linitial(args->layout->parts);
}

static char *
literal(const char *text)
{
	return quote_literal_cstr(text);
}

static char *
in_the_way(const char *table)
{
	StringInfoData types;
	StringInfoData buf;

	initStringInfo(&types);
	PUT(&types, TYPES, "table", literal(table));
	initStringInfo(&buf);
	PUT(&buf, IN_THE_WAY, "table", literal(table), "types", types.data);
	return buf.data;
}

void
first_look(const Script *script)
{
	char	   *found = query_once_text(psprintf("SELECT string_agg(w, ', ' ORDER BY w) FROM (%s) AS t(w)", in_the_way(script->table)), NULL, 0);

	if (found != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no script for a table that becomes a partition, with what hangs on %s: %s", script->table, found),
				 errdetail("The partitioned table is another one, and it moves there in the catalog, for which there is no SQL."),
				 errhint("Drop it before, and make it anew afterwards; or by hand, all that TABLE zdm.steps shows.")));
}

/* One of the texts above, from one table to the other. */
static char *
moved(const char *text, const char *from, const char *to)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf, text, "from", literal(from), "to", literal(to));
	return buf.data;
}

/* The constraint that proves the bound. */
static char *
first_bound_name(const Script *script)
{
	return pstrdup(quote_identifier(sql_own_name(script->plan->migration, "bound")));
}

static char *
no_references(const Script *script)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf, NO_REFERENCES, "table", literal(script->table));
	return buf.data;
}

/* The new primary key, and what stays beside it. */
static void
put_key(StringInfo buf, const FirstArgs *args, const char *table)
{
	if (args->constraint == NULL)
		return;
	if (args->kept_index != NULL)
		appendStringInfo(buf, "	ALTER TABLE %s DROP CONSTRAINT %s;\n", table, sql_name(args->constraint));
	appendStringInfo(buf, "	ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s;\n", table,
					 sql_name(args->constraint), sql_name(args->key_index));
}

char *
first_become(const Script *script, const FirstArgs *args)
{
	const LayoutPart *part = first_part(args);
	char	   *between = sql_qualified(get_rel_namespace(args->relation), part->name);
	StringInfoData buf;
	StringInfoData key;

	older_look(psprintf("SELECT FROM %s WHERE %s", script->table, expression_sql(args->layout->takes, args->relation, false)));
	initStringInfo(&key);
	put_key(&key, args, script->table);
	initStringInfo(&buf);
	PUT(&buf,
		"DECLARE\n"
		"	zdm_sql text;\n"
		"	zdm_found text;\n"
		"	zdm_names text[];\n"
		"	zdm_likes text[];\n"
		"	zdm_rest text[];\n"
		"BEGIN\n"
		"	SELECT string_agg(w, ', ' ORDER BY w) INTO zdm_found FROM (\n{in_the_way}) AS t(w);\n"
		"	IF zdm_found IS NOT NULL THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'what has come since the files were made cannot move to the partitioned table: ' || zdm_found,\n"
		"			HINT = 'Drop it, run this file again, and make it anew.';\n"
		"	END IF;\n"
		"{key}"
		"	-- as they read now, they make the partitioned table's\n"
		"	SELECT array_agg(format('ALTER INDEX %s RENAME TO %I', i.indexrelid::regclass,\n"
		"			{part} || CASE WHEN starts_with(c.relname, {base}) THEN substr(c.relname, length({base})) ELSE '_' || c.relname END) ORDER BY i.indexrelid),\n"
		"		array_agg(CASE WHEN o.oid IS NULL THEN pg_get_indexdef(i.indexrelid)\n"
		"			ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table_literal}, o.conname, pg_get_constraintdef(o.oid)) END ORDER BY i.indexrelid)\n"
		"		|| array_agg(format('COMMENT ON INDEX %s IS %L', i.indexrelid::regclass, obj_description(i.indexrelid, 'pg_class')) ORDER BY i.indexrelid)\n"
		"			FILTER (WHERE obj_description(i.indexrelid, 'pg_class') IS NOT NULL)\n"
		"	INTO zdm_names, zdm_likes\n"
		"	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_constraint o ON o.conindid = i.indexrelid AND o.conrelid = i.indrelid AND o.contype IN ('p', 'u')\n"
		"	WHERE i.indrelid = {table_literal}::regclass AND i.indisvalid AND {like};\n"
		"	SELECT array_agg(s ORDER BY n) INTO zdm_rest FROM (\n"
		"		SELECT 1 AS n, format('ALTER TABLE %s ADD CONSTRAINT %I %s', {table_literal}, conname, pg_get_constraintdef(oid)) AS s\n"
		"		FROM pg_constraint WHERE conrelid = {table_literal}::regclass AND contype IN ('c', 'f')\n"
		"		UNION ALL SELECT 2, format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, {table_literal}, obj_description(oid, 'pg_constraint'))\n"
		"		FROM pg_constraint WHERE conrelid = {table_literal}::regclass AND contype IN ('c', 'f', 'p', 'u') AND obj_description(oid, 'pg_constraint') IS NOT NULL\n"
		"		UNION ALL SELECT 2, format('COMMENT ON TABLE %s IS %L', {table_literal}, obj_description({table_literal}::regclass, 'pg_class'))\n"
		"		WHERE obj_description({table_literal}::regclass, 'pg_class') IS NOT NULL\n"
		"		UNION ALL SELECT 2, format('ALTER TABLE %s REPLICA IDENTITY %s', {table_literal}, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END)\n"
		"		FROM pg_class WHERE oid = {table_literal}::regclass AND relreplident IN ('f', 'n')\n"
		"		UNION ALL SELECT 2, format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', {table_literal}, attname, attstattarget)\n"
		"		FROM pg_attribute WHERE attrelid = {table_literal}::regclass AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0) AS t;\n"
		"	FOREACH zdm_sql IN ARRAY coalesce(zdm_names, ARRAY[]::text[]) LOOP\n"
		"		EXECUTE zdm_sql;\n"
		"	END LOOP;\n"
		"	ALTER TABLE {table} RENAME TO {name};\n"
		"	CREATE TABLE {table} (LIKE {between} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS)\n"
		"		PARTITION BY {by};\n"
		"	FOREACH zdm_sql IN ARRAY coalesce(zdm_likes, ARRAY[]::text[]) || coalesce(zdm_rest, ARRAY[]::text[]) LOOP\n"
		"		EXECUTE zdm_sql;\n"
		"	END LOOP;\n"
		"{sequences}"
		"{privileges}"
		"	-- what applications do not know has neither privileges nor comments\n"
		"	FOR zdm_sql IN SELECT format('REVOKE ALL ON %s FROM %s', {between_literal}, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)\n"
		"		FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = {between_literal}::regclass AND grantee <> relowner GROUP BY grantee\n"
		"		UNION ALL SELECT format('COMMENT ON INDEX %s IS NULL', indexrelid::regclass) FROM pg_index\n"
		"		WHERE indrelid = {between_literal}::regclass AND obj_description(indexrelid, 'pg_class') IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON CONSTRAINT %I ON %s IS NULL', conname, {between_literal}) FROM pg_constraint\n"
		"		WHERE conrelid = {between_literal}::regclass AND obj_description(oid, 'pg_constraint') IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON COLUMN %s.%I IS NULL', {between_literal}, attname) FROM pg_attribute\n"
		"		WHERE attrelid = {between_literal}::regclass AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON TABLE %s IS NULL', {between_literal}) WHERE obj_description({between_literal}::regclass, 'pg_class') IS NOT NULL LOOP\n"
		"		EXECUTE zdm_sql;\n"
		"	END LOOP;\n"
		"{schema}"
		"	-- the only one: nothing is read to prove that\n"
		"	ALTER TABLE {table} ATTACH PARTITION {first} DEFAULT;\n"
		"END",
		"in_the_way", in_the_way(script->table), "key", key.data,
		"part", literal(part->name), "base", literal(psprintf("%s_", get_rel_name(args->relation))),
		"table", script->table, "table_literal", literal(script->table), "name", sql_name(part->name), "between", between, "between_literal", literal(between),
		"by", partition_layout_key_sql(args->layout, args->relation, false), "first", partition_layout_part_name(part),
		"like", args->layout->no_primary_key ? "NOT i.indisprimary" :
		args->kept_index != NULL ? psprintf("c.relname <> %s", literal(args->kept_index)) : "true",
		"sequences", moved(SEQUENCES, between, script->table),
		"privileges", moved(PRIVILEGES, between, script->table),
		"schema", part->namespace == get_rel_namespace(args->relation) ? "" :
		psprintf("	ALTER TABLE %s SET SCHEMA %s;\n", between, sql_name(get_namespace_name(part->namespace))));
	return psprintf("DO %s", sql_dollar_quoted(buf.data));
}

char *
first_return(const Script *script, const FirstArgs *args)
{
	const LayoutPart *part = first_part(args);
	char	   *between = sql_qualified(get_rel_namespace(args->relation), part->name);
	StringInfoData buf;
	StringInfoData key;

	initStringInfo(&key);
	if (args->constraint != NULL)
		appendStringInfo(&key, "	ALTER TABLE %s DROP CONSTRAINT %s;\n", script->table, sql_name(args->constraint));
	if (args->kept_index != NULL)
		appendStringInfo(&key, "	ALTER TABLE %s ADD CONSTRAINT %s PRIMARY KEY USING INDEX %s;\n", script->table,
						 sql_name(args->constraint), sql_name(args->kept_index));
	initStringInfo(&buf);
	PUT(&buf,
		"DECLARE\n"
		"	zdm_sql text;\n"
		"	zdm_found text;\n"
		"	zdm_names text[];\n"
		"	zdm_comments text[];\n"
		"BEGIN\n"
		"	SELECT string_agg(inhrelid::regclass::text, ', ') INTO zdm_found FROM pg_inherits\n"
		"	WHERE inhparent = {table_literal}::regclass AND inhrelid <> {first_literal}::regclass;\n"
		"	IF zdm_found IS NOT NULL THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'other partitions have come since: ' || zdm_found,\n"
		"			HINT = 'Detach them, and run this file again.';\n"
		"	END IF;\n"
		"{no_references}"
		"	SELECT array_agg(format('ALTER INDEX %s RENAME TO %I', f.indexrelid::regclass, c.relname)) INTO zdm_names\n"
		"	FROM pg_index p JOIN pg_class c ON c.oid = p.indexrelid JOIN pg_inherits h ON h.inhparent = p.indexrelid JOIN pg_index f ON f.indexrelid = h.inhrelid\n"
		"	WHERE p.indrelid = {table_literal}::regclass AND f.indrelid = {first_literal}::regclass;\n"
		"	SELECT array_agg(s) INTO zdm_comments FROM (\n"
		"		SELECT format('COMMENT ON INDEX %s.%I IS %L', c.relnamespace::regnamespace, c.relname, obj_description(c.oid, 'pg_class')) AS s\n"
		"		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {table_literal}::regclass AND obj_description(c.oid, 'pg_class') IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, {table_literal}, obj_description(oid, 'pg_constraint'))\n"
		"		FROM pg_constraint WHERE conrelid = {table_literal}::regclass AND obj_description(oid, 'pg_constraint') IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON COLUMN %s.%I IS %L', {table_literal}, attname, col_description(attrelid, attnum))\n"
		"		FROM pg_attribute WHERE attrelid = {table_literal}::regclass AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NOT NULL\n"
		"		UNION ALL SELECT format('COMMENT ON TABLE %s IS %L', {table_literal}, obj_description({table_literal}::regclass, 'pg_class'))) AS t;\n"
		"	ALTER TABLE {table} DETACH PARTITION {first};\n"
		"	ALTER TABLE {first} DROP CONSTRAINT IF EXISTS {bound};\n"
		"{sequences}"
		"{privileges}"
		"	DROP TABLE {table};\n"
		"{schema}"
		"	ALTER TABLE {between} RENAME TO {old_name};\n"
		"	FOREACH zdm_sql IN ARRAY coalesce(zdm_names, ARRAY[]::text[]) || zdm_comments LOOP\n"
		"		EXECUTE zdm_sql;\n"
		"	END LOOP;\n"
		"{key}"
		"END",
		"no_references", no_references(script), "table", script->table, "table_literal", literal(script->table),
		"first", partition_layout_part_name(part), "first_literal", literal(partition_layout_part_name(part)), "bound", first_bound_name(script),
		"between", between, "old_name", sql_name(get_rel_name(args->relation)), "key", key.data,
		"sequences", moved(SEQUENCES, script->table, partition_layout_part_name(part)),
		"privileges", moved(PRIVILEGES, script->table, partition_layout_part_name(part)),
		"schema", part->namespace == get_rel_namespace(args->relation) ? "" :
		psprintf("	ALTER TABLE %s SET SCHEMA %s;\n", partition_layout_part_name(part), sql_name(get_namespace_name(get_rel_namespace(args->relation)))));
	return psprintf("DO %s", sql_dollar_quoted(buf.data));
}

char *
first_look_beyond(const Script *script, const FirstArgs *args, int number)
{
	StringInfoData buf;

	initStringInfo(&buf);
	PUT(&buf,
		"DECLARE\n"
		"	zdm_row text;\n"
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF EXISTS (SELECT FROM {state} WHERE step = {number} AND part = 0) THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	SELECT t::text INTO zdm_row FROM {first} t WHERE ({takes}) IS NOT TRUE LIMIT 1;\n"
		"	IF zdm_row IS NOT NULL THEN\n"
		"		RAISE check_violation USING MESSAGE = 'a row is beyond the bound of the first partition', DETAIL = zdm_row,\n"
		"			HINT = {hint};\n"
		"	END IF;\n"
		"END",
		"state", script->state, "state_literal", literal(script->state), "number", psprintf("%d", number),
		"first", partition_layout_part_name(first_part(args)), "takes", expression_sql(args->layout->takes, args->relation, false),
		"hint", literal(psprintf("Go back with %s, and make the files anew with a bound that takes it.", style_file(script, PART_REVERT))));
	return buf.data;
}

char *
first_state_bound(const Script *script, const FirstArgs *args)
{
	return psprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s) NOT VALID", partition_layout_part_name(first_part(args)), first_bound_name(script),
					expression_sql(args->layout->takes, args->relation, false));
}

char *
first_prove_bound(const Script *script, const FirstArgs *args)
{
	return psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", partition_layout_part_name(first_part(args)), first_bound_name(script));
}

/* Where and how the table is kept: the partitions ahead are kept alike. */
static char *
storage(Oid relid)
{
	return QUERY_ONCE_TEXT("SELECT concat(' USING ' || quote_ident(amname), "
						   "(SELECT ' WITH (' || string_agg(format('%I = %L', option_name, option_value), ', ') || ')' FROM pg_options_to_table(reloptions)), "
						   "' TABLESPACE ' || quote_ident(spcname)) "
						   "FROM pg_class c LEFT JOIN pg_am a ON a.oid = relam LEFT JOIN pg_tablespace t ON t.oid = reltablespace WHERE c.oid = $1",
						   arg_oid(relid));
}

char *
first_settle(const Script *script, const FirstArgs *args)
{
	const LayoutPart *part = first_part(args);
	StringInfoData buf;
	StringInfoData body;
	ListCell   *lc;

	initStringInfo(&buf);
	if (args->beyond != NULL)
	{
		sql_statement(&buf, "DO %s", sql_dollar_quoted(psprintf("DECLARE\n	zdm_found text;\nBEGIN\n%sEND", no_references(script))));
		sql_statement(&buf, "ALTER TABLE %s DETACH PARTITION %s", script->table, partition_layout_part_name(part));
		sql_statement(&buf, "ALTER TABLE %s ATTACH PARTITION %s %s", script->table, partition_layout_part_name(part), part->bound);
		sql_statement(&buf, "ALTER TABLE %s DROP CONSTRAINT %s", partition_layout_part_name(part), first_bound_name(script));
	}
	for_each_from(lc, args->layout->parts, 1)
		sql_statement(&buf, "CREATE %sTABLE %s PARTITION OF %s %s%s",
					  get_rel_persistence(args->relation) == RELPERSISTENCE_UNLOGGED ? "UNLOGGED " : "", partition_layout_part_name(lfirst(lc)),
					  script->table, ((LayoutPart *) lfirst(lc))->bound, storage(args->relation));
	initStringInfo(&body);
	PUT(&body,
		"DECLARE\n"
		"	zdm_sql text;\n"
		"BEGIN\n"
		"	FOR zdm_sql IN SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', inhrelid::regclass, attname, attstattarget)\n"
		"		FROM pg_inherits, pg_attribute WHERE inhparent = {table}::regclass AND inhrelid <> {first}::regclass\n"
		"		AND attrelid = {first}::regclass AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0 LOOP\n"
		"		EXECUTE zdm_sql;\n"
		"	END LOOP;\n"
		"END",
		"table", literal(script->table), "first", literal(partition_layout_part_name(part)));
	sql_statement(&buf, "DO %s", sql_dollar_quoted(body.data));
	if (args->kept_index != NULL)
		sql_statement(&buf, "DROP INDEX %s", sql_qualified(part->namespace, args->kept_index));
	return buf.data;
}
