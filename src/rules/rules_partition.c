/*-------------------------------------------------------------------------
 *
 * rules_partition.c
 *		ATTACH PARTITION, DETACH PARTITION, CREATE TABLE ... PARTITION OF.
 *
 * What a bound means for a table, and whether that is proved, is found in
 * facts_partition.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/partition.h"
#include "core/attempt.h"
#include "facts/facts_catalog.h"
#include "facts/facts_expr.h"
#include "facts/facts_partition.h"
#include "facts/facts_query.h"
#include "rules/rules_alter.h"
#include "rules/rules_work.h"
#include "utils/builtins.h"
#include "compat.h"

static void
judge_default_partition(Judgement *j, FactRelation *parent, FactBound *bound)
{
	FactRelation *rel = bound->default_partition;
	List	   *unproven;

	if (rel == NULL)
		return;
	rules_lock(j, rel, AccessExclusiveLock);
	unproven = facts_unproven_members(j->facts, rel, bound->others, parent);
	if (unproven != NIL)
		rules_tree_work(j, WORK_SCAN, unproven, false,
						psprintf("scan of the default partition %s for rows of the new one", facts_name(rel)),
						psprintf("Add a CHECK to %s, NOT VALID and then validated, that excludes the new partition's rows.",
								 facts_name(rel)));
}

static void
attach_indexes(Judgement *j, FactRelation *parent, FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, parent->indexes)
	{
		FactIndex  *idx = (FactIndex *) lfirst(lc);
		ListCell   *lo;
		bool		found = idx->dropped;

		foreach(lo, rel->indexes)
		{
			FactIndex  *own = (FactIndex *) lfirst(lo);

			found |= own->valid && facts_index_matches(parent, idx, rel, own);
		}
		if (!found)
			rules_tree_work(j, WORK_INDEX, facts_tree(j->facts, rel, true), false,
							psprintf("build on %s of the index that corresponds to %s",
									 facts_name(rel), quote_identifier(idx->name)),
							psprintf(idx->exclusion ?
									 "Give %s the same constraint first, while it is not in use: it cannot be built CONCURRENTLY." :
									 "Build the same index on %s with CREATE INDEX CONCURRENTLY first.",
									 facts_name(rel)));
	}
}

static void
attach_foreign_keys(Judgement *j, FactRelation *parent, FactRelation *rel)
{
	ListCell   *lc;

	foreach(lc, parent->constraints)
	{
		FactConstraint *con = (FactConstraint *) lfirst(lc);
		ListCell   *lo;
		bool		found = con->dropped || con->type != 'f' || !con->enforced;

		foreach(lo, rel->constraints)
			found |= facts_same_foreign_key(parent, con, rel, (FactConstraint *) lfirst(lo));
		if (!found)
			rules_tree_work(j, WORK_SCAN, facts_tree(j->facts, rel, true), false,
							psprintf("scan of %s to check foreign key %s", facts_name(rel),
									 quote_identifier(con->name)),
							psprintf("Add the same foreign key to %s, NOT VALID and then validated, first.",
									 facts_name(rel)));
	}
}

typedef struct OverlapTrial
{
	FactRelation *parent;
	const char *partition;
	FactBound  *bound;
} OverlapTrial;

static void
try_overlap(void *arg)
{
	OverlapTrial *trial = (OverlapTrial *) arg;

	facts_check_overlap(trial->parent, trial->partition, trial->bound->spec, NULL);
}

/* PostgreSQL refuses it then; the catalog does not tell what a text has attached and detached before. */
static bool
overlaps(Judgement *j, FactRelation *parent, const char *partition, FactBound *bound)
{
	OverlapTrial trial = {parent, partition, bound};
	ErrorData  *error;

	/* what fails for another reason may pass when it runs */
	return !j->facts->simulated && bound->spec != NULL &&
		!attempt_run(try_overlap, &trial, ATTEMPT_UNDO, &error) &&
		error->sqlerrcode == ERRCODE_INVALID_OBJECT_DEFINITION;
}

static char *
attach_hint(FactRelation *parent, FactRelation *rel)
{
	char	   *name = facts_name(rel);

	return psprintf("ALTER TABLE %s ADD CONSTRAINT bound CHECK (... the bound, and IS NOT NULL ...) NOT VALID; ALTER TABLE %s VALIDATE CONSTRAINT bound; then attach it to %s.",
					name, name, facts_name(parent));
}

void
rules_attach_partition(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *subcommand)
{
	PartitionCmd *cmd = castNode(PartitionCmd, subcommand->def);
	FactRelation *partition = rel->kind == RELKIND_PARTITIONED_TABLE ? facts_find(j->facts, cmd->name) : NULL;
	FactBound	bound;
	List	   *unproven;

	if (partition == NULL)
		return;
	rules_lock(j, partition, AccessExclusiveLock);
	/* PostgreSQL refuses it then */
	if (partition->is_partition && !j->facts->simulated)
		return;
	facts_detail(j->facts, partition);
	if (OidIsValid(rel->oid) && cmd->bound != NULL)
	{
		facts_bound(j->facts, rel, cmd->bound, &bound);
		if (overlaps(j, rel, partition->name, &bound))
			return;
		unproven = facts_unproven_members(j->facts, partition,
									list_concat_copy(bound.bound, bound.inherited), rel);
		if (unproven != NIL)
			rules_tree_work(j, WORK_SCAN, unproven, false,
							psprintf("scan of %s to check the partition's bound", facts_name(partition)),
							attach_hint(rel, partition));
		judge_default_partition(j, rel, &bound);
	}
	attach_indexes(j, rel, partition);
	attach_foreign_keys(j, rel, partition);
	facts_children(j->facts, rel);
	rel->children = lappend(rel->children, partition);
	partition->is_partition = partition->is_child = true;
}

void
rules_detach_partition(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *subcommand)
{
	PartitionCmd *cmd = castNode(PartitionCmd, subcommand->def);
	FactRelation *partition = facts_find(j->facts, cmd->name);
	LOCKMODE	mode = cmd->concurrent ? ShareUpdateExclusiveLock : AccessExclusiveLock;
	ListCell   *lc;

	if (partition == NULL)
		return;
	rules_lock(j, partition, mode);
	if (cmd->concurrent && j->facts->in_block)
		rules_find(j, RULE_WOULD_FAIL, facts_name(partition), NoLock,
				   pstrdup("DETACH PARTITION CONCURRENTLY cannot run inside a transaction block or a function."),
				   pstrdup("Run it by itself, outside a transaction block."));
	foreach(lc, facts_foreign_keys_to(j->facts, rel))
	{
		FactForeignKey *fk = (FactForeignKey *) lfirst(lc);

		rules_lock(j, fk->rel, cmd->concurrent ? ShareLock : AccessExclusiveLock);
		rules_tree_work(j, WORK_SCAN, facts_tree(j->facts, fk->rel, true), false,
						psprintf("scan of %s, whose foreign key %s references %s",
								 facts_name(fk->rel), quote_identifier(fk->con->name), facts_name(rel)),
						psprintf("Delete the rows of %s in batches instead, or drop the foreign key %s first and add it again NOT VALID.",
								 facts_name(partition), quote_identifier(fk->con->name)));
	}
	rules_default_partition(j, partition);
	facts_children(j->facts, rel);
	rel->children = list_delete_ptr(rel->children, partition);
	rules_detached(j, partition);
}

void
rules_partition_of(Judgement *j, CreateStmt *stmt, FactRelation *parent)
{
	FactBound	bound;

	rules_lock(j, parent, AccessExclusiveLock);
	if (!OidIsValid(parent->oid))
		return;
	facts_bound(j->facts, parent, stmt->partbound, &bound);
	if (overlaps(j, parent, stmt->relation->relname, &bound))
		return;
	facts_detail(j->facts, parent);
	judge_default_partition(j, parent, &bound);
}
