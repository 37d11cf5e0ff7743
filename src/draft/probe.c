/*-------------------------------------------------------------------------
 *
 * probe.c
 *		DDL that is only tried.
 *
 * What PostgreSQL would make of a statement is asked of PostgreSQL, on a table of
 * ours that is gone a moment later.  Event triggers forbid rewrites, ask for
 * primary keys and keep logs: of what is rolled back they must neither hear nor
 * have a say.  They fire for complete statements alone, so a probe is run as a
 * part of one: the call that is under way.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "core/errors.h"
#include "draft/probe.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"
#include "compat.h"

void
probe_statement(Node *stmt, const char *sql)
{
	PlannedStmt *planned = makeNode(PlannedStmt);

	planned->commandType = CMD_UTILITY;
	planned->utilityStmt = stmt;
	planned->stmt_location = -1;
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(planned, sql, false, PROCESS_UTILITY_SUBCOMMAND, NULL, NULL, None_Receiver, NULL);
	PopActiveSnapshot();
	CommandCounterIncrement();
}

void
probe_run(const char *sql)
{
	ListCell   *lc;

	foreach(lc, pg_parse_query(sql))
	{
		List	   *queries = pg_analyze_and_rewrite_fixedparams(lfirst_node(RawStmt, lc), sql, NULL, 0, NULL);
		PlannedStmt *planned = linitial_node(PlannedStmt, pg_plan_queries(queries, sql, 0, NULL));

		if (planned->utilityStmt == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("a probe is not DDL")));
		probe_statement(planned->utilityStmt, sql);
	}
}
