/*-------------------------------------------------------------------------
 *
 * second_table.h
 *		Making the hidden table, building its indexes, exchanging the storages.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_SECOND_TABLE_H
#define ZDM_SECOND_TABLE_H

#include "access/transam.h"
#include "catalog/migration.h"
#include "catalog/second.h"
#include "nodes/pg_list.h"
#include "verbs/verbs.h"

/*
 * What making and exchanging tables of a new shape has in common with this (new_shape.c):
 * the like of the table's index in the hidden one, by its name; InvalidOid if there is
 * none that is valid.
 */
extern Oid	second_table_like(const Second *second, Oid indexid);

/* How an index is made that is the hidden table's key. */
typedef struct SecondKey
{
	bool		unique;
	List	   *columns;		/* char *: not those of the table's key, but these; or NIL */
} SecondKey;

/*
 * Enter the like of the table's index, on the hidden table or, as a part of "parent", on
 * a partition of it; built at once if it is the key, and what it is on empty.
 */
extern Oid	second_table_create_index(const Second *second, Relation hidden, Oid indexid, Oid parent, SecondKey *key);

/* The same as the part of "like", that of the table's index, on a partition of the hidden table, at whatever depth. */
extern Oid	second_table_create_part(const Second *second, Relation part, Oid indexid, Oid like, SecondKey *key);

/* The hidden one goes with the table. */
extern void second_table_depend(Oid hidden, Oid relid);

/* Is all there that the change needs, and is the table's owner who stated it? */
extern void second_table_check(const Migration *migration, const SecondArgs *args, Relation source);

/* Make it, in the table's shape, with its key and the trigger.  Needs SHARE ROW EXCLUSIVE on the table. */
extern void second_table_make(const Migration *migration, const SecondArgs *args);

/*
 * Is what the hidden table holds void, for what became of the table since?  Needs a
 * lock on the table.
 */
extern bool second_table_is_void(const SecondArgs *args, const Second *second);

/*
 * The two tables, with their TOAST tables, and the sequences that change with them: what
 * is locked to take one of them away.
 */
extern List *second_table_relations(const SecondArgs *args, const Second *second);

/*
 * The TOAST tables of those, by the order of their tables: an autovacuum can be at one of
 * them alone, and writes its row of pg_class in place.
 */
extern List *second_table_toasts(List *relations);

/* Take the trigger and the hidden table away.  Needs ACCESS EXCLUSIVE on all of those. */
extern void second_table_drop(const Second *second);

/*
 * The statement that brings the hidden table's indexes one step further, as text for
 * a top-level portal; NULL if the table has none whose like is not there and valid.
 * Needs SHARE UPDATE EXCLUSIVE on the hidden table.
 */
extern char *second_table_next_index(const Second *second);

/* The first transaction that began after the last row had been copied, as far as is known; zeroed: not. */
typedef struct CopyEnd
{
	Oid			hidden;			/* of which table */
	FullTransactionId next;
} CopyEnd;

/*
 * Are there snapshots or transactions from before the last row was copied?  Who has
 * them is in *who.  Needs a transaction with a snapshot.
 */
extern bool second_table_awaits_snapshots(const Second *second, CopyEnd *end, char **who);

/* Standbys whose snapshots do not hold us back are to end them. */
extern void second_table_tell_standbys(const Second *second, CopyEnd *end, Relation hidden);

/*
 * Give the table the storage of the hidden one, of its TOAST table and its indexes,
 * and drop that with the old one.  False, with nothing done, if an index is missing.
 * Needs ACCESS EXCLUSIVE on all of second_table_relations().
 */
extern bool second_table_exchange(const Migration *migration, const SecondArgs *args, const Second *second, CopyEnd *end);

/*
 * Have two tables trade their storage, TOAST tables and indexes pairwise; and when the
 * one that has the other's is gone, the TOAST table is called after its table.  Needs
 * ACCESS EXCLUSIVE on both.
 */
extern void second_table_trade(Oid relid, Oid hidden, List *indexes, List *likes);
extern void second_table_settle_toast(Oid relid);

#endif							/* ZDM_SECOND_TABLE_H */
