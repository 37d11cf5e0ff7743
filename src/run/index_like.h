/*-------------------------------------------------------------------------
 *
 * index_like.h
 *		The like of an index, on a table that has one column of another type.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_INDEX_LIKE_H
#define ZDM_INDEX_LIKE_H

#include "nodes/execnodes.h"
#include "utils/relcache.h"

/*
 * Fill in what "info" and "classes", made from "index", are to be where the column of
 * that name is another one in "hidden"; returns the collations.  Errors: PostgreSQL's for
 * what does not go with the type.
 */
extern Oid *index_like_convert(const char *column, Relation index, Relation hidden, IndexInfo *info, Oid *classes);

#endif							/* ZDM_INDEX_LIKE_H */
