/*-------------------------------------------------------------------------
 *
 * errors.c
 *		Errors of others, as we keep them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "mb/pg_wchar.h"

/* What is kept of each text: enough for a person, and for a row of a table. */
#define LONGEST_TEXT 4000

static char *
clip(char *text)
{
	size_t		length = text ? strnlen(text, LONGEST_TEXT + 1) : 0;
	char	   *clipped;

	if (length <= LONGEST_TEXT)
		return text;
	clipped = psprintf("%.*s...", pg_mbcliplen(text, LONGEST_TEXT, LONGEST_TEXT), text);
	pfree(text);
	return clipped;
}

int
errors_sqlstate(const char *letters)
{
	return MAKE_SQLSTATE(letters[0], letters[1], letters[2], letters[3], letters[4]);
}

void
errors_clip(ErrorData *error)
{
	error->message = clip(error->message);
	error->detail = clip(error->detail);
	error->hint = clip(error->hint);
	error->context = clip(error->context);
}
