/*-------------------------------------------------------------------------
 *
 * rewrite_wish.h
 *		What a table that is written anew is to be otherwise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_REWRITE_WISH_H
#define ZDM_REWRITE_WISH_H

#include "rules/change.h"
#include "verbs/verbs.h"

/*
 * Fill in what the change wants of relid, the table that it is about or one of its
 * partitions, by its statement or its order_by.  Errors are PostgreSQL's own, about
 * the rights of the caller too; ERRCODE_FEATURE_NOT_SUPPORTED for an access method
 * other than heap's.  Needs a lock on relid.
 */
extern void rewrite_wish_read(const Change *change, Oid relid, SecondArgs *args);

#endif							/* ZDM_REWRITE_WISH_H */
