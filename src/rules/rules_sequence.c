/*-------------------------------------------------------------------------
 *
 * rules_sequence.c
 *		CREATE and ALTER of a sequence, an identity column's too.
 *
 * How far a sequence is, is known; so is, by what the statement makes of it,
 * the value that comes next.  Where there is none, whoever draws from it fails;
 * where it lies among those that were given, it meets the rows that have them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "common/int.h"
#include "facts/facts_catalog.h"
#include "parser/parse_type.h"
#include "rules/rules.h"
#include "compat.h"

void
rules_create_sequence(Judgement *j, Node *node)
{
	CreateSeqStmt *stmt = castNode(CreateSeqStmt, node);

	if (facts_find_name(j->facts, facts_target_schema(stmt->sequence), stmt->sequence->relname) == NULL)
		facts_add(j->facts, stmt->sequence, RELKIND_SEQUENCE);
}

/* The largest value of a sequence of this type; the smallest is one below its negative. */
static int64
type_max(Oid type)
{
	return type == INT2OID ? PG_INT16_MAX : type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
}

/* Where a sequence ends that is not told: by its direction. */
static void
set_bounds(FactSequence *seq, bool max, bool min)
{
	if (max)
		seq->max = seq->increment > 0 ? type_max(seq->type) : -1;
	if (min)
		seq->min = seq->increment > 0 ? 1 : -type_max(seq->type) - 1;
}

/* A new type moves a bound that was the old one's. */
static void
set_type(FactSequence *seq, const TypeName *name)
{
	Oid			old = seq->type;

	seq->type = LookupTypeNameOid(NULL, name, true);
	if (seq->max == type_max(old))
		seq->max = type_max(seq->type);
	if (seq->min == -type_max(old) - 1)
		seq->min = -type_max(seq->type) - 1;
}

/* Like init_params() of PostgreSQL, which reads them in this order, too. */
static void
read_options(FactSequence *seq, List *options)
{
	DefElem    *restart = NULL;
	bool		no_max = false;
	bool		no_min = false;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = (DefElem *) lfirst(lc);

		if (strcmp(option->defname, "as") == 0)
			set_type(seq, defGetTypeName(option));
		else if (strcmp(option->defname, "increment") == 0)
			seq->increment = defGetInt64(option);
		else if (strcmp(option->defname, "start") == 0)
			seq->start = defGetInt64(option);
		else if (strcmp(option->defname, "cycle") == 0)
			seq->cycle = defGetBoolean(option);
		else if (strcmp(option->defname, "restart") == 0)
			restart = option;
		else if (strcmp(option->defname, "maxvalue") == 0 && option->arg != NULL)
			seq->max = defGetInt64(option);
		else if (strcmp(option->defname, "minvalue") == 0 && option->arg != NULL)
			seq->min = defGetInt64(option);
		no_max |= strcmp(option->defname, "maxvalue") == 0 && option->arg == NULL;
		no_min |= strcmp(option->defname, "minvalue") == 0 && option->arg == NULL;
	}
	set_bounds(seq, no_max, no_min);
	if (restart != NULL)
	{
		seq->last = restart->arg != NULL ? defGetInt64(restart) : seq->start;
		seq->called = false;
	}
}

/* Will PostgreSQL itself refuse it, with its reason? */
static bool
is_refused(const FactSequence *seq)
{
	return seq->increment == 0 || seq->min >= seq->max || seq->last < seq->min || seq->last > seq->max;
}

/* The value that nextval() gives next; false if it fails. */
static bool
next_value(const FactSequence *seq, int64 *value)
{
	bool		beyond;

	*value = seq->last;
	if (!seq->called)
		return true;
	beyond = pg_add_s64_overflow(seq->last, seq->increment, value) || *value > seq->max || *value < seq->min;
	if (beyond)
		*value = seq->increment > 0 ? seq->min : seq->max;
	return !beyond || seq->cycle;
}

/* Does the sequence, which goes on from "next", come upon values that it has given as it was? */
static bool
comes_again(const FactSequence *was, const FactSequence *seq, int64 next)
{
	bool		ascending = seq->increment > 0;

	if (!was->called)
		return false;
	if (was->increment > 0)
		return ascending ? next <= was->last : next >= was->start;
	return ascending ? next <= was->start : next >= was->last;
}

static void
judge_values(Judgement *j, FactRelation *seq, const FactSequence *was, const FactSequence *becomes, int64 next)
{
	ListCell   *lc;

	foreach(lc, comes_again(was, becomes, next) ? facts_filled_by(j->facts, seq->oid) : NIL)
	{
		FactRelation *rel = (FactRelation *) lfirst(lc);

		if (rel->fresh || facts_tree_blocks(j->facts, rel) == 0)
			continue;
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(rel), NoLock,
				   psprintf("%s is at " INT64_FORMAT " and would give out values from " INT64_FORMAT " %s, which %s may hold.",
							facts_name(seq), was->last, next,
							(becomes->increment > 0) == (was->increment > 0) ? "again" :
							becomes->increment > 0 ? "upwards" : "downwards", facts_name(rel)),
				   psprintf("Restart it beyond the %s value in %s.",
							becomes->increment > 0 ? "largest" : "smallest", facts_name(rel)));
	}
}

/* A sequence that ends where it is fails whoever draws from it; one that is set back gives out what is there. */
void
rules_change_sequence(Judgement *j, FactRelation *seq, List *options)
{
	FactSequence was;
	FactSequence becomes;
	int64		next;
	int64		otherwise;

	if (seq->fresh || !facts_sequence(seq->oid, &was))
		return;
	becomes = was;
	read_options(&becomes, options);
	if (is_refused(&becomes))
		return;
	if (next_value(&becomes, &next))
	{
		/* One that goes on as it would have done gives what it would have given. */
		if (!next_value(&was, &otherwise) || otherwise != next || (becomes.increment > 0) != (was.increment > 0))
			judge_values(j, seq, &was, &becomes, next);
	}
	else if (next_value(&was, &otherwise))
		rules_find(j, RULE_BREAKS_CLIENTS, facts_name(seq), NoLock,
				   psprintf("%s is at " INT64_FORMAT " and has no value left afterwards: nextval() fails, and with it every INSERT that leaves the value to it.",
							facts_name(seq), was.last),
				   psprintf("Give it a %s that leaves room beyond " INT64_FORMAT ".",
							becomes.increment > 0 ? "MAXVALUE" : "MINVALUE", was.last));
}

void
rules_alter_sequence(Judgement *j, Node *node)
{
	AlterSeqStmt *stmt = castNode(AlterSeqStmt, node);
	FactRelation *seq = facts_find(j->facts, stmt->sequence);

	if (seq == NULL || seq->kind != RELKIND_SEQUENCE)
		return;
	rules_lock(j, seq, ShareRowExclusiveLock);
	j->facts->sequences_set = true;
	rules_change_sequence(j, seq, stmt->options);
}
