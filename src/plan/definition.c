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
#include "catalog/query.h"
#include "common/hashfn.h"
#include "core/errors.h"
#include "core/names.h"
#include "plan/carry.h"
#include "plan/definition.h"

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
	"WHERE t.tgrelid = $1 AND t.tgname = $2 AND NOT t.tgisinternal AND " MOVES("t")
#define RULE_FROM \
	"pg_rewrite r, LATERAL (SELECT quote_ident(r.rulename) AS name, r.ev_class::regclass AS tab) n " \
	"WHERE r.ev_class = $1 AND r.rulename = $2 AND " MOVES("r")
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
	"FROM pg_policy p WHERE polrelid = $1 AND polname = $2 AND " MOVES("p"),
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
	[DEFINITION_VIEW_OPTIONS] = "SELECT 'ALTER VIEW ' || $2 || ' SET (' || "
	"string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') || ')' "
	"FROM pg_class v, pg_options_to_table(v.reloptions) WHERE v.oid = $1 HAVING count(*) > 0",
};

typedef struct Definition
{
	int			kind;
	long long	migration;
	Oid			relid;
	int			attnum;
	int			forward;
	Oid			oid;
	char	   *name;
	unsigned long long hash;	/* of what the exchange made of it */
	char	   *noted;			/* what it was before, or NULL */
} Definition;

/* The token of a definition: all that is text in it is escaped like text outside. */
static char *
write_token(const Definition *definition)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%%D{%d,%lld,%u,%d,%d,%u,%zu:%s", definition->kind, definition->migration,
					 definition->relid, definition->attnum, definition->forward, definition->oid,
					 strlen(definition->name), names_escape(definition->name));
	if (definition->noted != NULL)
		appendStringInfo(&buf, ",%llx:%s", definition->hash, names_escape(definition->noted));
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

char *
definition_template(const MigrationPlan *plan, const Column *old, bool forward,
					DefinitionKind kind, Oid oid, const char *name)
{
	return write_token(&(Definition) {
		.kind = kind, .migration = plan->migration, .relid = old->relid, .attnum = old->attnum,
		.forward = forward, .oid = oid, .name = unconstify(char *, name),
	});
}

/* Whether what stands in the token's braces is a definition, all of it. */
static bool
read_content(const char *p, Definition *definition)
{
	size_t		length;
	int			begin = 0;

	if (sscanf(p, "%d,%lld,%u,%d,%d,%u,%zu:%n", &definition->kind, &definition->migration,
			   &definition->relid, &definition->attnum, &definition->forward, &definition->oid,
			   &length, &begin) != 7 || begin == 0)
		return false;
	if (definition->kind < 0 || definition->kind > DEFINITION_LAST ||
		definition->attnum <= 0 || definition->attnum > MaxAttrNumber)
		return false;
	p += begin;
	if (length > strlen(p))
		return false;
	definition->name = pnstrdup(p, length);
	p += length;
	if (*p == '\0')
		return true;
	begin = 0;
	if (sscanf(p, ",%llx:%n", &definition->hash, &begin) != 1 || begin == 0)
		return false;
	definition->noted = pstrdup(p + begin);
	return true;
}

static Definition
read_token(const NamesToken *token)
{
	Definition	definition = {0};

	if (!read_content(token->content, &definition))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("malformed definition in a statement template: \"%.40s\"", token->content)));
	return definition;
}

/* The owner, for whom it is made again, is the table's. */
static void
append_view_properties(StringInfo sql, const Definition *token)
{
	QuerySession session;
	Column		table = {.relid = token->relid};
	ViewProperties view = {.name = token->name, .kind = "VIEW"};

	query_begin(&session);
	if (QUERY("SELECT v.oid, v.relowner::regrole::text, t.relowner FROM pg_class v, pg_class t "
			  "WHERE v.oid = to_regclass($1) AND t.oid = $2",
			  arg_text(token->name), arg_oid(token->relid)) > 0)
	{
		view.oid = query_oid(0, 1);
		view.owner = query_text(0, 2);
		table.owner = query_oid(0, 3);
	}
	query_end(&session);
	if (OidIsValid(view.oid))
		view_append_properties(sql, &table, &view);
}

static void
append_queried(StringInfo sql, const Definition *token)
{
	QuerySession session;
	AttrNumber	new = FirstLowInvalidHeapAttributeNumber;	/* none yet: nothing is about it */
	Oid			oid = token->oid;
	uint64		n;

	query_begin(&session);
	if (QUERY("SELECT new_attnum::int FROM zdm.pair WHERE migration = $1 AND relid = $2 AND old_attnum = $3 "
			  "AND new_attnum IS NOT NULL",
			  arg_int8(token->migration), arg_oid(token->relid), arg_int2(token->attnum)) > 0)
		new = (AttrNumber) query_int4(0, 1);
	/* a view's schema need not be open to the table's owner */
	if (!OidIsValid(oid) && QUERY("SELECT to_regclass($1)", arg_text(token->name)) > 0)
		oid = query_oid(0, 1);
	query_end(&session);
	query_begin_printing(&session, token->relid);
	n = QUERY(queries[token->kind], arg_oid(oid), arg_text(token->name), arg_oid(token->relid),
			  arg_int2(token->forward ? token->attnum : new), arg_int2(token->forward ? new : token->attnum));
	for (uint64 row = 0; row < n; row++)
	{
		/* null of what somebody drops just now */
		if (!query_null(row, 1))
			carry_statement(sql, "%s", names_escape(query_text(row, 1)));
	}
	query_end(&session);
}

/* What the object is now: a template. */
static char *
present_definition(const Definition *token)
{
	StringInfoData sql;

	initStringInfo(&sql);
	if (token->kind == DEFINITION_VIEW_PROPERTIES)
		append_view_properties(&sql, token);
	else
		append_queried(&sql, token);
	return sql.data;
}

static uint64
definition_hash(const char *definition)
{
	return hash_bytes_extended((const unsigned char *) definition, strlen(definition), 0);
}

static char *
expand(const NamesToken *token)
{
	Definition	definition = read_token(token);
	char	   *present = present_definition(&definition);

	if (definition.noted != NULL && definition.hash == definition_hash(present))
		return definition.noted;
	return present;
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

List *
definition_trees(const char *template)
{
	NamesToken	token;
	List	   *all = NIL;

	while (names_next(&template, &token))
	{
		Definition	definition = {.kind = DEFINITION_VIEW_CREATE, .name = token.content};
		DefinitionTrees *made;

		if (token.kind != 'D' && token.kind != 'V')
			continue;
		if (token.kind == 'D')
			definition = read_token(&token);
		made = palloc(sizeof(DefinitionTrees));
		made->sql = names_render(pnstrdup(token.text, token.length), false);
		made->trees = load_trees(definition.kind, definition.oid, definition.name);
		all = lappend(all, made);
	}
	return all;
}

void
definition_init(void)
{
	names_set_expander('D', expand);
}

List *
definition_before(const char *undo)
{
	NamesToken	token;
	List	   *before = NIL;

	while (names_next(&undo, &token))
	{
		Definition	definition;

		if (token.kind != 'D')
			continue;
		definition = read_token(&token);
		definition.forward = true;
		before = lappend(before, present_definition(&definition));
	}
	return before;
}

char *
definition_remember(const char *undo, List *before)
{
	StringInfoData buf;
	NamesToken	token;
	ListCell   *was = list_head(before);

	initStringInfo(&buf);
	while (names_next(&undo, &token))
	{
		if (token.kind == 'D')
		{
			Definition	definition = read_token(&token);

			definition.hash = definition_hash(present_definition(&definition));
			definition.noted = lfirst(was);
			was = lnext(before, was);
			appendStringInfoString(&buf, write_token(&definition));
		}
		else
			appendBinaryStringInfo(&buf, token.text, token.length);
	}
	return buf.data;
}

char *
definition_as_now(const char *undo, const char *before, const char *after)
{
	StringInfoData buf;
	NamesToken	token;

	initStringInfo(&buf);
	while (names_next(&undo, &token))
	{
		Definition	definition;
		char	   *present;

		if (token.kind != 'D')
		{
			appendBinaryStringInfo(&buf, token.text, token.length);
			continue;
		}
		definition = read_token(&token);
		definition.forward = true;
		present = present_definition(&definition);
		if (present[0] == '\0')
			continue;
		if (before != NULL)
			appendStringInfo(&buf, "%s;\n", names_escape(before));
		appendStringInfoString(&buf, present);
		if (after != NULL)
			appendStringInfo(&buf, ";\n%s", names_escape(after));
	}
	return buf.data;
}
