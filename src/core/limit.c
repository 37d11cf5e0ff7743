/*-------------------------------------------------------------------------
 *
 * limit.c
 *		How long code of others may run while others wait.
 *
 * To read a view, a rule or a policy runs code: a constant is read by its type's input
 * function, which runs a domain's CHECK.  Whoever wrote it could keep a table from
 * everybody by that, while it is locked.
 *
 * The error stays a cancellation, as it is raised, and is only worded here: were it any
 * other, code with an EXCEPTION clause could catch it unawares and go on.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "core/limit.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

typedef struct Limit
{
	int			ms;
	const char *what;
	TimestampTz until;
} Limit;

static void
tell_limit(void *arg)
{
	const Limit *limit = arg;

	if (geterrcode() != ERRCODE_QUERY_CANCELED || GetCurrentTimestamp() < limit->until)
		return;
	errmsg("%s takes longer than %d ms to be read", limit->what, limit->ms);
	errdetail("Whoever wants the table waits for that, so it is given up.");
	errhint("See what is run as it is read, as CHECKs of domains are, or drop it first.  To let it take longer, raise zdm.lock_wait with zdm.configure().");
}

char *
limit_statement(const char *sql, Oid role)
{
	/* a line of comment is ours */
	if (strncmp(sql, "--", 2) == 0 && strchr(sql, '\n') != NULL)
		sql = strchr(sql, '\n');
	sql += strspn(sql, " \t\n");
	return psprintf("\"%s\" of role %s", pnstrdup(sql, strcspn(sql, "\n")),
					quote_identifier(GetUserNameFromId(role, false)));
}

void
limit_run(int ms, const char *what, void (*callback) (void *arg), void *arg)
{
	Limit		limit = {.ms = ms,.what = what};
	ErrorContextCallback context = {
		.callback = tell_limit, .arg = &limit, .previous = error_context_stack,
	};

	if (ms == 0 || get_timeout_active(STATEMENT_TIMEOUT))
	{
		callback(arg);
		return;
	}
	limit.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), ms);
	error_context_stack = &context;
	enable_timeout_at(STATEMENT_TIMEOUT, limit.until);
	PG_TRY();
	{
		callback(arg);
		/* it may have caught the cancellation, or that is yet to come, and would strike what comes next */
		if (GetCurrentTimestamp() >= limit.until)
			ereport(ERROR,
					(errcode(ERRCODE_QUERY_CANCELED),
					 errmsg("it took too long")));
	}
	PG_FINALLY();
	{
		disable_timeout(STATEMENT_TIMEOUT, false);
	}
	PG_END_TRY();
	error_context_stack = context.previous;
}
