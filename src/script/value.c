/*-------------------------------------------------------------------------
 *
 * value.c
 *		up and down as expressions over a row.
 *
 * They are stored over $n, written out by PostgreSQL with all names qualified
 * (sync/expr.h); here the columns get their names again, those before the
 * exchange or those after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/names.h"
#include "draft/retype.h"
#include "script/script.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
script_column(const Script *script, bool new_side, bool switched, const char *row)
{
	bool		crossed = switched && script->exchanges;

	return psprintf("%s%s", row, new_side != crossed ? script->new_name : script->old_name);
}

static char *
numbered_column(const Script *script, int number, bool switched, const char *row)
{
	if (number == 0 || number == script->pair->old_attnum)
		return script_column(script, number == 0, switched, row);
	return psprintf("%s%s", row, names_attribute(script->pair->relid, (AttrNumber) number));
}

/* Behind the constant or quoted name that begins here. */
static const char *
skip_quoted(const char *p)
{
	char		quote = *p++;

	/* a backslash stands twice, and a quote is doubled, however the constant is written */
	while (*p != '\0' && (*p != quote || p[1] == quote))
		p += *p == quote ? 2 : 1;
	return *p ? p + 1 : p;
}

/* The expression, with what "put" makes of each number; or, without a buffer, only that. */
static void
walk_numbers(StringInfo buf, const Script *script, const char *stored, bool switched, const char *row,
			 List **columns)
{
	while (*stored)
	{
		const char *begin = stored;

		if (*stored == '\'' || *stored == '"')
			stored = skip_quoted(stored);
		else if (*stored == '$' && isdigit((unsigned char) stored[1]))
		{
			char	   *end;
			int			number = (int) strtol(stored + 1, &end, 10);
			char	   *column = numbered_column(script, number, switched, row);

			stored = end;
			if (buf != NULL)
				appendStringInfoString(buf, column);
			if (columns != NULL)
				*columns = lappend(*columns, column);
			continue;
		}
		else
			stored++;
		if (buf != NULL)
			appendBinaryStringInfo(buf, begin, stored - begin);
	}
}

char *
script_value(const Script *script, bool up, bool switched, const char *row)
{
	const Pair *pair = script->pair;
	const char *stored = up ? pair->up : pair->down;
	Oid			type;
	int32		typmod;
	Oid			collation;
	StringInfoData buf;

	if (stored == NULL)
		return script_column(script, !up, switched, row);
	initStringInfo(&buf);
	walk_numbers(&buf, script, stored, switched, row, NULL);
	if (up)
		return retype_value(script->change->type, script->change->typmod, buf.data);
	get_atttypetypmodcoll(pair->relid, pair->old_attnum, &type, &typmod, &collation);
	return retype_value(type, typmod, buf.data);
}

/* For any type, with or without an equality of its own: as they are stored. */
char *
script_differ(const char *a, const char *b)
{
	return psprintf("ROW(%s)::record *<> ROW(%s)::record", a, b);
}

/* Has an UPDATE changed what the expression reads? */
char *
script_inputs_differ(const Script *script, bool up, bool switched)
{
	const char *stored = up ? script->pair->up : script->pair->down;
	List	   *new = NIL;
	List	   *old = NIL;
	StringInfoData buf;
	ListCell   *a;
	ListCell   *b;

	if (stored == NULL)
		stored = up ? psprintf("$%d", script->pair->old_attnum) : "$0";
	walk_numbers(NULL, script, stored, switched, "NEW.", &new);
	walk_numbers(NULL, script, stored, switched, "OLD.", &old);
	initStringInfo(&buf);
	forboth(a, new, b, old)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? " OR " : "", script_differ(lfirst(a), lfirst(b)));
	return buf.len > 0 ? buf.data : pstrdup("false");
}
