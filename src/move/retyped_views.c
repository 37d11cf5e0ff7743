/*-------------------------------------------------------------------------
 *
 * retyped_views.c
 *		Views that show a column which is of another type in the other table.
 *
 * No statement gives a view's column another type.  So those that show the column, and
 * all views over these, are dropped before the names are exchanged, and made again from
 * their texts when the names mean the other table: each by its owner, with options,
 * privileges, defaults, rules, triggers, comments and labels.  Who reads one meanwhile
 * waits for its lock, as for the table's, and finds it by its name.
 *
 * Whether the texts go with the other type is asked at the call, of an empty table that
 * has the column so, in whose place the views stand that are over others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "column/view_properties.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "draft/retype.h"
#include "miscadmin.h"
#include "move/retyped_views.h"
#include "move/view_query.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* Views that read the column $2 of the tables $1. */
#define READERS_SQL \
	"SELECT DISTINCT c.oid FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid " \
	"JOIN pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN' JOIN pg_class c ON c.oid = r.ev_class " \
	"WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1) " \
	"AND a.attname = $2 AND c.relkind = 'v' ORDER BY c.oid"

/* Views $1 and those over them, the deepest last; one over itself is refused (refuse.c). */
#define TREE_SQL \
	WITH_VIEWS_OVER("SELECT unnest($1), 1") \
	"SELECT array_agg(oid ORDER BY level, oid) FROM (SELECT oid, max(level) AS level FROM v GROUP BY oid) x"

List *
retyped_views_find(List *tables, const MoveConverted *converted)
{
	QuerySession session;
	List	   *readers;
	List	   *showing = NIL;
	List	   *views;
	ListCell   *lc;

	query_begin(&session);
	QUERY("SELECT array_agg(oid) FROM (" READERS_SQL ") x", arg_oids(tables), arg_text(converted->name));
	readers = query_oids(0, 1);
	query_end(&session);
	/* what only chooses rows by values that stay the same goes on */
	foreach(lc, readers)
	{
		if (!converted->exact || view_query_shows(lfirst_oid(lc), tables, converted->name))
			showing = lappend_oid(showing, lfirst_oid(lc));
	}
	query_begin(&session);
	QUERY(TREE_SQL, arg_oids(showing));
	views = query_oids(0, 1);
	query_end(&session);
	return views;
}

/* ---- whether they go with the type ---- */

typedef struct Trial
{
	List	   *tables;
	List	   *views;
	List	   *stand_ins;		/* CommonTableExpr *: for those of "views" that come first */
	Oid			view;			/* the one at hand */
} Trial;

static char *
stand_in_name(Oid view)
{
	return psprintf("zdm_view_%u", view);
}

/* What names the table names the empty one, and a view the query that stands in its place. */
static bool
name_stand_ins(Node *node, void *context)
{
	const Trial *trial = context;

	if (node == NULL)
		return false;
	/* no row of a stand-in can be locked, and none is to be */
	if (IsA(node, SelectStmt))
		((SelectStmt *) node)->lockingClause = NIL;
	if (IsA(node, RangeVar) && ((RangeVar *) node)->schemaname != NULL)
	{
		RangeVar   *name = (RangeVar *) node;
		Oid			relid = RangeVarGetRelid(name, NoLock, true);
		bool		is_table = list_member_oid(trial->tables, relid);

		if (!is_table && !list_member_oid(trial->views, relid))
			return false;
		if (name->alias == NULL)
			name->alias = makeAlias(name->relname, NIL);
		name->schemaname = is_table ? pstrdup("pg_temp") : NULL;
		name->relname = is_table ? pstrdup("zdm_probe") : stand_in_name(relid);
		return false;
	}
	return raw_expression_tree_walker(node, name_stand_ins, context);
}

static CommonTableExpr *
stand_in(Oid view, Node *query)
{
	CommonTableExpr *cte = makeNode(CommonTableExpr);

	cte->ctename = stand_in_name(view);
	cte->ctematerialized = CTEMaterializeDefault;
	cte->ctequery = copyObject(query);
	cte->location = -1;
	return cte;
}

static void
read_query(void *arg)
{
	Trial	   *trial = arg;
	char	   *text = view_query_text(trial->view);
	/* what is analyzed is not a parse tree any more */
	List	   *before = copyObject(trial->stand_ins);
	RawStmt    *raw;
	SelectStmt *query;
	Identity	identity;

	identity_enter(identity_of(trial->view), NIL, &identity);
	raw = linitial_node(RawStmt, raw_parser(text, RAW_PARSE_DEFAULT));
	query = castNode(SelectStmt, raw->stmt);
	(void) name_stand_ins((Node *) query, trial);
	trial->stand_ins = lappend(trial->stand_ins, stand_in(trial->view, (Node *) query));
	if (query->withClause == NULL)
	{
		query->withClause = makeNode(WithClause);
		query->withClause->location = -1;
	}
	query->withClause->ctes = list_concat(before, query->withClause->ctes);
	(void) parse_analyze_fixedparams(raw, text, NULL, 0, NULL);
	identity_leave(&identity);
}

/* With the empty table there. */
static void
look(void *arg)
{
	Trial	   *trial = arg;
	ListCell   *lc;

	foreach(lc, trial->views)
	{
		ErrorData  *error;

		trial->view = lfirst_oid(lc);
		if (attempt_run(read_query, trial, ATTEMPT_KEEP, &error))
			continue;
		if (!attempt_blames_server(error))
		{
			error->message = psprintf("view %s does not go with that type: %s", names_relation(trial->view), error->message);
			error->hint = psprintf("DROP VIEW %s; and make it again of the new type after the cutover.", names_relation(trial->view));
		}
		ReThrowError(error);
	}
}

void
retyped_views_try(List *views, List *tables, const char *column, const char *type, const char *using)
{
	Trial		trial = {.tables = tables, .views = views};

	if (views != NIL)
		retype_try(linitial_oid(tables), column, type, using, look, &trial);
}

/* ---- made anew ---- */

static void
add_view(Moving *moving, Oid view)
{
	Oid			owner = identity_of(view);
	ViewProperties made = {
		.oid = view, .name = names_of_relation(view, false), .owner = quote_identifier(GetUserNameFromId(owner, false)), .kind = "VIEW",
	};
	ListCell   *lc;

	act_add(&moving->others, &(MoveAct) {
		.sql = psprintf("CREATE VIEW %s AS\n%s", made.name, view_query_text(view)), .role = owner,
	});
	ACT_ROWS(&moving->others, owner, view, VIEW_OPTIONS_SQL, arg_oid(view), arg_text(made.name));
	foreach(lc, view_properties(owner, &made))
		act_add(&moving->others, &(MoveAct) {.sql = lfirst(lc), .role = owner});
}

static void
add_all(Moving *moving)
{
	ListCell   *lc;

	for (int i = list_length(moving->retyped) - 1; i >= 0; i--)
	{
		Oid			view = list_nth_oid(moving->retyped, i);

		act_add(&moving->leave, &(MoveAct) {
			.sql = psprintf("DROP VIEW %s", names_of_relation(view, false)), .role = identity_of(view),
		});
	}
	foreach(lc, moving->retyped)
		add_view(moving, lfirst_oid(lc));
}

const MovePart move_retyped_views = {.all = add_all};
