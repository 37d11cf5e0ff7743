/*-------------------------------------------------------------------------
 *
 * definition.h
 *		What hangs on a column as it is defined when it is moved.
 *
 * A template of an exchange names such an object by a token, which is written
 * out when the exchange is run or shown:
 *
 *		%D{kind,migration,table,attnum,direction,oid,length:name}
 *		%D{kind,migration,table,attnum,direction,oid,length:name,hash:statements}
 *
 * with an object of the catalog, by its own or its table's Oid, and a name of
 * that length; attnum is that of the migration's old column.  The second has what
 * it was before the exchange: a template, that is used while the object still is
 * what the exchange made of it, by its hash.
 *
 *-------------------------------------------------------------------------
 */
#ifndef ZDM_DEFINITION_H
#define ZDM_DEFINITION_H

#include "plan/column.h"

typedef enum DefinitionKind
{
	DEFINITION_TRIGGER_DROP,	/* oid: of its table; name */
	DEFINITION_TRIGGER_CREATE,
	DEFINITION_RULE_DROP,		/* the same */
	DEFINITION_RULE_CREATE,
	DEFINITION_POLICY,			/* the same */
	DEFINITION_GENERATED,		/* the same, of a virtual generated column */
	DEFINITION_PUBLICATION_DROP,	/* oid: of the publication */
	DEFINITION_PUBLICATION_ADD,
	DEFINITION_FUNCTION,		/* oid: its own */
	DEFINITION_VIEW_CREATE,		/* name: qualified and quoted */
	DEFINITION_VIEW_REPLACE,	/* the same */
	DEFINITION_VIEW_OPTIONS,	/* the same */
	DEFINITION_VIEW_PROPERTIES	/* the same; all else that it has */
#define DEFINITION_LAST DEFINITION_VIEW_PROPERTIES
} DefinitionKind;

/*
 * A token for an object of "old", on the way "forward" or back: statements that
 * drop it, make it again or alter it in place.  Nothing if it is no longer there,
 * or if it is about the column that is to be in charge already and not about the
 * one that was.
 */
extern char *definition_template(const MigrationPlan *plan, const Column *old, bool forward,
								 DefinitionKind kind, Oid oid, const char *name);

/* At load: has names_render() know these tokens.  They need a transaction. */
extern void definition_init(void);

/* Statements that a template makes an object of the catalog again with. */
typedef struct DefinitionTrees
{
	char	   *sql;			/* them */
	List	   *trees;			/* what is in them, as it is resolved there now (char *) */
} DefinitionTrees;

/* Those of a template, %V{} among them (list of DefinitionTrees *). */
extern List *definition_trees(const char *template);

/*
 * Before an exchange that changes the type: what the objects of its "undo" are
 * now (list of char *).  After it: the template that goes back to exactly that,
 * with each object that nobody has changed in between.
 */
extern List *definition_before(const char *undo);
extern char *definition_remember(const char *undo, List *before);

/*
 * The template of a way back, for who reads it before the way there: each object
 * as it is now.  "before" and "after", if not NULL, are statements that stand
 * around what makes it.
 */
extern char *definition_as_now(const char *undo, const char *before, const char *after);

#endif							/* ZDM_DEFINITION_H */
