/*-------------------------------------------------------------------------
 *
 * refuse.c
 *		What hangs on a table and cannot move.
 *
 * All that pg_depend names is either moved by a part, or it is refused: what we do not
 * know is not left behind.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/query.h"
#include "column/view_properties.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/limit.h"
#include "core/names.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "move/refuse.h"
#include "move/retyped_views.h"
#include "move/view_query.h"
#include "storage/lockdefs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/*
 * Each gives what is in the way, why, and what to do.  $1: the tables; $2: is the other
 * one partitioned?
 */
static const char *const questions[] = {
	/* the table itself */
	"SELECT pg_describe_object('pg_class'::regclass, c.oid, 0), 'is a typed table', "
	"format('ALTER TABLE %s NOT OF;', c.oid::regclass) FROM pg_class c WHERE c.oid = ANY ($1) AND c.reloftype <> 0",
	"SELECT pg_describe_object('pg_class'::regclass, d.objid, 0), format('belongs to extension %I', e.extname), "
	"format('ALTER EXTENSION %I DROP TABLE %s;', e.extname, d.objid::regclass) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid "
	"WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY ($1) AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass",
	"SELECT pg_describe_object('pg_class'::regclass, i.inhrelid, 0), format('inherits from %s', i.inhparent::regclass), "
	"format(CASE WHEN c.relispartition THEN 'ALTER TABLE %s DETACH PARTITION %s;' ELSE 'ALTER TABLE %2$s NO INHERIT %1$s;' END, i.inhparent::regclass, i.inhrelid::regclass) "
	"FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = ANY ($1) AND NOT i.inhparent = ANY ($1)",
	"SELECT pg_describe_object('pg_class'::regclass, i.inhrelid, 0), 'is an inheritance child of it', "
	"format('ALTER TABLE %s NO INHERIT %s;', i.inhrelid::regclass, i.inhparent::regclass) "
	"FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = ANY ($1) AND NOT c.relispartition",
	/* its row type: the other table has one of its own */
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid), 'uses the type of its rows', 'Use another type in it, or drop it first.' "
	"FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i' AND d.refobjid IN "
	"(SELECT unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t WHERE t.typrelid = ANY ($1))",
	/* triggers */
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), 'fires for each row with a transition table, which a partitioned table cannot have', "
	"'Have it fire for each statement instead.' FROM pg_trigger t WHERE $2 AND t.tgrelid = ANY ($1) AND NOT t.tgisinternal "
	"AND t.tgtype & 1 = 1 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL)",
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), format('calls %s, which its owner may not', t.tgfoid::regprocedure), "
	"format('GRANT EXECUTE ON FUNCTION %s TO %s;', t.tgfoid::regprocedure, c.relowner::regrole) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
	"WHERE (t.tgrelid = ANY ($1) OR t.tgconstrrelid = ANY ($1)) AND NOT t.tgisinternal AND NOT has_function_privilege(c.relowner, t.tgfoid, 'EXECUTE')",
	"SELECT format('foreign key %I of %s', c.conname, c.conrelid::regclass), 'has triggers that have been disabled, or enabled otherwise', "
	"format('ALTER TABLE %s ENABLE TRIGGER ALL;', t.tgrelid::regclass) FROM pg_constraint c JOIN pg_trigger t ON t.tgconstraint = c.oid "
	"WHERE c.contype = 'f' AND (c.conrelid = ANY ($1) OR c.confrelid = ANY ($1)) AND t.tgenabled <> 'O'",
	/* functions with SQL bodies: they are replaced as their owner would */
	"SELECT pg_describe_object('pg_proc'::regclass, f.oid, 0), format('is in schema %I, in which its owner may not create', n.nspname), "
	"format('GRANT CREATE ON SCHEMA %I TO %s;', n.nspname, f.proowner::regrole) FROM pg_depend d JOIN pg_proc f ON f.oid = d.objid "
	"JOIN pg_namespace n ON n.oid = f.pronamespace "
	"WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1) "
	"AND NOT has_schema_privilege(f.proowner, n.oid, 'CREATE')",
	"SELECT DISTINCT pg_describe_object('pg_proc'::regclass, f.oid, 0), 'is LEAKPROOF, and only a superuser can say so again', "
	"format('ALTER FUNCTION %s NOT LEAKPROOF; and LEAKPROOF again afterwards.', f.oid::regprocedure) FROM pg_depend d JOIN pg_proc f ON f.oid = d.objid "
	"JOIN pg_roles o ON o.oid = f.proowner WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1) "
	"AND f.proleakproof AND NOT o.rolsuper",
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
	"SELECT pg_describe_object('pg_publication_rel'::regclass, r.oid, 0), 'chooses rows or columns of a table that is to be partitioned', "
	"format('ALTER PUBLICATION %I SET (publish_via_partition_root = true);', p.pubname) FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid "
	"WHERE $2 AND r.prrelid = ANY ($1) AND NOT p.pubviaroot AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)",
#endif
	/* the other table has another row type */
	"SELECT pg_describe_object(x.class, x.oid, 0), 'is about whole rows, and those will be of another type', "
	"'Drop it first, and make it again of the columns.' FROM (SELECT 'pg_constraint'::regclass, oid, conbin::text FROM pg_constraint "
	"  WHERE conrelid = ANY ($1) AND contype = 'c' UNION ALL SELECT 'pg_class'::regclass, indexrelid, concat(indexprs, indpred) FROM pg_index "
	"  WHERE indrelid = ANY ($1)) x(class, oid, tree) WHERE x.tree ~ '[{]VAR :varno \\d+ :varattno 0 '",
	/* what we do not know */
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid), 'depends on it in a way that is not known here', 'Drop it first, and create it again afterwards.' "
	"FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid "
	"WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1) AND NOT (d.classid = 'pg_class'::regclass AND d.objid = ANY ($1)) "
	"AND NOT d.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass, 'pg_publication_rel'::regclass) "
	"AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i') "
	"AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_attrdef a WHERE a.oid = d.objid AND a.adrelid = d.refobjid)) "
	"AND NOT (d.classid = 'pg_statistic_ext'::regclass AND EXISTS (SELECT FROM pg_statistic_ext s WHERE s.oid = d.objid AND s.stxrelid = d.refobjid)) "
	"AND NOT (d.classid = 'pg_constraint'::regclass AND EXISTS (SELECT FROM pg_constraint n WHERE n.oid = d.objid AND d.refobjid IN (n.conrelid, n.confrelid))) "
	"AND NOT (d.classid = 'pg_trigger'::regclass AND EXISTS (SELECT FROM pg_trigger t WHERE t.oid = d.objid AND d.refobjid IN (t.tgrelid, t.tgconstrrelid))) "
	"AND NOT (d.classid = 'pg_class'::regclass AND (c.relkind = 't' OR c.relkind = 'S' AND d.deptype IN ('a', 'i') "
	"  OR EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = d.objid AND i.indrelid = d.refobjid) "
	"  OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = d.objid AND i.inhparent = d.refobjid) "
	/* a table that is ours, and goes with it */
	"  OR d.deptype = 'a' AND c.relkind IN ('r', 'p')))",
};

/* A foreign key that is NOT VALID, of what is to be partitioned. */
static const char not_valid[] =
	"SELECT format('foreign key %I', c.conname), 'is NOT VALID, which one of a partitioned table cannot be before PostgreSQL 18', "
	"format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.conrelid::regclass, c.conname) FROM pg_constraint c "
	"WHERE $2 AND c.contype = 'f' AND c.conrelid = ANY ($1) AND NOT c.convalidated";

/* What is about the column $2 of the tables, as pg_depend has it. */
#define ON_COLUMN(catalog, object) \
	"EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid " \
	"  WHERE d.classid = '" catalog "'::regclass AND d.objid = " object " AND d.refclassid = 'pg_class'::regclass " \
	"  AND d.refobjid = ANY ($1) AND a.attname = $2)"
#define AFTERWARDS "and make it again afterwards%s"

/* Materialized views that read the column $2. */
static const char matviews_of_converted[] =
	"SELECT pg_describe_object('pg_class'::regclass, c.oid, 0), c.oid, "
	"format('DROP MATERIALIZED VIEW %s; " AFTERWARDS "', c.oid::regclass, $3::text) "
	"FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename = '_RETURN' AND c.relkind = 'm' AND " ON_COLUMN("pg_rewrite", "r.oid")
	" ORDER BY c.oid";

/* What keeps the views $1 from being made anew. */
static const char *const questions_of_retyped[] = {
	"SELECT pg_describe_object('pg_class'::regclass, v.oid, 0), format('is to be made anew, in schema %I, in which its owner may not create', n.nspname), "
	"format('GRANT CREATE ON SCHEMA %I TO %s;', n.nspname, v.relowner::regrole) FROM pg_class v JOIN pg_namespace n ON n.oid = v.relnamespace "
	"WHERE v.oid = ANY ($1) AND NOT has_schema_privilege(v.relowner, n.oid, 'CREATE')",
	"SELECT pg_describe_object('pg_class'::regclass, d.objid, 0), format('is to be made anew, and belongs to extension %I', e.extname), "
	"format('ALTER EXTENSION %I DROP VIEW %s;', e.extname, d.objid::regclass) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid "
	"WHERE d.classid = 'pg_class'::regclass AND d.objid = ANY ($1) AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass",
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), format('calls %s, which the view''s owner may not', t.tgfoid::regprocedure), "
	"format('GRANT EXECUTE ON FUNCTION %s TO %s;', t.tgfoid::regprocedure, v.relowner::regrole) FROM pg_trigger t JOIN pg_class v ON v.oid = t.tgrelid "
	"WHERE t.tgrelid = ANY ($1) AND NOT t.tgisinternal AND NOT has_function_privilege(v.relowner, t.tgfoid, 'EXECUTE')",
	"SELECT pg_describe_object('pg_class'::regclass, v.oid, 0), 'is temporary, and only its session can make it again', "
	"format('DROP VIEW %s; and make it again afterwards, or let its session end.', v.oid::regclass) FROM pg_class v WHERE v.oid = ANY ($1) AND v.relpersistence = 't'",
	"SELECT pg_describe_object('pg_class'::regclass, root, 0), 'is defined by itself', format('DROP VIEW %s CASCADE; nobody can read it.', root::regclass) FROM "
	"(WITH RECURSIVE up(root, oid) AS (SELECT v, v FROM unnest($1) v UNION SELECT up.root, r.ev_class FROM up JOIN pg_depend d "
	"  ON d.refclassid = 'pg_class'::regclass AND d.refobjid = up.oid AND d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n' "
	"  JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' AND r.ev_class <> up.oid) "
	"SELECT DISTINCT up.root FROM up JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = up.oid "
	"  AND d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n' JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' AND r.ev_class = up.root AND up.oid <> up.root) x",
	"SELECT pg_describe_object('pg_class'::regclass, v, 0), format('is to be made anew, and %s has granted privileges on it', g.grantor), "
	"format('REVOKE what %s has granted on %s, and have its owner grant it.', g.grantor, v::regclass) "
	"FROM unnest($1) v, LATERAL (" VIEW_GRANTORS_SQL("v") ") g(grantor) WHERE g.grantor IS NOT NULL",
	/* all but views over them, which are among them, and what is their own */
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid), format('depends on view %s, which is to be made anew', v.oid::regclass), "
	"'Drop it first, and create it again afterwards.' FROM pg_class v JOIN pg_depend d ON d.deptype = 'n' AND "
	"(d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid OR d.refclassid = 'pg_type'::regclass "
	"  AND d.refobjid IN (SELECT oid FROM pg_type WHERE typrelid = v.oid UNION ALL SELECT typarray FROM pg_type WHERE typrelid = v.oid)) "
	"LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "
	"WHERE v.oid = ANY ($1) AND NOT coalesce(r.ev_class = v.oid OR r.rulename = '_RETURN' AND r.ev_class = ANY ($1), false)",
};

/*
 * The same of what is about the column $2, which is to be of another type.  $3: different
 * values stay different, there and back, so that what goes by their equality goes on.  $5: so
 * they do in a row that goes over, whatever that takes.  $4: how the hint ends.
 */
static const char *const questions_of_converted[] = {
	"SELECT pg_describe_object('pg_rewrite'::regclass, r.oid, 0), 'is about the column', "
	"format('DROP RULE %I ON %s; " AFTERWARDS "', r.rulename, r.ev_class::regclass, $4::text) "
	"FROM pg_rewrite r WHERE r.rulename <> '_RETURN' AND " ON_COLUMN("pg_rewrite", "r.oid"),
	"SELECT pg_describe_object('pg_proc'::regclass, f.oid, 0), 'reads the column, and keeps the type that it has', "
	"format('DROP FUNCTION %s; " AFTERWARDS "', f.oid::regprocedure, $4::text) FROM pg_proc f WHERE " ON_COLUMN("pg_proc", "f.oid"),
	"SELECT 'generated ' || pg_describe_object('pg_class'::regclass, g.attrelid, g.attnum), 'is computed from it', "
	"format('ALTER TABLE %s DROP COLUMN %I; and add it again afterwards.', g.attrelid::regclass, g.attname) "
	"FROM pg_attribute g JOIN pg_attrdef e ON e.adrelid = g.attrelid AND e.adnum = g.attnum WHERE g.attrelid = ANY ($1) AND g.attgenerated <> '' "
	"AND EXISTS (SELECT FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
	"  WHERE (d.classid, d.objid, d.objsubid) IN (('pg_attrdef'::regclass, e.oid, 0), ('pg_class'::regclass, g.attrelid, g.attnum)) "
	"  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = g.attrelid AND a.attname = $2 AND a.attnum <> g.attnum)",
	"SELECT pg_describe_object('pg_statistic_ext'::regclass, s.oid, 0), 'has an expression with the column', "
	"format('DROP STATISTICS %I.%I; and make them again afterwards.', n.nspname, s.stxname) "
	"FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxexprs IS NOT NULL AND " ON_COLUMN("pg_statistic_ext", "s.oid"),
	"SELECT format('constraint %I', c.conname), 'is about the column, and not valid', "
	"format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.conrelid::regclass, c.conname) FROM pg_constraint c "
	"WHERE c.conrelid = ANY ($1) AND c.contype = 'c' AND NOT c.convalidated AND " ON_COLUMN("pg_constraint", "c.oid"),
	/* by equality, or by what the values are */
	"SELECT pg_describe_object('pg_class'::regclass, i.indexrelid, 0), 'keeps values of the column apart, and different ones may become the same', "
	"CASE WHEN c.oid IS NULL THEN format('DROP INDEX %s; " AFTERWARDS "', i.indexrelid::regclass, $4::text) "
	"  ELSE format('ALTER TABLE %s DROP CONSTRAINT %I; " AFTERWARDS "', i.indrelid::regclass, c.conname, $4::text) END "
	"FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x') AND c.conrelid = i.indrelid "
	"WHERE i.indrelid = ANY ($1) AND (i.indisexclusion OR i.indisunique AND NOT $3 AND NOT $5) AND (" ON_COLUMN("pg_class", "i.indexrelid")
	"  OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attname = $2 AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])))",
	"SELECT format('foreign key %I of %s', c.conname, c.conrelid::regclass), 'compares the column with another, and its values become others', "
	"format('ALTER TABLE %s DROP CONSTRAINT %I; " AFTERWARDS "', c.conrelid::regclass, c.conname, $4::text) FROM pg_constraint c, pg_attribute a "
	"WHERE NOT $3 AND c.contype = 'f' AND c.conparentid = 0 AND a.attname = $2 AND a.attrelid = ANY ($1) "
	"AND (a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey) OR a.attrelid = c.confrelid AND a.attnum = ANY (c.confkey))",
	"SELECT pg_describe_object('pg_policy'::regclass, p.oid, 0), 'is about the column, and its values become others', "
	"format('DROP POLICY %I ON %s; " AFTERWARDS "', p.polname, p.polrelid::regclass, $4::text) FROM pg_policy p WHERE NOT $3 AND " ON_COLUMN("pg_policy", "p.oid"),
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), 'has a condition on the column, and its values become others', "
	"format('DROP TRIGGER %I ON %s; " AFTERWARDS "', t.tgname, t.tgrelid::regclass, $4::text) FROM pg_trigger t "
	"WHERE NOT $3 AND t.tgqual IS NOT NULL AND NOT t.tgisinternal AND " ON_COLUMN("pg_trigger", "t.oid"),
#ifdef ZDM_HAS_PUBLICATION_OBJECTS
	"SELECT pg_describe_object('pg_publication_rel'::regclass, r.oid, 0), 'chooses rows by the column, and its values become others', "
	"format('ALTER PUBLICATION %I DROP TABLE %s; " AFTERWARDS "', p.pubname, r.prrelid::regclass, $4::text) "
	"FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE NOT $3 AND r.prqual IS NOT NULL AND " ON_COLUMN("pg_publication_rel", "r.oid"),
#endif
};

/* A column that the other table ($2) has not: what is about it cannot go. */
static const char no_column[] =
	"SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid), format('is about column %I, which the other table does not have', a.attname), "
	"'Drop it first, and create it again once the column is there.' FROM pg_attribute a "
	"JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum "
	"WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped AND d.classid <> 'pg_attrdef'::regclass "
	"AND NOT EXISTS (SELECT FROM pg_attribute b WHERE b.attrelid = $2 AND b.attname = a.attname AND b.attnum > 0 AND NOT b.attisdropped) ORDER BY 1, 2";

typedef struct Refused
{
	StringInfoData detail;
	StringInfoData hint;
	int			count;
} Refused;

static void
refuse(Refused *refused, const char *object, const char *reason, const char *hint)
{
	appendStringInfo(&refused->detail, "%s%s %s.", refused->count > 0 ? "\n" : "", object, reason);
	appendStringInfo(&refused->hint, "%s%s: %s", refused->count > 0 ? "\n" : "", object, hint);
	refused->count++;
}

static void
ask(Refused *refused, const char *question, List *tables, bool partitioned)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY(psprintf("SELECT DISTINCT * FROM (%s) x(object, reason, hint) WHERE $2 IS NOT NULL ORDER BY 1, 2", question),
			  arg_oids(tables), arg_bool(partitioned));
	for (uint64 row = 0; row < n; row++)
		refuse(refused, query_text(row, 1), query_text(row, 2), query_text(row, 3));
	query_end(&session);
}

/* A second column would carry it: but of the partition key there is none. */
static const char *
afterwards(const MoveConverted *converted)
{
	return converted->in_key ? "." : "; without keep_place it is carried.";
}

/* A materialized view's columns keep their types; what only chooses rows by values that stay the same goes on. */
static void
ask_of_matviews(Refused *refused, const MoveConverted *converted, List *tables)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY(matviews_of_converted, arg_oids(tables), arg_text(converted->name), arg_text(afterwards(converted)));
	for (uint64 row = 0; row < n; row++)
	{
		if (!converted->exact || view_query_shows(query_oid(row, 2), tables, converted->name))
			refuse(refused, query_text(row, 1), "reads the column, and keeps the type that it has", query_text(row, 3));
	}
	query_end(&session);
}

static void
ask_of_converted(Refused *refused, const MoveConverted *converted, List *tables)
{
	QuerySession session;
	List	   *retyped;

	if (converted == NULL)
		return;
	ask_of_matviews(refused, converted, tables);
	retyped = retyped_views_find(tables, converted);
	for (int i = 0; i < lengthof(questions_of_retyped); i++)
		ask(refused, questions_of_retyped[i], retyped, false);
	query_begin(&session);
	for (int i = 0; i < lengthof(questions_of_converted); i++)
	{
		uint64		n = QUERY(psprintf("SELECT DISTINCT * FROM (%s) x(object, reason, hint) ORDER BY 1, 2",
									   questions_of_converted[i]),
							  arg_oids(tables), arg_text(converted->name), arg_bool(converted->exact),
							  arg_text(afterwards(converted)), arg_bool(converted->in_key));

		for (uint64 row = 0; row < n; row++)
			refuse(refused, query_text(row, 1), query_text(row, 2), query_text(row, 3));
	}
	query_end(&session);
}

static void
ask_columns(Refused *refused, const Move *move)
{
	QuerySession session;
	uint64		n;

	query_begin(&session);
	n = QUERY(no_column, arg_oid(move->from), arg_oid(move->to));
	for (uint64 row = 0; row < n; row++)
		refuse(refused, query_text(row, 1), query_text(row, 2), query_text(row, 3));
	query_end(&session);
}

typedef struct ViewReading
{
	Oid			view;
	char	   *owner;
	int			limit_ms;		/* for reading it; 0: none */
} ViewReading;

static void
read_text(void *arg)
{
	(void) view_query_read(arg);
}

static void
read_view(void *arg)
{
	const ViewReading *reading = arg;
	char	   *text = view_query_text(reading->view);
	char	   *what = psprintf("view %s of role %s", names_relation(reading->view), reading->owner);
	Identity	identity;

	identity_enter(identity_of(reading->view), NIL, &identity);
	limit_run(reading->limit_ms, what, read_text, text);
	identity_leave(&identity);
}

/* A view is given its own text again: its owner may have lost the right to a schema since. */
static void
read_views(Refused *refused, List *tables, int limit_ms)
{
	ListCell   *lc;

	foreach(lc, view_query_users(tables))
	{
		Oid			view = lfirst_oid(lc);
		ViewReading reading = {.view = view, .limit_ms = limit_ms};
		ErrorData  *error;

		reading.owner = pstrdup(quote_identifier(GetUserNameFromId(identity_of(view), false)));
		if (!attempt_run(read_view, &reading, ATTEMPT_UNDO, &error))
			refuse(refused, psprintf("view %s", names_relation(view)),
				   psprintf("cannot be read again as its owner, %s: %s", reading.owner, error->message),
				   "Give its owner what it lacks, or drop the view first, and create it again afterwards.");
	}
}

static void
ask_all(Refused *refused, List *tables, bool partitioned, const MoveConverted *converted, int limit_ms)
{
	initStringInfo(&refused->detail);
	initStringInfo(&refused->hint);
	refused->count = 0;
	for (int i = 0; i < lengthof(questions); i++)
		ask(refused, questions[i], tables, partitioned);
	if (!ZDM_HAS_PARTITIONED_FK_NOT_VALID)
		ask(refused, not_valid, tables, partitioned);
	ask_of_converted(refused, converted, tables);
	read_views(refused, tables, limit_ms);
}

/* The table, and if it is partitioned its partitions. */
static List *
tables_of(Oid relid)
{
	return find_all_inheritors(relid, AccessShareLock, NULL);
}

void
move_check(Oid relid, const MoveTarget *target)
{
	Refused		refused;

	ask_all(&refused, get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE ? tables_of(relid) : list_make1_oid(relid),
			target->partitioned, target->converted, 0);
	if (refused.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("not all that hangs on table %s can go with its name to another one", names_relation(relid)),
				 errdetail("%s", refused.detail.data),
				 errhint("%s", refused.hint.data)));
}

/* What a partition ($1) has that partitions in its place, of $2, cannot be given. */
static const char *const gifts[] = {
	"SELECT pg_describe_object('pg_class'::regclass, c.oid, 0), format('belongs to %s, and the partitioned table to %s', c.relowner::regrole, p.relowner::regrole), "
	"format('ALTER TABLE %s OWNER TO %s;', c.oid::regclass, p.relowner::regrole) FROM pg_class c, pg_class p WHERE c.oid = $1 AND p.oid = $2 AND c.relowner <> p.relowner",
	"SELECT pg_describe_object('pg_class'::regclass, d.objid, 0), format('belongs to extension %I', e.extname), "
	"format('ALTER EXTENSION %I DROP TABLE %s;', e.extname, d.objid::regclass) FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid "
	"WHERE d.classid = 'pg_class'::regclass AND d.objid = $1 AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass",
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid), 'uses the type of its rows', 'Use another type in it, or drop it first.' "
	"FROM pg_depend d WHERE d.refclassid = 'pg_type'::regclass AND d.deptype <> 'i' AND d.refobjid IN "
	"(SELECT unnest(ARRAY[t.oid, t.typarray]) FROM pg_type t WHERE t.typrelid = $1)",
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), 'is its own', 'Drop it, and make it on the partitioned table.' "
	"FROM pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0",
	"SELECT pg_describe_object('pg_trigger'::regclass, t.oid, 0), 'is enabled otherwise than that of the partitioned table', "
	"format('ALTER TABLE %s %s TRIGGER %I;', t.tgrelid::regclass, CASE p.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' "
	"  WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END, t.tgname) "
	"FROM pg_trigger t JOIN pg_trigger p ON p.oid = t.tgparentid WHERE t.tgrelid = $1 AND t.tgenabled <> p.tgenabled AND NOT t.tgisinternal",
	"SELECT format('foreign key %I of %s', c.conname, c.conrelid::regclass), 'is not one of the partitioned table', "
	"format('ALTER TABLE %s DROP CONSTRAINT %I; and add it to %s.', c.conrelid::regclass, c.conname, $2::regclass) FROM pg_constraint c "
	"WHERE c.contype = 'f' AND (c.conrelid = $1 OR c.confrelid = $1) AND c.conparentid = 0",
	"SELECT format('constraint %I', c.conname), 'is not valid, and would be of the new partitions', "
	"format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.conrelid::regclass, c.conname) FROM pg_constraint c "
	"WHERE c.conrelid = $1 AND NOT c.convalidated AND (c.conparentid <> 0 OR c.coninhcount > 0)",
	"SELECT pg_describe_object('pg_class'::regclass, i.indexrelid, 0), 'is not valid', format('DROP INDEX CONCURRENTLY %s;', i.indexrelid::regclass) "
	"FROM pg_index i WHERE i.indrelid = $1 AND NOT i.indisvalid",
	"SELECT format('generated %s', pg_describe_object('pg_class'::regclass, a.attrelid, a.attnum)), 'is computed otherwise than that of the partitioned table', "
	"'Split a partition whose columns are as those of the partitioned table.' FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = $2 AND b.attname = a.attname "
	"LEFT JOIN pg_attrdef d ON d.adrelid = $1 AND d.adnum = a.attnum LEFT JOIN pg_attrdef e ON e.adrelid = $2 AND e.adnum = b.attnum "
	"WHERE a.attrelid = $1 AND NOT a.attisdropped AND a.attgenerated <> '' AND pg_get_expr(d.adbin, $1) IS DISTINCT FROM pg_get_expr(e.adbin, $2)",
	/* rows are taken over with their indexes, and those are made as the partitioned table's */
	"SELECT pg_describe_object('pg_class'::regclass, i.indexrelid, 0), format('is in another order, or of other operators, than %s', p.indexrelid::regclass), "
	"format('Detach %s, drop the index, and attach it again.', $1::regclass) FROM pg_index i JOIN pg_inherits h ON h.inhrelid = i.indexrelid JOIN pg_index p ON p.indexrelid = h.inhparent "
	"WHERE i.indrelid = $1 AND (i.indoption::text, i.indclass::text, i.indcollation::text, i.indnkeyatts, i.indisunique) IS DISTINCT FROM "
	"(p.indoption::text, p.indclass::text, p.indcollation::text, p.indnkeyatts, p.indisunique)",
	"SELECT pg_describe_object('pg_class'::regclass, p.indexrelid, 0), 'has no part that is on it', "
	"format('Build one on %s, and ALTER INDEX %s ATTACH PARTITION it.', $1::regclass, p.indexrelid::regclass) FROM pg_index p WHERE p.indrelid = $2 "
	"AND NOT EXISTS (SELECT FROM pg_inherits h JOIN pg_index i ON i.indexrelid = h.inhrelid WHERE h.inhparent = p.indexrelid AND i.indrelid = $1)",
	"SELECT pg_describe_object('pg_class'::regclass, i.inhrelid, 0), 'inherits from it', 'Drop it first.' FROM pg_inherits i WHERE i.inhparent = $1",
	"SELECT pg_describe_object('pg_statistic_ext'::regclass, s.oid, 0), 'is of it alone', format('DROP STATISTICS %I.%I;', n.nspname, s.stxname) "
	"FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE s.stxrelid = $1",
	"SELECT pg_describe_object('pg_publication_rel'::regclass, r.oid, 0), 'names it', "
	"format('ALTER PUBLICATION %I DROP TABLE %s; and have it publish %s.', p.pubname, r.prrelid::regclass, $2::regclass) "
	"FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1",
	/* views, rules, functions, policies of others, sequences: they know it by its OID */
	"SELECT pg_describe_object(d.classid, d.objid, d.objsubid), 'depends on it, and not on the partitioned table', 'Drop it first, or have it use the partitioned table.' "
	"FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid "
	"WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND NOT (d.classid = 'pg_class'::regclass AND d.objid = $1) "
	"AND NOT (d.classid = 'pg_policy'::regclass AND EXISTS (SELECT FROM pg_policy q WHERE q.oid = d.objid AND q.polrelid = $1)) "
	"AND NOT d.classid IN ('pg_publication_rel'::regclass, 'pg_statistic_ext'::regclass, 'pg_trigger'::regclass, 'pg_constraint'::regclass) "
	"AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i') "
	"AND NOT (d.classid = 'pg_attrdef'::regclass AND EXISTS (SELECT FROM pg_attrdef a WHERE a.oid = d.objid AND a.adrelid = $1)) "
	"AND NOT (d.classid = 'pg_class'::regclass AND (c.relkind = 't' "
	"  OR EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = d.objid AND i.indrelid = $1) "
	"  OR d.deptype = 'a' AND c.relkind IN ('r', 'p')))",
};

void
move_check_gifts(Oid from, Oid parent)
{
	Refused		refused = {0};
	QuerySession session;

	initStringInfo(&refused.detail);
	initStringInfo(&refused.hint);
	query_begin(&session);
	for (int i = 0; i < lengthof(gifts); i++)
	{
		uint64		n = QUERY(psprintf("SELECT DISTINCT * FROM (%s) x(object, reason, hint) WHERE $2 IS NOT NULL ORDER BY 1, 2", gifts[i]),
							  arg_oid(from), arg_oid(parent));

		for (uint64 row = 0; row < n; row++)
			refuse(&refused, query_text(row, 1), query_text(row, 2), query_text(row, 3));
	}
	query_end(&session);
	if (refused.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("not all that hangs on partition %s can be given to those in its place", names_relation(from)),
				 errdetail("%s", refused.detail.data),
				 errhint("%s", refused.hint.data)));
}

void
refuse_late(const Move *move, List *tables, bool partitioned)
{
	Refused		refused;

	/* all are waiting now */
	ask_all(&refused, tables, partitioned, move->converted, guc_lock_wait);
	if (move->own != NIL)
		ask_columns(&refused, move);
	if (refused.count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("what hangs on table %s since the migration was stated cannot go with its name",
						names_relation(move->from)),
				 errdetail("%s", refused.detail.data),
				 errhint("%s", refused.hint.data)));
}
