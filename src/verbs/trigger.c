/*-------------------------------------------------------------------------
 *
 * trigger.c
 *		The sync trigger is created, and dropped.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "verbs/sql.h"
#include "verbs/verbs.h"

static const Field fields[] = {
	FIELD(RelationArgs, relation, OID),
};

static const Fields args = FIELDS(RelationArgs, fields);

static char *
create(const Making *making, Oid relid)
{
	char	   *table = sql_table(making, relid);
	char	   *trigger = sql_sync_trigger(making, relid);

	return psprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s "
					"FOR EACH ROW EXECUTE FUNCTION zdm.sync();\n"
					"ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
					trigger, table, table, trigger);
}

static char *
drop(const Making *making, Oid relid)
{
	return psprintf("DROP TRIGGER %s ON %s", sql_sync_trigger(making, relid), sql_table(making, relid));
}

static char *
create_sql(const Making *making, const void *data)
{
	const RelationArgs *trigger = data;

	return making->back ? drop(making, trigger->relation) : create(making, trigger->relation);
}

static char *
drop_sql(const Making *making, const void *data)
{
	return drop(making, ((const RelationArgs *) data)->relation);
}

const Verb verb_create_sync_trigger = {.name = "create_sync_trigger", .args = &args, .sql = create_sql};
const Verb verb_drop_sync_trigger = {.name = "drop_sync_trigger", .args = &args, .sql = drop_sql};
