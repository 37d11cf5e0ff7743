/*-------------------------------------------------------------------------
 *
 * by_text.h
 *		What knows a column by its text alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_BY_TEXT_H
#define ZDM_BY_TEXT_H

#include "catalog/migration.h"

/*
 * Raise ERRCODE_FEATURE_NOT_SUPPORTED if a BEFORE trigger of the table names the
 * column, which is to be renamed: it would neither see nor change what is written
 * by the other name.
 */
extern void by_text_refuse_before(Oid relid, const char *column);

/*
 * Raise ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST if writers of the table would meet a
 * trigger function that names a column which contract is about to drop; "again" is
 * the function to call when that is mended.  Needs a transaction.
 */
extern void by_text_refuse(const Migration *migration, const char *again);

/* Warn of other functions that seem to name such a column. */
extern void by_text_warn(const Migration *migration);

#endif							/* ZDM_BY_TEXT_H */
