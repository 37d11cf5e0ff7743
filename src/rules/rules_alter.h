/*-------------------------------------------------------------------------
 *
 * rules_alter.h
 *		What the subcommands of ALTER TABLE do, in terms of the facts.
 *
 * Named in plan/subcommand_table.c.  "tree" is the relation, with its partitions
 * and children where the statement recurses to them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_RULES_ALTER_H
#define ZDM_RULES_ALTER_H

#include "rules/rules.h"

extern void rules_drop_column(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_drop_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_validate_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_column_default(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_add_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_drop_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_replica_identity(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_relation_options(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_expression(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_alter_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_enable_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_disable_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_force_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_no_force_row_security(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_owner_to(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_tablespace(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_access_method(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_logged(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_unlogged(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_set_not_null(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_drop_not_null(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_drop_expression(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_new_constraint(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_attach_partition(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);
extern void rules_detach_partition(Judgement *j, FactRelation *rel, List *tree, AlterTableCmd *cmd);

#endif							/* ZDM_RULES_ALTER_H */
