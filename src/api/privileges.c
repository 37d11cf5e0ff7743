/*-------------------------------------------------------------------------
 *
 * privileges.c
 *		Two columns of which one shows the other's values have the same privileges.
 *
 * Who revokes a privilege on a column that is migrated does not know of the other
 * one, and who grants it to an application means what the application reads, under
 * either name.  So what a GRANT or REVOKE has made of one of them is made of the
 * other in the same transaction, as the table's owner.  A GRANT can be a part of
 * CREATE SCHEMA, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/twin.h"
#include "commands/event_trigger.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/identity.h"
#include "ddl/guard.h"
#include "executor/spi.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(zdm_privileges_changed);

/* Ours are not judged: the statement that they follow from was. */
static void
run(Oid owner, const char *sql)
{
	Identity	saved;
	const char *was_own = guard_own;

	identity_enter(owner, NIL, &saved);
	guard_own = sql;
	PG_TRY();
	{
		SPI_connect();
		if (SPI_execute(sql, false, 0) < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("the privileges of a column that is migrated could not be given to the other one")));
		SPI_finish();
	}
	PG_FINALLY();
	{
		guard_own = was_own;
	}
	PG_END_TRY();
	identity_leave(&saved);
}

/* What is run here comes by here again, and finds nothing to do. */
Datum
zdm_privileges_changed(PG_FUNCTION_ARGS)
{
	List	   *owners;
	List	   *migrations;
	ListCell   *lc;
	ListCell   *owner;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.privileges_changed must be called by an event trigger")));
	if (!extension_ready())
		PG_RETURN_NULL();
	migrations = twin_migrations(&owners);
	forboth(lc, migrations, owner, owners)
	{
		int64		migration = *(int64 *) lfirst(lc);
		char	   *sql = twin_privileges_sql(migration);

		if (sql[0] == '\0')
			continue;
		run(lfirst_oid(owner), sql);
		twin_note_privileges(migration);
	}
	PG_RETURN_NULL();
}
