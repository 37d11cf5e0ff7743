/*-------------------------------------------------------------------------
 *
 * toplevel.c
 *		Running a statement that refuses a transaction block.
 *
 * CREATE INDEX CONCURRENTLY and its like commit in the middle, and accept only
 * to be run as the outermost statement; SPI always is a function call to them.
 * So the statement goes through a portal marked top-level.  Parse tree and
 * source live in a context of their own under TopMemoryContext, as everything
 * allocated in the transaction is gone after the first inner commit, and what
 * those commands carry across commits is found under the portal's context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/errors.h"
#include "core/identity.h"
#include "ddl/guard.h"
#include "miscadmin.h"
#include "run/toplevel.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "compat.h"

static void
run(const char *sql)
{
	static MemoryContext statement_context = NULL;
	MemoryContext old;
	RawStmt    *parsetree;
	List	   *parsetrees;
	List	   *querytrees;
	List	   *plantrees;
	Portal		portal;
	DestReceiver *receiver;
	QueryCompletion qc;

	Assert(!IsTransactionState());

	/* reset at the start, not the end: an error leaves it to its next use */
	if (statement_context == NULL)
		statement_context = AllocSetContextCreate(TopMemoryContext,
												  "zdm top-level statement",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(statement_context);
	StartTransactionCommand();
	old = MemoryContextSwitchTo(statement_context);
	sql = pstrdup(sql);
	parsetrees = pg_parse_query(sql);
	if (list_length(parsetrees) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a top-level step must be exactly one statement")));
	parsetree = linitial_node(RawStmt, parsetrees);

	/* REFRESH reads no expression, restricts itself first of all, and makes a temporary table */
	if (!IsA(parsetree->stmt, RefreshMatViewStmt))
		identity_restrict_transaction();

	/* analysis of a utility statement looks at nothing: no snapshot is needed */
	querytrees = pg_analyze_and_rewrite_fixedparams(parsetree, sql, NULL, 0, NULL);
	plantrees = pg_plan_queries(querytrees, sql, 0, NULL);

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, sql, CreateCommandTag(parsetree->stmt),
					  plantrees, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	receiver = CreateDestReceiver(DestNone);
	MemoryContextSwitchTo(old);

	guard_own = sql;
	(void) zdm_portal_run(portal, receiver, &qc);
	guard_own = NULL;
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
	CommitTransactionCommand();
}

/*
 * As the role that the work is done for: the statement looks its names up again
 * after each lock that it has waited for, and what they mean by then may belong to
 * somebody else.  PostgreSQL's own check of ownership is ours, too.
 */
void
toplevel_run(Oid role, const char *sql)
{
	Identity	saved;

	identity_enter_session(role, &saved);
	PG_TRY();
	{
		run(sql);
	}
	PG_CATCH();
	{
		/* an abort gives back the role that its transaction began with: ours */
		HOLD_INTERRUPTS();
		AbortOutOfAnyTransaction();
		RESUME_INTERRUPTS();
		identity_leave_session(&saved);
		PG_RE_THROW();
	}
	PG_END_TRY();
	identity_leave_session(&saved);
}
