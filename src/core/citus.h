/*-------------------------------------------------------------------------
 *
 * citus.h
 *		Do the rows of this table live where we look?
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_CITUS_H
#define ZDM_CITUS_H

#include "postgres_ext.h"

typedef enum CitusKind
{
	CITUS_NONE,					/* a table like any other */
	CITUS_DISTRIBUTED,			/* its rows are in shards */
	CITUS_REFERENCE,			/* a copy on every node */
	CITUS_LOCAL,				/* its rows are in a shard of this node */
	CITUS_SHELL,				/* any of these, seen from a worker */
	CITUS_SHARD					/* holds rows of one of these */
} CitusKind;

/*
 * What Citus has made of the relation.  *table is the table that users know, the
 * relation itself unless it is a shard.  Needs a transaction; reads Citus'
 * catalogs with ACCESS SHARE; costs a look-up by name where there are none.
 */
extern CitusKind citus_kind(Oid relid, Oid *table);

/* "a distributed table of Citus"; NULL for CITUS_NONE.  Pure. */
extern const char *citus_kind_name(CitusKind kind);

/* "on the coordinator (host:port)", as far as it is known. */
extern char *citus_coordinator(void);

/* Does Citus carry a change of this kind to where the rows are, by itself?  Pure. */
extern bool citus_carries(const char *kind);

/* Was the session opened by Citus itself, from another node? */
extern bool citus_own_session(void);

/*
 * ERRCODE_FEATURE_NOT_SUPPORTED, by name and with the coordinator's table, if
 * the rows of "relid" are elsewhere and Citus does not carry the change there.
 * "kind" may be NULL: then nothing is carried.
 */
extern void citus_check(Oid relid, const char *kind);

/*
 * The way back of a table that has become one of Citus: to the end of the
 * transaction our trigger, which Citus has copied to the shards, may be dropped.
 * Nothing for any other table.
 */
extern void citus_let_drop_trigger(Oid relid);

#endif							/* ZDM_CITUS_H */
