/*-------------------------------------------------------------------------
 *
 * names.c
 *		All quoting of identifiers, and statement templates.
 *
 * One file formats names, so that one file needs reading to know that no SQL
 * is ever built from an unquoted one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "common/hashfn.h"
#include "core/errors.h"
#include "core/identity.h"
#include "core/names.h"
#include "core/trigger_name.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "compat.h"

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
names_sync_trigger(Oid relid)
{
	char	   *name;

	if (get_rel_name(relid) == NULL)
		return NULL;
	name = trigger_name_find(relid);
	if (name == NULL)
		name = trigger_name_choose(relid);
	return pstrdup(quote_identifier(name));
}

/* The quoted schema of a relation, where its indexes are too, or NULL. */
static char *
names_schema(Oid relid)
{
	char	   *name = get_namespace_name(get_rel_namespace(relid));

	return name ? pstrdup(quote_identifier(name)) : NULL;
}

char *
names_escape(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *p = text; *p; p++)
	{
		if (*p == '%')
			appendStringInfoChar(&buf, '%');
		appendStringInfoChar(&buf, *p);
	}
	return buf.data;
}

char *
names_template_relation(Oid relid)
{
	return psprintf("%%R{%u}", relid);
}

char *
names_template_attribute(Oid relid, AttrNumber attnum)
{
	return psprintf("%%A{%u.%d}", relid, attnum);
}

char *
names_template_index(Oid relid, const char *name)
{
	return psprintf("%%N{%u}.%s", relid, names_escape(quote_identifier(name)));
}

char *
names_template_sync_trigger(Oid relid)
{
	return psprintf("%%T{%u}", relid);
}

char *
names_template_view(const char *name)
{
	return psprintf("%%V{%s}", name);
}

char *
names_template_if(Oid relid, const char *statement)
{
	return psprintf("%%?{%u}%s%%;", relid, statement);
}

char *
names_template_if_partition(Oid relid, Oid root, const char *statement)
{
	return psprintf("%%?{%u.%u}%s%%;", relid, root, statement);
}

char *
names_template_if_detaching(Oid relid, const char *statement)
{
	return psprintf("%%!{%u}%s%%;", relid, statement);
}

char *
names_template_if_all_have(Oid relid, const char *name, const char *statement)
{
	return psprintf("%%={%u,%s}%s%%;", relid, names_escape(quote_identifier(name)), statement);
}

/* Reads a name, qualified and quoted, up to a brace, and returns the place behind that. */
static const char *
read_name(const char *p, StringInfo name)
{
	bool		quoted = false;

	initStringInfo(name);
	for (; *p && (quoted || *p != '}'); p++)
	{
		if (*p == '"')
			quoted = !quoted;
		if (*p == '%' && p[1] == '%')
			p++;
		appendStringInfoChar(name, *p);
	}
	return *p ? p + 1 : p;
}

static bool
all_have_constraint(Oid relid, const char *quoted)
{
	char	   *name = strVal(linitial(zdm_name_list(quoted)));
	ListCell   *lc;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (!OidIsValid(get_relation_constraint_oid(lfirst_oid(lc), name, true)))
			return false;
	}
	return true;
}

/* Does the condition at p hold?  *length is how long it is. */
static bool
condition_holds(const char *p, int *length)
{
	Oid			relid;
	Oid			root;
	StringInfoData name;

	*length = 0;
	if (sscanf(p, "?{%u}%n", &relid, length) == 1 && *length > 0)
		return get_rel_name(relid) != NULL;
	/* one whose detaching has begun has no ancestors any more */
	if (sscanf(p, "?{%u.%u}%n", &relid, &root, length) == 2 && *length > 0)
		return list_member_oid(get_partition_ancestors(relid), root);
	if (sscanf(p, "!{%u}%n", &relid, length) == 1 && *length > 0)
		return get_rel_relispartition(relid) && PartitionHasPendingDetach(relid);
	if (sscanf(p, "={%u,%n", &relid, length) == 1 && *length > 0)
	{
		*length = read_name(p + *length, &name) - p;
		return all_have_constraint(relid, name.data);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("malformed statement template at \"%%%.20s\"", p)));
}

static bool
begins_condition(char c)
{
	return c == '?' || c == '!' || c == '=';
}

/*
 * The statement that is only for as long as a condition holds; p is at it.
 * Returns the place to go on from: the statement's beginning, or its end.
 */
static const char *
enter_or_skip(const char *p, bool missing_ok)
{
	int			length;
	int			depth = 1;
	bool		holds = condition_holds(p, &length);

	p += length;
	/* who only wants to read it gets it all */
	if (missing_ok || holds)
		return p;
	while (*p && depth > 0)
	{
		if (*p++ != '%' || *p == '\0')
			continue;
		depth += begins_condition(*p) ? 1 : *p == ';' ? -1 : 0;
		p++;
	}
	return p;
}

/*
 * Appends a view's definition; p is after "V{".  By name, as a view that is
 * dropped and made again has another OID.
 */
static const char *
render_view(StringInfo buf, const char *p, bool missing_ok)
{
	StringInfoData name;
	Oid			view;
	int			nestlevel;

	p = read_name(p, &name);
	view = RangeVarGetRelid(makeRangeVarFromNameList(zdm_name_list(name.data)),
							NoLock, missing_ok);
	nestlevel = NewGUCNestLevel();
	identity_pin_reading();
	if (OidIsValid(view) &&
		(get_rel_relkind(view) == RELKIND_VIEW || get_rel_relkind(view) == RELKIND_MATVIEW))
	{
		char	   *definition = TextDatumGetCString(DirectFunctionCall1(pg_get_viewdef,
																   ObjectIdGetDatum(view)));

		/* it ends with a semicolon */
		appendBinaryStringInfo(buf, definition, strlen(definition) - 1);
	}
	else if (missing_ok)
		appendStringInfoString(buf, "<dropped>");
	else
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a view any more", name.data)));
	AtEOXact_GUC(false, nestlevel);
	return p;
}

/*
 * Appends the object that the template names at p, just after its percent
 * sign, and returns the position after it.
 */
static const char *
render_object(StringInfo buf, const char *p, bool missing_ok)
{
	Oid			relid;
	int			attnum = 0;
	int			length = 0;
	char	   *name;

	if (strncmp(p, "V{", 2) == 0)
		return render_view(buf, p + 2, missing_ok);
	if (sscanf(p, "R{%u}%n", &relid, &length) == 1 && length > 0)
		name = names_relation(relid);
	else if (sscanf(p, "A{%u.%d}%n", &relid, &attnum, &length) == 2 && length > 0)
		name = names_attribute(relid, (AttrNumber) attnum);
	else if (sscanf(p, "N{%u}%n", &relid, &length) == 1 && length > 0)
		name = names_schema(relid);
	else if (sscanf(p, "T{%u}%n", &relid, &length) == 1 && length > 0)
		name = names_sync_trigger(relid);
	else
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("malformed statement template at \"%%%.20s\"", p)));

	if (name == NULL && !missing_ok)
	{
		if (attnum != 0 && get_rel_name(relid) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column number %d of table %s no longer exists",
							attnum, names_relation(relid))));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u no longer exists", relid)));
	}
	appendStringInfoString(buf, name ? name : "<dropped>");
	return p + length;
}

char *
names_render(const char *template, bool missing_ok)
{
	StringInfoData buf;
	const char *p = template;

	initStringInfo(&buf);
	while (*p)
	{
		if (*p != '%')
			appendStringInfoChar(&buf, *p++);
		else if (p[1] == '%')
		{
			appendStringInfoChar(&buf, '%');
			p += 2;
		}
		else if (p[1] == ';')
			p += 2;
		else if (begins_condition(p[1]))
			p = enter_or_skip(p + 1, missing_ok);
		else
			p = render_object(&buf, p + 1, missing_ok);
	}
	return buf.data;
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
