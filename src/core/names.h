/*-------------------------------------------------------------------------
 *
 * names.h
 *		Names of relations and columns as they are now, quoted; and names that are
 *		made.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_NAMES_H
#define ZDM_NAMES_H

#include "access/attnum.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"

/*
 * The relation's schema-qualified, quoted name; NULL if it does not exist.
 * Needs a transaction.
 */
extern char *names_relation(Oid relid);

/* The attribute's quoted name; NULL if there is none or it is dropped. */
extern char *names_attribute(Oid relid, AttrNumber attnum);

/*
 * The same, for SQL: of what is gone an error (ERRCODE_UNDEFINED_TABLE,
 * ERRCODE_UNDEFINED_COLUMN) or, with missing_ok, "<dropped>".
 */
extern char *names_of_relation(Oid relid, bool missing_ok);
extern char *names_of_attribute(Oid relid, AttrNumber attnum, bool missing_ok);

/*
 * The quoted name of the relation's sync trigger, as it is or is to be; NULL
 * if the relation does not exist or, with missing_ok, if no name is left for one
 * (otherwise the error of trigger_name_choose()).
 */
extern char *names_sync_trigger(Oid relid, bool missing_ok);

/*
 * Makes "base" followed by "suffix" no longer than a name may be, cutting base
 * at a character boundary; a hash of the whole takes the place of what is cut.
 */
extern char *names_make(const char *base, const char *suffix);

/* The columns of an index (String) as PostgreSQL names them, of its elements (IndexElem). */
extern List *names_of_elements(List *elements);

/* "a_b" of a list of String nodes, as PostgreSQL has the columns of an index in its name. */
extern char *names_joined(List *names);

#endif							/* ZDM_NAMES_H */
