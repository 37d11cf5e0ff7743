/*-------------------------------------------------------------------------
 *
 * table_trigger.h
 *		The trigger that keeps a hidden table in step with its table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TABLE_TRIGGER_H
#define ZDM_TABLE_TRIGGER_H

#include "fmgr.h"
#include "utils/relcache.h"
#include "utils/reltrigger.h"

extern Datum zdm_sync_table(PG_FUNCTION_ARGS);

/* The hidden table, and the index of the table that is the key, of one of these triggers. */
extern void table_trigger_arguments(const Trigger *trigger, Oid *hidden, Oid *key);

/* zdm.sync_table(). */
extern Oid	table_trigger_function(void);

/* The trigger of the table for that hidden one, enabled or not; NULL if it has none. */
extern const Trigger *table_trigger_find(Relation source, Oid hidden);

/* Make it.  Needs SHARE ROW EXCLUSIVE on the table. */
extern void table_trigger_create(Relation source, Oid hidden, Oid key);

#endif							/* ZDM_TABLE_TRIGGER_H */
