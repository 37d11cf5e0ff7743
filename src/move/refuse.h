/*-------------------------------------------------------------------------
 *
 * refuse.h
 *		What hangs on a table and cannot move.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_MOVE_REFUSE_H
#define ZDM_MOVE_REFUSE_H

#include "move/move.h"

/* Of the tables (Oid), at the exchange: ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE. */
extern void refuse_late(const Move *move, List *tables, bool partitioned);

#endif							/* ZDM_MOVE_REFUSE_H */
