/*-------------------------------------------------------------------------
 *
 * index_names.h
 *		What indexes and their columns are called.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_INDEX_NAMES_H
#define ZDM_INDEX_NAMES_H

/*
 * Statements, a semicolon before each, that give the index columns over the old
 * or new side of a migration's pairs the name that the table's column has now,
 * where they have a temporary one, and indexes a name without it.  They take
 * ACCESS EXCLUSIVE on the indexes, and are to be run in this transaction, which
 * needs it on the table.
 */
extern char *index_names_sql(int64 migration, bool new);

#endif							/* ZDM_INDEX_NAMES_H */
