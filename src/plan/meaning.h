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

/*
 * Write down what there is now of the names in the migration's texts: of its plan,
 * which is stored, and of zdm.hold_when; or of such a query that it is given later.
 */
extern void meaning_note(int64 migration);
extern void meaning_note_query(int64 migration, const char *query);

/*
 * Raise ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if the statement, which stands in
 * "sql", calls something that was not there then: to be asked as whom and with the
 * search_path that it is run with, directly before.
 * "definitions" is what definition_trees() gave of the template: what is made again
 * means what it means where it is.  Other errors: those of the statement, when it is
 * read.
 */
extern void meaning_check(int64 migration, const RawStmt *statement, const char *sql, List *definitions);

/* The same of a text, whose statements are independent of each other. */
extern void meaning_check_text(int64 migration, const char *sql);

#endif							/* ZDM_MEANING_H */
