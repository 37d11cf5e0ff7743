/*-------------------------------------------------------------------------
 *
 * lock_room.h
 *		Whether the server's lock table has room for what is to be locked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_LOCK_ROOM_H
#define ZDM_LOCK_ROOM_H

#include "nodes/pg_list.h"

/*
 * ERRCODE_OUT_OF_MEMORY, as PostgreSQL has it, if the relations, with their
 * partitions or children, indexes and TOAST tables, are too many to be locked at
 * once.  Takes no lock on them.
 */
extern void lock_room_check(List *relids);

#endif							/* ZDM_LOCK_ROOM_H */
