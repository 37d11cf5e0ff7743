/*-------------------------------------------------------------------------
 *
 * second_name.h
 *		Two relations that show the same rows: who may do what by either.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_NAME_H
#define ZDM_SECOND_NAME_H

#include "nodes/pg_list.h"
#include "postgres_ext.h"

typedef struct SecondName
{
	int64		migration;
	Oid			table;			/* or materialized view */
	Oid			view;			/* or the second one of that */
	bool		as_owner;		/* it reads with its owner's rights, whoever asks */
} SecondName;

/* What is to be known of the privileges on the one and the other. */
typedef enum SecondNameRule
{
	SECOND_NAME_TABLE,			/* what the table gives */
	SECOND_NAME_BOTH,			/* what both give */
	SECOND_NAME_EITHER			/* what either gives */
} SecondNameRule;

/*
 * Views have just been made: statements that give them what the tables give now, not
 * what these gave at the call; to be run as the owner in the same transaction.
 * ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE if it would show what policies hide.
 */
extern char *second_name_start(int64 migration);

/* The table has row-level security by now, and the view would show past it: an error. */
extern void second_name_check_policies(const SecondName *name);

/* Those of a migration, or for 0 of all that are not over (list of SecondName *). */
extern List *second_names(int64 migration);

/* Has this transaction written to the privileges of one of the two, or to the relation itself? */
extern bool second_name_is_written(const SecondName *name);

/*
 * Statements that give "relid", one of the two, just that; to be run as its owner.
 * "" if it has just that.
 */
extern char *second_name_sql(const SecondName *name, Oid relid, SecondNameRule rule);

#endif							/* ZDM_SECOND_NAME_H */
