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
	"FROM pg_class WHERE oid = to_regclass($2) AND relkind = 'v'",
	[DEFINITION_VIEW_REPLACE] = "SELECT 'CREATE OR REPLACE VIEW ' || $2 || ' AS ' || left(pg_get_viewdef(ev_class), -1) "
	/* it may be over a materialized view of the column */
	"FROM pg_rewrite r WHERE ev_class = to_regclass($2) AND rulename = '_RETURN' AND NOT " IS_ABOUT("r", "$5"),
	[DEFINITION_VIEW_OPTIONS] = "SELECT 'ALTER VIEW ' || $2 || ' SET (' || "
	"string_agg(quote_ident(option_name) || ' = ' || quote_literal(option_value), ', ') || ')' "
	"FROM pg_class v, pg_options_to_table(v.reloptions) WHERE v.oid = to_regclass($2) HAVING count(*) > 0",
};

typedef struct Token
{
	int			kind;
	long long	migration;
	Oid			relid;
	int			attnum;
	int			forward;
	Oid			oid;
	char	   *name;
	char	   *text;			/* all of it */
} Token;

char *
definition_template(const MigrationPlan *plan, const Column *old, bool forward,
					DefinitionKind kind, Oid oid, const char *name)
{
	return psprintf("%%D{%d," INT64_FORMAT ",%u,%d,%d,%u,%zu:%s}", kind, plan->migration, old->relid,
					old->attnum, forward, oid, strlen(name), name);
}

/* Reads a token at p, and returns the place behind it; NULL: it is none. */
static const char *
read_token(const char *p, Token *token)
{
	size_t		length;
	int			begin = 0;

	if (sscanf(p, "%%D{%d,%lld,%u,%d,%d,%u,%zu:%n", &token->kind, &token->migration, &token->relid,
			   &token->attnum, &token->forward, &token->oid, &length, &begin) != 7 || begin == 0)
		return NULL;
	token->name = pnstrdup(p + begin, length);
	token->text = pnstrdup(p, begin + length + 1);
	return p + begin + length + 1;
}

/* The owner, for whom it is made again, is the table's. */
static void
append_view_properties(StringInfo sql, const Token *token)
{
	QuerySession session;
	Column		table = {.relid = token->relid};
	ViewProperties view = {.name = names_escape(token->name), .kind = "VIEW"};

	query_begin(&session);
	if (QUERY("SELECT v.oid, v.relowner::regrole::text, t.relowner FROM pg_class v, pg_class t "
			  "WHERE v.oid = to_regclass($1) AND t.oid = $2",
			  arg_text(token->name), arg_oid(token->relid)) > 0)
	{
		view.oid = query_oid(0, 1);
		view.owner = names_escape(query_text(0, 2));
		table.owner = query_oid(0, 3);
	}
	query_end(&session);
	if (OidIsValid(view.oid))
		view_append_properties(sql, &table, &view);
}

static void
append_queried(StringInfo sql, const Token *token)
{
	QuerySession session;
	AttrNumber	new = FirstLowInvalidHeapAttributeNumber;	/* none yet: nothing is about it */
	uint64		n;

	query_begin(&session);
	if (QUERY("SELECT new_attnum::int FROM zdm.pair WHERE migration = $1 AND relid = $2 AND old_attnum = $3 "
			  "AND new_attnum IS NOT NULL",
			  arg_int8(token->migration), arg_oid(token->relid), arg_int2(token->attnum)) > 0)
		new = (AttrNumber) query_int4(0, 1);
	n = QUERY(queries[token->kind], arg_oid(token->oid), arg_text(token->name), arg_oid(token->relid),
			  arg_int2(token->forward ? token->attnum : new), arg_int2(token->forward ? new : token->attnum));
	for (uint64 row = 0; row < n; row++)
		carry_statement(sql, "%s", names_escape(query_text(row, 1)));
	query_end(&session);
}

/* What the object is now: a template. */
static char *
present_definition(const Token *token)
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

/* Reads a note at p, if there is one; returns the place behind it. */
static const char *
read_note(const char *p, uint64 *hash, char **noted)
{
	unsigned long long value;
	size_t		length;
	int			begin = 0;

	*noted = NULL;
	if (sscanf(p, "%%M{%llx,%zu:%n", &value, &length, &begin) != 2 || begin == 0)
		return p;
	*hash = value;
	*noted = pnstrdup(p + begin, length);
	return p + begin + length + 1;
}

/* Copies up to the next token, which is read; returns the place behind it, or NULL at the end. */
static const char *
next_token(const char *p, StringInfo buf, Token *token)
{
	while (*p)
	{
		const char *end = *p == '%' ? read_token(p, token) : NULL;

		if (end != NULL)
			return end;
		/* another token, or a percent sign of two characters */
		for (int length = *p == '%' && p[1] != '\0' ? 2 : 1; length > 0; length--)
			appendStringInfoChar(buf, *p++);
	}
	return NULL;
}

char *
definition_expand(const char *template)
{
	StringInfoData buf;
	const char *p = template;
	Token		token;

	initStringInfo(&buf);
	while ((p = next_token(p, &buf, &token)) != NULL)
	{
		char	   *definition = present_definition(&token);
		char	   *noted;
		uint64		hash;

		p = read_note(p, &hash, &noted);
		if (noted != NULL && hash == definition_hash(definition))
			definition = noted;
		appendStringInfoString(&buf, definition);
	}
	return buf.data;
}

List *
definition_before(const char *undo)
{
	StringInfoData buf;
	const char *p = undo;
	Token		token;
	List	   *before = NIL;

	initStringInfo(&buf);
	while ((p = next_token(p, &buf, &token)) != NULL)
	{
		token.forward = true;
		before = lappend(before, present_definition(&token));
	}
	return before;
}

char *
definition_remember(const char *undo, List *before)
{
	StringInfoData buf;
	const char *p = undo;
	Token		token;
	ListCell   *was = list_head(before);

	initStringInfo(&buf);
	while ((p = next_token(p, &buf, &token)) != NULL)
	{
		appendStringInfo(&buf, "%s%%M{%llx,%zu:%s}", token.text,
						 (unsigned long long) definition_hash(present_definition(&token)),
						 strlen(lfirst(was)), (char *) lfirst(was));
		was = lnext(before, was);
	}
	return buf.data;
}
