/*-------------------------------------------------------------------------
 *
 * files.c
 *		A plan's steps, each in its file.
 *
 * What a worker does by a step's effect (the trigger, who decides) is written into
 * the same transaction.  The steps of the way back are the plan's own, undone from
 * the last to the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "core/errors.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* Numbers of what no step of the plan stands for. */
#define MARK_VERIFIED (-30)
#define MARK_VERIFIED_AGAIN (-50)
#define MARK_CAN_GO_BACK (-90)

static const char *const names[SCRIPT_PARTS] = {
	[PART_EXPAND] = "10_expand.sql",
	[PART_BACKFILL] = "20_backfill.sql",
	[PART_VERIFY] = "30_verify.sql",
	[PART_CUTOVER] = "40_cutover.sql",
	[PART_CONTRACT] = "50_contract.sql",
	[PART_REVERT] = "90_revert.sql",
};

/* A file that is being written. */
typedef struct Writing
{
	const Script *script;
	StringInfoData body[SCRIPT_PARTS];	/* empty: there is no such file */
	int			backfill;		/* number of the step that fills in, 0 for none yet */
	int			before;			/* number of what was written last */
	int			switched;		/* number of the exchange */
	int			final;			/* number of the last step that runs something */
	List	   *back;			/* int: steps that do nothing until the way back */
} Writing;

int64
script_number(Oid relid, const char *definition)
{
	char	   *text = psprintf("%s %s", OidIsValid(relid) ? names_relation(relid) : "", definition);

	return hash_bytes((const unsigned char *) text, strlen(text)) % 1000000000;
}

static ScriptPart
part_of(const Writing *writing, const Step *step)
{
	if (step->action == ACTION_VERIFY)
		return PART_VERIFY;
	if (strcmp(step->phase, "cutover") == 0)
		return PART_CUTOVER;
	if (strcmp(step->phase, "contract") == 0)
		return PART_CONTRACT;
	return writing->backfill != 0 || step->action == ACTION_BACKFILL ? PART_BACKFILL : PART_EXPAND;
}

/* The file's text, begun if nothing stands in it yet. */
static StringInfo
open_part(Writing *writing, ScriptPart part)
{
	StringInfo	buf = &writing->body[part];

	if (buf->len == 0)
	{
		header_comment(buf, writing->script, part);
		header_begin(buf, writing->script, part);
	}
	return buf;
}

/* A step that has become wholly plain: the trigger is not the extension's. */
static bool
is_left_out(const Step *step)
{
	if (verb_is(step, &verb_create_sync_trigger) || verb_is(step, &verb_drop_sync_trigger))
		return true;
	/* what is filled in and read before contract is written with it */
	return strcmp(step->phase, "contract") == 0 &&
		(step->action == ACTION_BACKFILL || step->action == ACTION_VERIFY);
}

static char *
statement_of(const Script *script, const Step *step)
{
	char	   *sql = script_statement(step);

	if (verb_is(step, &verb_add_twin))
		return psprintf("%s;\n%s;\n%s", sql, keep_function(script, KEEP_BEFORE), keep_trigger(script));
	if (verb_is(step, &verb_exchange))
		return psprintf("%s;\n%s", sql, keep_function(script, KEEP_SWITCHED));
	if (verb_is(step, &verb_drop_twin))
		return psprintf("%s;\n%s", keep_drop(script), sql);
	return sql;
}

static char *
undo_of(const Script *script, const Step *step)
{
	char	   *sql = script_undo(step);

	if (verb_is(step, &verb_add_twin))
		return psprintf("%s;\n%s", keep_drop(script), sql);
	if (verb_is(step, &verb_exchange))
		return psprintf("%s;\n%s", sql, keep_function(script, KEEP_BEFORE));
	return sql;
}

pg_noreturn static void refuse_rewrite(const Script *script);

static void
refuse_rewrite(const Script *script)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("there is no script for a table that is written anew"),
			 errdetail("Two tables exchange their storage in the catalog, for which there is no SQL."),
			 errhint("pg_repack, or pg_squeeze, does it on servers that have them; VACUUM FULL %s; keeps readers out meanwhile.",
					 script->table)));
}

/* For the reader: the first line of what is done, as far as a comment goes. */
static char *
title_of(const Step *step)
{
	return psprintf("Step %d%s%s", step->number, step->work && step->work[0] ? ": " : "",
					step->work ? step->work : "");
}

/* The rows are read again, and the old shape goes with the trigger and the notes. */
static void
begin_contract(Writing *writing, StringInfo buf)
{
	batches_look(buf, writing->script, PART_CONTRACT, MARK_VERIFIED_AGAIN, writing->before);
	writing->before = MARK_VERIFIED_AGAIN;
}

static void
write_step(Writing *writing, const Step *step)
{
	const Script *script = writing->script;
	StringInfo	buf = open_part(writing, part_of(writing, step));
	ScriptBlock		block = {
		.number = step->number, .after = writing->before, .title = title_of(step),
		.lock = step->lock, .relations = step->relations,
	};

	switch (step->action)
	{
		case ACTION_BACKFILL:
			if (writing->backfill != 0)
			{
				batches_no_new_parts(buf, script, writing->backfill);
				return;
			}
			batches_fill(buf, script, step, writing->before);
			writing->backfill = step->number;
			break;
		case ACTION_VERIFY:
			batches_look(buf, script, PART_VERIFY, MARK_VERIFIED, writing->before);
			writing->before = MARK_VERIFIED;
			return;
		case ACTION_LOOK:
			batches_query(buf, script, step);
			break;
		case ACTION_TOPLEVEL:
			block.sql = statement_of(script, step);
			toplevel_block(buf, script, &block, index_built_by(step));
			break;
		case ACTION_SQL:
			if (verb_is(step, &verb_drop_twin))
			{
				begin_contract(writing, buf);
				block.after = writing->before;
			}
			block.last = step->number == writing->final && part_of(writing, step) == PART_CONTRACT;
			if (verb_is(step, &verb_exchange))
			{
				block.also = writing->back;
				writing->switched = step->number;
			}
			block.sql = statement_of(script, step);
			patience_block(buf, script, &block);
			break;
		case ACTION_SECOND:
		case ACTION_COPY:
		case ACTION_INDEX:
		case ACTION_COMPARE:
		case ACTION_EXCHANGE:
			refuse_rewrite(script);
	}
	writing->before = step->number;
}

/* Steps that do nothing until the way back are noted by the exchange, wherever they stand. */
static void
collect_back(Writing *writing)
{
	ListCell   *lc;

	foreach(lc, writing->script->plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (step->only_back)
			writing->back = lappend_int(writing->back, step->number);
	}
}

/* From here on a write that could not go back fails, and each row is looked at. */
static void
begin_revert(Writing *writing, StringInfo buf)
{
	const Script *script = writing->script;
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF EXISTS (SELECT FROM {state} WHERE step = {switched}) THEN\n"
		"		EXECUTE {function};\n"
		"	END IF;\n"
		"END",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"switched", psprintf("%d", writing->switched),
		"function", sql_dollar_quoted(keep_function(script, KEEP_STRICT)));
	appendStringInfo(buf, "-- From here on a write beyond what the old column takes fails, so that all rows can go back\nDO %s;\n\n",
					 sql_dollar_quoted(body.data));
	batches_look(buf, script, PART_REVERT, MARK_CAN_GO_BACK, writing->switched);
}

static void
write_undo(Writing *writing, const Step *step)
{
	const Script *script = writing->script;
	StringInfo	buf = open_part(writing, PART_REVERT);
	ScriptBlock		block = {
		.number = step->number, .undo = true, .title = psprintf("Step %d, taken back", step->number),
		.sql = undo_of(script, step), .lock = step->undo_lock,
		.relations = step->undo_relations ? step->undo_relations : step->relations,
	};

	if (list_member_int(writing->back, step->number) || verb_is(step, &verb_exchange))
		block.after = MARK_CAN_GO_BACK;
	if (step->action == ACTION_TOPLEVEL)
		toplevel_block(buf, script, &block, index_built_by(step));
	else
		patience_block(buf, script, &block);
}

/* A partition that is attached has rows that were routed to it. */
static void
refuse_attached(const Writing *writing, StringInfo buf)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"BEGIN\n"
		"	IF EXISTS (SELECT FROM {state} WHERE step = {final} AND part = 0) THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the partition has been attached: there is no way back from here',\n"
		"			HINT = 'Run 50_contract.sql; ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY is the opposite.';\n"
		"	END IF;\n"
		"END", "state", writing->script->state, "final", psprintf("%d", writing->final));
	appendStringInfo(buf, "DO %s;\n\n", sql_dollar_quoted(body.data));
}

/* Has any step that runs something an opposite? */
static bool
can_go_back(const Writing *writing)
{
	ListCell   *lc;

	foreach(lc, writing->script->plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (step->undoable && !is_left_out(step))
			return true;
	}
	return false;
}

static void
write_way_back(Writing *writing)
{
	List	   *steps = writing->script->plan->steps;
	StringInfo	buf;

	if (!can_go_back(writing))
		return;
	buf = open_part(writing, PART_REVERT);
	PUT(buf,
		"SELECT to_regclass({state}) IS NOT NULL AS zdm_begun \\gset\n"
		"\\if :zdm_begun\n\n", "state", quote_literal_cstr(writing->script->state));
	if (writing->script->pair != NULL)
		begin_revert(writing, buf);
	if (strcmp(writing->script->change->kind, "attach_partition") == 0)
		refuse_attached(writing, buf);
	for (int i = list_length(steps) - 1; i >= 0; i--)
	{
		Step	   *step = list_nth(steps, i);

		if (step->undoable && !is_left_out(step))
			write_undo(writing, step);
	}
	appendStringInfo(buf, "-- All is as it was\nDROP TABLE IF EXISTS %s;\n\\endif\n", writing->script->state);
}

/*
 * What ends without a contract keeps its notes until its last file, so that each
 * can be run again, and gone back from.
 */
static void
write_end(Writing *writing)
{
	const Script *script = writing->script;
	StringInfo	buf;
	StringInfoData body;

	if (writing->body[PART_CONTRACT].len > 0)
		return;
	buf = open_part(writing, PART_CONTRACT);
	initStringInfo(&body);
	PUT(&body,
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF NOT EXISTS (SELECT FROM {state} WHERE step = {final} AND part = 0) THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'what comes before has not been done',\n"
		"			HINT = 'Run the files again, in their order.';\n"
		"	END IF;\n"
		"	DROP TABLE {state};\n"
		"END",
		"state", script->state, "state_literal", quote_literal_cstr(script->state),
		"final", psprintf("%d", writing->final));
	appendStringInfo(buf, "-- The notes go: from here on 90_revert.sql does nothing\nDO %s;\n", sql_dollar_quoted(body.data));
}

static char *
own_name(const Script *script, const char *base)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(script->plan->relid)),
									  psprintf("%s_" INT64_FORMAT, base, script->plan->migration));
}

/* The last of its kind to fire, and its own beside another script's. */
static char *
trigger_name(const MigrationPlan *plan)
{
	char	   *name = psprintf("~zdm_sync~" INT64_FORMAT, plan->migration);
	char	   *greatest = trigger_name_greatest(plan->relid);

	if (greatest != NULL && strcmp(greatest, name) >= 0)
		name = psprintf("%s%s", greatest, name);
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("no trigger can fire after trigger \"%s\" of %s", greatest, names_relation(plan->relid)),
				 errdetail("Triggers fire in the order of their names, and this one leaves no room for a later one."),
				 errhint("Rename it with ALTER TRIGGER to a name that begins with a letter.")));
	return pstrdup(quote_identifier(name));
}

/* What the files call things. */
static void
name_things(Script *script)
{
	const MigrationPlan *plan = script->plan;

	script->table = names_relation(plan->relid);
	script->state = own_name(script, "zdm_state");
	script->function = own_name(script, "zdm_keep");
	script->trigger = trigger_name(plan);
	script->pair = plan->pairs != NIL ? linitial(plan->pairs) : NULL;
	if (script->pair == NULL)
		return;
	script->old_name = names_attribute(plan->relid, script->pair->old_attnum);
	script->new_name = pstrdup(quote_identifier(script->pair->new_name));
	script->exchanges = strcmp(script->change->kind, "rename_column") != 0;
	script->up_can_fail = script->change->up_readable != NULL;
}

List *
script_files(const MigrationPlan *plan, const Change *change, const ScriptOptions *options)
{
	Script		script = {.plan = plan, .change = change, .options = *options};
	Writing		writing = {.script = &script};
	List	   *files = NIL;
	ListCell   *lc;

	name_things(&script);
	for (int part = 0; part < SCRIPT_PARTS; part++)
		initStringInfo(&writing.body[part]);
	collect_back(&writing);
	foreach(lc, plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (!is_left_out(step) && !step->only_back)
			writing.final = step->number;
	}
	(void) open_part(&writing, PART_EXPAND);
	foreach(lc, plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (!is_left_out(step) && !step->only_back)
			write_step(&writing, step);
	}
	write_end(&writing);
	write_way_back(&writing);
	for (int part = 0; part < SCRIPT_PARTS; part++)
	{
		ScriptFile *file;

		if (writing.body[part].len == 0)
			continue;
		file = palloc(sizeof(ScriptFile));
		file->name = pstrdup(names[part]);
		file->body = writing.body[part].data;
		files = lappend(files, file);
	}
	return files;
}
