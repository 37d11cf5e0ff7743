/*-------------------------------------------------------------------------
 *
 * turn.h
 *		Whose turn it is among the workers of one migration.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TURN_H
#define ZDM_TURN_H

/*
 * May this process do a batch of the migration now?  Then it has a turn to the end
 * of the transaction, which must be open; if not, it is to come again after
 * turn_pause() ms.
 */
extern bool turn_take(int64 migration);
extern int	turn_pause(void);

#endif							/* ZDM_TURN_H */
