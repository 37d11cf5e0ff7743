/*-------------------------------------------------------------------------
 *
 * act.c
 *		The single acts of a move.
 *
 * They are DDL that nobody has stated: so no event trigger is told of it, and the
 * statements run as parts of a larger one, as probes do (draft/probe.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/query.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "core/limit.h"
#include "core/names.h"
#include "draft/probe.h"
#include "lib/stringinfo.h"
#include "move/act.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

void
act_add(List **acts, const MoveAct *act)
{
	*acts = lappend(*acts, memcpy(palloc(sizeof(MoveAct)), act, sizeof(MoveAct)));
}

void
act_add_rows(List **acts, Oid role, Oid relid, const char *query, const QueryArg *args, int nargs)
{
	QuerySession session;
	uint64		n;

	query_begin_printing(&session, relid);
	n = query_run(query, args, nargs);
	for (uint64 row = 0; row < n; row++)
	{
		if (!query_null(row, 1))
			act_add(acts, &(MoveAct) {.sql = query_text(row, 1), .role = role});
	}
	query_end(&session);
}

Node *
act_parse(const char *sql)
{
	return linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT))->stmt;
}

void
act_run_statement(Node *stmt, const char *sql)
{
	probe_statement(stmt, sql);
}

bool
act_column_goes(const Moving *moving, Oid from, AttrNumber attnum, Oid to)
{
	char	   *name = get_attname(from, attnum, false);
	ListCell   *lc;

	foreach(lc, moving->move->own)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return get_attnum(to, name) == InvalidAttrNumber;
	}
	return false;
}

AttrNumber
act_column(Oid from, AttrNumber attnum, Oid to)
{
	char	   *name = get_attname(from, attnum, false);
	AttrNumber	found = get_attnum(to, name);

	if (found == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column %s of %s is not in the table that is to take its place",
						names_attribute(from, attnum), names_relation(from)),
				 errhint("Drop what was done to the column since the migration was stated, or go back with zdm.revert().")));
	return found;
}

char *
act_index_name(const Moving *moving, Oid indexid, Oid like)
{
	return names_of_relation(moving->move->copies ? like : indexid, false);
}

/* Which one it was; a position is one in its text, not in what the caller has said. */
static void
tell_act(void *arg)
{
	const MoveAct *act = arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(act->text != NULL && act->run != NULL ? act->text : act->sql);
	}
	errcontext("moving what hangs on a table: %s", act->sql);
}

static void
run_act(void *arg)
{
	const MoveAct *act = arg;

	if (act->run != NULL)
		act->run(act);
	else
		act_run_statement(act_parse(act->sql), act->sql);
}

static void
run(const MoveAct *act)
{
	MoveAct    *arg = unconstify(MoveAct *, act);
	ErrorContextCallback context = {
		.callback = tell_act, .arg = arg, .previous = error_context_stack,
	};

	error_context_stack = &context;
	if (act->reads)
		limit_run(guc_lock_wait, limit_statement(act->sql, act->role), run_act, arg);
	else
		run_act(arg);
	CommandCounterIncrement();
	error_context_stack = context.previous;
}

static void
set_for_now(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/*
 * What is run with the rights of the extension's owner names tables, and code of other
 * owners has run since these names were read: who renames a schema puts tables that
 * are not his under them.
 */
static void
check_schemas(const MoveAct *act)
{
	if (QUERY_ONCE("SELECT FROM jsonb_each_text($1::jsonb) k JOIN pg_namespace n ON n.oid = k.key::oid WHERE n.nspname <> k.value",
				   arg_text(act->schemas)) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("a schema has got another name while tables exchanged theirs")));
}

/*
 * Should an act want one more lock, it does not wait for it with all the others in hand.
 * And a body that is given again is not tried: whether its reader is bound by policies,
 * say, is not to be decided here.
 */
void
move_run(List *acts)
{
	int			nestlevel = NewGUCNestLevel();
	bool		others_ran = true;
	ListCell   *lc;

	set_for_now("lock_timeout", psprintf("%d", guc_lock_wait));
	set_for_now("check_function_bodies", "off");
	foreach(lc, acts)
	{
		const MoveAct *act = lfirst(lc);
		Identity saved;

		if (act->schemas == NULL)
			others_ran = true;
		else if (others_ran)
		{
			check_schemas(act);
			others_ran = false;
		}
		if (OidIsValid(act->role))
			identity_enter(act->role, NIL, &saved);
		run(act);
		if (OidIsValid(act->role))
			identity_leave(&saved);
	}
	AtEOXact_GUC(false, nestlevel);
}

char *
move_sql(List *acts)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, acts)
		appendStringInfo(&sql, "%s%s", sql.len > 0 ? ";\n" : "", ((MoveAct *) lfirst(lc))->sql);
	return sql.data;
}
