/*-------------------------------------------------------------------------
 *
 * older_table.h
 *		Which statements can hold what an older server does not know.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_OLDER_TABLE_H
#define ZDM_OLDER_TABLE_H

#include "nodes/parsenodes.h"

/* Look at it, if it has a line. */
extern void older_statement(Node *stmt);
extern void older_subcommand(const RangeVar *table, const AlterTableCmd *cmd);

/* In older.c: each raises what it finds. */
extern void older_look_at_alter_table(Node *node);
extern void older_look_at_grant(Node *node);
extern void older_look_at_index(Node *node);
extern void older_look_at_query(Node *node);
extern void older_look_at_table(Node *node);
extern void older_look_at_table_as(Node *node);
extern void older_look_at_view(Node *node);

extern void older_look_at_access_method(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_altered(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_column(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_constraint(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_default(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_drop(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_generation(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_statistics(const RangeVar *table, const AlterTableCmd *cmd);
extern void older_look_at_storage(const RangeVar *table, const AlterTableCmd *cmd);

#endif							/* ZDM_OLDER_TABLE_H */
