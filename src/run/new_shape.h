/*-------------------------------------------------------------------------
 *
 * new_shape.h
 *		The second table where it is of another shape: made, and exchanged by name.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_NEW_SHAPE_H
#define ZDM_NEW_SHAPE_H

#include "catalog/migration.h"
#include "catalog/second.h"
#include "catalog/step.h"
#include "nodes/pg_list.h"
#include "run/second_table.h"
#include "run/sessions.h"
#include "utils/relcache.h"

/* Make it, with its key and the triggers.  Needs SHARE ROW EXCLUSIVE on the table. */
extern void new_shape_make(const Migration *migration, const SecondArgs *args);

/*
 * Can a partitioned table's like be made now, with a column of another
 * type?  It is made, without rows, and undone.  Errors: those of partitioned_like_parts(), and
 * PostgreSQL's, of bounds above all, with the names of the table and its partitions.
 */
extern void new_shape_try(const SecondArgs *args, List *settings);

/* All that is locked to exchange the names of the two. */
extern List *new_shape_relations(const Second *second);

/*
 * Have the hidden table take the name of the other, with all that hangs on it, and the
 * other be hidden and follow from there on; or, when they have been exchanged, the
 * other way round.  What was done, as text; NULL, with nothing done, if an index is
 * missing.  Needs ACCESS EXCLUSIVE on all of new_shape_relations(), and that what the
 * hidden one holds is not void.  The migration is about the other table then.
 */
extern char *new_shape_exchange(Migration *migration, const SecondArgs *args, Second *second, CopyEnd *end,
								const SessionFunctions *functions);

/*
 * Empty the hidden table, so that all rows are copied to it anew.  Needs ACCESS EXCLUSIVE
 * on both.  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if it cannot hold them any more.
 */
extern void new_shape_refill(const Migration *migration, Second *second);

/*
 * One statement, as whoever is at work; event triggers are not told.  An error about what
 * others have put in its way since the call, a name or a bound, says how to go on.
 */
extern void new_shape_run(const Migration *migration, const char *sql);

/* The statement that gathers the hidden table's statistics. */
extern char *new_shape_analyze(const Second *second);

#endif							/* ZDM_NEW_SHAPE_H */
