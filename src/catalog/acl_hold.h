/*-------------------------------------------------------------------------
 *
 * acl_hold.h
 *		Keeping GRANT and REVOKE out while privileges are copied.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_ACL_HOLD_H
#define ZDM_ACL_HOLD_H

#include "access/attnum.h"

/*
 * Until the transaction's end, nobody else grants or revokes anything on the
 * column, or for 0 on the relation and any of its columns: who tries waits.  What is
 * read of the catalog afterwards is so.  ERRCODE_LOCK_NOT_AVAILABLE if somebody has
 * just done so in a transaction that is still open.
 */
extern void acl_hold(Oid relid, AttrNumber attnum);

#endif							/* ZDM_ACL_HOLD_H */
