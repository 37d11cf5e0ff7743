/*-------------------------------------------------------------------------
 *
 * rules.h
 *		From a DDL statement and the facts to findings.
 *
 * A family of statements has a file of its own (rules_*.c).  It says, in terms
 * of the facts, what its statement does: which locks it takes, which O(n) work
 * it does, which relations applications will find different.  rules.c alone
 * decides whether that adds up to a finding, so that all statements are judged
 * by the same measure.  Afterwards the facts are as the statement leaves them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RULES_H
#define ZDM_RULES_H

#include "rules/judgement.h"

/*
 * Judge one raw statement, and change the facts as it would.  The judgement is
 * in the current memory context.  Reliances are taken but not yet looked at:
 * that is for the caller, who knows when the statement's transaction ends.
 * May raise what PostgreSQL would raise for the statement.
 */
extern Judgement *rules_judge(Facts *facts, Node *stmt, const char *sql,
							  HeldFinder find_held);

/*
 * The findings for reliances (a list of RuleReliance) that no longer hold, but
 * for objects of which "findings" says so already.
 */
extern List *rules_breaches(Facts *facts, List *reliances, List *findings);

/* The strongest lock that blocks writers of an existing relation; NoLock if none. */
extern LOCKMODE rules_strong_lock(const Judgement *judgement, FactRelation **rel);

/* Does the mode block writers of this kind of relation (readers, for views)? */
extern bool rules_is_strong(const FactRelation *rel, LOCKMODE mode);

/* "ACCESS EXCLUSIVE" for AccessExclusiveLock. */
extern const char *rules_lock_name(LOCKMODE mode);

/* Is a strong lock held already?  Then strong_held and strong_on say which. */
extern bool rules_strong_held(Judgement *j);

/*
 * For the families: a zdm call that says the same as the statement does.  It is
 * shown only after zdm.plan() has taken the statement, so rules need not know
 * what can be done of which table.  Of a statement with several parts no single
 * call says it all: then it is zdm.migrate().
 */
extern void rules_call(Judgement *j, char *call);

/* "before; then SET LOCAL zdm.guard = off; after", or, to who may not, who may. */
extern char *rules_escape(const char *before, const char *after);

/*
 * What to do instead of having the relation written anew under a lock, where zdm.migrate()
 * does not take the statement (api/hint.c puts the call here where it does).
 */
extern char *rules_rewrite_hint(Judgement *j, FactRelation *rel);

/* Is the relation of the kind that the statement names?  If not, PostgreSQL says so itself. */
extern bool rules_is_of_kind(FactRelation *rel, ObjectType kind);

/* For the families: what the statement does. */
extern void rules_lock(Judgement *j, FactRelation *rel, LOCKMODE mode);
extern RuleWork *rules_work(Judgement *j, WorkKind kind, FactRelation *rel, double blocks,
							char *what, char *hint);
extern void rules_touch(Judgement *j, FactRelation *rel, const char *hint);
extern void rules_touch_clients(Judgement *j, FactRelation *rel, List *roles, const char *hint);
extern void rules_touch_type(Judgement *j, Oid type, const char *hint);
extern void rules_touch_function(Judgement *j, Oid funcid, const char *hint);
extern void rules_detached(Judgement *j, FactRelation *partition);
extern void rules_find(Judgement *j, const char *rule, const char *object, LOCKMODE lock,
					   char *detail, char *hint);
extern void rules_mended(Judgement *j, const char *rule, const char *object, LOCKMODE lock,
						 char *detail, char *hint);
extern void rules_caution(Judgement *j, const char *rule, const char *object,
						  char *detail, char *hint);

/* In zdm.check, where PostgreSQL does not say it: the relation that the statement names is not there. */
extern void rules_missing(Judgement *j, const RangeVar *name);

/*
 * PostgreSQL refuses the statement itself, before it reads or writes a row: to be judged no
 * further.  Only where it is not about to run has it to be said.
 */
extern void rules_refused(Judgement *j, FactRelation *rel, char *detail);

/* A virtual column is computed by whoever reads it: what it promises is checked by a scan. */
extern void rules_virtual_checks(Judgement *j, List *tree, const char *column, bool notnull);

/* What a migration in progress needs; asked before the families change the facts. */
extern void rules_claims_alter_table(Judgement *j, Node *stmt);
extern void rules_claims_create_table(Judgement *j, Node *stmt);
extern void rules_claims_rename(Judgement *j, Node *stmt);
extern void rules_claims_set_schema(Judgement *j, Node *stmt);
extern void rules_claims_drop(Judgement *j, Node *stmt);
extern void rules_claims_truncate(Judgement *j, Node *stmt);
extern void rules_claims_alter_function(Judgement *j, Node *stmt);
extern void rules_claims_alter_enum(Judgement *j, Node *stmt);

/* Has it an expression with one of these labels? */
extern bool rules_label_in_query(Node *stmt, List *labels);
extern bool rules_label_in_alter_table(Node *stmt, List *labels);
extern bool rules_label_in_create_table(Node *stmt, List *labels);
extern bool rules_label_in_index(Node *stmt, List *labels);

/* Does PostgreSQL run it outside of transaction blocks only? */
extern bool rules_always_outside(Facts *facts, Node *stmt);
extern bool rules_vacuum_outside(Facts *facts, Node *stmt);
extern bool rules_trees_outside(Facts *facts, Node *stmt);

/* The relation that the statement would alter and that the current user does not own; NULL if there is none. */
extern FactRelation *rules_forbidden(Facts *facts, Node *stmt);

/* A function is changed, renamed or dropped that a migration's expressions may call. */
extern void rules_migration_function(Judgement *j, Oid funcid);

/* The families. */
extern void rules_query(Judgement *j, Node *node);
extern void rules_explain(Judgement *j, Node *node);
extern void rules_create_schema(Judgement *j, Node *node);
extern void rules_alter_table(Judgement *j, Node *node);
extern void rules_alter_table_move(Judgement *j, Node *node);
extern void rules_add_column(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_column_type(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_add_constraint(Judgement *j, FactRelation *rel, List *tree,
								 Constraint *con, bool new_column);
extern void rules_not_null(Judgement *j, FactRelation *rel, List *tree, const char *column);
extern void rules_partition_of(Judgement *j, CreateStmt *stmt, FactRelation *parent);
extern void rules_index(Judgement *j, Node *node);
extern void rules_reindex(Judgement *j, Node *node);
extern void rules_vacuum(Judgement *j, Node *node);
extern void rules_cluster(Judgement *j, Node *node);
extern void rules_refresh(Judgement *j, Node *node);
extern void rules_drop(Judgement *j, Node *node);
extern void rules_truncate(Judgement *j, Node *node);
extern void rules_rename(Judgement *j, Node *node);
extern void rules_set_schema(Judgement *j, Node *node);
extern void rules_drop_owned(Judgement *j, Node *node);
extern void rules_reassign_owned(Judgement *j, Node *node);
extern void rules_create_table(Judgement *j, Node *node);
extern void rules_create_table_as(Judgement *j, Node *node);
extern void rules_create_view(Judgement *j, Node *node);
extern void rules_create_sequence(Judgement *j, Node *node);
extern void rules_change_sequence(Judgement *j, FactRelation *seq, List *options);
extern void rules_alter_sequence(Judgement *j, Node *node);
extern void rules_create_function(Judgement *j, Node *node);
/* A text gives a type this name; "name" NULL: the last one of "names". */
extern void rules_gain_type(Judgement *j, List *names, const char *name);

extern void rules_create_enum(Judgement *j, Node *node);
extern void rules_create_range(Judgement *j, Node *node);
extern void rules_create_composite(Judgement *j, Node *node);
extern void rules_create_domain(Judgement *j, Node *node);
extern void rules_alter_domain(Judgement *j, Node *node);
extern void rules_alter_enum(Judgement *j, Node *node);
extern void rules_trigger(Judgement *j, Node *node);
extern void rules_rule(Judgement *j, Node *node);
extern void rules_lock_table(Judgement *j, Node *node);
extern void rules_copy(Judgement *j, Node *node);
extern void rules_grant(Judgement *j, Node *node);
extern void rules_alter_role(Judgement *j, Node *node);
extern void rules_grant_role(Judgement *j, Node *node);
extern void rules_drop_role(Judgement *j, Node *node);
extern void rules_alter_role_set(Judgement *j, Node *node);
extern void rules_alter_database_set(Judgement *j, Node *node);
extern void rules_create_policy(Judgement *j, Node *node);
extern void rules_alter_policy(Judgement *j, Node *node);
extern void rules_create_publication(Judgement *j, Node *node);
extern void rules_alter_publication(Judgement *j, Node *node);

#endif							/* ZDM_RULES_H */
