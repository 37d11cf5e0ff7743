/*-------------------------------------------------------------------------
 *
 * second.h
 *		Rows of zdm.second: the hidden table that is kept beside another.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_H
#define ZDM_SECOND_H

#include "c.h"
#include "postgres_ext.h"

typedef struct Second
{
	int64		migration;
	Oid			relid;			/* the table */
	Oid			hidden;			/* the one beside it */
	Oid			key;			/* the table's index by which rows are found there */
	Oid			filenode;		/* the table's storage when the other was made */
	char	   *stamp;			/* second_stamp() then; read only */
} Second;

/* What the hidden table of a migration is called. */
extern char *second_name(int64 migration, const char *relation);

/* The migration's; false if it has none now. */
extern bool second_load(int64 migration, Second *second);

/*
 * Which versions the key's columns, its index and the table's triggers of ours have in
 * the catalog: one that was taken away and put back is another.  Meanwhile rows may
 * have been written that were not carried over.
 */
extern char *second_stamp(Oid relid, Oid key);

extern void second_insert(const Second *second);
extern void second_delete(int64 migration);

#endif							/* ZDM_SECOND_H */
