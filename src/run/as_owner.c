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
#include "core/limit.h"
#include "ddl/own_statement.h"
#include "executor/spi.h"
#include "nodes/parsenodes.h"
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
	bool		all_wait;		/* the table is locked for the exchange: what is read is for no longer than zdm.lock_wait */
} OwnersWork;

/* One of its statements. */
typedef struct OwnersStatement
{
	const OwnersWork *work;
	RawStmt    *stmt;
	const char *text;
	int			rc;
} OwnersStatement;

/* Is it what somebody has written, rather than work of the exchange's?  A trigger is made on each partition. */
static bool
is_read(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterPolicyStmt:
		case T_CreatePolicyStmt:
		case T_RuleStmt:
		case T_ViewStmt:
			return true;
		case T_AlterTableStmt:
			return castNode(AlterTableStmt, unconstify(Node *, stmt))->objtype == OBJECT_VIEW;
		default:
			return false;
	}
}

static void
execute_statement(void *arg)
{
	OwnersStatement *statement = arg;
	const OwnersWork *work = statement->work;

	meaning_check(work->migration->id, statement->stmt, work->sql, work->definitions);
	guard_own = statement->text;
	statement->rc = SPI_execute(statement->text, false, 0);
}

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
		OwnersStatement statement = {.work = work,.stmt = stmt,.text = text};

		limit_run(work->all_wait && is_read(stmt->stmt) ? guc_lock_wait : 0,
				  limit_statement(text, work->migration->owner), execute_statement, &statement);
		rc = statement.rc;
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

void
as_owner_exchange(const Migration *migration, const char *sql, List *definitions)
{
	run_work(execute, &(OwnersWork) {.migration = migration, .sql = sql, .definitions = definitions, .all_wait = true});
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
