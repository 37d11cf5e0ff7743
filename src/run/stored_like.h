/*-------------------------------------------------------------------------
 *
 * stored_like.h
 *		How a table is stored that is stored as another one is.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_STORED_LIKE_H
#define ZDM_STORED_LIKE_H

#include "utils/relcache.h"

/*
 * What stands behind the columns in CREATE TABLE: access method, options, tablespace; of a
 * partitioned table its tablespace, if it has one.
 */
extern char *stored_like(Relation source);

#endif							/* ZDM_STORED_LIKE_H */
