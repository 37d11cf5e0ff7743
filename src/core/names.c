/*-------------------------------------------------------------------------
 *
 * names.c
 *		All quoting of identifiers, and statement templates.
 *
 * One file formats names, so that one file needs reading to know that no SQL
 * is ever built from an unquoted one.
 *
 * The rule for templates: there is one escape and one tokenizer, a stored text is
 * read once from its beginning to its end, and what a token stands for is rendered
 * by itself before it is put in.  So no name, comment or definition, whatever is
 * in it, is ever taken for a token, nor reaches beyond the one that it stands in.
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
#include "miscadmin.h"
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
		if (*p == '%' || *p == '}')
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

pg_noreturn static void malformed(const char *p);

static void
malformed(const char *p)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("malformed statement template at \"%.20s\"", p)));
}

/* Reads what stands up to a closing brace, or to the next token, and takes the escape off. */
static const char *
read_plain(const char *p, bool in_braces, StringInfo buf)
{
	for (; *p && !(in_braces && *p == '}'); p++)
	{
		if (*p == '%')
		{
			if (p[1] != '%' && p[1] != '}')
				break;
			p++;
		}
		appendStringInfoChar(buf, *p);
	}
	return p;
}

bool
names_next(const char **template, NamesToken *token)
{
	const char *p = *template;
	StringInfoData content;

	if (*p == '\0')
		return false;
	initStringInfo(&content);
	token->text = p;
	token->kind = NAMES_PLAIN;
	if (*p != '%' || p[1] == '%' || p[1] == '}')
		p = read_plain(p, false, &content);
	else if (p[1] == NAMES_END)
	{
		token->kind = NAMES_END;
		p += 2;
	}
	else
	{
		token->kind = p[1];
		if (p[1] == '\0' || p[2] != '{')
			malformed(p);
		p = read_plain(p + 3, true, &content);
		if (*p != '}')
			malformed(token->text);
		p++;
	}
	token->content = content.data;
	token->length = p - token->text;
	*template = p;
	return true;
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

/* Reads a token's content, all of it: an Oid and, with "second", another number. */
static bool
read_numbers(const NamesToken *token, const char *format, Oid *first, void *second)
{
	int			length = 0;
	int			n = second ? sscanf(token->content, format, first, second, &length) :
		sscanf(token->content, format, first, &length);

	return n == (second ? 2 : 1) && length > 0 && token->content[length] == '\0';
}

static bool
is_condition(const NamesToken *token)
{
	return token->kind == '?' || token->kind == '!' || token->kind == '=';
}

static bool
condition_holds(const NamesToken *token)
{
	Oid			relid;
	Oid			root;
	int			length = 0;

	if (token->kind == '?' && read_numbers(token, "%u%n", &relid, NULL))
		return get_rel_name(relid) != NULL;
	/* one whose detaching has begun has no ancestors any more */
	if (token->kind == '?' && read_numbers(token, "%u.%u%n", &relid, &root))
		return list_member_oid(get_partition_ancestors(relid), root);
	if (token->kind == '!' && read_numbers(token, "%u%n", &relid, NULL))
		return get_rel_relispartition(relid) && PartitionHasPendingDetach(relid);
	if (token->kind == '=' && sscanf(token->content, "%u,%n", &relid, &length) == 1 && length > 0)
		return all_have_constraint(relid, token->content + length);
	malformed(token->text);
}

/*
 * A view by its name, as one that is dropped and made again has another OID; and
 * whoever may or may not look into its schema, as who only reads a plan must not
 * be stopped by what it names.
 */
static Oid
find_view(const char *name)
{
	RangeVar   *view = makeRangeVarFromNameList(zdm_name_list(name));
	Oid			schema = view->schemaname ? get_namespace_oid(view->schemaname, true) : InvalidOid;
	Oid			relid = OidIsValid(schema) ? get_relname_relid(view->relname, schema) : InvalidOid;
	char		relkind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	return relkind == RELKIND_VIEW || relkind == RELKIND_MATVIEW ? relid : InvalidOid;
}

/* The definition of the view of that name; NULL if there is none. */
static char *
view_definition(const char *name)
{
	LOCAL_FCINFO(fcinfo, 1);
	int			nestlevel = NewGUCNestLevel();
	Datum		definition;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = ObjectIdGetDatum(find_view(name));
	fcinfo->args[0].isnull = false;
	identity_pin_reading();
	/* null for one that is not there, or that somebody drops just now */
	definition = pg_get_viewdef(fcinfo);
	AtEOXact_GUC(false, nestlevel);
	if (fcinfo->isnull)
		return NULL;
	/* it ends with a semicolon */
	return pnstrdup(TextDatumGetCString(definition), strlen(TextDatumGetCString(definition)) - 1);
}

/* What a token names today, NULL if it is gone. */
static char *
token_name(const NamesToken *token, bool missing_ok)
{
	Oid			relid;
	int			attnum;

	switch (token->kind)
	{
		case 'V':
			return view_definition(token->content);
		case 'R':
			if (read_numbers(token, "%u%n", &relid, NULL))
				return names_relation(relid);
			break;
		case 'A':
			if (read_numbers(token, "%u.%d%n", &relid, &attnum))
				return names_attribute(relid, (AttrNumber) attnum);
			break;
		case 'N':
			if (read_numbers(token, "%u%n", &relid, NULL))
				return names_schema(relid);
			break;
		case 'T':
			if (read_numbers(token, "%u%n", &relid, NULL))
				return names_sync_trigger(relid, missing_ok);
			break;
	}
	malformed(token->text);
}

pg_noreturn static void raise_missing(const NamesToken *token);

static void
raise_missing(const NamesToken *token)
{
	Oid			relid = (Oid) strtoul(token->content, NULL, 10);
	const char *dot = strchr(token->content, '.');

	if (token->kind == 'V')
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a view any more", token->content)));
	if (dot != NULL && get_rel_name(relid) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column number %s of table %s no longer exists",
						dot + 1, names_relation(relid))));
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_TABLE),
			 errmsg("relation with OID %u no longer exists", relid)));
}

/* What other rooms write out; see names_set_expander(). */
static struct
{
	char		kind;
	NamesExpander expand;
}			expanders[4];

void
names_set_expander(char kind, NamesExpander expand)
{
	for (int i = 0; i < lengthof(expanders); i++)
	{
		if (expanders[i].expand != NULL && expanders[i].kind != kind)
			continue;
		expanders[i].kind = kind;
		expanders[i].expand = expand;
		return;
	}
	elog(ERROR, "no room for an expander of %%%c", kind);
}

static char *
expand_token(const NamesToken *token)
{
	for (int i = 0; i < lengthof(expanders); i++)
	{
		if (expanders[i].expand != NULL && expanders[i].kind == token->kind)
			return expanders[i].expand(token);
	}
	return NULL;
}

static void
render_token(StringInfo buf, const NamesToken *token, bool missing_ok)
{
	char	   *expanded = expand_token(token);
	char	   *name;

	if (expanded != NULL)
	{
		appendStringInfoString(buf, names_render(expanded, missing_ok));
		return;
	}
	name = token_name(token, missing_ok);
	if (name == NULL && !missing_ok)
		raise_missing(token);
	appendStringInfoString(buf, name ? name : "<dropped>");
}

char *
names_render(const char *template, bool missing_ok)
{
	StringInfoData buf;
	NamesToken	token;
	int			skipped = 0;	/* conditions that we are in, the outermost not holding */

	check_stack_depth();
	initStringInfo(&buf);
	while (names_next(&template, &token))
	{
		if (token.kind == NAMES_END)
			skipped = Max(skipped - 1, 0);
		else if (is_condition(&token))
		{
			/* who only wants to read it gets it all */
			if (skipped > 0 || (!missing_ok && !condition_holds(&token)))
				skipped++;
		}
		else if (skipped > 0)
			continue;
		else if (token.kind == NAMES_PLAIN)
			appendStringInfoString(&buf, token.content);
		else
			render_token(&buf, &token, missing_ok);
	}
	return buf.data;
}

char *
names_replace_attribute(const char *template, Oid relid, AttrNumber from, AttrNumber to)
{
	StringInfoData buf;
	NamesToken	token;
	char	   *wanted = psprintf("%u.%d", relid, from);

	initStringInfo(&buf);
	while (names_next(&template, &token))
	{
		if (token.kind == 'A' && strcmp(token.content, wanted) == 0)
			appendStringInfoString(&buf, names_template_attribute(relid, to));
		else
			appendBinaryStringInfo(&buf, token.text, token.length);
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
