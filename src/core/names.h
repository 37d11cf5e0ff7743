/*-------------------------------------------------------------------------
 *
 * names.h
 *		All quoting of identifiers, and statement templates.
 *
 * A step's SQL is stored as a template, because a table can be renamed or
 * moved between the day a plan is written and the day a step runs:
 *
 *		%R{oid}			the relation, schema-qualified and quoted
 *		%A{oid.attnum}	the attribute's present name, quoted
 *		%N{oid}			the relation's schema, quoted
 *		%T{oid}			the name that the relation's sync trigger has, or, if
 *						there is none yet, that it is to have, quoted
 *		%V{name}		the definition that the view of that qualified, quoted name
 *						has at the time
 *		%?{oid}...%;	what is between, if that relation exists
 *		%?{oid.root}...%;	the same, if it is a partition of root at any level
 *		%!{oid}...%;	what is between, if that partition's detaching was broken off
 *		%={oid,name}...%;	the same, if the relation and its partitions at any level all
 *						have a constraint of that quoted name
 *		%D{...}			see plan/definition.h
 *		%<{id} %>{id}	see plan/other_end.h
 *		%% %}			a percent sign, a closing brace
 *
 * Everything else stands for itself.  In the braces of a token all but their end
 * does, with the same escape.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_NAMES_H
#define ZDM_NAMES_H

#include "access/attnum.h"
#include "lib/stringinfo.h"

/*
 * The relation's schema-qualified, quoted name; NULL if it does not exist.
 * Needs a transaction.
 */
extern char *names_relation(Oid relid);

/* The attribute's quoted name; NULL if there is none or it is dropped. */
extern char *names_attribute(Oid relid, AttrNumber attnum);

/*
 * The quoted name of the relation's sync trigger, as it is or is to be; NULL
 * if the relation does not exist or, with missing_ok, if no name is left for one
 * (otherwise the error of trigger_name_choose()).
 */
extern char *names_sync_trigger(Oid relid, bool missing_ok);

/* "text" with a % before every % and }, for use in a template and in a token's braces. */
extern char *names_escape(const char *text);

/*
 * Append to a template: printf's %s %d %u %% are for the caller's own
 * arguments, which must be templates or escaped already.
 */
extern char *names_template_relation(Oid relid);
extern char *names_template_attribute(Oid relid, AttrNumber attnum);

/* The index called "name" (unquoted) of a relation, wherever that is moved to. */
extern char *names_template_index(Oid relid, const char *name);
extern char *names_template_sync_trigger(Oid relid);
extern char *names_template_view(const char *name); /* a template itself */

/*
 * The statement, itself a template, if the relation exists when it is run; to
 * who only reads it, it is shown in any case.
 */
extern char *names_template_if(Oid relid, const char *statement);

/* The same, if the relation is a partition of "root", at any level. */
extern char *names_template_if_partition(Oid relid, Oid root, const char *statement);

/* The same, if it is a partition whose DETACH CONCURRENTLY has not come to its end. */
extern char *names_template_if_detaching(Oid relid, const char *statement);

/* The same, if the relation and its partitions all have a constraint called "name" (unquoted). */
extern char *names_template_if_all_have(Oid relid, const char *name, const char *statement);

/* One token of a template, or the plain text before the next one. */
typedef struct NamesToken
{
	char		kind;			/* the letter behind the percent sign, or one of these */
#define NAMES_PLAIN '\0'
#define NAMES_END ';'			/* of a condition */
	char	   *content;		/* plain text, or what is in the braces, without the escape */
	const char *text;			/* as it stands in the template */
	size_t		length;			/* of that */
} NamesToken;

/*
 * Reads what comes next in a template and moves behind it; false at its end.
 * Nothing else reads templates.  ERRCODE_DATA_CORRUPTED for what is none.
 */
extern bool names_next(const char **template, NamesToken *token);

/*
 * Have tokens of a kind written out by another room: what it returns is a
 * template itself.  At load.
 */
typedef char *(*NamesExpander) (const NamesToken *token);
extern void names_set_expander(char kind, NamesExpander expand);

/*
 * A template's SQL with the names of today.  If an object is gone: raises
 * ERRCODE_UNDEFINED_OBJECT, or with missing_ok writes "<dropped>" for it, and
 * leaves no condition's statement out.  With missing_ok nothing that is in the
 * catalog, and no right that the caller lacks, is an error.
 */
extern char *names_render(const char *template, bool missing_ok);

/* The template with every %A{relid.from} made %A{relid.to}. */
extern char *names_replace_attribute(const char *template, Oid relid, AttrNumber from, AttrNumber to);

/*
 * Makes "base" followed by "suffix" no longer than a name may be, cutting base
 * at a character boundary; a hash of the whole takes the place of what is cut.
 */
extern char *names_make(const char *base, const char *suffix);

#endif							/* ZDM_NAMES_H */
