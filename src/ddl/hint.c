/*-------------------------------------------------------------------------
 *
 * hint.c
 *		Hints that name the zdm.migrate() call.
 *
 * Whether zdm.migrate() can do a statement is for its plan to say, with the
 * catalog in hand: a list here would go stale with every kind that is added.
 * So zdm.plan() is asked, as the user, in a subtransaction that is rolled back
 * and may not write.  A statement for which that is too little (what a change
 * of type needs is tried on a temporary table) keeps the hint of its rule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "ddl/facts_query.h"
#include "ddl/hint.h"
#include "ddl/rules.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"

/* Would a call in place of the statement mend this?  Not a lock that is held. */
static bool
is_mended(const Finding *finding)
{
	return finding->unsafe &&
		(strcmp(finding->rule, RULE_TABLE_REWRITE) == 0 ||
		 strcmp(finding->rule, RULE_SCAN_UNDER_LOCK) == 0 ||
		 strcmp(finding->rule, RULE_INDEX_NOT_CONCURRENT) == 0 ||
		 strcmp(finding->rule, RULE_BREAKS_CLIENTS) == 0);
}

/*
 * A migration comes first; and one call of a function made for it says it all.
 * Then there is nothing to ask.
 */
static bool
is_settled(List *findings)
{
	const char *call = NULL;
	bool		settled = true;
	ListCell   *lc;

	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (!finding->unsafe)
			continue;
		if (strcmp(finding->rule, RULE_MIGRATION) == 0)
			return true;
		if (finding->hint == NULL || strncmp(finding->hint, "SELECT zdm.", 11) != 0 ||
			(call != NULL && strcmp(call, finding->hint) != 0))
			settled = false;
		call = finding->hint;
	}
	return settled;
}

static void
make_plan(void *sql)
{
	Oid			type = TEXTOID;
	Datum		ddl = CStringGetTextDatum((const char *) sql);

	(void) set_config_option("transaction_read_only", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	(void) SPI_execute_with_args("SELECT FROM zdm.plan($1)", 1, &type, &ddl, NULL, false, 0);
	SPI_finish();
	PopActiveSnapshot();
}

void
hint_migrate(List *findings, const char *sql)
{
	char	   *hint = NULL;
	ErrorData  *refusal;
	ListCell   *lc;

	if (is_settled(findings))
		return;
	foreach(lc, findings)
	{
		Finding    *finding = (Finding *) lfirst(lc);

		if (!is_mended(finding))
			continue;
		/* a refusal is an answer: then the rule knows best what to do instead */
		if (hint == NULL && !attempt_run(make_plan, unconstify(char *, sql), ATTEMPT_UNDO, &refusal))
			return;
		if (hint == NULL)
			hint = psprintf("SELECT zdm.migrate(%s);", quote_literal_cstr(sql));
		finding->hint = hint;
	}
}
