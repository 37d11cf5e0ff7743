/*-------------------------------------------------------------------------
 *
 * move.h
 *		What hangs on a table moves to the one that takes its name.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MOVE_H
#define ZDM_MOVE_H

#include "nodes/pg_list.h"

/* A column that the two tables have of different types. */
typedef struct MoveConverted
{
	const char *name;
	bool		exact;			/* different values stay different, there and back */
	bool		in_key;			/* it is in the partition key: a row of which the value does not come back stays where it is */
	List	   *sequences;		/* Oid: those that become of the type that it has */
	bool		default_known;	/* else its default goes over as it reads */
	const char *default_text;	/* what it is then, or NULL: none */
} MoveConverted;

/* What the other table will be: all that the call can know of it. */
typedef struct MoveTarget
{
	bool		partitioned;
	const MoveConverted *converted; /* or NULL */
} MoveTarget;

/* Two tables, of one schema, that exchange their names. */
typedef struct Move
{
	int64		migration;		/* names in between are made from it */
	Oid			from;			/* the one that applications know ... */
	Oid			to;				/* ... and the one that they are to know */
	List	   *indexes;		/* Oid: indexes of "from" and its leaves ... */
	List	   *likes;			/* ... and those that take their names and comments */
	List	   *leaves_from;	/* Oid: partitions of "from", at every level, ... */
	List	   *leaves_to;		/* ... and those that take their place */
	List	   *own;			/* char *: columns that only one has, computes otherwise or has of another type */
	const MoveConverted *converted; /* the last of these, or NULL */
	bool		attach;			/* "from" becomes a partition of "to" after it, or "to" was one of "from" */
	bool		copies;			/* "from" keeps what is given to "to" */
	const char *middle;			/* a statement of the owner's, when all has left "from" and nothing has come; or NULL */
} Move;

/* A thing that is done, in the exchange's transaction. */
typedef struct MoveAct MoveAct;

/*
 * Raise one error that names all that hangs on the table and cannot move, and why
 * (ERRCODE_FEATURE_NOT_SUPPORTED).
 */
extern void move_check(Oid relid, const MoveTarget *target);

/*
 * The relations (Oid) that are locked ACCESS EXCLUSIVE beside the two, their partitions
 * among them, so that what is read of the catalog then is so until the end of the
 * transaction, and no act waits.  "views_over": those over views, too, as where a column
 * is of another type (Move.converted).
 */
extern List *move_relations(Oid from, Oid to, bool views_over);

/*
 * All that is to be done (MoveAct *), from the catalog as it is now; what has come
 * since the call and cannot move is an error, as in move_check().  Nothing is changed
 * but that GRANT and REVOKE are kept out from here on: see acl_hold().  Needs ACCESS
 * EXCLUSIVE on the two and on move_relations(): ERRCODE_LOCK_NOT_AVAILABLE if these have
 * become more since they were locked.
 */
extern List *move_acts(const Move *move);

/*
 * For a partition that others take the place of: all that it has beside what all
 * partitions of "parent" have is given to each of those; what cannot be is raised, in one
 * error (ERRCODE_FEATURE_NOT_SUPPORTED).
 */
extern void move_check_gifts(Oid from, Oid parent);

/*
 * The acts that give it to one of them, but for constraints and indexes.  Indexes and
 * likes: as in Move.  Needs ACCESS EXCLUSIVE on both.
 */
extern List *move_gifts(Oid from, Oid to, List *indexes, List *likes);

/* When all of them ("to", Oid) have it: the act that sees to it that none of it calls anything else than it did. */
extern List *move_gifts_calls(int64 migration, Oid from, List *to);

/* Nobody has a privilege on the relation but its owner, whatever default privileges have given with it. */
extern void move_keep_private(Oid relid);

/* Do them.  Nothing but these may be done to the tables since they were listed. */
extern void move_run(List *acts);

/* The same as SQL, for who reads it. */
extern char *move_sql(List *acts);

#endif							/* ZDM_MOVE_H */
