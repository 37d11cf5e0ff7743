/*-------------------------------------------------------------------------
 *
 * privileges.c
 *		Two columns of which one shows the other's values have the same privileges.
 *
 * Who revokes a privilege on a column that is migrated does not know of the other
 * one, and who grants it to an application means what the application reads, under
 * either name.  So what a GRANT or REVOKE has made of one of them is made of the
 * other in the same transaction, as the table's owner.  The same holds for a table
 * that is renamed and the view that has its other name (one that reads with its
 * owner's rights would show what row-level security hides, which cannot be enabled
 * then), and for a materialized view and the one that is to take its place.  A GRANT
 * can be a part of CREATE SCHEMA, too.  And where row-level security is enabled or
 * disabled, it is so on the hidden table beside.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/second_name.h"
#include "catalog/second_security.h"
#include "catalog/twin.h"
#include "commands/event_trigger.h"
#include "core/errors.h"
#include "core/extension.h"
#include "core/identity.h"
#include "ddl/own_statement.h"
#include "executor/spi.h"
#include "fmgr.h"

PG_FUNCTION_INFO_V1(zdm_privileges_changed);

/* What is run here comes by here again. */
static bool following = false;

/* Ours are not judged: the statement that they follow from was. */
static void
run(Oid owner, const char *sql)
{
	Identity	saved;
	const char *was_own = guard_own;

	identity_enter(owner, NIL, &saved);
	guard_own = sql;
	following = true;
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
		following = false;
	}
	PG_END_TRY();
	identity_leave(&saved);
}

/* Of two columns. */
static void
follow_columns(void)
{
	List	   *owners;
	List	   *migrations = twin_migrations(&owners);
	ListCell   *lc;
	ListCell   *owner;

	forboth(lc, migrations, owner, owners)
	{
		int64		migration = *(int64 *) lfirst(lc);
		char	   *sql = twin_privileges_sql(migration);

		if (sql[0] != '\0')
			run(lfirst_oid(owner), sql);
		/* both may have lost, or been given, the same at once */
		twin_note_privileges(migration);
	}
}

/* Of a table and a view. */
static void
follow_names(SecondNameRule rule)
{
	ListCell   *lc;

	foreach(lc, second_names(0))
	{
		SecondName *name = lfirst(lc);
		char	   *of_table;
		char	   *of_view;

		if (!second_name_is_written(name))
			continue;
		of_table = second_name_sql(name, name->table, rule);
		of_view = second_name_sql(name, name->view, rule);
		if (of_table[0] != '\0')
			run(identity_of(name->table), of_table);
		if (of_view[0] != '\0')
			run(identity_of(name->view), of_view);
	}
}

static bool
changes_row_security(Node *stmt)
{
	ListCell   *lc;

	if (!IsA(stmt, AlterTableStmt))
		return false;
	foreach(lc, ((AlterTableStmt *) stmt)->cmds)
	{
		AlterTableType subtype = ((AlterTableCmd *) lfirst(lc))->subtype;

		if (subtype == AT_EnableRowSecurity || subtype == AT_DisableRowSecurity)
			return true;
	}
	return false;
}

Datum
zdm_privileges_changed(PG_FUNCTION_ARGS)
{
	EventTriggerData *event;
	ListCell   *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("zdm.privileges_changed must be called by an event trigger")));
	event = (EventTriggerData *) fcinfo->context;
	if (following || !extension_ready())
		PG_RETURN_NULL();
	if (event->tag == CMDTAG_ALTER_TABLE)
	{
		if (!changes_row_security(event->parsetree))
			PG_RETURN_NULL();
		foreach(lc, second_names(0))
			second_name_check_policies(lfirst(lc));
		second_secure_all();
		PG_RETURN_NULL();
	}
	follow_columns();
	/* a step that makes the second one knows what it had at the call */
	if (guard_own != NULL)
		PG_RETURN_NULL();
	follow_names(event->tag == CMDTAG_REVOKE || event->tag == CMDTAG_DROP_OWNED ? SECOND_NAME_BOTH : SECOND_NAME_EITHER);
	PG_RETURN_NULL();
}
