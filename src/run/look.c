/*-------------------------------------------------------------------------
 *
 * look.c
 *		Steps that look for rows which stand in a change's way.
 *
 * Who is told that something is wrong with "some row" has to find it himself, in
 * a table of a billion.  So a look is a query that gives the rows themselves, and
 * stops after a few: that costs no more than finding the first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "core/guc.h"
#include "core/identity.h"
#include "executor/spi.h"
#include "run/look.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "compat.h"

/* What a look has found. */
typedef struct Findings
{
	int			sqlstate;
	char	   *problem;		/* of the first row */
	char	   *hint;			/* the same, or NULL */
	StringInfoData rows;		/* those with the same problem */
	StringInfoData others;		/* ": "-joined problem and row of the others */
} Findings;

static int
read_sqlstate(const char *text)
{
	return MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
}

static char *
field(uint64 row, int column)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return value ? value : pstrdup("");
}

static void
add_finding(Findings *found, uint64 row)
{
	char	   *problem = field(row, 2);
	bool		same;

	if (found->problem == NULL)
	{
		found->problem = problem;
		found->sqlstate = read_sqlstate(field(row, 1));
		if (SPI_tuptable->tupdesc->natts > 3)
			found->hint = field(row, 4);
	}
	same = strcmp(problem, found->problem) == 0;
	if (same)
		appendStringInfo(&found->rows, "%s%s", found->rows.len > 0 ? ", " : "", field(row, 3));
	else
		appendStringInfo(&found->others, "; %s: %s", problem, field(row, 3));
}

pg_noreturn static void
report(const Migration *migration, const Findings *found)
{
	ereport(ERROR,
			(errcode(found->sqlstate),
			 errmsg("%s", found->problem),
			 errdetail("Among the rows: %s%s.", found->rows.data, found->others.data),
			 found->hint != NULL ?
			 errhint("SELECT zdm.revert(" INT64_FORMAT "); then %s; or mend them, then SELECT zdm.resume(" INT64_FORMAT ").",
					 migration->id, found->hint, migration->id) :
			 errhint("Mend them, then SELECT zdm.resume(" INT64_FORMAT "), or go back with SELECT zdm.revert(" INT64_FORMAT ").",
					 migration->id, migration->id)));
}

void
look_run(const Migration *migration, const Step *step, const char *sql)
{
	MemoryContext caller = CurrentMemoryContext;
	Identity	saved;
	Findings	found = {0};

	if (sql[0] == '\0')
		return;
	initStringInfo(&found.rows);
	initStringInfo(&found.others);
	identity_enter(migration->owner, migration->result_settings, &saved);
	(void) set_config_option("lock_timeout", psprintf("%d", guc_lock_wait),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	if (SPI_execute(sql, true, 0) != SPI_OK_SELECT)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("a look is not a query")));
	MemoryContextSwitchTo(caller);
	for (uint64 row = 0; row < SPI_processed; row++)
		add_finding(&found, row);
	if (found.problem != NULL)
		report(migration, &found);
	SPI_finish();
	identity_leave(&saved);
}
