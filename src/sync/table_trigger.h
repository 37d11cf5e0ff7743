/*-------------------------------------------------------------------------
 *
 * table_trigger.h
 *		The trigger that keeps a hidden table in step with its table.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_TABLE_TRIGGER_H
#define ZDM_TABLE_TRIGGER_H

#include "catalog/second.h"
#include "fmgr.h"
#include "utils/relcache.h"
#include "utils/reltrigger.h"

extern Datum zdm_sync_table(PG_FUNCTION_ARGS);

extern Datum zdm_refuse_hidden(PG_FUNCTION_ARGS);

/* The trigger of the table, or a partition of it, for that hidden one, enabled or not; NULL if it has none. */
extern const Trigger *table_trigger_find(Relation source, Oid hidden);

/* Make it, on the table or each leaf of it.  Needs SHARE ROW EXCLUSIVE on these. */
extern void table_trigger_create(Relation source, const Second *second);

/* Have writes to a table that has become hidden refused; and let them go through again. */
extern void table_trigger_close(Relation rel);
extern void table_trigger_let(Relation rel);

/* The relations (Oid) that have one for the hidden table. */
extern List *table_trigger_relations(Oid hidden);

/* Take the trigger away; false if there is none. */
extern bool table_trigger_drop(Relation source, Oid hidden);

#endif							/* ZDM_TABLE_TRIGGER_H */
