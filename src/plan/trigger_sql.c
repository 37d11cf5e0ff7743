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

#include "core/names.h"
#include "plan/trigger_sql.h"

char *
trigger_sql_create(Oid relid)
{
	char	   *table = names_template_relation(relid);
	char	   *trigger = names_template_sync_trigger(relid);

	return psprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s "
					"FOR EACH ROW EXECUTE FUNCTION zdm.sync();\n"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
					trigger, table, table, trigger);
}

char *
trigger_sql_drop(Oid relid)
{
	return psprintf("DROP TRIGGER %s ON %s",
					names_template_sync_trigger(relid),
					names_template_relation(relid));
}
