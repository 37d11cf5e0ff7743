/*-------------------------------------------------------------------------
 *
 * files.c
 *		A plan's steps, each a piece of a part; a style makes files of them.
 *
 * What a worker does by a step's effect (the trigger, who decides) is written into
 * the same transaction.  The steps of the way back are the plan's own, undone from
 * the last to the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/query.h"
#include "common/hashfn.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "compat.h"

/* Numbers of what no step of the plan stands for. */
#define MARK_VERIFIED (-30)
#define MARK_VERIFIED_AGAIN (-50)
#define MARK_BOUND_PROVED (-51)
#define MARK_CAN_GO_BACK (-90)

#define READS "Reads every row, in short transactions"

/* What is being written. */
typedef struct Writing
{
	Script	   *script;
	int			backfill;		/* number of the step that fills in, 0 for none yet */
	int			before;			/* number of what was written last */
	const FirstArgs *first;		/* of a table that becomes a partition, or NULL */
	int			switched;		/* number of the exchange */
	int			final;			/* number of the last step that runs something */
	List	   *back;			/* int: steps that do nothing until the way back */
	int			notes_back;		/* number of the step with which these are noted */
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

/* Behind the pieces of its part. */
static void
add(Writing *writing, const ScriptPiece *piece)
{
	ScriptPiece *copy = palloc(sizeof(ScriptPiece));

	*copy = *piece;
	writing->script->pieces = lappend(writing->script->pieces, copy);
}

static void
add_body(Writing *writing, ScriptPart part, const Step *step, const char *title, char *body)
{
	add(writing, &(ScriptPiece) {.part = part, .step = step, .title = pstrdup(title), .body = body});
}

/* A step's block, or its statement. */
static void
add_block(Writing *writing, ScriptPart part, const Step *step, const char *title, const ScriptBlock *block)
{
	ScriptPiece piece = {.part = part, .step = step, .title = pstrdup(title), .index = index_built_by(step)};

	if (step->action == ACTION_TOPLEVEL)
		piece.alone = memcpy(palloc(sizeof(ScriptBlock)), block, sizeof(ScriptBlock));
	else
		piece.body = patience_body(writing->script, block);
	add(writing, &piece);
}

/*
 * What up and down call may not be there, or be called otherwise: tried before anything is
 * kept, as a writer is to find out nothing.
 */
static char *
trial(const Script *script)
{
	char	   *values = psprintf("SELECT %s, %s FROM ONLY %s t WHERE false", script_value(script, true, false, "t."),
								  script_value(script, false, false, "t."), script->table);

	older_look(values);
	return values;
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
		return psprintf("%s;\n%s;\n%s;\n%s", sql, trial(script), keep_function(script, KEEP_BEFORE),
						keep_trigger(script));
	if (verb_is(step, &verb_exchange))
		return psprintf("%s;\n%s;\n%s", sql, keep_function(script, KEEP_SWITCHED), anew_functions(script));
	if (verb_is(step, &verb_drop_twin))
		return psprintf("%s;\n%s", keep_drop(script), sql);
	return sql;
}

static char *
undo_of(const Script *script, const Step *step)
{
	char	   *sql = step->action == ACTION_FIRST ? first_return(script, first_args(step)) : script_undo(step);

	if (verb_is(step, &verb_add_twin))
		return psprintf("%s;\n%s", keep_drop(script), sql);
	if (verb_is(step, &verb_exchange))
		return psprintf("%s;\n%s;\n%s", sql, keep_function(script, KEEP_BEFORE), anew_functions(script));
	return sql;
}

/* For the reader: the first line of what is done, as far as a comment goes. */
static char *
title_of(const Step *step)
{
	return psprintf("Step %d%s%s", step->number, step->work && step->work[0] ? ": " : "",
					step->work ? step->work : "");
}

/* What is locked, by the names that it has then. */
static List *
locked(const Step *step, List *relations)
{
	List	   *names = NIL;
	ListCell   *lc;

	if (verb_is(step, &verb_exchange_names) || verb_is(step, &verb_drop_view) || verb_is(step, &verb_create_view))
	{
		const ViewArgs *view = verb_args(step);
		char	   *old = sql_qualified(view->old_namespace, view->old_name);
		char	   *new = sql_qualified(view->new_namespace, view->new_name);

		/* the one is the table's and the other the view's, whichever way they go */
		return verb_is(step, &verb_exchange_names) ? list_make2(old, new) :
			list_make1(verb_is(step, &verb_drop_view) ? old : new);
	}
	foreach(lc, relations)
		names = lappend(names, names_relation(lfirst_oid(lc)));
	return names;
}

/* Who does it beside traffic, on servers that have it. */
static const char *
tool_for(const SecondArgs *second)
{
	if (second->persistence != '\0' || OidIsValid(second->access_method))
		return "No tool does it beside traffic";
	if (OidIsValid(second->tablespace))
		return "pg_repack --tablespace does it on servers that have it";
	if (second->order != NIL || OidIsValid(second->index))
		return "pg_repack --order-by, or pg_squeeze, does it on servers that have them";
	return "pg_repack --no-order, or pg_squeeze, does it on servers that have them";
}

pg_noreturn static void refuse_rewrite(const Script *script, const Step *step);

/* A second table under the same name is not the same table. */
static void
refuse_rewrite(const Script *script, const Step *step)
{
	ScriptEstimate e = estimate_make(script);

	if (second_args(step)->new_shape)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("there is no script for a table that gets another shape"),
				 errdetail("What hangs on it (views, foreign keys, policies, publications, sequences, privileges) moves to the second table in the catalog, for which there is no SQL."),
				 errhint("By hand: a second table, a trigger that carries over to it by key what is written, a copy in batches, both compared; then, in one transaction, the names exchanged, and all that hangs on %s made anew.",
						 script->table)));
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("there is no script for a table that is written anew"),
			 errdetail("Two tables would have to exchange their storage in the catalog, for which there is no SQL; and a second table that takes the name is another one to views, foreign keys, policies, publications, statistics and functions of its row type."),
			 errhint("%s. The plain statement keeps readers and writers of %s out, for about %s.", tool_for(second_args(step)),
					 script->table, estimate_time(2 * e.read_seconds + e.rewrite_seconds))));
}

/*
 * In the place of an index of the rows beyond the bound, by which a worker proves it: a
 * look first, as what the constraint would find would be refused by then.
 */
static void
write_bound(Writing *writing, const Step *step)
{
	const Script *script = writing->script;
	const LayoutPart *part = linitial(writing->first->layout->parts);
	ScriptBlock block = {
		.number = step->number, .after = writing->before, .lock = AccessExclusiveLock,
		.relations = list_make1(sql_qualified(part->namespace, part->name)), .sql = first_state_bound(script, writing->first),
	};

	add_body(writing, PART_CONTRACT, NULL, "Looks for rows beyond the bound of the first partition",
			 first_look_beyond(script, writing->first, step->number));
	add_body(writing, PART_CONTRACT, NULL, "From here on such rows are refused", patience_body(script, &block));
	block.number = MARK_BOUND_PROVED;
	block.after = step->number;
	block.lock = ShareUpdateExclusiveLock;
	block.sql = first_prove_bound(script, writing->first);
	add_body(writing, PART_CONTRACT, NULL, "Reads the first partition, and keeps nobody out", patience_body(script, &block));
	writing->before = MARK_BOUND_PROVED;
}

/* Is it the index that write_bound() does without? */
static bool
is_of_bound(const Writing *writing, const Step *step)
{
	const char *index = index_built_by(step);

	return writing->first != NULL && writing->first->beyond != NULL && index != NULL && strcmp(index, writing->first->beyond) == 0;
}

static void
write_step(Writing *writing, const Step *step)
{
	const Script *script = writing->script;
	ScriptPart	part = part_of(writing, step);
	ScriptBlock block = {
		.number = step->number, .after = writing->before,
		.lock = step->lock, .relations = locked(step, step->relations),
	};

	switch (step->action)
	{
		case ACTION_BACKFILL:
			if (writing->backfill != 0)
			{
				add_body(writing, part, NULL, "No partition may have come past the backfill",
						 batches_no_new_parts(script, writing->backfill));
				return;
			}
			add_body(writing, part, step, psprintf("Fills in what is there, in batches of about %d ms", guc_batch_time),
					 batches_fill(script, step, writing->before));
			writing->backfill = step->number;
			break;
		case ACTION_VERIFY:
			add_body(writing, part, step, READS, batches_look(script, PART_VERIFY, MARK_VERIFIED, writing->before));
			writing->before = MARK_VERIFIED;
			return;
		case ACTION_LOOK:
			add_body(writing, part, step, "Looks for rows that stand in the way", batches_query(script, step));
			break;
		case ACTION_TOPLEVEL:
			if (is_of_bound(writing, step))
			{
				write_bound(writing, step);
				return;
			}
			block.sql = statement_of(script, step);
			add_block(writing, part, step, title_of(step), &block);
			break;
		case ACTION_SECOND:
		case ACTION_COPY:
		case ACTION_INDEX:
		case ACTION_COMPARE:
		case ACTION_EXCHANGE:
		case ACTION_ANALYZE:
		case ACTION_LEAVE:
			refuse_rewrite(script, step);
		case ACTION_FIRST:
			block.last = part == PART_CONTRACT;
			block.sql = part == PART_CONTRACT ? first_settle(script, writing->first) : first_become(script, writing->first);
			add_block(writing, part, step, title_of(step), &block);
			break;
		case ACTION_SQL:
			if (verb_is(step, &verb_drop_twin))
			{
				/* the rows are read again, and the old shape goes with the trigger and the notes */
				add_body(writing, part, NULL, READS,
						 batches_look(script, PART_CONTRACT, MARK_VERIFIED_AGAIN, writing->before));
				block.after = writing->before = MARK_VERIFIED_AGAIN;
			}
			block.last = step->number == writing->final && part == PART_CONTRACT;
			if (verb_is(step, &verb_exchange))
				writing->switched = step->number;
			if (step->number == writing->notes_back)
				block.also = writing->back;
			block.sql = statement_of(script, step);
			add_block(writing, part, step, title_of(step), &block);
	}
	writing->before = step->number;
}

/*
 * Steps that do nothing until the way back are noted by the exchange, wherever they stand;
 * without one, by the step in front of which they stand, whose undoing leads to them.
 */
static void
collect_back(Writing *writing)
{
	bool		exchanges = false;
	ListCell   *lc;

	foreach(lc, writing->script->plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (step->only_back)
			writing->back = lappend_int(writing->back, step->number);
		else if (verb_is(step, &verb_exchange))
		{
			exchanges = true;
			writing->notes_back = step->number;
		}
		else if (!exchanges && writing->back != NIL && writing->notes_back == 0)
			writing->notes_back = step->number;
	}
}

/* From here on a write that could not go back fails, and each row is looked at. */
static void
begin_revert(Writing *writing)
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
	add_body(writing, PART_REVERT, NULL, "From here on a write beyond what the old column takes fails, so that all rows can go back",
			 body.data);
	add_body(writing, PART_REVERT, NULL, READS,
			 batches_look(script, PART_REVERT, MARK_CAN_GO_BACK, writing->switched));
}

static void
write_undo(Writing *writing, const Step *step)
{
	ScriptBlock block = {
		.number = step->number, .undo = true, .sql = undo_of(writing->script, step), .lock = step->undo_lock,
		.relations = locked(step, step->undo_relations ? step->undo_relations : step->relations),
	};

	if (writing->script->pair != NULL &&
		(list_member_int(writing->back, step->number) || verb_is(step, &verb_exchange)))
		block.after = MARK_CAN_GO_BACK;
	add_block(writing, PART_REVERT, step, psprintf("Step %d, taken back", step->number), &block);
}

/* A partition that is attached has rows that were routed to it. */
static void
refuse_attached(Writing *writing)
{
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body,
		"BEGIN\n"
		"	IF to_regclass({state_literal}) IS NULL THEN\n"
		"		RETURN;\n"
		"	END IF;\n"
		"	IF EXISTS (SELECT FROM {state} WHERE step = {final} AND part = 0) THEN\n"
		"		RAISE object_not_in_prerequisite_state USING MESSAGE = 'the partition has been attached: there is no way back from here',\n"
		"			HINT = 'Run {contract}; ALTER TABLE ... DETACH PARTITION ... CONCURRENTLY is the opposite.';\n"
		"	END IF;\n"
		"END", "state", writing->script->state, "state_literal", quote_literal_cstr(writing->script->state),
		"final", psprintf("%d", writing->final), "contract", style_file(writing->script, PART_CONTRACT));
	add_body(writing, PART_REVERT, NULL, "Looks whether it is too late", body.data);
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
	Script	   *script = writing->script;
	List	   *steps = script->plan->steps;

	if (!can_go_back(writing))
		return;
	if (script->pair != NULL)
		begin_revert(writing);
	if (strcmp(script->change->kind, "attach_partition") == 0)
		refuse_attached(writing);
	for (int i = list_length(steps) - 1; i >= 0; i--)
	{
		Step	   *step = list_nth(steps, i);

		if (step->undoable && !is_left_out(step) && !is_of_bound(writing, step))
			write_undo(writing, step);
	}
	add_body(writing, PART_REVERT, NULL, "All is as it was",
			 psprintf("BEGIN\n	DROP TABLE IF EXISTS %s;\nEND", script->state));
}

/*
 * What ends without a contract keeps its notes until its last file, so that each
 * can be run again, and gone back from.
 */
static void
write_end(Writing *writing)
{
	const Script *script = writing->script;
	StringInfoData body;

	if (style_has_part(script, PART_CONTRACT))
		return;
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
	add_body(writing, PART_CONTRACT, NULL, "The notes go: from here on there is no way back", body.data);
}

/* What the change is about: its table, or the first relation that it locks or needs. */
static Oid
subject_of(const MigrationPlan *plan)
{
	ListCell   *lc;

	if (OidIsValid(plan->relid))
		return plan->relid;
	foreach(lc, plan->steps)
	{
		Step	   *step = lfirst(lc);

		if (step->relations != NIL)
			return linitial_oid(step->relations);
	}
	return InvalidOid;
}

/* Where the small table stands: beside the table, else where the session makes its tables. */
static char *
own_schema(const Script *script)
{
	Oid			schema = OidIsValid(script->subject) ? get_rel_namespace(script->subject) : InvalidOid;
	List	   *path;

	if (OidIsValid(schema))
		return get_namespace_name(schema);
	path = fetch_search_path(false);
	if (path == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_SCHEMA),
				 errmsg("no schema has been selected to create in"),
				 errdetail("The files of a change that is about no table note what they have done in a table in the first schema of search_path."),
				 errhint("SET search_path to a schema in which the files' role may create.")));
	return get_namespace_name(linitial_oid(path));
}

static char *
own_name(const Script *script, const char *base)
{
	return quote_qualified_identifier(own_schema(script),
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

/* UTC, as versions of migration tools are numbered. */
static char *
stamp(void)
{
	return QUERY_ONCE_TEXT("SELECT to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')");
}

/* A name as far as a file's can hold it. */
static char *
word_of(const char *name)
{
	char	   *word = pstrdup(name);

	for (char *c = word; *c; c++)
	{
		if (!isalnum((unsigned char) *c) || IS_HIGHBIT_SET(*c))
			*c = '_';
	}
	return word;
}

/* What the files call things. */
static void
name_things(Script *script)
{
	const MigrationPlan *plan = script->plan;

	script->stamp = stamp();
	script->subject = subject_of(plan);
	script->word = word_of(OidIsValid(script->subject) ? get_rel_name(script->subject) : script->change->kind);
	script->table = OidIsValid(script->subject) ? names_relation(script->subject) : pstrdup("no table");
	script->state = own_name(script, "zdm_state");
	script->function = own_name(script, "zdm_keep");
	script->pair = plan->pairs != NIL ? linitial(plan->pairs) : NULL;
	if (script->pair == NULL)
		return;
	script->trigger = trigger_name(plan);
	script->old_name = names_attribute(plan->relid, script->pair->old_attnum);
	script->new_name = pstrdup(quote_identifier(script->pair->new_name));
	script->exchanges = strcmp(script->change->kind, "rename_column") != 0;
	script->up_can_fail = script->change->up_readable != NULL;
}

static void
write_plan(void *arg)
{
	Writing	   *writing = arg;
	List	   *steps = writing->script->plan->steps;
	ListCell   *lc;

	collect_back(writing);
	foreach(lc, steps)
	{
		if (first_args(lfirst(lc)) != NULL)
			writing->first = first_args(lfirst(lc));
	}
	if (writing->first != NULL)
		first_look(writing->script);
	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);

		if (!is_left_out(step) && !step->only_back)
			writing->final = step->number;
	}
	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);

		if (!is_left_out(step) && !step->only_back)
			write_step(writing, step);
	}
	write_end(writing);
	write_way_back(writing);
}

/*
 * What has no plain form is said in its place, with the reason: to who reads the files, and to
 * who runs them.
 */
static void
write_reason(Writing *writing, const ErrorData *reason)
{
	Script	   *script = writing->script;
	StringInfoData body;

	initStringInfo(&body);
	PUT(&body, "BEGIN\n	RAISE feature_not_supported USING MESSAGE = {message}", "message", quote_literal_cstr(reason->message));
	if (reason->detail != NULL)
		PUT(&body, ",\n		DETAIL = {detail}", "detail", quote_literal_cstr(reason->detail));
	if (reason->hint != NULL)
		PUT(&body, ",\n		HINT = {hint}", "hint", quote_literal_cstr(reason->hint));
	appendStringInfoString(&body, ";\nEND");
	script->reason = reason;
	script->pieces = NIL;
	add_body(writing, PART_EXPAND, NULL, "What this change needs has no form in plain SQL", body.data);
}

List *
script_files(const MigrationPlan *plan, const Change *change, const ScriptOptions *options)
{
	Script		script = {.plan = plan, .change = change, .options = *options};
	Writing		writing = {.script = &script};
	ErrorData  *error;

	name_things(&script);
	if (!attempt_run(write_plan, &writing, ATTEMPT_UNDO, &error))
	{
		if (error->sqlerrcode != ERRCODE_FEATURE_NOT_SUPPORTED)
			ReThrowError(error);
		write_reason(&writing, error);
	}
	return options->style->write(&script);
}
