/*-------------------------------------------------------------------------
 *
 * hold_when.c
 *		The user's own reason to hold a backfill (zdm.hold_when).
 *
 * The query is the owner's code: it runs with the owner's rights, may write
 * nothing, and has a second, since a batch waits for its answer.  It is parsed
 * anew each time, as what it names may come and go in the days that a backfill
 * takes; but what somebody has made since, which its text would call now, it does
 * not call (plan/meaning.c).  Whatever is not a clear "no" holds: that a query which no longer works
 * should let a backfill go is what nobody means.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "backfill/hold_when.h"
#include "catalog/pg_type.h"
#include "core/attempt.h"
#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "executor/spi.h"
#include "plan/meaning.h"

#define TIME_MS 1000

/* An attempt at an answer. */
typedef struct Question
{
	const Migration *migration;
	bool		answered;		/* a row with a value */
	bool		hold;
} Question;

static void
read_answer(Question *question)
{
	bool		isnull;
	Datum		value;

	if (SPI_tuptable->tupdesc->natts != 1 || SPI_gettypeid(SPI_tuptable->tupdesc, 1) != BOOLOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("it does not give one boolean")));
	if (SPI_processed == 0)
		return;
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	question->answered = !isnull;
	question->hold = !isnull && DatumGetBool(value);
}

static void
ask(void *arg)
{
	Question   *question = arg;
	Identity	identity;

	identity_enter(question->migration->owner, NIL, &identity);
	/* until the end of the attempt's subtransaction, which puts it back (xact.c) */
	XactReadOnly = true;
	SPI_connect();
	meaning_check_text(question->migration->id, guc_hold_when);
	if (SPI_execute(guc_hold_when, true, 1) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("it is not a query")));
	read_answer(question);
	SPI_finish();
	identity_leave(&identity);
}

char *
hold_when_look(const Migration *migration)
{
	Question	question = {.migration = migration};
	ErrorData  *error;

	if (guc_hold_when[0] == '\0')
		return NULL;
	if (!attempt_run_within(TIME_MS, ask, &question, ATTEMPT_UNDO, &error))
		return psprintf("the query of zdm.hold_when, which fails: %s", error->message);
	if (!question.answered)
		return pstrdup("the query of zdm.hold_when, which gives no answer");
	return question.hold ? pstrdup("the query of zdm.hold_when, which says so") : NULL;
}
