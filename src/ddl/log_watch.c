/*-------------------------------------------------------------------------
 *
 * log_watch.c
 *		The hook on what is reported.
 *
 * Two want to hear: who watches for work that no rule foresaw, and who gives the
 * error of a lock that was held too long its name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ddl/backstop.h"
#include "ddl/hold_timeout.h"
#include "ddl/log_level.h"
#include "ddl/log_watch.h"

static emit_log_hook_type prev_emit_log_hook = NULL;

static void
watch_log(ErrorData *edata)
{
	hold_timeout_hear(edata);
	backstop_hear(edata);
	if (log_level_hides(edata->elevel))
		edata->output_to_server = false;
	if (prev_emit_log_hook != NULL)
		prev_emit_log_hook(edata);
}

void
log_watch_init(void)
{
	prev_emit_log_hook = emit_log_hook;
	emit_log_hook = watch_log;
}
