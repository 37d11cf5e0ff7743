/*-------------------------------------------------------------------------
 *
 * text.c
 *		Putting SQL together.
 *
 * Blocks of a script are long, and have to be read: so they are written as they
 * will stand in the file, with {names} in the places of what varies.  What is put
 * in is never read again for names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "script/script.h"

static const char *
value_of(const char *name, size_t length, const char *const *values)
{
	for (int i = 0; values[i] != NULL; i += 2)
	{
		if (strlen(values[i]) == length && strncmp(values[i], name, length) == 0)
			return values[i + 1];
	}
	elog(ERROR, "no value for {%.*s}", (int) length, name);
}

void
script_put(StringInfo buf, const char *text, const char *const *values)
{
	while (*text)
	{
		size_t		plain = strcspn(text, "{");
		size_t		length;

		appendBinaryStringInfo(buf, text, plain);
		text += plain;
		if (*text == '\0')
			return;
		length = strcspn(text, "}");
		appendStringInfoString(buf, value_of(text + 1, length - 1, values));
		text += length + 1;
	}
}
