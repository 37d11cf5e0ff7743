/*-------------------------------------------------------------------------
 *
 * names.c
 *		Names of relations and columns as they are now, quoted; and names that are
 *		made.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "core/errors.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "mb/pg_wchar.h"
#include "nodes/parsenodes.h"
#include "parser/parse_target.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

char *
names_relation(Oid relid)
{
	char	   *relname = get_rel_name(relid);
	char	   *nspname;

	if (relname == NULL)
		return NULL;
	nspname = get_namespace_name(get_rel_namespace(relid));
	if (nspname == NULL)
		return NULL;
	return quote_qualified_identifier(nspname, relname);
}

char *
names_attribute(Oid relid, AttrNumber attnum)
{
	char	   *attname = get_attname(relid, attnum, true);

	if (attname == NULL)
		return NULL;
	return pstrdup(quote_identifier(attname));
}

char *
names_of_relation(Oid relid, bool missing_ok)
{
	char	   *name = names_relation(relid);

	if (name == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u no longer exists", relid)));
	return name != NULL ? name : pstrdup("<dropped>");
}

char *
names_of_attribute(Oid relid, AttrNumber attnum, bool missing_ok)
{
	char	   *name = names_attribute(relid, attnum);

	if (name == NULL && !missing_ok)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column number %d of table %s no longer exists", attnum,
						names_of_relation(relid, false))));
	return name != NULL ? name : pstrdup("<dropped>");
}

char *
names_sync_trigger(Oid relid, bool missing_ok)
{
	char	   *name;

	if (get_rel_name(relid) == NULL)
		return NULL;
	name = trigger_name_find(relid);
	if (name == NULL)
		name = trigger_name_choose(relid, missing_ok);
	return name ? pstrdup(quote_identifier(name)) : NULL;
}

char *
names_make(const char *base, const char *suffix)
{
	int			room = NAMEDATALEN - 1 - (int) strlen(suffix);
	int			length = (int) strlen(base);
	char		mark[10] = "";

	/* names that differ only in what is cut away must not become one */
	if (length > room)
	{
		snprintf(mark, sizeof(mark), "_%08x",
				 DatumGetUInt32(hash_any((const unsigned char *) base, length)));
		room -= (int) strlen(mark);
		Assert(room > 0);
		length = pg_mbcliplen(base, length, room);
	}
	return psprintf("%.*s%s%s", length, base, mark, suffix);
}

char *
names_joined(List *names)
{
	StringInfoData buf;
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, names)
		appendStringInfo(&buf, "%s%s", buf.len > 0 ? "_" : "", strVal(lfirst(lc)));
	return buf.data;
}

/* What has no name is "expr". */
static char *
column_base(const IndexElem *elem)
{
	char	   *name = elem->name != NULL ? elem->name : FigureIndexColname(elem->expr);

	return name != NULL ? name : "expr";
}

static bool
is_among(List *columns, const char *name)
{
	ListCell   *lc;

	foreach(lc, columns)
	{
		if (strcmp(strVal(lfirst(lc)), name) == 0)
			return true;
	}
	return false;
}

List *
names_of_elements(List *elements)
{
	List	   *columns = NIL;
	ListCell   *lc;

	foreach(lc, elements)
	{
		char	   *base = column_base(lfirst_node(IndexElem, lc));
		char	   *name = base;

		for (int i = 1; is_among(columns, name); i++)
			name = psprintf("%s%d", base, i);
		columns = lappend(columns, makeString(pstrdup(name)));
	}
	return columns;
}
