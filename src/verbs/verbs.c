/*-------------------------------------------------------------------------
 *
 * verbs.c
 *		What a step can do: the table of verbs.
 *
 * Whoever runs, shows or prints steps knows nothing else of what they do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "utils/memutils.h"
#include "verbs/first_partition.h"
#include "verbs/verbs.h"

static const Verb *const verbs[] = {
	&verb_add_column,
	&verb_add_constraint,
	&verb_add_foreign_key,
	&verb_add_identity,
	&verb_add_twin,
	&verb_analyze,
	&verb_analyze_second,
	&verb_assert,
	&verb_assert_referenced,
	&verb_assert_rows,
	&verb_assert_unique,
	&verb_attach_index,
	&verb_attach_partition,
	&verb_become_partition,
	&verb_build_index,
	&verb_build_second_indexes,
	&verb_compare_first,
	&verb_compare_rows,
	&verb_complete_exclusion,
	&verb_complete_foreign_key,
	&verb_complete_index,
	&verb_copy_rows,
	&verb_create_index,
	&verb_create_matviews,
	&verb_create_statistics,
	&verb_create_sync_trigger,
	&verb_create_view,
	&verb_detach_partition,
	&verb_detach_partition_concurrently,
	&verb_drop_column,
	&verb_drop_first,
	&verb_drop_index,
	&verb_drop_index_concurrently,
	&verb_drop_not_null,
	&verb_drop_parts,
	&verb_drop_relations,
	&verb_drop_sync_trigger,
	&verb_drop_twin,
	&verb_drop_view,
	&verb_exchange,
	&verb_exchange_names,
	&verb_exchange_storage,
	&verb_exchange_partition,
	&verb_exchange_tables,
	&verb_fill,
	&verb_fill_pair,
	&verb_finalize_detach,
	&verb_look_for_conflicts,
	&verb_make_exclusion,
	&verb_make_second,
	&verb_refill_first,
	&verb_refresh,
	&verb_refresh_matview,
	&verb_reindex,
	&verb_rename_index,
	&verb_rename_value,
	&verb_set_default,
	&verb_set_index_statistics,
	&verb_set_not_null,
	&verb_set_type,
	&verb_settle_partitions,
	&verb_statement,
	&verb_validate_constraint,
	&verb_verify,
};

const Verb *
verb_find(const char *name)
{
	for (int i = 0; i < lengthof(verbs); i++)
	{
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("unrecognized verb \"%s\" in zdm.step", name)));
}

const Verb *
verb_of(const Step *step)
{
	return verb_find(step->verb);
}

bool
verb_is(const Step *step, const Verb *verb)
{
	return verb_of(step) == verb;
}

void *
verb_args(const Step *step)
{
	Step	   *cached = unconstify(Step *, step);
	MemoryContext caller;

	if (cached->decoded == NULL)
	{
		/* a step outlives the transaction that it is read in */
		caller = MemoryContextSwitchTo(GetMemoryChunkContext(step->args));
		cached->decoded = fields_from_json(verb_of(step)->args, step->args);
		MemoryContextSwitchTo(caller);
	}
	return step->decoded;
}

void
verb_set(Step *step, const Verb *verb, const void *args)
{
	step->verb = verb->name;
	step->action = verb->action;
	step->decoded = memcpy(palloc(verb->args->size), args, verb->args->size);
}

char *
verb_args_json(const Step *step)
{
	return step->args != NULL ? step->args : fields_to_json(verb_of(step)->args, step->decoded);
}

/*
 * A step that is there for the way back alone does what its verb says then, and
 * nothing until then: false.
 */
static bool
does_something(const Step *step, Making *making)
{
	if (making->back ? !step->undoable : step->only_back)
		return false;
	making->migration = step->migration;
	making->back = making->back && !step->only_back;
	return true;
}

static char *
make_sql(const Step *step, Making *making)
{
	return does_something(step, making) ? verb_of(step)->sql(making, verb_args(step)) : pstrdup("");
}

char *
verb_sql(const Step *step, bool back, Flavour flavour)
{
	return make_sql(step, &(Making) {.back = back, .flavour = flavour});
}

List *
verb_asserts(const Step *step, bool back, Flavour flavour)
{
	Making		making = {.back = back, .flavour = flavour};
	const Verb *verb = verb_of(step);

	return verb->asserts != NULL && does_something(step, &making) ?
		verb->asserts(&making, verb_args(step)) : NIL;
}

char *
verb_sql_to_run(const Step *step, bool back, List **definitions)
{
	return make_sql(step, &(Making) {
		.back = back, .flavour = FLAVOUR_RUN, .definitions = definitions,
	});
}
