/*-------------------------------------------------------------------------
 *
 * as_owner.c
 *		Statements that are run as the table's owner.
 *
 * What a user wrote, and what its statements come to, has the rights of the owner and no
 * others; and so have the statements that we make of it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/guc.h"
#include "core/identity.h"
#include "ddl/own_statement.h"
#include "executor/spi.h"
#include "parser/parser.h"
#include "plan/meaning.h"
#include "run/as_owner.h"
#include "run/snapshots.h"
#include "utils/guc.h"

/* What is to be run, and how it was meant. */
typedef struct OwnersWork
{
	const Migration *migration;
	const char *sql;
	List	   *definitions;	/* of definition_trees() */
} OwnersWork;

/*
 * Statement by statement: who carries DDL elsewhere, as Citus does, sends on the
 * whole text of what it finds in one call.  And each is about what those before it
 * have made.
 */
static int
execute(const OwnersWork *work)
{
	const char *sql = work->sql;
	int			rc = 0;
	ListCell   *lc;

	foreach(lc, raw_parser(sql, RAW_PARSE_DEFAULT))
	{
		RawStmt    *stmt = lfirst_node(RawStmt, lc);
		const char *start = sql + stmt->stmt_location;
		const char *text = stmt->stmt_len > 0 ? pnstrdup(start, stmt->stmt_len) : start;

		meaning_check(work->migration->id, stmt, sql, work->definitions);
		guard_own = text;
		rc = SPI_execute(text, false, 0);
		if (rc < 0)
			break;
	}
	return rc;
}

/*
 * Run statements as the table's owner, restricted, with a pinned search_path.
 *
 * The locks of the step are held.  Should a statement want one more, it must not
 * wait for it with those in hand: the error ends the try like a refused lock.
 */
static void
run_work(int (*run) (const OwnersWork *work), const OwnersWork *work)
{
	Identity saved;
	int			rc;

	if (work->sql[0] == '\0')
		return;
	identity_enter(work->migration->owner, NIL, &saved);
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	guard_own = work->sql;
	rc = run(work);
	guard_own = NULL;
	if (rc < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("step failed: %s", SPI_result_code_string(rc))));
	SPI_finish();
	identity_leave(&saved);
}

void
as_owner_run(const Migration *migration, const char *sql, List *definitions)
{
	run_work(execute, &(OwnersWork) {.migration = migration, .sql = sql, .definitions = definitions});
}

static int
execute_end_of_detaching(const OwnersWork *work)
{
	return snapshots_execute(work->sql);
}

void
as_owner_end_detaching(const Migration *migration, const char *sql)
{
	run_work(execute_end_of_detaching, &(OwnersWork) {.migration = migration, .sql = sql});
}
