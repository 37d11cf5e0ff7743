/*-------------------------------------------------------------------------
 *
 * persistence.h
 *		Whether a table may become logged or unlogged.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_PERSISTENCE_H
#define ZDM_PERSISTENCE_H

#include "nodes/pg_list.h"
#include "postgres_ext.h"

/*
 * PostgreSQL's own errors if it may not be made so, RELPERSISTENCE_PERMANENT or
 * RELPERSISTENCE_UNLOGGED: for its foreign keys, or a publication.  Nothing if it is.
 */
extern void persistence_check(Oid relid, char persistence);

/* The sequences that are made so with it (Oid): from 15 on. */
extern List *persistence_sequences(Oid relid);

#endif							/* ZDM_PERSISTENCE_H */
