/*-------------------------------------------------------------------------
 *
 * window.c
 *		The times of day at which batches may run (zdm.batch_window).
 *
 * A window is a matter of wall clocks: 22:00 in Berlin is another instant in
 * summer than in winter, and a window that opens on a Friday night closes on a
 * Saturday.  So the text is kept, with the name of the zone, and each look asks
 * what the clock shows there now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>

#include "core/window.h"
#include "lib/stringinfo.h"
#include "nodes/pg_list.h"
#include "pgtime.h"
#include "utils/timestamp.h"

#define MINUTES_A_DAY (24 * 60)
#define DAYS_A_WEEK 7
#define EVERY_DAY 0x7F

typedef struct Window
{
	int			days;			/* bit n: it opens on day n, from Sunday */
	int			opens;			/* minute of the day */
	int			closes;
	pg_tz	   *zone;			/* NULL: none is named */
} Window;

static const char *const day_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const char *
skip_blanks(const char *text)
{
	while (isspace((unsigned char) *text))
		text++;
	return text;
}

/* A day's name at *text, which moves behind it; -1 if there is none. */
static int
take_day(const char **text)
{
	for (int day = 0; day < lengthof(day_names); day++)
	{
		if (pg_strncasecmp(*text, day_names[day], 3) == 0 && !isalpha((unsigned char) (*text)[3]))
		{
			*text += 3;
			return day;
		}
	}
	return -1;
}

/* "mon-fri " or "sat ", if that is what stands there.  False if it goes wrong. */
static bool
take_days(const char **text, int *days)
{
	int			first = take_day(text);
	int			last = first;

	*days = EVERY_DAY;
	if (first < 0)
		return true;
	if (**text == '-')
	{
		(*text)++;
		if ((last = take_day(text)) < 0)
			return false;
	}
	*days = 1 << first;
	for (int day = first; day != last; day = (day + 1) % 7)
		*days |= 1 << ((day + 1) % 7);
	return isspace((unsigned char) **text);
}

/* "hh:mm" as a minute of the day; "24:00" is the end of it.  -1 if it is not one. */
static int
take_time(const char **text)
{
	int			hour;
	int			minute;
	int			length = 0;

	if (!isdigit((unsigned char) **text) ||
		sscanf(*text, "%2d:%2d%n", &hour, &minute, &length) != 2 || length == 0 ||
		minute < 0 || minute > 59 || hour * 60 + minute > MINUTES_A_DAY)
		return -1;
	*text += length;
	return hour * 60 + minute;
}

/* One window of the text, without its comma.  False if it is not one. */
static bool
parse_window(const char *text, Window *window)
{
	text = skip_blanks(text);
	if (!take_days(&text, &window->days))
		return false;
	text = skip_blanks(text);
	window->opens = take_time(&text);
	if (window->opens < 0 || window->opens == MINUTES_A_DAY || *text++ != '-')
		return false;
	window->closes = take_time(&text);
	if (window->closes < 0 || window->closes == window->opens)
		return false;
	window->zone = NULL;
	if (*text == '\0')
		return true;
	if (!isspace((unsigned char) *text))
		return false;
	text = skip_blanks(text);
	if (*text != '\0')
		window->zone = pg_tzset(text);
	return *text == '\0' || window->zone != NULL;
}

/* The windows of a text as strings, without blanks at either end. */
static List *
split_windows(const char *text)
{
	List	   *parts = NIL;

	while (*(text = skip_blanks(text)) != '\0')
	{
		size_t		length = strcspn(text, ",");
		char	   *part = pnstrdup(text, length);

		for (char *end = part + length; end > part && isspace((unsigned char) end[-1]); end--)
			end[-1] = '\0';
		parts = lappend(parts, part);
		text += length;
		if (*text == ',' && *skip_blanks(++text) == '\0')
			parts = lappend(parts, pstrdup(""));
	}
	return parts;
}

char *
window_complaint(const char *text)
{
	ListCell   *lc;

	foreach(lc, split_windows(text))
	{
		Window		window;

		if (!parse_window(lfirst(lc), &window))
			return psprintf("\"%s\" is not a window such as 22:00-06:00, or mon-fri 22:00-06:00 Europe/Berlin.",
							(char *) lfirst(lc));
	}
	return NULL;
}

char *
window_with_zone(const char *text)
{
	StringInfoData result;
	ListCell   *lc;

	initStringInfo(&result);
	foreach(lc, split_windows(text))
	{
		Window		window;

		appendStringInfo(&result, "%s%s", result.len > 0 ? ", " : "", (char *) lfirst(lc));
		if (parse_window(lfirst(lc), &window) && window.zone == NULL)
			appendStringInfo(&result, " %s", pg_get_timezone_name(session_timezone));
	}
	return result.data;
}

/* Is it open, by the clock of its zone? */
static bool
is_open(const Window *window, pg_time_t at)
{
	struct pg_tm *clock = pg_localtime(&at, window->zone ? window->zone : session_timezone);
	int			minute = clock->tm_hour * 60 + clock->tm_min;
	bool		today = (window->days & (1 << clock->tm_wday)) != 0;
	bool		yesterday = (window->days & (1 << (clock->tm_wday + 6) % 7)) != 0;

	if (window->opens < window->closes)
		return today && minute >= window->opens && minute < window->closes;
	return (today && minute >= window->opens) || (yesterday && minute < window->closes);
}

/* Is one of the windows of the text open? */
static bool
any_is_open(List *parts, pg_time_t at)
{
	ListCell   *lc;

	foreach(lc, parts)
	{
		Window		window;

		if (parse_window(lfirst(lc), &window) && is_open(&window, at))
			return true;
	}
	return parts == NIL;
}

bool
window_is_open(const char *text, TimestampTz at)
{
	return any_is_open(split_windows(text), timestamptz_to_time_t(at));
}

/* Minute by minute, as clocks are put forward and back. */
TimestampTz
window_opens(const char *text, TimestampTz at)
{
	List	   *parts = split_windows(text);
	pg_time_t	now = timestamptz_to_time_t(at);
	pg_time_t	minute = now - now % SECS_PER_MINUTE;

	if (any_is_open(parts, now))
		return 0;
	for (int i = 0; i < (DAYS_A_WEEK + 1) * MINUTES_A_DAY; i++)
	{
		minute += SECS_PER_MINUTE;
		if (any_is_open(parts, minute))
			break;
	}
	return time_t_to_timestamptz(minute);
}
