/*-------------------------------------------------------------------------
 *
 * trigger_sql.c
 *		The statements that create and drop the sync trigger.
 *
 * The trigger is ENABLE ALWAYS: rows that a logical replication worker applies
 * must be kept in step as well, and it decides by value there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pair.h"
#include "core/debug_point.h"
#include "core/errors.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "draft/trigger_sql.h"
#include "utils/builtins.h"

/*
 * A trigger that is made as ours are, while no migration has it.  Who states a
 * migration does not keep the worker of another one from committing between the two
 * reads.  So the trigger is read first: one that is there then has its step done.
 * None is dropped meanwhile, for that needs ACCESS EXCLUSIVE.
 */
static char *
orphan_of(Oid relid)
{
	char	   *name = trigger_name_find(relid);

	ZDM_DEBUG_POINT("trigger-looked-for");
	return name != NULL && !pair_trigger_needed(relid, 0) ? name : NULL;
}

void
trigger_sql_check(Oid relid)
{
	char	   *stranger = trigger_name_impostor(relid);

	if (stranger == NULL)
		stranger = orphan_of(relid);
	if (stranger != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("trigger %s of %s runs zdm.sync(), and no migration has made it",
						quote_identifier(stranger), names_relation(relid)),
				 errdetail("It would be taken for the one that keeps the columns in step."),
				 errhint("DROP TRIGGER %s ON %s;", quote_identifier(stranger), names_relation(relid))));
}
