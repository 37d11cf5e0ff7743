/*-------------------------------------------------------------------------
 *
 * to_change.h
 *		From the text of a DDL statement to a change.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TO_CHANGE_H
#define ZDM_TO_CHANGE_H

#include "rules/change.h"

/*
 * The change that one DDL statement states, its names resolved with the
 * caller's search_path.  "up" and "down" may be NULL.  Takes and keeps ACCESS
 * SHARE on the table it is about; relid is InvalidOid if it is about none.
 * Errors: what PostgreSQL's parser has to say; ERRCODE_UNDEFINED_TABLE;
 * ERRCODE_INVALID_PARAMETER_VALUE for none or several statements;
 * ERRCODE_FEATURE_NOT_SUPPORTED, by name, for what zdm.migrate() does not do.
 */
extern Change *change_from_ddl(const char *ddl, const char *up, const char *down);

/*
 * Error context callback whose argument is the statement's text: a position in
 * it is reported as one, and not as a position in the query of the caller.
 */
extern void change_error_callback(void *ddl);

/*
 * Of one kind of statement (ddl/statement.h): what change it is, if it is one that
 * has a plan of its own.
 */
extern void change_read_alter_table(Change *change, Node *stmt);
extern void change_read_rename(Change *change, Node *stmt);
extern void change_read_set_schema(Change *change, Node *stmt);
extern void change_read_create_table_as(Change *change, Node *stmt);
extern void change_read_index(Change *change, Node *stmt);
extern void change_read_drop(Change *change, Node *stmt);
extern void change_read_alter_enum(Change *change, Node *stmt);
extern void change_read_cluster(Change *change, Node *stmt);
extern void change_read_vacuum(Change *change, Node *stmt);

#endif							/* ZDM_TO_CHANGE_H */
