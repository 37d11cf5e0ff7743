/*-------------------------------------------------------------------------
 *
 * backstop.c
 *		Stops O(n) work that the rules did not foresee.
 *
 * PostgreSQL says at DEBUG1 what it is about to do to a table, just before it
 * does it: rewrite it, verify it, build an index on it.  While a judged
 * statement runs, these messages are let through as far as the log hook, which
 * keeps them from the log and raises the guard's error when the table is one
 * that the statement blocks.  What the rules foresaw was refused already, so
 * any such message about a large table means that a rule is wrong; better an
 * error there than a stall.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "core/guc.h"
#include "ddl/backstop.h"
#include "ddl/log_level.h"
#include "utils/memutils.h"
#include "compat.h"

/* Names of the large tables that the running statement blocks; NIL: none is watched. */
static List *watched = NIL;

static const struct
{
	const char *message;		/* as PostgreSQL's source has it */
	const char *rule;
}			signs[] = {
	{"rewriting table \"%s\"", RULE_TABLE_REWRITE},
	{"verifying table \"%s\"", RULE_SCAN_UNDER_LOCK},
	{"building index \"%s\" on table \"%s\" serially", RULE_INDEX_NOT_CONCURRENT},
	{"building index \"%s\" on table \"%s\" with request for %d parallel workers", RULE_INDEX_NOT_CONCURRENT},
};

static const char *
sign_of_work(const ErrorData *edata)
{
	for (int i = 0; i < lengthof(signs); i++)
	{
		if (edata->message_id != NULL && strcmp(edata->message_id, signs[i].message) == 0)
			return signs[i].rule;
	}
	return NULL;
}

/* The watched table that the message is about: its name comes last, in quotes. */
static const char *
table_in(const char *message)
{
	ListCell   *lc;

	foreach(lc, watched)
	{
		char	   *quoted = psprintf("table \"%s\"", strVal(lfirst(lc)));

		if (strstr(message, quoted) != NULL)
			return strVal(lfirst(lc));
	}
	return NULL;
}

void
backstop_hear(ErrorData *edata)
{
	const char *rule = watched != NIL && edata->elevel == DEBUG1 ? sign_of_work(edata) : NULL;
	const char *table = rule ? table_in(edata->message) : NULL;
	char	   *about;

	if (table == NULL)
		return;
	about = pstrdup(edata->message);
	backstop_end();
	ereport(guc_guard == GUARD_REFUSE ? ERROR : WARNING,
			(errcode(ERRCODE_ZDM_DDL_REFUSED),
			 errmsg("DDL refused by rule %s: %s", rule, table),
			 errdetail("PostgreSQL was about to do this under a lock that blocks others: %s.", about),
			 errhint("No rule foresaw it. Look at the statement with zdm.check().")));
}

bool
backstop_begin(const Judgement *judgement)
{
	MemoryContext old;
	ListCell   *lc;

	if (guc_guard == GUARD_OFF || watched != NIL)
		return false;
	/* In warn mode, what the rules foresaw was said already. */
	foreach(lc, judgement->findings)
	{
		if (((Finding *) lfirst(lc))->unsafe)
			return false;
	}
	old = MemoryContextSwitchTo(TopTransactionContext);
	foreach(lc, judgement->locks)
	{
		TakenLock  *lock = (TakenLock *) lfirst(lc);

		if (rules_is_strong(lock->rel, lock->mode) && lock->rel->heap_blocks >= Max(guc_guard_min_size, 1))
			watched = list_append_unique(watched, makeString(pstrdup(lock->rel->name)));
	}
	MemoryContextSwitchTo(old);
	if (watched == NIL)
		return false;
	log_level_need(LOG_NEED_WORK);
	return true;
}

void
backstop_end(void)
{
	watched = NIL;
	log_level_leave(LOG_NEED_WORK);
}
