/*-------------------------------------------------------------------------
 *
 * definition.c
 *		What hangs on a column as it is defined when it is moved.
 *
 * Days may pass between the call and the cutover, and again to the way back.
 * Who has altered a policy, replaced a function or disabled a trigger meanwhile
 * must not find it as it was: so nothing is kept but which object it is.  What
 * it says of the column is said by name, and the exchange runs it again when
 * the name means the other column.
 *
 * With another type PostgreSQL puts casts into what it is told, and would put in
 * more on the way back.  So the exchange leaves a note of what it found, for
 * those objects that are then still as it made them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/query.h"
#include "column/carry.h"
#include "column/definition.h"
#include "column/view_properties.h"
#include "common/hashfn.h"
#include "core/errors.h"
#include "core/identity.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "compat.h"

/*
 * The object "o" of the catalog is about the column that is left ($4, of table
 * $3), and not about the one that comes into charge ($5) already.
 */
#define IS_ABOUT(o, attnum) \
	"EXISTS (SELECT 1 FROM pg_depend WHERE classid = " o ".tableoid AND objid = " o ".oid " \
	"  AND refclassid = 'pg_class'::regclass AND refobjid = $3 AND refobjsubid = " attnum ")"
#define MOVES(o) IS_ABOUT(o, "$4") " AND NOT " IS_ABOUT(o, "$5")

#define TRIGGER_FROM \
	"pg_trigger t, LATERAL (SELECT quote_ident(t.tgname) AS name, t.tgrelid::regclass AS tab) n " \
	"WHERE t.tgrelid = $1 AND t.tgname = ANY ($6) AND NOT t.tgisinternal AND " MOVES("t")
#define RULE_FROM \
	"pg_rewrite r, LATERAL (SELECT quote_ident(r.rulename) AS name, r.ev_class::regclass AS tab) n " \
	"WHERE r.ev_class = $1 AND r.rulename = ANY ($6) AND " MOVES("r")
#define PUBLICATION_FROM \
	"pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid, " \
	"LATERAL (SELECT quote_ident(p.pubname) AS name, r.prrelid::regclass AS tab) n " \
	"WHERE p.oid = $1 AND r.prrelid = $3 AND " MOVES("r")
#define FIRING(letter) \
	"CASE " letter " WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'D' THEN 'DISABLE' END"

/* Each gives one statement a row. */
static const char *const queries[] = {
	[DEFINITION_TRIGGER_DROP] = "SELECT 'DROP TRIGGER ' || name || ' ON ' || tab FROM " TRIGGER_FROM,
	[DEFINITION_TRIGGER_CREATE] = "SELECT s FROM (SELECT unnest(ARRAY[pg_get_triggerdef(t.oid), "
	"'ALTER TABLE ' || tab || ' ' || " FIRING("t.tgenabled") " || ' TRIGGER ' || name, "
	"'COMMENT ON TRIGGER ' || name || ' ON ' || tab || ' IS ' || quote_literal(obj_description(t.oid, 'pg_trigger'))]) "
	"FROM " TRIGGER_FROM ") x(s) WHERE s IS NOT NULL",
	[DEFINITION_RULE_DROP] = "SELECT 'DROP RULE ' || name || ' ON ' || tab FROM " RULE_FROM,
	[DEFINITION_RULE_CREATE] = "SELECT s FROM (SELECT unnest(ARRAY[rtrim(pg_get_ruledef(r.oid), ';'), "
	/* of a view, a rule cannot be disabled */
	"'ALTER TABLE ' || tab || ' ' || " FIRING("r.ev_enabled") " || ' RULE ' || name, "
	"'COMMENT ON RULE ' || name || ' ON ' || tab || ' IS ' || quote_literal(obj_description(r.oid, 'pg_rewrite'))]) "
	"FROM " RULE_FROM ") x(s) WHERE s IS NOT NULL",
	[DEFINITION_POLICY] = "SELECT 'ALTER POLICY ' || quote_ident(polname) || ' ON ' || polrelid::regclass "
	"|| coalesce(' USING (' || pg_get_expr(polqual, polrelid) || ')', '') "
	"|| coalesce(' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')', '') "
	"FROM pg_policy p WHERE polrelid = $1 AND polname = ANY ($6) AND " MOVES("p"),
	[DEFINITION_GENERATED] = "SELECT 'ALTER TABLE ' || d.adrelid::regclass || ' ALTER COLUMN ' || quote_ident(a.attname) "
	"|| ' SET EXPRESSION AS (' || pg_get_expr(d.adbin, d.adrelid) || ')' "
	"FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
	"WHERE d.adrelid = $1 AND a.attname = $2 AND " MOVES("d"),
	[DEFINITION_PUBLICATION_DROP] = "SELECT 'ALTER PUBLICATION ' || name || ' DROP TABLE ' || tab FROM " PUBLICATION_FROM,
	[DEFINITION_PUBLICATION_ADD] = "SELECT 'ALTER PUBLICATION ' || name || ' ADD TABLE ' || tab "
	"|| coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM unnest(r.prattrs::int2[]) k(n) "
	"  JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.n) || ')', '') "
	"|| coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '') FROM " PUBLICATION_FROM,
	[DEFINITION_FUNCTION] = "SELECT pg_get_functiondef(f.oid) FROM pg_proc f WHERE f.oid = $1 AND " MOVES("f"),
	[DEFINITION_VIEW_CREATE] = "SELECT 'CREATE VIEW ' || $2 || ' AS ' || left(pg_get_viewdef(oid), -1) "
	"FROM pg_class WHERE oid = $1 AND relkind = 'v'",
	[DEFINITION_VIEW_REPLACE] = "SELECT 'CREATE OR REPLACE VIEW ' || $2 || ' AS ' || left(pg_get_viewdef(ev_class), -1) "
	/* it may be over a materialized view of the column */
	"FROM pg_rewrite r WHERE ev_class = $1 AND rulename = '_RETURN' AND NOT " IS_ABOUT("r", "$5"),
	[DEFINITION_VIEW_OPTIONS] = VIEW_OPTIONS_SQL,
};

/* The names of the relation's objects ($1) of that kind. */
static const char *const name_queries[DEFINITION_LAST + 1] = {
	[DEFINITION_TRIGGER_DROP] = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal",
	[DEFINITION_TRIGGER_CREATE] = "SELECT tgname::text FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal",
	[DEFINITION_RULE_DROP] = "SELECT rulename::text FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN'",
	[DEFINITION_RULE_CREATE] = "SELECT rulename::text FROM pg_rewrite WHERE ev_class = $1 AND rulename <> '_RETURN'",
	[DEFINITION_POLICY] = "SELECT polname::text FROM pg_policy WHERE polrelid = $1",
};

/* A definition of one migration, on one way. */
typedef struct Asked
{
	const Making *making;
	const TwinArgs *twin;
	bool		forward;
	const Definition *definition;
} Asked;

/* The owner, for whom it is made again, is the table's. */
static void
append_view_properties(StringInfo sql, const Asked *asked)
{
	QuerySession session;
	ViewProperties view = {.name = asked->definition->name, .kind = "VIEW"};

	query_begin(&session);
	if (QUERY("SELECT v.oid, v.relowner::regrole::text FROM pg_class v WHERE v.oid = to_regclass($1)",
			  arg_text(view.name)) > 0)
	{
		view.oid = query_oid(0, 1);
		view.owner = query_text(0, 2);
	}
	query_end(&session);
	if (OidIsValid(view.oid))
		view_append_properties(sql, asked->twin->old, &view);
}

/* Of the objects that were there at the call, those of the same kind and relation. */
static List *
names_at_call(const Asked *asked)
{
	const Definition *definition = asked->definition;
	List	   *names = NIL;
	ListCell   *lc;

	foreach(lc, asked->twin->old->dependents)
	{
		const ColumnDependent *dependent = lfirst(lc);

		if (dependent->oid == definition->oid && name_queries[dependent->definition] == name_queries[definition->kind])
			names = lappend(names, dependent->name);
	}
	return names;
}

/*
 * What the object is called now.  Made again, it is another, so that its Oid says nothing
 * on the way back; renamed, it has another name.  So whatever has a name that there
 * was none of at the call is what was renamed, and the first whose name is gone stands for
 * all of those: what came new about the column has stopped the exchange before.
 */
static List *
names_now(const Asked *asked)
{
	const Definition *definition = asked->definition;
	QuerySession session;
	List	   *names;

	if (name_queries[definition->kind] == NULL)
		return NIL;
	query_begin(&session);
	QUERY(psprintf("WITH there(name) AS (%s) SELECT CASE WHEN $2 IN (SELECT name FROM there) THEN ARRAY[$2] "
				   "WHEN $2 = (SELECT min(n) FROM unnest($3) n WHERE n NOT IN (SELECT name FROM there)) "
				   "THEN ARRAY(SELECT name FROM there WHERE name <> ALL ($3)) ELSE '{}' END",
				   name_queries[definition->kind]),
		  arg_oid(definition->oid), arg_text(definition->name), arg_texts(names_at_call(asked)));
	names = query_texts(0, 1);
	query_end(&session);
	return names;
}

static void
append_queried(StringInfo sql, const Asked *asked)
{
	QuerySession session;
	const Column *old = asked->twin->old;
	AttrNumber	new = FirstLowInvalidHeapAttributeNumber;	/* none yet: nothing is about it */
	Oid			oid = asked->definition->oid;
	List	   *names = names_now(asked);
	uint64		n;

	query_begin(&session);
	if (QUERY("SELECT new_attnum::int FROM zdm.pair WHERE migration = $1 AND relid = $2 AND old_attnum = $3 "
			  "AND new_attnum IS NOT NULL",
			  arg_int8(asked->making->migration), arg_oid(old->relid), arg_int2(old->attnum)) > 0)
		new = (AttrNumber) query_int4(0, 1);
	/* a view's schema need not be open to the table's owner */
	if (!OidIsValid(oid) && QUERY("SELECT to_regclass($1)", arg_text(asked->definition->name)) > 0)
		oid = query_oid(0, 1);
	query_end(&session);
	query_begin_printing(&session, old->relid);
	n = QUERY(queries[asked->definition->kind], arg_oid(oid), arg_text(asked->definition->name), arg_oid(old->relid),
			  arg_int2(asked->forward ? old->attnum : new), arg_int2(asked->forward ? new : old->attnum), arg_texts(names));
	for (uint64 row = 0; row < n; row++)
	{
		/* null of what somebody drops just now */
		if (!query_null(row, 1))
			sql_statement(sql, "%s", query_text(row, 1));
	}
	query_end(&session);
}

/* What the object is now. */
static char *
present_definition(const Asked *asked)
{
	StringInfoData sql;

	initStringInfo(&sql);
	/* to who only reads, the table may be gone */
	if (get_rel_name(asked->twin->old->relid) == NULL)
		return sql.data;
	if (asked->definition->kind == DEFINITION_VIEW_PROPERTIES)
		append_view_properties(&sql, asked);
	else
		append_queried(&sql, asked);
	return sql.data;
}

static int64
definition_hash(const char *definition)
{
	return (int64) hash_bytes_extended((const unsigned char *) definition, strlen(definition), 0);
}

/* What the object was before the exchange that made it what it is, or NULL. */
static char *
noted(const TwinArgs *twin, const Definition *definition, const char *present)
{
	ListCell   *lc;

	foreach(lc, twin->noted)
	{
		DefinitionNote *note = lfirst(lc);

		if (note->kind == (int) definition->kind && note->oid == definition->oid &&
			strcmp(note->name ? note->name : "", definition->name) == 0)
			return note->hash == definition_hash(present) ? note->sql : NULL;
	}
	return NULL;
}

/* The trees of a view, with all that hangs on it. */
#define VIEW_TREES \
	"SELECT unnest(ARRAY[ev_qual::text, ev_action::text]) FROM pg_rewrite WHERE ev_class = $1 " \
	"UNION ALL SELECT tgqual::text FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal " \
	"UNION ALL SELECT adbin::text FROM pg_attrdef WHERE adrelid = $1"

static const char *const tree_queries[DEFINITION_LAST + 1] = {
	[DEFINITION_TRIGGER_CREATE] = "SELECT tgqual::text FROM pg_trigger WHERE tgrelid = $1 AND tgname = $2 AND NOT tgisinternal",
	[DEFINITION_RULE_CREATE] = "SELECT unnest(ARRAY[ev_qual::text, ev_action::text]) FROM pg_rewrite WHERE ev_class = $1 AND rulename = $2",
	[DEFINITION_POLICY] = "SELECT unnest(ARRAY[polqual::text, polwithcheck::text]) FROM pg_policy WHERE polrelid = $1 AND polname = $2",
	[DEFINITION_GENERATED] = "SELECT adbin::text FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
	"WHERE d.adrelid = $1 AND a.attname = $2",
	[DEFINITION_FUNCTION] = "SELECT unnest(ARRAY[prosqlbody::text, proargdefaults::text]) FROM pg_proc WHERE oid = $1",
	[DEFINITION_VIEW_CREATE] = VIEW_TREES,
	[DEFINITION_VIEW_REPLACE] = VIEW_TREES,
	[DEFINITION_VIEW_PROPERTIES] = VIEW_TREES,
};

static List *
load_trees(DefinitionKind kind, Oid oid, const char *name)
{
	QuerySession session;
	List	   *trees = NIL;
	uint64		n;

	if (tree_queries[kind] == NULL)
		return NIL;
	query_begin(&session);
	if (!OidIsValid(oid) && QUERY("SELECT to_regclass($1)", arg_text(name)) > 0)
		oid = query_oid(0, 1);
	n = QUERY(tree_queries[kind], arg_oid(oid), arg_text(name));
	for (uint64 row = 0; row < n; row++)
	{
		if (!query_null(row, 1))
			trees = lappend(trees, query_text(row, 1));
	}
	query_end(&session);
	return trees;
}

static void
note_trees(const Making *making, DefinitionKind kind, Oid oid, const char *name, char *sql)
{
	DefinitionTrees *made;

	if (making->definitions == NULL)
		return;
	made = palloc(sizeof(DefinitionTrees));
	made->sql = sql;
	made->trees = load_trees(kind, oid, name);
	*making->definitions = lappend(*making->definitions, made);
}

void
definition_append(StringInfo sql, const Making *making, const TwinArgs *twin, bool forward,
				  const Definition *definition)
{
	/* a script is written before the way there: each object as it is now */
	Asked		asked = {
		.making = making, .twin = twin, .forward = forward || making->flavour == FLAVOUR_SCRIPT,
		.definition = definition,
	};
	char	   *present;
	char	   *before;

	if (making->asked != NULL)
	{
		*making->asked = lappend(*making->asked, memcpy(palloc(sizeof(Definition)), definition, sizeof(Definition)));
		return;
	}
	present = present_definition(&asked);
	before = forward ? NULL : noted(twin, definition, present);
	note_trees(making, definition->kind, definition->oid, definition->name, before ? before : present);
	sql_statement(sql, "%s", before ? before : present);
}

/*
 * A view by its name, as one that is dropped and made again has another OID; and
 * whoever may or may not look into its schema, as who only reads a plan must not
 * be stopped by what it names.
 */
static Oid
find_view(const char *name)
{
	RangeVar   *view = makeRangeVarFromNameList(zdm_name_list(name));
	Oid			schema = view->schemaname ? get_namespace_oid(view->schemaname, true) : InvalidOid;
	Oid			relid = OidIsValid(schema) ? get_relname_relid(view->relname, schema) : InvalidOid;
	char		relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	return relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW ? relid : InvalidOid;
}

char *
definition_of_view(const Making *making, const char *name)
{
	LOCAL_FCINFO(fcinfo, 1);
	int			nestlevel = NewGUCNestLevel();
	Datum		definition;
	char	   *query;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(find_view(name));
	fcinfo->args[0].isnull = false;
	identity_pin_reading();
	/* null for one that is not there, or that somebody drops just now */
	definition = pg_get_viewdef(fcinfo);
	AtEOXact_GUC(false, nestlevel);
	if (fcinfo->isnull && making->flavour != FLAVOUR_SHOWN)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a view any more", name)));
	if (fcinfo->isnull)
		return pstrdup("<dropped>");
	/* it ends with a semicolon */
	query = TextDatumGetCString(definition);
	query[strlen(query) - 1] = '\0';
	note_trees(making, DEFINITION_VIEW_CREATE, InvalidOid, name, query);
	return query;
}

/* The objects that the step's way back moves. */
static List *
moved_back(const Step *step)
{
	List	   *definitions = NIL;
	Making		making = {
		.migration = step->migration, .back = true, .flavour = FLAVOUR_SHOWN, .asked = &definitions,
	};

	(void) verb_of(step)->sql(&making, verb_args(step));
	return definitions;
}

static char *
definition_now(const Step *step, const Definition *definition, bool forward)
{
	return present_definition(&(Asked) {
		.making = &(Making) {.migration = step->migration}, .twin = verb_args(step),
		.forward = forward, .definition = definition,
	});
}

List *
definition_before(const Step *step)
{
	List	   *notes = NIL;
	ListCell   *lc;

	foreach(lc, moved_back(step))
	{
		Definition *definition = lfirst(lc);
		DefinitionNote *note = palloc0(sizeof(DefinitionNote));

		note->kind = definition->kind;
		note->oid = definition->oid;
		note->name = definition->name;
		note->sql = definition_now(step, definition, true);
		notes = lappend(notes, note);
	}
	return notes;
}

void
definition_remember(const Step *step, List *before)
{
	TwinArgs	twin = *(TwinArgs *) verb_args(step);
	ListCell   *lc;

	foreach(lc, before)
	{
		DefinitionNote *note = lfirst(lc);

		note->hash = definition_hash(definition_now(step, &(Definition) {
			.kind = note->kind, .oid = note->oid, .name = note->name,
		}, false));
	}
	twin.noted = before;
	step_set_args(step->migration, step->number, fields_to_json(&twin_fields, &twin));
}
