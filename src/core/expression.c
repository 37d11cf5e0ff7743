/*-------------------------------------------------------------------------
 *
 * expression.c
 *		SQL over one table's columns, that is kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "core/errors.h"
#include "core/expression.h"
#include "core/names.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"
#include "nodes/value.h"
#include "utils/lsyscache.h"

List *
expression_column(AttrNumber attnum)
{
	return list_make1(makeInteger(attnum));
}

List *
expression_text(const char *text)
{
	return list_make1(makeString(pstrdup(text)));
}

/* The text so far becomes a part. */
static List *
flush(List *parts, StringInfo text)
{
	if (text->len > 0)
		parts = lappend(parts, makeString(pstrdup(text->data)));
	resetStringInfo(text);
	return parts;
}

List *
expression_format(const char *fmt,...)
{
	StringInfoData text;
	List	   *parts = NIL;
	va_list		args;

	initStringInfo(&text);
	va_start(args, fmt);
	for (const char *p = fmt; *p; p++)
	{
		if (*p != '%')
		{
			appendStringInfoChar(&text, *p);
			continue;
		}
		switch (*++p)
		{
			case 's':
				appendStringInfoString(&text, va_arg(args, const char *));
				break;
			case 'd':
				appendStringInfo(&text, "%d", va_arg(args, int));
				break;
			case 'e':
				parts = list_concat(flush(parts, &text), va_arg(args, List *));
				break;
			default:
				Assert(*p == '%');
				appendStringInfoChar(&text, *p);
				break;
		}
	}
	va_end(args);
	return flush(parts, &text);
}

List *
expression_join(List *expressions, const char *separator)
{
	List	   *joined = NIL;
	ListCell   *lc;

	foreach(lc, expressions)
	{
		if (joined != NIL)
			joined = lappend(joined, makeString(pstrdup(separator)));
		joined = list_concat(joined, lfirst(lc));
	}
	return joined;
}

List *
expression_replace(List *expression, AttrNumber attnum, List *by)
{
	List	   *result = NIL;
	ListCell   *lc;

	foreach(lc, expression)
	{
		if (IsA(lfirst(lc), Integer) && intVal(lfirst(lc)) == attnum)
			result = list_concat(result, by);
		else
			result = lappend(result, lfirst(lc));
	}
	return result;
}

bool
expression_follow(List **expression, AttrNumber from, AttrNumber to)
{
	List	   *replaced = expression_replace(*expression, from, expression_column(to));
	bool		found = !equal(replaced, *expression);

	*expression = replaced;
	return found;
}

bool
expression_follow_all(List *expressions, AttrNumber from, AttrNumber to)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, expressions)
	{
		List	   *expression = lfirst(lc);

		found |= expression_follow(&expression, from, to);
		lfirst(lc) = expression;
	}
	return found;
}

bool
expression_follow_numbers(List *attnums, AttrNumber from, AttrNumber to)
{
	bool		found = false;
	ListCell   *lc;

	foreach(lc, attnums)
	{
		if (lfirst_int(lc) != from)
			continue;
		lfirst_int(lc) = to;
		found = true;
	}
	return found;
}

char *
expression_sql(List *expression, Oid relid, bool missing_ok)
{
	StringInfoData sql;
	ListCell   *lc;

	initStringInfo(&sql);
	foreach(lc, expression)
	{
		if (IsA(lfirst(lc), Integer))
			appendStringInfoString(&sql, names_of_attribute(relid, (AttrNumber) intVal(lfirst(lc)), missing_ok));
		else
			appendStringInfoString(&sql, strVal(lfirst(lc)));
	}
	return sql.data;
}
