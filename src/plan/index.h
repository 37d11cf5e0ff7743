/*-------------------------------------------------------------------------
 *
 * index.h
 *		Steps that build an index beside readers and writers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_INDEX_H
#define ZDM_INDEX_H

#include "plan/ddl_text.h"

/* ERRCODE_DUPLICATE_TABLE if the schema has a relation of that name. */
extern void index_check_name(Oid namespace, const char *name);

/*
 * Build the unique index of a constraint on the plan's table, which is not
 * partitioned, under the name "index".
 */
extern void index_key_step(MigrationPlan *plan, const Constraint *constraint, const char *index);

#endif							/* ZDM_INDEX_H */
