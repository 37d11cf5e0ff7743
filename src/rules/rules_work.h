/*-------------------------------------------------------------------------
 *
 * rules_work.h
 *		What several families of rules share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RULES_WORK_H
#define ZDM_RULES_WORK_H

#include "rules/rules.h"

/*
 * O(n) work on the members of a tree that have storage, together: one lock
 * waits for all of it.  "with_toast" counts TOAST, which a scan does not read.
 */
extern void rules_tree_work(Judgement *j, WorkKind kind, List *tree, bool with_toast,
							char *what, char *hint);

/* Views that a CASCADE takes along. */
extern void rules_drop_views(Judgement *j, List *views);

/* A table in the tree has rows. */
extern bool rules_has_rows(Judgement *j, List *tree);

/* The name that PostgreSQL would choose for a constraint, or for the index of one. */
extern char *rules_constraint_name(FactRelation *rel, const char *columns, const char *label);
extern char *rules_index_name(FactRelation *rel, const char *columns, const char *label, bool constraint);

/* A unique index on these columns would find duplicates, as far as statistics tell. */
extern void rules_duplicates(Judgement *j, FactRelation *rel, List *columns, bool nulls_equal);

/* Applications write to a partition by the table at the top of its tree. */
extern void rules_touch_root(Judgement *j, FactRelation *rel, const char *hint);

/* The default partition of a tree goes: what no other partition takes can no longer be inserted. */
extern void rules_default_partition(Judgement *j, FactRelation *partition);

#endif							/* ZDM_RULES_WORK_H */
