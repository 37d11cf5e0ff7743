/*-------------------------------------------------------------------------
 *
 * default.h
 *		The default of a column that is replaced, as it is when the two are exchanged.
 *
 * All functions need a transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEFAULT_H
#define ZDM_DEFAULT_H

#include "column/column.h"

/* The default that the new column is to have, or NULL. */
extern const char *default_of_new(const TwinArgs *twin);

/*
 * For whoever is about to exchange the two: the arguments are from here on about the
 * default as it is now.  ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, with the call to go on
 * with, "again", for one that a user's own up stands in the way of.
 */
extern void default_follow(int64 migration, TwinArgs *twin, bool forward, const char *again);
extern bool default_has_changed(int64 migration, const TwinArgs *twin, bool forward);

/* What the exchange has made of it, for the way back. */
extern void default_note(int64 migration, TwinArgs *twin);

#endif							/* ZDM_DEFAULT_H */
