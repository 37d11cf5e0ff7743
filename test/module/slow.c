/*-------------------------------------------------------------------------
 *
 * slow.c
 *		Makes one side slow, so that the other is always first.
 *
 * A test that says "pause it" may mean "pause it before it is done", and passes
 * wherever workers are slower than the client that speaks to them.  With
 * zdm_test.slow_clients, each statement of a client waits before it runs, and
 * workers have long done what they can; with zdm_test.slow_workers, it is the
 * workers that wait, at each debug point.  What fails then and not otherwise
 * rests on a race (test/check with ZDM_SLOW=clients or ZDM_SLOW=workers).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "parser/analyze.h"
#include "postmaster/bgworker.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "zdm_test.h"

static int	slow_clients = 0;
static int	slow_workers = 0;

static post_parse_analyze_hook_type slow_next_post_parse_analyze = NULL;

/* Statements as clients sent them, and not those that run inside them. */
static void
slow_post_parse_analyze(ParseState *pstate, Query *query, JumbleState *jstate)
{
	if (slow_next_post_parse_analyze != NULL)
		slow_next_post_parse_analyze(pstate, query, jstate);
	if (slow_clients > 0 && MyBgworkerEntry == NULL &&
		pstate->p_sourcetext == debug_query_string)
		pg_usleep(slow_clients * 1000L);
}

/* Not in batches, which would take the wait for their own time and grow small. */
void
slow_reached_point(const char *name)
{
	if (slow_workers > 0 && MyBgworkerEntry != NULL &&
		strncmp(name, "backfill-", strlen("backfill-")) != 0)
		pg_usleep(slow_workers * 1000L);
}

void
slow_init(void)
{
	DefineCustomIntVariable("zdm_test.slow_clients",
							"Waits before each statement of a client.",
							NULL,
							&slow_clients,
							0, 0, INT_MAX / 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("zdm_test.slow_workers",
							"Waits at each debug point that a worker reaches.",
							NULL,
							&slow_workers,
							0, 0, INT_MAX / 1000,
							PGC_SIGHUP,
							GUC_UNIT_MS,
							NULL, NULL, NULL);
	slow_next_post_parse_analyze = post_parse_analyze_hook;
	post_parse_analyze_hook = slow_post_parse_analyze;
}
