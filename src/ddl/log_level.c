/*-------------------------------------------------------------------------
 *
 * log_level.c
 *		What comes as far as the log hook, whatever the server logs.
 *
 * PostgreSQL calls the hook for what it would log, by log_min_messages.  So that
 * is lowered while one of us has to hear more, and what the server's own level
 * would have left out is kept from the log by the hook (log_watch.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "ddl/log_level.h"
#include "utils/guc.h"

static struct
{
	int			needs;			/* of LogNeed */
	int			user_level;		/* log_min_messages, as it would be without */
	int			our_level;		/* and as it is; if it is another, somebody has set it since */
}			state;

/* As the server decides it (elog.c), LOG standing between ERROR and FATAL. */
static bool
is_logged(int elevel, int level)
{
	if (elevel == LOG || elevel == LOG_SERVER_ONLY)
		return level == LOG || level <= ERROR;
	return level == LOG ? elevel >= FATAL : elevel >= level;
}

void
log_level_need(LogNeed need)
{
	int			elevel;

	if (state.needs == 0 || log_min_messages != state.our_level)
		state.user_level = log_min_messages;
	state.needs |= need;
	elevel = state.needs & LOG_NEED_WORK ? DEBUG1 : ERROR;
	state.our_level = is_logged(elevel, state.user_level) ? state.user_level : elevel;
	log_min_messages = state.our_level;
}

void
log_level_leave(LogNeed need)
{
	if ((state.needs & need) == 0)
		return;
	state.needs &= ~need;
	if (log_min_messages != state.our_level)
		return;
	log_min_messages = state.user_level;
	if (state.needs != 0)
		log_level_need(state.needs);
}

bool
log_level_hides(int elevel)
{
	return state.needs != 0 && log_min_messages == state.our_level && !is_logged(elevel, state.user_level);
}
