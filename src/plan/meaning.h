/*-------------------------------------------------------------------------
 *
 * meaning.h
 *		That a text means what it meant when its migration was stated.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MEANING_H
#define ZDM_MEANING_H

#include "nodes/parsenodes.h"
#include "nodes/pg_list.h"
#include "parser/parse_node.h"

typedef struct Reading Reading;

/*
 * Write down what there is now of the names in the migration's texts: of its plan,
 * which is stored, and of zdm.hold_when; or of such a query that it is given later.
 */
extern void meaning_note(int64 migration);
extern void meaning_note_query(int64 migration, const char *query);

/* The same list, for who states it again (char *, as migration_known() has it). */
extern List *meaning_now(int64 migration);

/*
 * Raise ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if the statement, which stands in
 * "sql", calls something that was not there then: to be asked as whom and with the
 * search_path that it is run with, directly before.
 * "definitions" is what verb_sql_to_run() said of the step: what is made again
 * means what it means where it is.  Other errors: those of the statement, when it is
 * read.
 */
extern void meaning_check(int64 migration, const RawStmt *statement, const char *sql, List *definitions);

/* The same of a text, whose statements are independent of each other. */
extern void meaning_check_text(int64 migration, const char *sql);

/*
 * The same of what PostgreSQL has printed of a table of the migration's: it may call what
 * the trees there call, whatever else there was at the call.
 */
extern void meaning_check_carried(int64 migration, Oid relid, const char *sql);

/*
 * Of one kind of statement (ddl/statement.h): read the expressions in it.  A new
 * kind with something of a user's in it is one more of these.
 */
extern void meaning_read_query(Reading *reading, Node *stmt);
extern void meaning_read_create_table_as(Reading *reading, Node *stmt);
extern void meaning_read_view(Reading *reading, Node *stmt);
extern void meaning_read_alter_table(Reading *reading, Node *stmt);
extern void meaning_read_index(Reading *reading, Node *stmt);
extern void meaning_read_statistics(Reading *reading, Node *stmt);
extern void meaning_read_create_policy(Reading *reading, Node *stmt);
extern void meaning_read_alter_policy(Reading *reading, Node *stmt);
extern void meaning_read_trigger(Reading *reading, Node *stmt);
extern void meaning_read_rule(Reading *reading, Node *stmt);

/* The same of a subcommand of ALTER TABLE; the type is that of the column that it names. */
extern void meaning_of_new_column(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);
extern void meaning_of_default(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);
extern void meaning_of_generation(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);
extern void meaning_of_new_type(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);
extern void meaning_of_constraint(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);
extern void meaning_of_partition(Reading *reading, ParseState *pstate, const AlterTableCmd *cmd,
							   Oid type, int32 typmod);

#endif							/* ZDM_MEANING_H */
